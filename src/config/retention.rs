//! For how long a topic's records are kept.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// What a text that is no retention is told to be, behind the text.
pub(crate) const NO_RETENTION: &str = "is no retention";

/// Nobody means less.
const LEAST: Duration = Duration::from_secs(1);

/// For how long a topic's records are kept: a time, as `30 days` or `12h`, or `forever`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retention {
    /// At least so long.
    For(Duration),
    /// They are never removed for their age.
    Forever,
}

impl Retention {
    /// The time; `None` is forever.
    pub fn time(self) -> Option<Duration> {
        match self {
            Self::For(time) => Some(time),
            Self::Forever => None,
        }
    }
}

impl<'de> Deserialize<'de> for Retention {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        if text == "forever" {
            return Ok(Self::Forever);
        }
        let time = humantime::parse_duration(&text).ok().filter(|time| *time >= LEAST);
        time.map(Self::For).ok_or_else(|| {
            D::Error::custom(format!(
                "`{text}` {NO_RETENTION}; it is a time like 30 days or 12h (1s or more), or forever"
            ))
        })
    }
}

impl Serialize for Retention {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::For(time) => serializer.collect_str(&humantime::format_duration(*time)),
            Self::Forever => serializer.serialize_str("forever"),
        }
    }
}
