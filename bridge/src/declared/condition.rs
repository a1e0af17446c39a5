//! Conditions on an event: `$.total > 100`, `$.country in ['DE', 'AT']`, `$.coupon exists`.

use std::{cmp::Ordering, fmt};

use serde_json::{Number, Value};

use super::Path;

/// Something that holds of an event, or does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition {
    text: String,
    path: Path,
    test: Test,
    /// Whether it is to be otherwise.
    not: bool,
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Exists,
    In(Vec<Value>),
    /// Compared with the literal it is one of these.
    Is(&'static [Ordering], Value),
}

/// The longer of two that begin alike comes first.
const OPERATORS: [(&str, &[Ordering]); 6] = [
    ("==", &[Ordering::Equal]),
    ("!=", &[Ordering::Equal]),
    ("<=", &[Ordering::Less, Ordering::Equal]),
    (">=", &[Ordering::Greater, Ordering::Equal]),
    ("<", &[Ordering::Less]),
    (">", &[Ordering::Greater]),
];

impl Condition {
    /// Reads a condition. The error says what would be right.
    pub fn parse(text: &str) -> Result<Self, String> {
        let (path, rest) = Path::begin(text.trim())?;
        let (mut not, mut rest) = (false, rest.trim_start());
        if let Some(after) = word(rest, "not") {
            (not, rest) = (true, after);
        }
        let test = if let Some(after) = word(rest, "exists") {
            nothing_after(after)?;
            Test::Exists
        } else if let Some(after) = word(rest, "in") {
            Test::In(list(after)?)
        } else {
            let operator = OPERATORS.iter().find_map(|(name, is)| Some((*name, *is, rest.strip_prefix(name)?)));
            let (name, is, after) = operator.filter(|_| !not).ok_or_else(|| {
                format!(
                    "after {} one of ==, !=, <, <=, >, >=, in, not in, exists, not exists is expected, found `{rest}`",
                    path.as_str()
                )
            })?;
            not = name == "!=";
            let (value, after) = literal(after.trim_start())?;
            nothing_after(after)?;
            Test::Is(is, value)
        };
        Ok(Self { text: text.trim().to_owned(), path, test, not })
    }

    /// Whether it holds of an event. What is not there, or of another type than the literal, is not equal to it and
    /// neither less nor greater.
    pub fn holds(&self, event: &Value) -> bool {
        let found = self.path.get(event);
        let is = |literal: &Value, orders: &[Ordering]| {
            compare(found.unwrap_or(&Value::Null), literal).is_some_and(|order| orders.contains(&order))
        };
        let holds = match &self.test {
            Test::Exists => found.is_some(),
            Test::In(values) => values.iter().any(|value| is(value, &[Ordering::Equal])),
            Test::Is(orders, value) => is(value, orders),
        };
        holds != self.not
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

fn compare(found: &Value, literal: &Value) -> Option<Ordering> {
    match (found, literal) {
        (Value::Number(found), Value::Number(literal)) => compare_numbers(found, literal),
        (Value::String(found), Value::String(literal)) => Some(found.cmp(literal)),
        _ => (found == literal).then_some(Ordering::Equal),
    }
}

/// Whole numbers as such: an id of 19 digits is no float.
fn compare_numbers(one: &Number, other: &Number) -> Option<Ordering> {
    match (one.as_i128(), other.as_i128()) {
        (Some(one), Some(other)) => Some(one.cmp(&other)),
        _ => one.as_f64()?.partial_cmp(&other.as_f64()?),
    }
}

/// What comes after a word, if the text begins with it.
fn word<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let rest = text.strip_prefix(word)?;
    (!rest.starts_with(|c: char| c.is_alphanumeric())).then(|| rest.trim_start())
}

fn nothing_after(rest: &str) -> Result<(), String> {
    if rest.trim().is_empty() {
        return Ok(());
    }
    Err(format!("`{}` is too much; several conditions are items of `when`, and all must hold", rest.trim()))
}

/// `['DE', 'AT']`
fn list(text: &str) -> Result<Vec<Value>, String> {
    let expected = || format!("after `in` a list such as ['DE', 'AT'] is expected, found `{text}`");
    let mut rest = text.strip_prefix('[').ok_or_else(expected)?.trim_start();
    let mut values = Vec::new();
    while !rest.starts_with(']') {
        let (value, after) = literal(rest)?;
        values.push(value);
        let after = after.trim_start();
        rest = match after.strip_prefix(',') {
            Some(after) => after.trim_start(),
            None if after.starts_with(']') => after,
            None => return Err(expected()),
        };
    }
    nothing_after(&rest[1..])?;
    Ok(values)
}

/// A text in quotes, a number, true, false or null; and what comes after it.
fn literal(text: &str) -> Result<(Value, &str), String> {
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let (literal, rest) = text[1..].split_once(quote).ok_or_else(|| format!("{text} has no quote at its end"))?;
        return Ok((literal.into(), rest));
    }
    let end = text.find([',', ']', ' ']).unwrap_or(text.len());
    let (word, rest) = text.split_at(end);
    // Of what else is JSON nothing is one word.
    let value = serde_json::from_str::<Value>(word).ok().filter(|value| !value.is_array() && !value.is_object());
    let value =
        value.ok_or_else(|| format!("a number, a text in quotes, true, false or null is expected, found `{word}`"))?;
    Ok((value, rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn conditions_hold_or_do_not() {
        let event = json!({
            "total": 150, "rate": 0.5, "country": "DE", "vip": true, "none": null, "id": 9_007_199_254_740_993_u64,
            "items": [{ "sku": "a" }],
        });
        for (condition, holds) in [
            ("$.total > 100", true),
            ("$.total>100", true),
            ("$.total > 150", false),
            ("$.total >= 150", true),
            ("$.total <= 149.5", false),
            ("$.rate < 1", true),
            ("$.country == 'DE'", true),
            ("$.country == \"AT\"", false),
            ("$.country != 'AT'", true),
            ("$.country < 'E'", true),
            ("$.country in ['AT', 'DE']", true),
            ("$.country in []", false),
            ("$.country not in ['AT']", true),
            ("$.vip == true", true),
            ("$.vip exists", true),
            ("$.none exists", false),
            ("$.none == null", true),
            ("$.gone not exists", true),
            ("$.gone == null", true),
            ("$.gone != 'x'", true),
            ("$.gone > 0", false),
            ("$.gone < 0", false),
            ("$.country > 3", false),
            ("$.items[0].sku == 'a'", true),
            // As floats these two would be one.
            ("$.id == 9007199254740993", true),
            ("$.id == 9007199254740992", false),
        ] {
            assert_eq!(Condition::parse(condition).unwrap().holds(&event), holds, "{condition}");
        }
    }

    #[test]
    fn what_is_no_condition_is_refused_with_a_reason() {
        for (text, told) in [
            ("total > 100", "begins with `$`"),
            ("$.total", "one of ==, !="),
            ("$.total = 100", "one of ==, !="),
            ("$.total not > 100", "one of ==, !="),
            ("$.total > ", "a number, a text in quotes"),
            ("$.country == DE", "a number, a text in quotes, true, false or null is expected, found `DE`"),
            ("$.country == 'DE", "no quote at its end"),
            ("$.country in 'DE'", "a list such as"),
            ("$.country in ['DE' 'AT']", "a list such as"),
            ("$.country in ['DE'", "a list such as"),
            ("$.a > 1 and $.b > 2", "several conditions are items of `when`"),
            ("$.a exists or not", "several conditions"),
            ("$.a inside", "one of ==, !="),
        ] {
            let error = Condition::parse(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
