//! Times as people say them, where there is only text.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, NaiveDate, NaiveDateTime, SecondsFormat, Utc};

/// `2026-03-01T12:00:00Z`.
pub fn point(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// `in 2m 3s`, or `2m 3s ago`.
pub fn from_now(time: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match (time - now).to_std() {
        Ok(ahead) => format!("in {}", span(ahead)),
        Err(_) => format!("{} ago", span((now - time).to_std().unwrap_or_default())),
    }
}

/// `2m 3s`: the two largest parts, as more would not be read; below a second in milliseconds.
pub fn span(time: Duration) -> String {
    let whole = if time < Duration::from_secs(1) {
        Duration::from_millis(u64::try_from(time.as_millis()).unwrap_or_default())
    } else {
        Duration::from_secs(time.as_secs())
    };
    humantime::format_duration(whole).to_string().split(' ').take(2).collect::<Vec<_>>().join(" ")
}

/// A point in time, or one so long ago: `2026-03-01T12:00:00Z`, a day in UTC, `2026-03-01`, or `2h`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum When {
    /// Then.
    At(DateTime<Utc>),
    /// So long ago.
    Ago(Duration),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = || DateTime::parse_from_rfc3339(text).ok().map(|time| Self::At(time.into()));
        let ago = || humantime::parse_duration(text).ok().map(Self::Ago);
        at().or_else(|| day(text).map(Self::At)).or_else(ago).ok_or_else(|| {
            format!("`{text}` is neither a time, as 2026-03-01T12:00:00Z or 2026-03-01 (UTC), nor how long ago, as 2h")
        })
    }
}

impl When {
    /// When that is, if it is now `now`.
    pub fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            // Longer ago than there is time is before all there is.
            Self::Ago(span) => chrono::Duration::from_std(span)
                .ok()
                .and_then(|span| now.checked_sub_signed(span))
                .unwrap_or(DateTime::UNIX_EPOCH),
        }
    }
}

/// A time that somebody typed: `2026-03-01T12:00:00Z`, the same without a zone, which is UTC, a day alone, `2h` for so long ago,
/// or `+2h` for so far ahead.
pub fn read(text: &str, now: DateTime<Utc>) -> Result<DateTime<Utc>, String> {
    let text = text.trim();
    let exact = || DateTime::parse_from_rfc3339(text).ok().map(|time| time.to_utc());
    let in_utc = || {
        let forms = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"];
        forms.iter().find_map(|form| NaiveDateTime::parse_from_str(text, form).ok()).map(|time| time.and_utc())
    };
    let day = || day(text);
    let away = || {
        let (ahead, span) = text.strip_prefix('+').map_or((false, text), |span| (true, span));
        let span = chrono::Duration::from_std(humantime::parse_duration(span).ok()?).ok()?;
        if ahead { now.checked_add_signed(span) } else { now.checked_sub_signed(span) }
    };
    exact().or_else(in_utc).or_else(day).or_else(away).ok_or_else(|| {
        format!(
            "`{text}` is neither a time, as 2026-03-01T12:00:00Z, nor how long ago, as 2h, nor how far ahead, as +2h"
        )
    })
}

/// The midnight with which a day, `2026-03-01`, begins in UTC.
pub(crate) fn day(text: &str) -> Option<DateTime<Utc>> {
    text.parse::<NaiveDate>().ok()?.and_hms_opt(0, 0, 0).map(|midnight| midnight.and_utc())
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

    #[test]
    fn a_time_is_ago_or_a_point() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let read = |text: &str| text.parse::<When>().map(|when| when.before(now).timestamp());
        assert_eq!(read("1970-01-01T01:00:00+01:00"), Ok(0));
        assert_eq!(read("1970-01-02"), Ok(86_400));
        assert_eq!(read("2h"), Ok(1_000_000 - 7_200));
        assert_eq!("1day".parse(), Ok(When::Ago(Duration::from_hours(24))));
        for wrong in ["yesterday", "2026-03-32", "2", ""] {
            assert!(
                read(wrong).unwrap_err().starts_with(&format!("`{wrong}` is neither a time, as 2026-03-01")),
                "{wrong}"
            );
        }
    }

    #[test]
    fn a_time_is_read_as_it_is_typed() {
        let now = DateTime::from_timestamp(1_000_000, 0).unwrap();
        let read = |text| read(text, now).map(|time| time.timestamp());
        assert_eq!(read("2h"), Ok(1_000_000 - 7_200));
        assert_eq!(read("+1m"), Ok(1_000_060));
        assert_eq!(read("1970-01-01T00:01"), Ok(60));
        assert_eq!(read("1970-01-02"), Ok(86_400));
        assert_eq!(read("1970-01-01T01:00:00+01:00"), Ok(0));
        assert!(read("soon").unwrap_err().contains("as 2h"));
    }
}
