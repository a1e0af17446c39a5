//! Kinds: what a setting takes, which its default shows. `like` is that default.

use toml::Value;

/// Whether a value from the file may take the default's place. What is in a list, the section's type judges.
pub(super) fn takes(like: &Value, value: &Value) -> bool {
    like.same_type(value) || matches!((like, value), (Value::Float(_), Value::Integer(_)))
}

/// The value that a text from the environment stands for.
pub(super) fn parse(like: &Value, text: &str) -> Option<Value> {
    let trimmed = text.trim();
    Some(match like {
        // One way to write it, so that two variables that mean the same agree.
        Value::String(_) if is_duration(like) => match humantime::parse_duration(trimmed) {
            Ok(span) => humantime::format_duration(span).to_string().into(),
            Err(_) => text.into(),
        },
        // Spaces may belong to a text (a password), but not to a number.
        Value::String(_) => text.into(),
        // Deployments write switches in all of these ways.
        Value::Boolean(_) => match trimmed.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => true.into(),
            "false" | "0" | "no" | "off" => false.into(),
            _ => return None,
        },
        Value::Integer(_) => trimmed.parse::<i64>().ok()?.into(),
        Value::Float(_) => trimmed.parse::<f64>().ok()?.into(),
        Value::Array(items) => {
            let text = Value::from("");
            let like = items.first().unwrap_or(&text);
            let items = trimmed.split(',').map(str::trim).filter(|item| !item.is_empty());
            items.map(|item| parse(like, item)).collect::<Option<Vec<_>>>()?.into()
        }
        Value::Table(_) | Value::Datetime(_) => return None,
    })
}

/// Durations are texts. No other default of ours can be read as one.
pub(super) fn is_duration(like: &Value) -> bool {
    like.as_str().is_some_and(|text| humantime::parse_duration(text).is_ok())
}

/// What a setting takes, to follow "expected".
pub(super) fn expected(like: &Value) -> &'static str {
    match like {
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "a whole number",
        Value::Float(_) => "a number",
        Value::String(_) if is_duration(like) => r#"a duration such as "500ms", "30s", "5m" or "7days""#,
        Value::String(_) => "a text in quotes",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_from_the_environment_becomes_a_value_like_the_default() {
        for (like, text, value) in [
            (Value::from(1), " 7 ", Some(Value::from(7))),
            (Value::from(1), "many", None),
            (Value::from(true), "No", Some(Value::from(false))),
            (Value::from(true), "", None),
            (Value::from(1.0), "0.5", Some(Value::from(0.5))),
            (Value::from("a"), " a, b ", Some(Value::from(" a, b "))),
            (Value::from(vec![1]), "1, 2,,3", Some(Value::from(vec![1, 2, 3]))),
            (Value::from(vec![1]), "1,x", None),
            (Value::Array(vec![]), "1,x", Some(Value::from(vec!["1", "x"]))),
            (Value::Array(vec![]), "", Some(Value::Array(vec![]))),
        ] {
            assert_eq!(parse(&like, text), value, "{text:?} for {like}");
        }
    }
}
