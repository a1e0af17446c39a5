//! Record headers as Kafka has them: a list, with duplicates, an order, and null values.

use std::borrow::Cow;

use bytes::Bytes;
use rdkafka::message::{Header, OwnedHeaders};

/// The headers of a record.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Headers(Vec<(Cow<'static, str>, Option<Bytes>)>);

impl Headers {
    /// No headers.
    pub fn new() -> Self {
        Self::default()
    }

    /// The last value of that name which is text; `None` if absent, null, or not UTF-8.
    pub fn text(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().rev().find(|(key, _)| key == name)?;
        std::str::from_utf8(value.as_deref()?).ok()
    }

    /// Adds one at the end.
    pub fn push(&mut self, name: impl Into<Cow<'static, str>>, value: impl Into<Bytes>) {
        self.0.push((name.into(), Some(value.into())));
    }

    /// Adds one at the end if there is a value.
    pub fn push_some(&mut self, name: &'static str, value: Option<&str>) {
        if let Some(value) = value {
            self.push(name, value.to_owned());
        }
    }

    /// Puts one in the place of those of its name.
    pub(crate) fn set(&mut self, name: &'static str, value: impl Into<Bytes>) {
        self.0.retain(|(key, _)| key != name);
        self.push(name, value);
    }

    /// Adds one whose value may be null.
    pub fn push_raw(&mut self, name: impl Into<Cow<'static, str>>, value: Option<Bytes>) {
        self.0.push((name.into(), value));
    }

    /// Every name and value, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&str, Option<&Bytes>)> {
        self.0.iter().map(|(name, value)| (name.as_ref(), value.as_ref()))
    }

    /// Bytes of all names and values.
    pub fn size(&self) -> usize {
        self.0.iter().map(|(name, value)| name.len() + value.as_ref().map_or(0, Bytes::len)).sum()
    }

    /// Headers by what the client has of them; `keep` copies a value.
    pub(crate) fn keep<'a>(
        headers: impl IntoIterator<Item = (&'a str, Option<&'a [u8]>)>,
        mut keep: impl FnMut(&[u8]) -> Bytes,
    ) -> Self {
        Self(headers.into_iter().map(|(name, value)| (kept(name), value.map(&mut keep))).collect())
    }

    pub(crate) fn to_kafka(&self) -> OwnedHeaders {
        self.0.iter().fold(OwnedHeaders::new_with_capacity(self.0.len()), |headers, (key, value)| {
            headers.insert(Header { key: key.as_ref(), value: value.as_deref() })
        })
    }
}

/// Names that nearly every record has, and that need no copy.
const USUAL: [&str; 12] = [
    "ce_specversion",
    "ce_id",
    "ce_source",
    "ce_type",
    "ce_time",
    "ce_dataversion",
    "ce_subject",
    "ce_correlationid",
    "ce_causationid",
    "content-type",
    "traceparent",
    "tracestate",
];

fn kept(name: &str) -> Cow<'static, str> {
    match USUAL.iter().find(|usual| **usual == name) {
        Some(usual) => Cow::Borrowed(usual),
        None => Cow::Owned(name.to_owned()),
    }
}

impl<'a> FromIterator<(&'a str, &'a str)> for Headers {
    fn from_iter<I: IntoIterator<Item = (&'a str, &'a str)>>(pairs: I) -> Self {
        Self(
            pairs
                .into_iter()
                .map(|(name, value)| (Cow::Owned(name.to_owned()), Some(Bytes::copy_from_slice(value.as_bytes()))))
                .collect(),
        )
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::message::Headers as _;

    use super::*;

    #[test]
    fn duplicates_order_and_nulls_survive() {
        let mut headers = Headers::new();
        headers.push("a", "1");
        headers.push_raw("b", None);
        headers.push("a", "2");
        let sent = headers.to_kafka();
        let sent = sent.iter().map(|header| (header.key, header.value));
        let again = Headers::keep(sent, Bytes::copy_from_slice);
        assert_eq!(again, headers);
        assert_eq!(again.text("a"), Some("2"));
        assert_eq!(again.text("b"), None);
        assert_eq!(again.size(), 5);
    }
}
