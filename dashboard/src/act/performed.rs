//! What came of an action.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Action;

/// What was done.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Performed {
    /// Its entry in the audit.
    pub id: String,
    /// In words.
    pub text: String,
    /// To how many jobs or letters, where it is done to some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u64>,
    /// To how many that run and are told to stop.
    #[serde(skip_serializing_if = "is_zero")]
    pub stopping: u64,
    /// How many had moved on meanwhile.
    #[serde(skip_serializing_if = "is_zero")]
    pub missed: u64,
    /// What it was not done to, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// How many of what, where there is more to count.
    #[serde(flatten)]
    pub figures: BTreeMap<&'static str, u64>,
    /// The job that it made, if it made one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job: Option<String>,
    /// What undoes it, if anything does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub undo: Option<Action>,
}

impl Performed {
    pub(super) fn new(text: String) -> Self {
        Self {
            id: String::new(),
            text,
            count: None,
            stopping: 0,
            missed: 0,
            refused: Vec::new(),
            figures: BTreeMap::new(),
            job: None,
            undo: None,
        }
    }

    pub(super) fn undone_by(self, action: Action) -> Self {
        Self { undo: Some(action), ..self }
    }
}

/// What would be done.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Preview {
    /// In words.
    pub text: String,
    /// To how many jobs or letters, where it is done to some.
    pub count: Option<u64>,
    /// Whether there may be more: not all were counted.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_more: bool,
    /// Whether somebody has to be sure first.
    pub asks: bool,
    /// What they should know by then.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub warning: Option<String>,
    /// What would come of it, where that is known before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub outcome: Option<String>,
    /// What it would not be done to, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub refused: Vec<String>,
    /// How many of what, where there is more to count.
    #[serde(flatten)]
    pub figures: BTreeMap<&'static str, u64>,
}

impl Preview {
    /// Of an action that is done to one thing, or is not counted.
    pub(super) fn of(action: &Action) -> Self {
        Self { text: action.sentence(), asks: action.asks(), ..Self::default() }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}
