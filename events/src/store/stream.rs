//! What a stream is called.

use std::{fmt, str::FromStr};

use super::StoreError;

/// A stream of events: all that ever happened to one thing. Written `account-17`: what kind of thing it is, and which one.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct StreamId {
    name: String,
    /// Where the id begins.
    id: usize,
}

impl StreamId {
    /// The thing of that kind with that id. The kind has no `-`; neither is empty.
    pub fn new(category: &str, id: &str) -> Result<Self, StoreError> {
        let name = format!("{category}-{id}");
        // PostgreSQL takes no NUL in a text.
        if category.is_empty() || id.is_empty() || category.contains('-') || name.contains('\0') {
            return Err(StoreError::BadStream(name));
        }
        Ok(Self { name, id: category.len() + 1 })
    }

    /// What kind of thing it is.
    pub fn category(&self) -> &str {
        &self.name[..self.id - 1]
    }

    /// Which one it is; the key of its records on Kafka.
    pub fn id(&self) -> &str {
        &self.name[self.id..]
    }

    /// Both, as it is written.
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl FromStr for StreamId {
    type Err = StoreError;

    fn from_str(name: &str) -> Result<Self, StoreError> {
        let (category, id) = name.split_once('-').ok_or_else(|| StoreError::BadStream(name.to_owned()))?;
        Self::new(category, id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_may_have_dashes_and_a_category_may_not() {
        let stream: StreamId = "account-0192-f0".parse().unwrap();
        assert_eq!(
            (stream.category(), stream.id(), stream.to_string()),
            ("account", "0192-f0", "account-0192-f0".into())
        );
        assert_eq!(stream, StreamId::new("account", "0192-f0").unwrap());
        for bad in ["account", "-17", "account-", "", "a-\0"] {
            assert!(bad.parse::<StreamId>().is_err(), "{bad}");
        }
        assert!(StreamId::new("bank-account", "17").is_err());
    }
}
