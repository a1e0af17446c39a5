//! When: a cron expression on the wall clock of a time zone.

use chrono::{DateTime, LocalResult, NaiveDateTime, TimeZone, Utc};
use chrono_tz::{GapInfo, Tz};

use super::cron_expression::CronExpression;

/// A cron expression on the wall clock of a time zone.
///
/// Twice a year most clocks are moved, and some times are shown never or twice.
///
/// - An expression that names hours (`30 2 * * *`) fires once for each time: one that is never shown, at the first
///   instant after the gap; one that is shown twice, at the first.
/// - One that names every hour (`*/15 * * * *`) is about how often: it fires whenever the clock shows a time that it
///   names, so at every real quarter of an hour.
///
/// The `cron` crate by itself would leave out what is never shown, fire twice for what is shown twice, and then go back in
/// time; it is only asked about wall clocks that are never moved.
#[derive(Debug, Clone)]
pub(crate) struct Timing {
    pub(crate) expression: CronExpression,
    pub(crate) zone: Tz,
}

impl Timing {
    /// The first tick after `time`; `None` if there is none before the year 2101.
    pub(crate) fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let local = self.shown_at(time);
        let first_after = |local| self.instants(local).into_iter().flatten().find(|instant| *instant > time);
        let next = self.expression.times_after(local).find_map(first_after);
        match self.zone.from_local_datetime(&local) {
            // The clock will be put back, and show again what it has shown already: unless `next` comes before that.
            LocalResult::Ambiguous(first, second)
                if self.expression.is_every_hour()
                    && first == time
                    && !next.is_some_and(|next| next < second && self.shown_at(next) - local == next - time) =>
            {
                let mut shown =
                    self.expression.times_after(local - (second - first)).take_while(|shown| *shown <= local);
                next.into_iter().chain(shown.find_map(first_after)).min()
            }
            _ => next,
        }
    }

    /// What the wall clock shows.
    fn shown_at(&self, time: DateTime<Utc>) -> NaiveDateTime {
        time.with_timezone(&self.zone).naive_local()
    }

    /// The instants that a time of the wall clock stands for, in order.
    fn instants(&self, local: NaiveDateTime) -> [Option<DateTime<Utc>>; 2] {
        let every_hour = self.expression.is_every_hour();
        let instants = match self.zone.from_local_datetime(&local) {
            LocalResult::Single(instant) => [Some(instant), None],
            LocalResult::Ambiguous(first, second) => [Some(first), every_hour.then_some(second)],
            LocalResult::None if every_hour => [None, None],
            LocalResult::None => [GapInfo::new(&local, &self.zone).and_then(|gap| gap.end), None],
        };
        instants.map(|instant| instant.map(|instant| instant.to_utc()))
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, iter::successors};

    use chrono::{Duration, NaiveDate, Timelike};

    use super::*;

    fn timing(cron: &str, zone: &str) -> Timing {
        Timing { expression: cron.parse().unwrap(), zone: zone.parse().unwrap() }
    }

    fn utc(text: &str) -> DateTime<Utc> {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").unwrap().and_utc()
    }

    /// The ticks after a moment (UTC), as the wall clock shows them, with its distance from UTC.
    fn shown(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let timing = timing(cron, zone);
        let ticks = successors(timing.next_after(utc(after)), |tick| timing.next_after(*tick));
        ticks.take(count).map(|tick| tick.with_timezone(&timing.zone).format("%m-%d %H:%M %:z").to_string()).collect()
    }

    #[test]
    fn a_time_that_is_never_shown_fires_once_after_the_gap() {
        for (cron, zone, after, ticks) in [
            ("30 2 * * *", "Europe/Berlin", "2024-03-30 12:00", ["03-31 03:00 +02:00", "04-01 02:30 +02:00"]),
            ("30 2 * * *", "America/New_York", "2024-03-09 12:00", ["03-10 03:00 -04:00", "03-11 02:30 -04:00"]),
            // Half an hour only.
            ("15 2 * * *", "Australia/Lord_Howe", "2024-10-05 00:00", ["10-06 02:30 +11:00", "10-07 02:15 +11:00"]),
            ("45 2 * * *", "Australia/Lord_Howe", "2024-10-05 00:00", ["10-06 02:45 +11:00", "10-07 02:45 +11:00"]),
            // Both its times fall on one instant, and come to one tick.
            ("0,30 2 * * *", "Europe/Berlin", "2024-03-30 12:00", ["03-31 03:00 +02:00", "04-01 02:00 +02:00"]),
            ("0 2,3 * * *", "Europe/Berlin", "2024-03-30 12:00", ["03-31 03:00 +02:00", "04-01 02:00 +02:00"]),
            ("0 */2 * * *", "Europe/Berlin", "2024-03-30 23:30", ["03-31 03:00 +02:00", "03-31 04:00 +02:00"]),
            // The only day of the year.
            ("30 2 31 3 *", "Europe/Berlin", "2024-01-01 00:00", ["03-31 03:00 +02:00", "03-31 02:30 +02:00"]),
            // Beirut has no midnight on that day.
            ("0 0 * * *", "Asia/Beirut", "2024-03-30 12:00", ["03-31 01:00 +03:00", "04-01 00:00 +03:00"]),
            ("30 2 * * *", "UTC", "2024-03-30 12:00", ["03-31 02:30 +00:00", "04-01 02:30 +00:00"]),
            ("30 2 * * *", "Asia/Kathmandu", "2024-03-30 12:00", ["03-31 02:30 +05:45", "04-01 02:30 +05:45"]),
        ] {
            assert_eq!(shown(cron, zone, after, 2), ticks, "{cron} {zone}");
        }
    }

    #[test]
    fn a_time_that_is_shown_twice_fires_the_first_time() {
        for (cron, zone, after, ticks) in [
            ("30 2 * * *", "Europe/Berlin", "2024-10-26 12:00", ["10-27 02:30 +02:00", "10-28 02:30 +01:00"]),
            ("30 1 * * *", "America/New_York", "2024-11-02 12:00", ["11-03 01:30 -04:00", "11-04 01:30 -05:00"]),
            ("45 1 * * *", "Australia/Lord_Howe", "2024-04-06 00:00", ["04-07 01:45 +11:00", "04-08 01:45 +10:30"]),
            ("0 0 * * *", "America/Havana", "2024-11-02 12:00", ["11-03 00:00 -04:00", "11-04 00:00 -05:00"]),
            // Begun while the clock shows it for the second time.
            ("30 2 * * *", "Europe/Berlin", "2024-10-27 01:10", ["10-28 02:30 +01:00", "10-29 02:30 +01:00"]),
        ] {
            assert_eq!(shown(cron, zone, after, 2), ticks, "{cron} {zone}");
        }
    }

    #[test]
    fn every_hour_is_every_real_hour() {
        for (zone, after) in [
            ("Europe/Berlin", "2024-03-30 22:45"),
            ("Europe/Berlin", "2024-10-26 22:45"),
            ("America/New_York", "2024-03-10 04:45"),
            ("America/New_York", "2024-11-03 03:45"),
            ("America/Havana", "2024-11-03 02:45"),
            ("Asia/Beirut", "2024-10-26 18:45"),
            ("UTC", "2024-03-30 22:45"),
        ] {
            for (cron, step) in [("0 * * * *", 60), ("*/15 * * * *", 15), ("30 * * * *", 60), ("* * * * *", 1)] {
                let timing = timing(cron, zone);
                let ticks = successors(timing.next_after(utc(after)), |tick| timing.next_after(*tick));
                let ticks: Vec<_> = ticks.take_while(|tick| *tick < utc(after) + Duration::hours(8)).collect();
                let even = ticks.windows(2).all(|pair| pair[1] - pair[0] == Duration::minutes(step));
                assert!(even && ticks.len() >= 7, "{cron} {zone}: {ticks:?}");
            }
        }
    }

    /// Where the clock moves by half an hour, a minute of the hour cannot also be an hour later.
    #[test]
    fn half_an_hour_moves_the_minute_of_the_hour() {
        let hourly = |after| shown("0 * * * *", "Australia/Lord_Howe", after, 3);
        assert_eq!(hourly("2024-10-05 14:00"), ["10-06 01:00 +10:30", "10-06 03:00 +11:00", "10-06 04:00 +11:00"]);
        assert_eq!(hourly("2024-04-06 13:30"), ["04-07 01:00 +11:00", "04-07 02:00 +10:30", "04-07 03:00 +10:30"]);
        let quarters = shown("*/15 * * * *", "Australia/Lord_Howe", "2024-04-06 14:29", 4);
        assert_eq!(quarters, ["04-07 01:30 +11:00", "04-07 01:45 +11:00", "04-07 01:30 +10:30", "04-07 01:45 +10:30"]);
        let half_past = shown("30 * * * *", "Australia/Lord_Howe", "2024-04-06 14:29", 3);
        assert_eq!(half_past, ["04-07 01:30 +11:00", "04-07 01:30 +10:30", "04-07 02:30 +10:30"]);
    }

    #[test]
    fn leap_days_and_the_end_of_the_year() {
        let days = |cron, zone, after| {
            let timing = timing(cron, zone);
            let ticks = successors(timing.next_after(utc(after)), |tick| timing.next_after(*tick)).take(2);
            ticks.map(|tick| tick.format("%Y-%m-%d %H:%M").to_string()).collect::<Vec<_>>()
        };
        assert_eq!(days("0 0 29 2 *", "UTC", "2024-03-01 00:00"), ["2028-02-29 00:00", "2032-02-29 00:00"]);
        assert_eq!(days("0 0 29 2 *", "UTC", "2096-03-01 00:00"), [""; 0], "2100 is no leap year");
        assert_eq!(days("0 0 1 1 *", "UTC", "2024-12-31 23:59"), ["2025-01-01 00:00", "2026-01-01 00:00"]);
        assert_eq!(days("59 23 31 12 *", "UTC", "2024-12-31 23:59"), ["2025-12-31 23:59", "2026-12-31 23:59"]);
        assert_eq!(days("0 0 1 1 *", "Asia/Kathmandu", "2024-12-31 18:14"), ["2024-12-31 18:15", "2025-12-31 18:15"]);
        assert_eq!(days("0 0 31 * *", "UTC", "2024-03-31 00:00"), ["2024-05-31 00:00", "2024-07-31 00:00"]);
    }

    /// Against a walk through the year in steps of five minutes, which knows no rule but what the clock shows.
    #[test]
    fn a_year_step_by_step() {
        const STEP: Duration = Duration::minutes(5);
        let half_hours: fn(NaiveDateTime) -> bool = |local| local.minute() % 30 == 0;
        let past_the_hour: fn(NaiveDateTime) -> bool = |local| local.minute() == 10;
        let at_night: fn(NaiveDateTime) -> bool = |local| local.hour() < 3 && local.minute() == 30;
        for zone in ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "UTC", "Asia/Beirut"]
        {
            let cases = [("*/30 * * * *", half_hours), ("10 * * * *", past_the_hour), ("30 0-2 * * *", at_night)];
            for (cron, named) in cases {
                let timing = timing(cron, zone);
                let (start, end) = (utc("2023-12-31 12:00"), utc("2025-01-01 12:00"));
                let ticks = successors(timing.next_after(start), |tick| timing.next_after(*tick));
                let ticks: Vec<_> = ticks.take_while(|tick| *tick <= end).collect();

                let (mut wanted, mut seen) = (Vec::new(), BTreeSet::new());
                let mut before = start.with_timezone(&timing.zone).naive_local();
                for time in successors(Some(start + STEP), |time| Some(*time + STEP)).take_while(|time| *time <= end) {
                    let local = time.with_timezone(&timing.zone).naive_local();
                    let first_time = named(local) && seen.insert(local);
                    let skipped = successors(Some(before + STEP), |time| Some(*time + STEP));
                    let made_up = skipped.take_while(|time| *time < local).any(named);
                    let every_hour = timing.expression.is_every_hour();
                    if (every_hour && named(local)) || (!every_hour && (first_time || made_up)) {
                        wanted.push(time);
                    }
                    before = local;
                }
                assert_eq!(ticks, wanted, "{cron} {zone}");
            }
        }
    }

    #[test]
    fn begins_anywhere_between_two_ticks() {
        let timing = timing("*/10 * * * * *", "Europe/Berlin");
        let start = NaiveDate::from_ymd_opt(2024, 5, 1).unwrap().and_hms_milli_opt(10, 0, 9, 999).unwrap().and_utc();
        assert_eq!(timing.next_after(start).unwrap() - start, Duration::milliseconds(1));
        let start = start + Duration::milliseconds(1);
        assert_eq!(timing.next_after(start).unwrap() - start, Duration::seconds(10));
    }
}
