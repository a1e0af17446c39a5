//! What records and jobs carry, as people read it.

use millgate_events::{SchemaRegistry, readable};
use serde_json::{Value, json};

use super::Mask;

/// What the bytes of an event of that type, or of a job of that kind, say: JSON as far as it may be shown, other text as a
/// text, and anything else as `{"hex": …}`. Of a value in Confluent's wire format that nobody has read: which schema it is of.
pub fn payload(of: &str, bytes: &[u8], mask: Mask<'_>) -> Value {
    match serde_json::from_slice(bytes) {
        Ok(json) => mask(of, json),
        Err(_) => match SchemaRegistry::schema_of(bytes) {
            // Its bytes would show what is hidden of its JSON.
            Some(schema) => json!({ "schema": schema, "bytes": bytes.len() }),
            None => readable(bytes),
        },
    }
}

/// Over several lines, as a page shows it.
pub fn in_lines(payload: &Value) -> String {
    match payload {
        Value::String(text) => text.clone(),
        value => format!("{value:#}"),
    }
}

/// In one line of at most so many characters.
pub fn in_line(payload: &Value, most: usize) -> String {
    let whole = match payload {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut line: String = whole.chars().take(most).map(|c| if c.is_control() { ' ' } else { c }).collect();
    if line.len() < whole.len() {
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_shown_as_far_as_it_may_be_and_text_and_bytes_as_such() {
        let of = |bytes: &[u8]| payload("x", bytes, &|of, value| serde_json::json!({ "of": of, "is": value }));
        assert_eq!(of(b"[1]"), serde_json::json!({ "of": "x", "is": [1] }));
        assert_eq!((of(b"plain text"), &of(&[0xff, 0x00])["hex"]), ("plain text".into(), &"ff00".into()));
        assert_eq!(of(b"\0\0\0\0\x11{\"pin\":1}"), serde_json::json!({ "schema": 17, "bytes": 14 }), "nothing of it");
        assert_eq!(in_lines(&serde_json::json!({ "a": 1 })), "{\n  \"a\": 1\n}");
        assert_eq!(
            (in_line(&serde_json::json!({ "a": 1 }), 4), in_line(&"a\nb".into(), 4)),
            ("{\"a\"…".into(), "a b".into())
        );
    }
}
