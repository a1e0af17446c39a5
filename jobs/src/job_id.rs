//! What a queue calls a job.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

use crate::new_job::from_millis;

/// A job's id in its queue: 12 to 14 letters and digits. Ids sort by when jobs were enqueued.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JobId {
    text: [u8; 14],
    length: u8,
}

/// What is no job's id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no job's id; one has 12 to 14 letters and digits, as `millgate jobs list` shows them")]
pub struct NoJobId(pub String);

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

impl JobId {
    /// That of no job.
    pub(crate) const NONE: Self = Self { text: *b"00000000000000", length: 14 };

    /// The id of a job in a block.
    pub(crate) fn in_block(block: &str, place: usize) -> Option<Self> {
        let block = block.as_bytes();
        if block.len() != 12 || place >= 36 * 36 {
            return None;
        }
        let mut text = [0; 14];
        text[..11].copy_from_slice(&block[..11]);
        text[11] = DIGITS[place / 36];
        text[12] = DIGITS[place % 36];
        text[13] = block[11];
        Some(Self { text, length: 14 })
    }

    /// The block that it was enqueued in, if it was in one, and its place there.
    pub(crate) fn place(&self) -> Option<(String, usize)> {
        let text = self.as_str();
        let place = usize::from_str_radix(text.get(11..13)?, 36).ok().filter(|_| text.len() == 14)?;
        Some((format!("{}{}", &text[..11], &text[13..]), place))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        // Only letters and digits get in.
        std::str::from_utf8(&self.text[..usize::from(self.length)]).unwrap_or_default()
    }

    /// The job's priority: 0 runs first, 9 last.
    pub(crate) fn priority(&self) -> u8 {
        match self.text[usize::from(self.length) - 1] {
            digit @ b'0'..=b'9' => digit - b'0',
            letter => letter.saturating_sub(b'a'),
        }
    }

    /// When it was enqueued, by the clock of Redis.
    pub fn enqueued_at(&self) -> DateTime<Utc> {
        from_millis(self.born())
    }

    /// When it was enqueued: milliseconds since 1970, by the clock of Redis.
    pub(crate) fn born(&self) -> i64 {
        i64::from_str_radix(&self.as_str()[..9], 36).unwrap_or_default()
    }
}

impl FromStr for JobId {
    type Err = NoJobId;

    fn from_str(text: &str) -> Result<Self, NoJobId> {
        let bytes = text.as_bytes();
        if !(12..=14).contains(&bytes.len()) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(NoJobId(text.to_owned()));
        }
        let mut id = Self { text: [0; 14], length: 0 };
        id.text[..bytes.len()].copy_from_slice(bytes);
        // At most 14.
        id.length = u8::try_from(bytes.len()).unwrap_or_default();
        Ok(id)
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl fmt::Debug for JobId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

impl Serialize for JobId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for JobId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}
