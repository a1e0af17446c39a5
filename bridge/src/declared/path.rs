//! Paths into an event: `$.order.items[0].sku`.
//!
//! A path is a singular query of RFC 9535 (JSONPath), which is what a field of a job can be filled from: one value, or
//! none. What gives lists (`..`, `*`, slices, filters) is not there.

use serde_json::Value;

/// A path to at most one value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Path {
    text: String,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Step {
    Name(String),
    /// A place in a list; below zero it counts from the end.
    Place(i64),
}

impl Path {
    /// Reads a path that a text begins with, and gives the rest of the text.
    pub(super) fn begin(text: &str) -> Result<(Self, &str), String> {
        let mut rest = text.strip_prefix('$').ok_or_else(|| format!("a path begins with `$`, found `{text}`"))?;
        let mut steps = Vec::new();
        loop {
            let (step, after) = match rest.as_bytes() {
                [b'.', ..] => name(&rest[1..])?,
                [b'[', ..] => bracket(&rest[1..])?,
                _ => break,
            };
            steps.push(step);
            rest = after;
        }
        let text = text[..text.len() - rest.len()].to_owned();
        Ok((Self { text, steps }, rest))
    }

    /// What is there. A null counts as nothing: producers write it for what they do not have.
    pub fn get<'a>(&self, event: &'a Value) -> Option<&'a Value> {
        let found = self.steps.iter().try_fold(event, |value, step| match step {
            Step::Name(name) => value.get(name),
            Step::Place(place) => {
                let list = value.as_array()?;
                let place = if *place < 0 { place.checked_add_unsigned(list.len() as u64)? } else { *place };
                list.get(usize::try_from(place).ok()?)
            }
        });
        found.filter(|value| !value.is_null())
    }

    /// As it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// `name` after a dot.
fn name(text: &str) -> Result<(Step, &str), String> {
    let is_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let end = text.find(|c| !is_name(c)).unwrap_or(text.len());
    if end == 0 {
        return Err(format!("a name is missing after `.`, before `{text}`; other than letters it stands in ['…']"));
    }
    Ok((Step::Name(text[..end].to_owned()), &text[end..]))
}

/// `0]` or `'name']` after a bracket.
fn bracket(text: &str) -> Result<(Step, &str), String> {
    let unclosed = || format!("`[` without its `]`, before `{text}`");
    if let Some(quote) = text.chars().next().filter(|c| matches!(c, '\'' | '"')) {
        let (name, rest) = text[1..].split_once(quote).ok_or_else(unclosed)?;
        return Ok((Step::Name(name.to_owned()), rest.strip_prefix(']').ok_or_else(unclosed)?));
    }
    let (place, rest) = text.split_once(']').ok_or_else(unclosed)?;
    let place = place.trim().parse().map_err(|_| {
        format!("in `[…]` stands a place in a list or a name in quotes, found `{place}`; lists of values are not read")
    })?;
    Ok((Step::Place(place), rest))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(text: &str) -> Path {
        let (path, rest) = Path::begin(text).unwrap();
        assert_eq!(rest, "");
        path
    }

    #[test]
    fn a_path_gives_one_value_or_none() {
        let event = json!({ "a": { "b": [1, { "c-d": "x" }] }, "odd name": true, "none": null });
        for (path, value) in [
            ("$", Some(event.clone())),
            ("$.a.b[0]", Some(json!(1))),
            ("$.a.b[-1].c-d", Some(json!("x"))),
            ("$['odd name']", Some(json!(true))),
            (r#"$["a"]['b'][1]"#, Some(json!({ "c-d": "x" }))),
            ("$.a.b[2]", None),
            ("$.a.b[-3]", None),
            ("$.a.x.y", None),
            ("$.none", None),
        ] {
            assert_eq!(read(path).get(&event), value.as_ref(), "{path}");
        }
    }

    #[test]
    fn what_is_no_path_is_refused_with_a_reason() {
        for (text, told) in [
            ("a.b", "begins with `$`"),
            ("$.", "a name is missing"),
            ("$..a", "a name is missing"),
            ("$.*", "a name is missing"),
            ("$.a[", "without its `]`"),
            ("$['a", "without its `]`"),
            ("$['a'", "without its `]`"),
            ("$[*]", "lists of values are not read"),
            ("$[1:2]", "lists of values are not read"),
        ] {
            let error = Path::begin(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }

    #[test]
    fn what_follows_a_path_is_left() {
        let (path, rest) = Path::begin("$.a[0] > 3").unwrap();
        assert_eq!((path.as_str(), rest), ("$.a[0]", " > 3"));
    }
}
