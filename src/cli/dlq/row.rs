//! A letter as commands show it.

use chrono::{DateTime, Utc};
use millgate_events::{LetterKind, StoredLetter, readable};
use serde_json::Value;

use crate::cli::moment::from_now;

/// Longer messages are cut in a list.
const MESSAGE: usize = 60;

/// What died, in a word: the event's type, or the job's kind.
pub(super) fn what(letter: &StoredLetter) -> &str {
    let what = match letter.kind {
        LetterKind::Event => &letter.event_type,
        LetterKind::Job => &letter.job_kind,
    };
    what.as_deref().unwrap_or("?")
}

/// One line of a list.
pub(super) fn line(letter: &StoredLetter, now: DateTime<Utc>) -> String {
    let cut: String = letter.message.lines().next().unwrap_or_default().chars().take(MESSAGE).collect();
    let more = if cut.len() < letter.message.len() { "…" } else { "" };
    format!(
        "{}  {:<5}  {:<9}  {:<24}  {:<12}  {:<11}  {}: {cut}{more}",
        letter.id,
        letter.kind,
        letter.status,
        what(letter),
        letter.fingerprint,
        from_now(letter.failed_at, now),
        letter.code,
    )
}

/// The same for programs, with payloads, if they are there.
pub(super) fn json(letter: &StoredLetter) -> anyhow::Result<Value> {
    let mut value = serde_json::to_value(letter)?;
    let parts = [("key", &letter.key), ("payload", &letter.payload), ("edited", &letter.edited)];
    for (name, bytes) in parts {
        if let Some(bytes) = bytes {
            value[name] = bytes_as_json(bytes);
        }
    }
    Ok(value)
}

/// JSON as it is, other text as text, and anything else in hexadecimal digits.
fn bytes_as_json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_else(|_| readable(bytes))
}
