//! A time on the command line: so long ago, or a point in time.

use chrono::{DateTime, NaiveDate, Utc};

use super::super::trace::{ago, now};

/// `2h` or `1day` ago, `2026-03-01T12:00:00Z`, or a day in UTC: `2026-03-01`.
pub(super) fn read(text: &str) -> Result<DateTime<Utc>, String> {
    if let Ok(time) = humantime::parse_duration(text) {
        return Ok(ago(now(), time));
    }
    if let Ok(time) = DateTime::parse_from_rfc3339(text) {
        return Ok(time.into());
    }
    let day = text.parse::<NaiveDate>().ok().and_then(|day| day.and_hms_opt(0, 0, 0));
    day.map(|midnight| midnight.and_utc())
        .ok_or_else(|| format!("`{text}` is no time such as 2h (ago), 2026-03-01T12:00:00Z or 2026-03-01 (UTC)"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_ago_or_a_point() {
        assert_eq!(read("2026-03-01T12:00:00+01:00").unwrap().to_rfc3339(), "2026-03-01T11:00:00+00:00");
        assert_eq!(read("2026-03-01").unwrap().to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert!(read("2h").unwrap() < now());
        assert!(read("yesterday").unwrap_err().contains("is no time such as"));
    }
}
