//! What died, and what became of it since.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// What died.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterKind {
    /// A record that cannot become jobs.
    Event,
    /// A job that cannot be done.
    Job,
}

impl LetterKind {
    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Event => "event",
            Self::Job => "job",
        }
    }
}

impl fmt::Display for LetterKind {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for LetterKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Event, Self::Job].into_iter().find(|kind| kind.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is neither event nor job"))
    }
}

/// As the table has it.
impl TryFrom<String> for LetterKind {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

/// What became of a letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LetterStatus {
    /// Nobody has done anything about it.
    Dead,
    /// A redrive was begun; if it was cut off, the next one ends it.
    Redriving,
    /// It went back to its queue, or through its routes.
    Redriven,
    /// Somebody decided that it is not needed.
    Discarded,
}

impl LetterStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dead, Self::Redriving, Self::Redriven, Self::Discarded];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Redriving => "redriving",
            Self::Redriven => "redriven",
            Self::Discarded => "discarded",
        }
    }

    /// Whether something is still to be done.
    pub fn is_open(self) -> bool {
        matches!(self, Self::Dead | Self::Redriving)
    }
}

impl fmt::Display for LetterStatus {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for LetterStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|status| status.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no state of a letter; there are {}", known()))
    }
}

/// As the table has it.
impl TryFrom<String> for LetterStatus {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}
