//! Values that are filled in from an event: `$.order_id`, `order {$.order_id} came`, or what stands there as it is.

use std::fmt;

use serde_json::{Map, Value};

use super::Path;

/// A value with places that an event fills in.
#[derive(Debug, Clone, PartialEq)]
pub enum Template {
    /// The same for all events.
    Literal(Value),
    /// What lies at a path, whatever it is.
    Path(Place),
    /// A text with values in it.
    Text(Vec<Piece>),
    /// Each by itself.
    List(Vec<Template>),
    /// Each by itself.
    Table(Vec<(String, Template)>),
}

/// A path, and whether there must be something.
#[derive(Debug, Clone, PartialEq)]
pub struct Place {
    path: Path,
    optional: bool,
}

/// A piece of a text.
#[derive(Debug, Clone, PartialEq)]
pub enum Piece {
    /// As it is.
    Words(String),
    /// From the event.
    Place(Place),
}

/// Why an event does not fill a template in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unfilled {
    /// There is nothing.
    #[error("{0}, which this event does not have; `{0}?` says that it may be missing")]
    Missing(String),
    /// A list or an object in the middle of a text.
    #[error("a text, a number, true or false at {0}, and this event has a list or an object there")]
    NoText(String),
}

impl Template {
    /// Reads what is written; texts anywhere in it are looked at. The error says what would be right.
    pub fn parse(value: &Value) -> Result<Self, String> {
        Ok(match value {
            Value::String(text) => Self::parse_text(text)?,
            Value::Array(items) => Self::List(items.iter().map(Self::parse).collect::<Result<_, _>>()?),
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| Ok((name.clone(), Self::parse(value)?)));
                Self::Table(fields.collect::<Result<_, String>>()?)
            }
            other => Self::Literal(other.clone()),
        })
    }

    /// Reads a text. One that begins with `$.` or `$[` is a path.
    pub fn parse_text(text: &str) -> Result<Self, String> {
        if text == "$" || text.starts_with("$.") || text.starts_with("$[") {
            let (place, rest) = Place::begin(text)?;
            if !rest.is_empty() {
                return Err(format!("`{rest}` is too much after a path; in a text a path stands in braces: {{$.a}}"));
            }
            return Ok(Self::Path(place));
        }
        let (mut pieces, mut rest) = (Vec::new(), text);
        while let Some((words, _)) = rest.split_once("{$") {
            let (place, after) = Place::begin(&rest[words.len() + 1..])?;
            rest = after.strip_prefix('}').ok_or_else(|| format!("`{{$` without its `}}`, before `{after}`"))?;
            pieces.extend([Piece::Words(words.to_owned()), Piece::Place(place)]);
        }
        if pieces.is_empty() {
            return Ok(Self::Literal(text.into()));
        }
        pieces.push(Piece::Words(rest.to_owned()));
        Ok(Self::Text(pieces))
    }

    /// The value for an event; nothing, if it is a path that may lead nowhere, and does.
    pub fn fill(&self, event: &Value) -> Result<Option<Value>, Unfilled> {
        Ok(Some(match self {
            Self::Literal(value) => value.clone(),
            Self::Path(place) => return Ok(place.get(event)?.cloned()),
            Self::Text(pieces) => {
                let mut text = String::new();
                for piece in pieces {
                    match piece {
                        Piece::Words(words) => text.push_str(words),
                        Piece::Place(place) => text.push_str(&place.text(event)?.unwrap_or_default()),
                    }
                }
                text.into()
            }
            // In a list a place that is empty would shift the others.
            Self::List(items) => {
                let items = items.iter().map(|item| Ok(item.fill(event)?.unwrap_or_default()));
                Value::Array(items.collect::<Result<_, Unfilled>>()?)
            }
            Self::Table(fields) => {
                let mut table = Map::new();
                for (name, field) in fields {
                    if let Some(value) = field.fill(event)? {
                        table.insert(name.clone(), value);
                    }
                }
                table.into()
            }
        }))
    }

    /// The same as text, for a key.
    pub fn fill_text(&self, event: &Value) -> Result<Option<String>, Unfilled> {
        match self {
            Self::Path(place) => place.text(event),
            other => Ok(other.fill(event)?.as_ref().and_then(text_of)),
        }
    }
}

/// As it was written, if it is a text; else as JSON without what is in it.
impl fmt::Display for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(Value::String(text)) => f.write_str(text),
            Self::Literal(value) => write!(f, "{value}"),
            Self::Path(place) => write!(f, "{place}"),
            Self::Text(pieces) => pieces.iter().try_for_each(|piece| match piece {
                Piece::Words(words) => f.write_str(words),
                Piece::Place(place) => write!(f, "{{{place}}}"),
            }),
            Self::List(_) => f.write_str("[…]"),
            Self::Table(_) => f.write_str("{…}"),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.path.as_str(), if self.optional { "?" } else { "" })
    }
}

impl Place {
    fn begin(text: &str) -> Result<(Self, &str), String> {
        let (path, rest) = Path::begin(text)?;
        Ok(match rest.strip_prefix('?') {
            Some(rest) => (Self { path, optional: true }, rest),
            None => (Self { path, optional: false }, rest),
        })
    }

    fn get<'a>(&self, event: &'a Value) -> Result<Option<&'a Value>, Unfilled> {
        match self.path.get(event) {
            None if !self.optional => Err(Unfilled::Missing(self.path.as_str().to_owned())),
            found => Ok(found),
        }
    }

    fn text(&self, event: &Value) -> Result<Option<String>, Unfilled> {
        let Some(found) = self.get(event)? else { return Ok(None) };
        text_of(found).map(Some).ok_or_else(|| Unfilled::NoText(self.path.as_str().to_owned()))
    }
}

fn text_of(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Bool(switch) => Some(switch.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_template_is_filled_in_with_values_of_their_own_type() {
        let event = json!({ "id": 7, "name": "Ada", "items": [{ "sku": "tea" }], "vip": true });
        let template = Template::parse(&json!({
            "order": "$.id", "first": "$.items[0]", "text": "{$.name} has {$.id}{$.gone?}!", "price": "$5 {a}",
            "list": ["$.vip", 3, "$.gone?"], "gone": "$.gone?", "all": { "event": "$.items" }, "n": null,
        }));
        let filled = template.unwrap().fill(&event).unwrap().unwrap();
        let expected = json!({
            "order": 7, "first": { "sku": "tea" }, "text": "Ada has 7!", "price": "$5 {a}",
            "list": [true, 3, null], "all": { "event": [{ "sku": "tea" }] }, "n": null,
        });
        assert_eq!(filled, expected);
        let whole = Template::parse_text("$").unwrap();
        assert_eq!(whole.fill(&event).unwrap(), Some(event.clone()));
        let key = Template::parse_text("{$.id}-{$.vip}").unwrap();
        assert_eq!(key.fill_text(&event).unwrap().as_deref(), Some("7-true"));
        assert_eq!(key.to_string(), "{$.id}-{$.vip}");
        assert_eq!(Template::parse_text("$.gone?").unwrap().fill_text(&event).unwrap(), None);
    }

    #[test]
    fn what_an_event_does_not_have_is_named() {
        let event = json!({ "items": [], "none": null });
        for (text, unfilled) in [
            ("$.id", Unfilled::Missing("$.id".into())),
            ("$.none", Unfilled::Missing("$.none".into())),
            ("order {$.id}", Unfilled::Missing("$.id".into())),
            ("order {$.items}", Unfilled::NoText("$.items".into())),
        ] {
            assert_eq!(Template::parse_text(text).unwrap().fill_text(&event), Err(unfilled), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused_with_a_reason() {
        for (text, told) in
            [("$.a b", "stands in braces"), ("x {$.a", "without its `}`"), ("x {$.}", "a name is missing")]
        {
            let error = Template::parse_text(text).unwrap_err();
            assert!(error.contains(told), "{text}: {error}");
        }
    }
}
