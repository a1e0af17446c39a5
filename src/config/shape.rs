//! Shapes: what a setting takes, so that a text from the environment becomes the right value and a
//! wrong value is refused in words a person understands.

use std::time::Duration;

use toml::Value;

/// What a setting takes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Shape {
    /// `true` or `false`.
    Switch,
    /// A whole number.
    Whole {
        /// The smallest its type can hold.
        min: i64,
        /// The largest.
        max: i64,
    },
    /// Any number.
    Number,
    /// A text.
    Text,
    /// A text such as `30s`.
    Span,
    /// One word of a few.
    Words(Vec<String>),
    /// Any number of one shape.
    List(Box<Shape>),
    /// Settings with names.
    Table {
        /// The names that are known, as declared.
        fields: Vec<(String, Shape)>,
        /// What any other name takes; `None` if there are no others.
        other: Option<Box<Shape>>,
    },
    /// Whatever the type makes of it.
    Any,
}

/// How an environment variable may give a duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BareNumber {
    /// Only with its unit.
    Refused,
    /// Without a unit it is in milliseconds.
    Milliseconds,
}

impl Shape {
    /// The shape that `value` has of itself.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::String(_) => Self::Text,
            Value::Integer(_) => Self::Whole {
                min: i64::MIN,
                max: i64::MAX,
            },
            Value::Float(_) => Self::Number,
            Value::Boolean(_) => Self::Switch,
            Value::Array(_) => Self::List(Box::new(Self::Any)),
            Value::Table(_) | Value::Datetime(_) => Self::Any,
        }
    }

    /// Whether a value from the file is of this shape.
    pub(super) fn takes(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Any, _)
            | (Self::Switch, Value::Boolean(_))
            | (Self::Number, Value::Integer(_) | Value::Float(_))
            | (Self::Text, Value::String(_))
            // A variant with fields, or an item of a list. Their fields are the type's own affair.
            | (Self::Words(_) | Self::Table { .. }, Value::Table(_)) => true,
            (Self::Whole { min, max }, Value::Integer(number)) => (min..=max).contains(&number),
            (Self::Span, Value::String(text)) => span(text).is_some(),
            (Self::Words(words), Value::String(text)) => words.contains(text),
            (Self::List(item), Value::Array(values)) => {
                values.iter().all(|value| item.takes(value))
            }
            _ => false,
        }
    }

    /// The value that a text from the environment stands for, if it is of this shape.
    pub(super) fn parse(&self, text: &str, bare: BareNumber) -> Option<Value> {
        let trimmed = text.trim();
        let value = match self {
            // Spaces may belong to a text (a password), but not to a number.
            Self::Text => Value::from(text),
            Self::Switch => Value::from(switch(trimmed)?),
            Self::Whole { .. } => Value::from(trimmed.parse::<i64>().ok()?),
            Self::Number => Value::from(trimmed.parse::<f64>().ok()?),
            Self::Span => match trimmed.parse::<u64>() {
                Ok(millis) if bare == BareNumber::Milliseconds => {
                    let span = Duration::from_millis(millis);
                    Value::from(humantime::format_duration(span).to_string())
                }
                _ => Value::from(trimmed),
            },
            Self::Words(_) => Value::from(trimmed),
            Self::List(item) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(|text| item.parse(text, bare))
                .collect::<Option<Vec<_>>>()?
                .into(),
            Self::Table { .. } => return None,
            Self::Any => scalar(text),
        };
        self.takes(&value).then_some(value)
    }

    /// Whether two values of this shape mean the same: `60s` is `1m`.
    pub(super) fn same(&self, a: &Value, b: &Value) -> bool {
        match (self, a, b) {
            (Self::Span, Value::String(a), Value::String(b)) => span(a) == span(b),
            _ => a == b,
        }
    }

    /// What it takes, to follow "expected". `found` is what it got instead, for a closer word.
    pub(super) fn expected(&self, found: Option<&Value>) -> String {
        match self {
            Self::Switch => "true or false".to_owned(),
            Self::Whole { min, max } => match found {
                Some(Value::Integer(_)) => format!("a whole number from {min} to {max}"),
                _ => "a whole number".to_owned(),
            },
            Self::Number => "a number".to_owned(),
            Self::Text => "a text in quotes".to_owned(),
            Self::Span => r#"a duration such as "500ms", "30s", "5m" or "7days""#.to_owned(),
            Self::Words(words) => format!("one of {}", words.join(", ")),
            Self::List(item) => match item.plural() {
                Some(items) => format!("a list of {items}"),
                None => "a list".to_owned(),
            },
            Self::Table { .. } => "a table".to_owned(),
            Self::Any => "a value".to_owned(),
        }
    }

    fn plural(&self) -> Option<&'static str> {
        match self {
            Self::Switch => Some("true or false"),
            Self::Whole { .. } => Some("whole numbers"),
            Self::Number => Some("numbers"),
            Self::Text => Some("texts"),
            Self::Span => Some("durations"),
            Self::Table { .. } => Some("tables"),
            Self::Words(_) | Self::List(_) | Self::Any => None,
        }
    }
}

fn span(text: &str) -> Option<Duration> {
    humantime::parse_duration(text).ok()
}

/// Deployments write switches in all of these ways.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "1" | "yes" | "on" => Some(true),
        "false" | "0" | "no" | "off" => Some(false),
        _ => None,
    }
}

/// For a type that says nothing of itself: a switch or a number if it looks like one, else a text.
fn scalar(text: &str) -> Value {
    let trimmed = text.trim();
    if let Ok(switch) = trimmed.parse::<bool>() {
        Value::from(switch)
    } else if let Ok(number) = trimmed.parse::<i64>() {
        Value::from(number)
    } else if let Ok(number) = trimmed.parse::<f64>() {
        Value::from(number)
    } else {
        Value::from(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTE: Shape = Shape::Whole { min: 0, max: 255 };

    fn parse(shape: &Shape, text: &str) -> Option<Value> {
        shape.parse(text, BareNumber::Refused)
    }

    #[test]
    fn text_from_the_environment_becomes_a_value() {
        assert_eq!(parse(&BYTE, " 7 "), Some(Value::from(7)));
        assert_eq!(parse(&BYTE, "256"), None);
        assert_eq!(parse(&BYTE, "many"), None);
        assert_eq!(parse(&Shape::Switch, "Yes"), Some(Value::from(true)));
        assert_eq!(parse(&Shape::Switch, "0"), Some(Value::from(false)));
        assert_eq!(parse(&Shape::Switch, ""), None);
        assert_eq!(parse(&Shape::Number, "0.5"), Some(Value::from(0.5)));
        assert_eq!(parse(&Shape::Text, " a, b "), Some(Value::from(" a, b ")));
        assert_eq!(parse(&Shape::Any, "3"), Some(Value::from(3)));
        assert_eq!(parse(&Shape::Any, "x"), Some(Value::from("x")));
    }

    #[test]
    fn a_list_is_separated_by_commas() {
        let list = Shape::List(Box::new(BYTE));
        assert_eq!(parse(&list, "1, 2,,3"), Some(Value::from(vec![1, 2, 3])));
        assert_eq!(parse(&list, ""), Some(Value::Array(vec![])));
        assert_eq!(parse(&list, "1,x"), None);
        assert_eq!(list.expected(None), "a list of whole numbers");
    }

    #[test]
    fn a_bare_number_is_a_duration_only_where_allowed() {
        let span = Shape::Span;
        assert_eq!(parse(&span, "30s"), Some(Value::from("30s")));
        assert_eq!(parse(&span, "30"), None);
        assert_eq!(
            span.parse("1500", BareNumber::Milliseconds),
            Some(Value::from("1s 500ms"))
        );
        assert!(span.same(&Value::from("60s"), &Value::from("1m")));
        assert!(!span.same(&Value::from("60s"), &Value::from("2m")));
    }

    #[test]
    fn the_range_is_told_only_to_numbers() {
        assert_eq!(BYTE.expected(None), "a whole number");
        assert_eq!(
            BYTE.expected(Some(&Value::from(256))),
            "a whole number from 0 to 255"
        );
    }
}
