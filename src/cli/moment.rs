//! Times as people say them.

use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// `2026-03-01T12:00:00Z`.
pub(super) fn point(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `in 2m 3s`, or `2m 3s ago`.
pub(super) fn from_now(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (time - now).to_std() {
        Ok(ahead) => format!("in {}", span(ahead)),
        Err(_) => format!("{} ago", span((now - time).to_std().unwrap_or_default())),
    }
}

/// `2m 3s`: the two largest parts, as more would not be read; below a second in milliseconds.
pub(super) fn span(time: Duration) -> String {
    let whole = if time < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or_default())
    } else {
        Duration::from_secs(time.as_secs())
    };
    humantime::format_duration(whole).to_string().split(' ').take(2).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_told_by_its_two_largest_parts() {
        assert_eq!(span(Duration::from_millis(40)), "40ms");
        assert_eq!(span(Duration::from_millis(3_661_900)), "1h 1m");
        let now = DateTime::UNIX_EPOCH;
        assert_eq!(from_now(now + Duration::from_secs(62), now), "in 1m 2s");
        assert_eq!(from_now(now, now + Duration::from_secs(5)), "5s ago");
    }
}
