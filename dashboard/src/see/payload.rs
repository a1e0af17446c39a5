//! What records and jobs carry, as people read it.

use millgate_events::readable;
use serde::Serialize;
use serde_json::Value;

/// What a record or a job carries: JSON as it is, other text as a text, and anything else as `{"hex": …}`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Payload(Value);

impl Payload {
    /// What the bytes of an event of that type, or of a job of that kind, say. Whatever is shown of a payload comes by here.
    pub fn of(_what: Option<&str>, bytes: &[u8]) -> Self {
        Self(serde_json::from_slice(bytes).unwrap_or_else(|_| readable(bytes)))
    }

    /// As JSON.
    pub fn value(&self) -> &Value {
        &self.0
    }

    /// Over several lines, as a page shows it.
    pub fn text(&self) -> String {
        match &self.0 {
            Value::String(text) => text.clone(),
            value => format!("{value:#}"),
        }
    }

    /// In one line of at most so many characters.
    pub fn line(&self, most: usize) -> String {
        let whole = match &self.0 {
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let mut line: String = whole.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
        if line.len() < whole.len() {
            line.push('…');
        }
        line
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_shown_as_it_is_and_text_and_bytes_as_such() {
        let of = |bytes: &[u8]| Payload::of(None, bytes);
        assert_eq!(of(br#"{"a":1}"#).text(), "{\n  \"a\": 1\n}");
        assert_eq!((of(b"plain text").text(), of(b"\"quoted\"").text()), ("plain text".into(), "quoted".into()));
        assert_eq!(of(&[0xff, 0x00]).value()["hex"], "ff00");
        assert_eq!((of(br#"{"a":1}"#).line(4), of(b"a\nb").line(4)), ("{\"a\"…".into(), "a b".into()));
    }
}
