//! A letter as commands show it.

use chrono::{DateTime, Utc};
use millgate_dashboard::see::what_died;
use millgate_events::StoredLetter;

use crate::cli::moment::from_now;

/// Longer messages are cut in a list.
const MESSAGE: usize = 60;

/// One line of a list.
pub(super) fn line(letter: &StoredLetter, now: DateTime<Utc>) -> String {
    let cut: String = letter.message.lines().next().unwrap_or_default().chars().take(MESSAGE).collect();
    let more = if cut.len() < letter.message.len() { "…" } else { "" };
    format!(
        "{}  {:<5}  {:<9}  {:<24}  {:<12}  {:<11}  {}: {cut}{more}",
        letter.id,
        letter.kind,
        letter.status,
        what_died(letter),
        letter.fingerprint,
        from_now(letter.failed_at, now),
        letter.code,
    )
}
