//! A schedule: at which times which job is to be done.

use std::time::Duration;

use chrono::{DateTime, FixedOffset, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{CatchUp, ScheduleError, Times, catch_up::Tick, definition::Definition, timing::Timing};
use crate::{
    Job,
    job::{DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT},
    new_job::millis,
    record::More,
};

/// At which times which job is to be done.
///
/// ```
/// # use millgate_jobs::{CatchUp, Job, Schedule};
/// # use serde::{Deserialize, Serialize};
/// # use std::time::Duration;
/// # #[derive(Serialize, Deserialize)]
/// # struct NightlyReport {}
/// # impl Job for NightlyReport {
/// #     const KIND: &'static str = "nightly-report";
/// #     const QUEUE: &'static str = "reports";
/// # }
/// let nightly = Schedule::new("nightly-report", "0 3 * * *", "Europe/Berlin", &NightlyReport {})?
///     .catch_up(CatchUp::One)
///     .jitter(Duration::from_secs(60));
/// # let evening = "2024-03-30T18:00:00Z".parse().unwrap();
/// assert_eq!(nightly.next_after(evening).unwrap().to_string(), "2024-03-31 01:00:00 UTC");
/// # Ok::<(), millgate_jobs::ScheduleError>(())
/// ```
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Definition", into = "Definition")]
pub struct Schedule {
    definition: Definition,
    timing: Timing,
}

impl Schedule {
    /// Does `job` at the times that `cron` names, on the wall clock of `zone` (an IANA name).
    ///
    /// `cron` has five fields as in crontab(5): minute, hour, day of month, month, day of week (0 and 7 are Sunday); six
    /// with a second in front; seven with a year behind. `@yearly`, `@monthly`, `@weekly`, `@daily`, `@hourly` and
    /// `@minutely` stand for themselves. If both days are restricted, either will do.
    ///
    /// An expression that names hours fires once for each time that the clock shows; a time that is skipped when the clock
    /// is put forward, at the first instant after. One that names every hour fires at every real hour.
    pub fn new<J: Job>(name: &str, cron: &str, zone: &str, job: &J) -> Result<Self, ScheduleError> {
        let payload = serde_json::value::to_raw_value(job)
            .map_err(|source| ScheduleError::Encode { name: name.to_owned(), source })?;
        Self::try_from(Definition {
            name: name.to_owned(),
            cron: cron.trim().to_owned(),
            zone: zone.to_owned(),
            kind: J::KIND.to_owned(),
            version: J::VERSION,
            queue: J::QUEUE.to_owned(),
            priority: J::PRIORITY,
            max_attempts: Some(J::MAX_ATTEMPTS).filter(|most| *most != DEFAULT_ATTEMPTS),
            timeout_ms: Some(J::TIMEOUT).filter(|time| *time != DEFAULT_TIMEOUT).map(millis),
            payload,
            catch_up: CatchUp::default(),
            jitter: Duration::ZERO,
        })
    }

    /// What becomes of ticks that were missed; else [`CatchUp::One`].
    #[must_use]
    pub fn catch_up(mut self, policy: CatchUp) -> Self {
        self.definition.catch_up = policy;
        self
    }

    /// Puts each tick off by less than this, and never to the next tick or beyond: by how much follows from name and tick,
    /// the same everywhere. In whole milliseconds.
    #[must_use]
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.definition.jitter = jitter;
        self
    }

    /// The priority of its job: 0 runs first, 9 last; else that of the job's kind.
    #[must_use]
    pub fn priority(mut self, priority: u8) -> Self {
        self.definition.priority = priority.min(9);
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.definition.name
    }

    /// Its cron expression.
    pub fn cron(&self) -> &str {
        self.timing.expression.text()
    }

    /// Its time zone, by IANA name.
    pub fn zone(&self) -> &str {
        self.timing.zone.name()
    }

    /// When it fires.
    pub fn times(&self) -> Times {
        Times { cron: self.cron().to_owned(), zone: self.zone().to_owned() }
    }

    /// The same job at other times, if these can be meant.
    pub fn at(self, times: &Times) -> Result<Self, ScheduleError> {
        let (cron, zone) = (times.cron.trim().to_owned(), times.zone.trim().to_owned());
        Self::try_from(Definition { cron, zone, ..self.definition })
    }

    /// A moment as the clock of its time zone shows it.
    pub fn on_its_clock(&self, time: DateTime<Utc>) -> DateTime<FixedOffset> {
        time.with_timezone(&self.timing.zone).fixed_offset()
    }

    /// By how much its ticks are put off at most.
    pub fn longest_jitter(&self) -> Duration {
        self.definition.jitter
    }

    /// Its job's arguments, as JSON.
    pub fn payload(&self) -> &str {
        self.definition.payload.get()
    }

    /// The kind of its job.
    pub fn kind(&self) -> &str {
        &self.definition.kind
    }

    /// The queue of its job.
    pub fn queue(&self) -> &str {
        &self.definition.queue
    }

    /// What becomes of ticks that were missed.
    pub fn policy(&self) -> CatchUp {
        self.definition.catch_up
    }

    /// The first tick after `time`, before jitter; `None` if there is none before the year 2101.
    pub fn next_after(&self, time: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.timing.next_after(time)
    }

    pub(crate) fn definition(&self) -> &Definition {
        &self.definition
    }

    /// The tick at that time, with when it is due.
    pub(crate) fn tick(&self, at: DateTime<Utc>) -> Tick {
        let jitter = i64::try_from(self.definition.jitter.as_millis()).unwrap_or(i64::MAX);
        let room = || self.next_after(at).map_or(i64::MAX, |next| (next - at).num_milliseconds());
        // Less than the room, or a tick would come after its successor, and be taken for one that was done.
        let span = if jitter == 0 { 0 } else { jitter.min(room()) };
        let seed = format!("{}:{}", self.name(), at.timestamp_millis());
        let (_, random) = Uuid::new_v5(&Uuid::NAMESPACE_OID, seed.as_bytes()).as_u64_pair();
        let delay = u64::try_from(span).ok().and_then(|span| random.checked_rem(span)).unwrap_or(0);
        let delay = chrono::Duration::milliseconds(i64::try_from(delay).unwrap_or(0));
        Tick { at, due: at.checked_add_signed(delay).unwrap_or(at) }
    }

    /// Its job as the queue stores it: for a tick, or run by hand.
    pub(crate) fn record(&self, tick: Option<DateTime<Utc>>) -> String {
        let Definition { name, kind, version, max_attempts, timeout_ms, payload, .. } = &self.definition;
        let version = if *version == 1 { String::new() } else { format!("@{version}") };
        let more = More {
            max_attempts: *max_attempts,
            timeout_ms: *timeout_ms,
            tick: tick.map(|tick| tick.timestamp_millis()),
            schedule: Some(name.clone()),
            ..More::default()
        };
        // Its parts are numbers and texts; those can always be written.
        let more = serde_json::to_string(&more).unwrap_or_default();
        format!("{kind}{version} {more}\n{}", payload.get())
    }
}

impl TryFrom<Definition> for Schedule {
    type Error = ScheduleError;

    fn try_from(definition: Definition) -> Result<Self, ScheduleError> {
        let Definition { name, cron, zone, kind, .. } = &definition;
        if name.trim().is_empty() {
            return Err(ScheduleError::Nameless { kind: kind.clone() });
        }
        let (name, expression) = (name.clone(), cron.clone());
        let parsed = match cron.parse() {
            Ok(parsed) => parsed,
            Err(reason) => return Err(ScheduleError::Expression { name, expression, reason }),
        };
        let Ok(zone) = zone.parse::<Tz>() else { return Err(ScheduleError::Zone { name, zone: zone.clone() }) };
        let timing = Timing { expression: parsed, zone };
        if timing.next_after(DateTime::UNIX_EPOCH).is_none() {
            return Err(ScheduleError::Never { name, expression });
        }
        Ok(Self { definition, timing })
    }
}

impl From<Schedule> for Definition {
    fn from(schedule: Schedule) -> Self {
        schedule.definition
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Report {
        of: String,
    }

    impl Job for Report {
        const KIND: &'static str = "report";
        const QUEUE: &'static str = "main";
        const VERSION: u32 = 2;
    }

    fn schedule(cron: &str, zone: &str) -> Result<Schedule, ScheduleError> {
        Schedule::new("nightly", cron, zone, &Report { of: "a\nb".into() })
    }

    #[test]
    fn what_cannot_be_is_refused_when_it_is_defined() {
        for (cron, zone, said) in [
            ("0 0 30 2 *", "UTC", "schedule nightly: `0 0 30 2 *` never fires: there is no such day"),
            ("0 0 31 4,6,9,11 *", "UTC", "never fires"),
            ("0 0 0 29 2 * 2023", "UTC", "never fires"),
            ("0 0 0 1 1 * 2500", "UTC", "schedule nightly: `0 0 0 1 1 * 2500` is no cron expression"),
            ("0 24 * * *", "UTC", "`0 24 * * *` is no cron expression"),
            ("0 0 * * *", "Europe/Berlinn", "there is no time zone `Europe/Berlinn`"),
            ("0 0 * * *", "+02:00", "there is no time zone `+02:00`"),
        ] {
            let error = schedule(cron, zone).unwrap_err().to_string();
            assert!(error.contains(said), "{error}");
        }
        // There are Mondays in February.
        assert!(schedule("0 0 30 2 1", "UTC").is_ok());
        assert!(matches!(
            Schedule::new(" ", "@daily", "UTC", &Report { of: String::new() }),
            Err(ScheduleError::Nameless { .. })
        ));
    }

    #[test]
    fn comes_back_from_json_as_it_was() {
        let schedule = schedule("@daily", "Asia/Kathmandu").unwrap();
        let schedule = schedule.catch_up(CatchUp::All).jitter(Duration::from_millis(1500)).priority(77);
        let text = serde_json::to_string(&schedule).unwrap();
        let again: Schedule = serde_json::from_str(&text).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), text);
        assert_eq!((again.policy(), again.zone(), again.cron()), (CatchUp::All, "Asia/Kathmandu", "@daily"));
        assert_eq!(again.definition.priority, 9);
        let broken = text.replace("@daily", "daily");
        assert!(serde_json::from_str::<Schedule>(&broken).unwrap_err().to_string().contains("no cron expression"));
    }

    #[test]
    fn a_record_has_the_tick_in_its_first_line() {
        let schedule = schedule("@daily", "UTC").unwrap();
        let tick = DateTime::from_timestamp_millis(1_700_000_000_123);
        let record = schedule.record(tick);
        assert_eq!(record, "report@2 {\"tick\":1700000000123,\"schedule\":\"nightly\"}\n{\"of\":\"a\\nb\"}");
        assert_eq!(schedule.record(None), "report@2 {\"schedule\":\"nightly\"}\n{\"of\":\"a\\nb\"}");
    }

    #[test]
    fn jitter_is_the_same_everywhere_and_stays_before_the_next_tick() {
        let hourly = schedule("@hourly", "UTC").unwrap();
        let at = hourly.next_after(DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(hourly.tick(at).due, at);
        let delays = |jitter: Duration| {
            let schedule = hourly.clone().jitter(jitter);
            let ticks = std::iter::successors(Some(at), |tick| schedule.next_after(*tick)).take(500);
            let delays = ticks.map(|at| (schedule.tick(at).due - at).num_milliseconds());
            delays.collect::<Vec<_>>()
        };
        let minute = delays(Duration::from_mins(1));
        assert_eq!(minute, delays(Duration::from_mins(1)));
        assert!(minute.iter().all(|delay| (0..60_000).contains(delay)));
        assert!(minute.iter().max() > Some(&55_000) && minute.iter().min() < Some(&5_000));
        assert!(minute.iter().collect::<BTreeSet<_>>().len() > 400);
        assert!(delays(Duration::from_hours(500)).iter().all(|delay| (0..3_600_000).contains(delay)));
        // Written down, since nodes of another version have to agree.
        let first = hourly.clone().jitter(Duration::from_mins(1)).tick(at);
        assert_eq!((first.due - first.at).num_milliseconds(), 59_441);
    }
}
