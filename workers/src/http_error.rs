//! What an HTTP status that is no success says of a job.

use std::{fmt::Display, time::Duration};

use chrono::{DateTime, Utc};
use millgate_jobs::Failure;

use crate::JobError;

/// A server that asks for more waits no longer than this.
const LONGEST: Duration = Duration::from_hours(24);

impl JobError {
    /// What becomes of a job whose request was answered with this status: 5xx, 408, 425 and 429 are tried again, after
    /// `retry_after` (the header `Retry-After`, seconds or a date, a day at most) where there is one; anything else is
    /// dead. The code is `http_429`. `now` is what a date is counted from.
    pub fn http(status: u16, retry_after: Option<&str>, now: DateTime<Utc>, message: impl Display) -> Self {
        let failure = Failure::new(format_args!("http_{status}"), message);
        if matches!(status, 408 | 425 | 429 | 500..) {
            Self::Retry { after: retry_after.and_then(|text| pause(text, now)), failure }
        } else {
            Self::Dead { failure }
        }
    }
}

/// RFC 9110, 10.2.3.
fn pause(text: &str, now: DateTime<Utc>) -> Option<Duration> {
    let text = text.trim();
    let pause = match text.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => (DateTime::parse_from_rfc2822(text).ok()?.to_utc() - now).to_std().unwrap_or_default(),
    };
    Some(pause.min(LONGEST))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_says_whether_a_retry_can_help() {
        for status in [408, 425, 429, 500, 501, 502, 503, 504, 507, 599] {
            let error = JobError::http(status, None, DateTime::UNIX_EPOCH, "m");
            assert_eq!(error, JobError::retry_with(format!("http_{status}"), "m"));
        }
        for status in [301, 302, 304, 308, 400, 401, 402, 403, 404, 405, 409, 410, 413, 415, 422, 451] {
            let error = JobError::http(status, Some("7"), DateTime::UNIX_EPOCH, "m");
            assert_eq!(error, JobError::dead(format!("http_{status}"), "m"));
        }
    }

    #[test]
    fn the_server_says_when_to_come_again() {
        let now = DateTime::parse_from_rfc3339("2026-01-01T00:00:00Z").unwrap().to_utc();
        for (text, seconds) in [
            ("7", Some(7)),
            (" 120 ", Some(120)),
            ("Thu, 01 Jan 2026 00:01:30 GMT", Some(90)),
            ("Wed, 31 Dec 2025 00:00:00 GMT", Some(0)),
            ("999999999", Some(86_400)),
            ("Fri, 01 Jan 2027 00:00:00 GMT", Some(86_400)),
            ("soon", None),
            ("-1", None),
        ] {
            assert_eq!(pause(text, now), seconds.map(Duration::from_secs), "{text}");
            let JobError::Retry { after, .. } = JobError::http(503, Some(text), now, "m") else { panic!("{text}") };
            assert_eq!(after, seconds.map(Duration::from_secs), "{text}");
        }
    }
}
