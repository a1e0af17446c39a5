//! Times as people say them.

use std::time::Duration;

use chrono::{DateTime, NaiveDate, Utc};
use millgate_dashboard::see::When;
pub(super) use millgate_dashboard::see::moment::{from_now, point, span};

use super::trace::now;

/// A time that somebody typed: `2h` or `1day` ago, `2026-03-01T12:00:00Z`, or a day in UTC, `2026-03-01`.
pub(super) fn when(text: &str) -> Result<When, String> {
    let day = || text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|midnight| When::At(midnight.and_utc()));
    text.parse().ok().or_else(day).ok_or_else(|| {
        format!("`{text}` is neither a time, as 2026-03-01T12:00:00Z or 2026-03-01 (UTC), nor how long ago, as 2h")
    })
}

/// The same, if it is now.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    when(text).map(|when| when.before(now()))
}

/// How long something takes or is kept.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is no length of time; one is a number with its unit: 30m, 12h, 7days, 13months"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_ago_or_a_point() {
        assert_eq!(time("2026-03-01T12:00:00+01:00").unwrap().to_rfc3339(), "2026-03-01T11:00:00+00:00");
        assert_eq!(time("2026-03-01").unwrap().to_rfc3339(), "2026-03-01T00:00:00+00:00");
        assert!(time("2h").unwrap() < now());
        assert_eq!(when("1day"), Ok(When::Ago(Duration::from_hours(24))));
        for wrong in ["yesterday", "2026-03-32", "2", ""] {
            assert!(
                when(wrong).unwrap_err().starts_with(&format!("`{wrong}` is neither a time, as 2026-03-01")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_is_no_length_of_time_is_told_with_how_one_is_written() {
        assert_eq!(duration("13months").unwrap(), humantime::parse_duration("13months").unwrap());
        let told = duration("moons").unwrap_err();
        assert!(told.contains("`moons` is no length of time") && told.contains("13months"), "{told}");
    }
}
