//! What becomes of ticks that nobody was there to fire.

use std::iter::successors;

use chrono::{DateTime, Duration, Utc};
use serde::{Deserialize, Serialize};

use super::Schedule;

/// A tick that is less late than this is late; later, it was missed.
const LATE: Duration = Duration::minutes(1);
/// Most ticks that are made up for.
pub(crate) const MOST: usize = 1000;

/// What becomes of ticks that were missed: while no scheduler ran, or Redis was away.
///
/// Ticks while a schedule was paused were not missed, and are not made up for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CatchUp {
    /// Nothing. A tick that is less than a minute late still counts.
    Skip,
    /// All that have piled up are made up for by one, the latest.
    #[default]
    One,
    /// Each is made up for, the oldest first; of more than 1,000 the latest 1,000.
    All,
}

/// A tick of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Tick {
    /// What the cron expression names.
    pub(crate) at: DateTime<Utc>,
    /// When it fires: then, or put off by jitter.
    pub(crate) due: DateTime<Utc>,
}

/// What a schedule has to do.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Pending {
    /// To be fired now, the oldest first.
    pub(crate) ticks: Vec<Tick>,
    /// There were older ones, too many to be made up for.
    pub(crate) dropped: bool,
    /// The next one after these.
    pub(crate) next: Option<Tick>,
}

impl Schedule {
    /// What there is to do at `now` if everything up to the tick `last` is done.
    pub(crate) fn pending(&self, last: DateTime<Utc>, now: DateTime<Utc>) -> Pending {
        let keep = if self.policy() == CatchUp::All { MOST } else { 1 };
        // One more, since the last may be put off and not due.
        let mut ticks = self.latest(last, now, keep + 1);
        // A tick is due before the next one, so no other is put off at the same time.
        let put_off = ticks.pop_if(|tick| tick.due > now);
        let next = put_off.or_else(|| self.next_after(last.max(now)).map(|at| self.tick(at)));
        let surplus = ticks.len().saturating_sub(keep);
        ticks.drain(..surplus);
        if self.policy() == CatchUp::Skip {
            ticks.retain(|tick| now - tick.due < LATE);
        }
        let first = ticks.first().map(|tick| tick.at);
        let dropped = self.policy() == CatchUp::All && first.is_some() && self.next_after(last) != first;
        Pending { ticks, dropped, next }
    }

    /// The ticks after `after` up to `end`, or at least the latest `most` of them.
    fn latest(&self, after: DateTime<Utc>, end: DateTime<Utc>, most: usize) -> Vec<Tick> {
        // Backwards in growing windows: a year of seconds is not counted through to find the last few.
        let mut window = LATE;
        loop {
            let start = after.max(end - window);
            let ticks = successors(self.next_after(start), |tick| self.next_after(*tick));
            let ticks: Vec<_> = ticks.take_while(|tick| *tick <= end).collect();
            if ticks.len() >= most || start == after {
                let surplus = ticks.len().saturating_sub(most);
                return ticks[surplus..].iter().map(|at| self.tick(*at)).collect();
            }
            window = window * 4;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration as StdDuration;

    use super::*;
    use crate::Job;

    #[derive(Serialize, Deserialize)]
    struct Report;

    impl Job for Report {
        const KIND: &'static str = "report";
        const QUEUE: &'static str = "main";
    }

    fn schedule(cron: &str, policy: CatchUp) -> Schedule {
        Schedule::new("report", cron, "UTC", &Report).unwrap().catch_up(policy)
    }

    fn at(seconds: i64) -> DateTime<Utc> {
        // Midnight of a day in 2023.
        DateTime::from_timestamp(1_699_920_000 + seconds, 0).unwrap()
    }

    /// Seconds of the ticks to fire, and of the next.
    fn pending(schedule: &Schedule, last: i64, now: i64) -> (Vec<i64>, i64) {
        let pending = schedule.pending(at(last), at(now));
        let seconds = |tick: &Tick| (tick.at - at(0)).num_seconds();
        (pending.ticks.iter().map(seconds).collect(), pending.next.as_ref().map_or(-1, seconds))
    }

    #[test]
    fn nothing_is_missed_while_somebody_is_there() {
        for policy in [CatchUp::Skip, CatchUp::One, CatchUp::All] {
            let minutes = schedule("* * * * *", policy);
            assert_eq!(pending(&minutes, 0, 59), (vec![], 60));
            assert_eq!(pending(&minutes, 0, 60), (vec![60], 120));
            assert_eq!(pending(&minutes, 60, 60), (vec![], 120));
            // A clock that has gone back.
            assert_eq!(pending(&minutes, 60, 30), (vec![], 120));
        }
    }

    #[test]
    fn what_was_missed_is_skipped_or_made_up_for() {
        let minutes = |policy| schedule("* * * * *", policy);
        assert_eq!(pending(&minutes(CatchUp::All), 0, 310), (vec![60, 120, 180, 240, 300], 360));
        assert_eq!(pending(&minutes(CatchUp::One), 0, 310), (vec![300], 360));
        assert_eq!(pending(&minutes(CatchUp::Skip), 0, 310), (vec![300], 360));
        let hours = |policy| schedule("0 * * * *", policy);
        assert_eq!(pending(&hours(CatchUp::Skip), 0, 7259), (vec![7200], 10800));
        assert_eq!(pending(&hours(CatchUp::Skip), 0, 7260), (vec![], 10800));
        assert_eq!(pending(&hours(CatchUp::One), 0, 10799), (vec![7200], 10800));
        assert_eq!(pending(&hours(CatchUp::All), 0, 10799), (vec![3600, 7200], 10800));
    }

    #[test]
    fn of_very_many_the_latest_are_made_up_for() {
        let seconds = schedule("* * * * * *", CatchUp::All);
        let whole = seconds.pending(at(0), at(1000));
        assert_eq!((whole.ticks.len(), whole.dropped), (1000, false));
        let year = 365 * 24 * 3600;
        let most = seconds.pending(at(0), at(year));
        assert_eq!((most.ticks.len(), most.dropped), (1000, true));
        assert_eq!((most.ticks[0].at, most.ticks[999].at), (at(year - 999), at(year)));
        // Half an hour of seconds, once a year: all of them lie far back.
        let burst = schedule("* 0-29 0 15 11 *", CatchUp::All).pending(at(0), at(year));
        assert_eq!((burst.ticks.len(), burst.dropped), (1000, true));
        assert_eq!(burst.ticks[999].at, at(24 * 3600 + 1799));
    }

    #[test]
    fn a_tick_that_is_put_off_is_not_lost() {
        let jitter = schedule("* * * * *", CatchUp::One).jitter(StdDuration::from_secs(50));
        let tick = jitter.tick(at(60));
        assert!(tick.due > tick.at, "this one would show nothing");
        let early = jitter.pending(at(0), tick.at);
        assert_eq!((early.ticks, early.next), (vec![], Some(tick)));
        let due = jitter.pending(at(0), tick.due);
        assert_eq!((due.ticks, due.next), (vec![tick], Some(jitter.tick(at(120)))));
        let piled = jitter.pending(at(-6000), tick.due - Duration::milliseconds(1));
        assert_eq!((piled.ticks, piled.next), (vec![jitter.tick(at(0))], Some(tick)));
    }
}
