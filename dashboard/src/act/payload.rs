//! Arguments that somebody typed.

use serde::{Deserialize, Deserializer, Serialize, de::Error};
use serde_json::Value;

/// Arguments of a job: JSON, or a text of it, as a form has it.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Payload(pub Value);

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match Value::deserialize(deserializer)? {
            Value::String(text) => serde_json::from_str(&text)
                .map(Self)
                .map_err(|error| D::Error::custom(format!("the arguments are no JSON: {error}"))),
            value => Ok(Self(value)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_json_or_the_text_of_it() {
        let read = |text: &str| serde_json::from_str::<Payload>(text);
        assert_eq!(read(r#"{"a":1}"#).unwrap(), read(r#""{\"a\":1}""#).unwrap());
        assert!(read(r#""{a}""#).unwrap_err().to_string().contains("the arguments are no JSON"));
    }
}
