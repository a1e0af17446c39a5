//! Hours in which nobody wants to hear from us.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Days, NaiveTime, TimeDelta, TimeZone, Timelike, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Longer than any clock was ever put forward by: Samoa left out a day.
const LONGEST_GAP: i32 = 25;

/// Hours of the day, written `22:00-08:00`; none at all as an empty text.
///
/// A reminder that comes due in them is put off to their end, without an attempt:
///
/// ```
/// # use millgate_workers::{JobError, QuietHours};
/// # fn check(quiet: QuietHours, now: chrono::DateTime<chrono::Utc>, zone: chrono_tz::Tz) -> Result<(), JobError> {
/// if let Some(end) = quiet.end(now, zone) {
///     return Err(JobError::snooze((end - now).to_std().unwrap_or_default()));
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct QuietHours(Option<(NaiveTime, NaiveTime)>);

impl QuietHours {
    /// None at all.
    pub const NONE: Self = Self(None);

    /// When they end, if it is quiet at `now` for somebody in `zone`.
    ///
    /// They go by the clock on the wall. An end that it leaves out when it is put forward is the first time after that;
    /// of an end that comes twice when it is put back it is the first that is still to come.
    pub fn end(&self, now: DateTime<Utc>, zone: Tz) -> Option<DateTime<Utc>> {
        let (from, to) = self.0?;
        let local = now.with_timezone(&zone).naive_local();
        let (today, time) = (local.date(), local.time());
        let over_midnight = to < from;
        let is_quiet = if over_midnight { time >= from || time < to } else { from <= time && time < to };
        if !is_quiet {
            return None;
        }
        let day = if over_midnight && time >= from { today.checked_add_days(Days::new(1))? } else { today };
        let end = day.and_time(to);
        let end = (0..LONGEST_GAP * 4).find_map(|quarters| {
            let end = zone.from_local_datetime(&end.checked_add_signed(TimeDelta::minutes(15 * i64::from(quarters)))?);
            let mut candidates = end.earliest().into_iter().chain(end.latest()).map(|end| end.with_timezone(&Utc));
            candidates.find(|end| *end > now)
        })?;
        // Where a day was left out, the next night may have begun by then.
        self.end(end, zone).or(Some(end))
    }
}

impl FromStr for QuietHours {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text.trim().is_empty() {
            return Ok(Self::NONE);
        }
        let time = |text: &str| NaiveTime::parse_from_str(text.trim(), "%H:%M").ok();
        let times = text.split_once('-').and_then(|(from, to)| Some((time(from)?, time(to)?)));
        match times {
            Some((from, to)) if from != to => Ok(Self(Some((from, to)))),
            Some(_) => Err(format!("quiet hours from {text} would never be, or always; leave them empty for never")),
            None => Err(format!("expected quiet hours such as \"22:00-08:00\", found {text:?}")),
        }
    }
}

impl fmt::Display for QuietHours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((from, to)) = self.0 else { return Ok(()) };
        write!(f, "{:02}:{:02}-{:02}:{:02}", from.hour(), from.minute(), to.hour(), to.minute())
    }
}

impl Serialize for QuietHours {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for QuietHours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(hours: &str, now: &str, zone: Tz) -> Option<String> {
        let now: DateTime<Utc> = now.parse().unwrap();
        let end = hours.parse::<QuietHours>().unwrap().end(now, zone)?;
        assert!(end > now, "{hours} {now} {end}");
        assert_eq!(hours.parse::<QuietHours>().unwrap().end(end, zone), None, "it is quiet still at {end}");
        Some(end.format("%m-%dT%H:%M").to_string())
    }

    #[test]
    fn they_go_by_the_clock_of_whom_it_is_about() {
        let (utc, vienna, tokyo) = (Tz::UTC, Tz::Europe__Vienna, Tz::Asia__Tokyo);
        for (hours, now, zone, expected) in [
            ("22:00-08:00", "2026-01-10T23:30:00Z", utc, Some("01-11T08:00")),
            ("22:00-08:00", "2026-01-10T07:59:59Z", utc, Some("01-10T08:00")),
            ("22:00-08:00", "2026-01-10T08:00:00Z", utc, None),
            ("22:00-08:00", "2026-01-10T21:59:59Z", utc, None),
            ("22:00-08:00", "2026-01-10T21:30:00Z", vienna, Some("01-11T07:00")),
            ("22:00-08:00", "2026-07-10T20:30:00Z", vienna, Some("07-11T06:00")),
            ("22:00-08:00", "2026-01-10T13:30:00Z", tokyo, Some("01-10T23:00")),
            ("22:00-08:00", "2026-12-31T22:30:00Z", utc, Some("01-01T08:00")),
            ("13:00-15:00", "2026-01-10T14:00:00Z", utc, Some("01-10T15:00")),
            ("13:00-15:00", "2026-01-10T23:00:00Z", utc, None),
            ("22:00-00:00", "2026-01-10T23:00:00Z", utc, Some("01-11T00:00")),
            ("", "2026-01-10T23:00:00Z", utc, None),
        ] {
            assert_eq!(end(hours, now, zone).as_deref(), expected, "{hours} {now} {zone}");
        }
    }

    #[test]
    fn a_night_in_which_the_clock_changes_ends_at_the_clock_s_own_hour() {
        let vienna = Tz::Europe__Vienna;
        // 29 March 2026: 02:00 is 03:00. 25 October: 03:00 is 02:00 once more.
        for (hours, now, expected) in [
            ("22:00-08:00", "2026-03-28T22:00:00Z", "03-29T06:00"),
            ("22:00-08:00", "2026-10-24T21:00:00Z", "10-25T07:00"),
            // The end is left out that night.
            ("22:00-02:30", "2026-03-28T22:00:00Z", "03-29T01:00"),
            // It comes twice: it is over at the first, and after that begins and ends once more.
            ("22:00-02:30", "2026-10-24T23:00:00Z", "10-25T00:30"),
            ("22:00-02:30", "2026-10-25T01:10:00Z", "10-25T01:30"),
        ] {
            assert_eq!(end(hours, now, vienna).as_deref(), Some(expected), "{hours} {now}");
        }
        // A whole day was left out: 30 December 2011.
        assert_eq!(end("22:00-08:00", "2011-12-30T09:00:00Z", Tz::Pacific__Apia).as_deref(), Some("12-30T18:00"));
    }

    #[test]
    fn they_are_written_as_they_are_read() {
        for text in ["22:00-08:00", ""] {
            assert_eq!(text.parse::<QuietHours>().unwrap().to_string(), text);
        }
        assert_eq!(" 9:00 - 9:30 ".parse::<QuietHours>().unwrap().to_string(), "09:00-09:30");
        for wrong in ["22-8", "22:00", "22:00-25:00", "22:00-22:00", "night"] {
            assert!(wrong.parse::<QuietHours>().is_err(), "{wrong}");
        }
    }
}
