//! One breaking change, in words.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

/// Which documents can no longer be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// Those of the old type, by the new one.
    Backward,
    /// Those of the new type, by the old one.
    Forward,
}

/// A breaking change of one place in a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// Where: `items[].sku`; empty is the document itself.
    pub at: String,
    /// Which documents can no longer be read for it.
    pub direction: Direction,
    /// What changed, and what that breaks.
    pub change: String,
}

impl fmt::Display for Change {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.at {
            "" => write!(out, "{}", self.change),
            at => write!(out, "{at}: {}", self.change),
        }
    }
}

/// A difference between what is written and what is read.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Difference {
    /// The reader requires a field that the writer may leave out, or does not know at all.
    Required {
        /// Whether the writer knows the field.
        known: bool,
    },
    /// The reader refuses fields that it does not know, and does not know this one.
    Refused,
    /// The types that are written, and those that are read.
    Type(String, String),
    /// A value that is written and not read.
    Value(Value),
    /// A limit: its keyword, what is written, what is read.
    Limit(&'static str, String, String),
    /// A keyword that is not judged by its meaning, and differs.
    Unjudged(String),
    /// Nothing at all is read here.
    Nothing,
}

impl Difference {
    pub(super) fn told(&self, direction: Direction) -> String {
        use Direction::{Backward, Forward};
        match (self, direction) {
            (Self::Required { known: false }, Backward) => "a required field is new; older documents lack it".into(),
            (Self::Required { known: true }, Backward) => {
                "the field is required now; older documents may lack it".into()
            }
            (Self::Required { known: false }, Forward) => "the field is gone; older readers require it".into(),
            (Self::Required { known: true }, Forward) => {
                "the field may be left out now; older readers require it".into()
            }
            (Self::Refused, Backward) => "the field is gone, and unknown fields are refused".into(),
            (Self::Refused, Forward) => "the field is new, and older readers refuse unknown fields".into(),
            (Self::Type(old, new), Backward) | (Self::Type(new, old), Forward) => {
                format!("the type went from {old} to {new}{}", unread(direction))
            }
            (Self::Value(value), Backward) => format!("the value {value} is gone; older documents may have it"),
            (Self::Value(value), Forward) => format!("the value {value} is new; older readers do not know it"),
            (Self::Limit(keyword, old, new), Backward) | (Self::Limit(keyword, new, old), Forward) => {
                format!("{keyword} went from {old} to {new}{}", unread(direction))
            }
            (Self::Unjudged(keyword), _) => {
                format!("`{keyword}` differs, and what that means for documents cannot be told")
            }
            (Self::Nothing, Backward) => "nothing is read here any more".into(),
            (Self::Nothing, Forward) => "older readers read nothing here".into(),
        }
    }
}

fn unread(direction: Direction) -> &'static str {
    match direction {
        Direction::Backward => "; older documents may not fit",
        Direction::Forward => "; newer documents may not fit older readers",
    }
}
