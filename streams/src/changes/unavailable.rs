//! Values that PostgreSQL did not send, since they lie beside the row (TOAST) and have not changed.
//!
//! Debezium puts something in their place that depends on the column's type:
//! <https://debezium.io/documentation/reference/stable/connectors/postgresql.html#postgresql-toasted-values>.

use serde_json::Value;

const PLACEHOLDER: &str = "__debezium_unavailable_value";
/// The same as bytes, in Base64 (also that for URLs) and in hexadecimal digits.
const AS_BASE64: &str = "X19kZWJleml1bV91bmF2YWlsYWJsZV92YWx1ZQ==";
const AS_HEX: &str = "5f5f646562657a69756d5f756e617661696c61626c655f76616c7565";
/// The same as an array of UUIDs has it: Java's name-based UUID of it.
const AS_UUID: &str = "b68a35a7-17ad-35b3-af2a-ae46edb4545a";

/// Whether this stands for a value that was not sent.
pub(super) fn is_unavailable(value: &Value) -> bool {
    match value {
        Value::String(text) => [PLACEHOLDER, AS_BASE64, AS_HEX].contains(&text.as_str()),
        Value::Array(items) => match items.as_slice() {
            [Value::String(text)] => [PLACEHOLDER, AS_UUID].contains(&text.as_str()),
            // Of numbers: the text's bytes.
            _ => {
                items.len() == PLACEHOLDER.len()
                    && items.iter().zip(PLACEHOLDER.bytes()).all(|(item, byte)| item == byte)
            }
        },
        Value::Object(fields) => fields.len() == 1 && fields.contains_key(PLACEHOLDER),
        _ => false,
    }
}
