//! Schedules as one sees them.

use chrono::{DateTime, FixedOffset, Utc};
use millgate_jobs::{CatchUp, JobId, JobState, Schedule, ScheduleError, ScheduleState, Times};
use serde::Serialize;

use crate::Site;

/// So many ticks are told in advance.
const TICKS: usize = 5;

/// A schedule, and how things stand with it.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleView {
    /// Its name.
    pub name: String,
    /// Its cron expression.
    pub cron: String,
    /// Its time zone, by IANA name.
    pub zone: String,
    /// The kind of its job.
    pub kind: String,
    /// The queue of its job.
    pub queue: String,
    /// What becomes of ticks that were missed.
    pub catch_up: CatchUp,
    /// By how much its ticks are put off at most, in seconds.
    pub jitter_seconds: f64,
    /// The last tick that was fired.
    pub last: Option<DateTime<Utc>>,
    /// When the next one fires; nothing while it is paused, and if none is left.
    pub next: Option<DateTime<Utc>>,
    /// A tick that should have been fired already.
    pub overdue: Option<DateTime<Utc>>,
    /// Somebody paused it.
    pub paused: bool,
    /// The application whose code declares it; nothing if it was added at run time.
    pub application: Option<String>,
    /// It has left that code since, and does not fire.
    pub left: bool,
    /// The times that its definition has, if an operator gave it others.
    pub defined: Option<Times>,
}

/// A tick to come.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ComingTick {
    /// When it is.
    pub at: DateTime<Utc>,
    /// The same on the clock that the schedule goes by.
    pub on_its_clock: DateTime<FixedOffset>,
}

/// A job that a schedule made.
#[derive(Debug, Clone, Serialize)]
pub struct MadeJob {
    /// What its queue calls it.
    pub key: JobId,
    /// When it was made.
    pub at: DateTime<Utc>,
    /// The tick that it was made for; nothing if somebody ran it by hand.
    pub tick: Option<DateTime<Utc>>,
    /// Where it is; nothing if it is done, or otherwise gone.
    pub state: Option<JobState>,
}

/// A schedule with what comes and what came.
#[derive(Debug, Clone, Serialize)]
pub struct ScheduleDetail {
    /// How things stand with it.
    #[serde(flatten)]
    pub schedule: ScheduleView,
    /// Its job's arguments, as JSON.
    pub payload: String,
    /// The next ticks, before jitter; none while it does not fire.
    pub ticks: Vec<ComingTick>,
    /// The jobs that it made last, the newest first.
    pub jobs: Vec<MadeJob>,
}

impl From<&ScheduleState> for ScheduleView {
    fn from(state: &ScheduleState) -> Self {
        let schedule = &state.schedule;
        Self {
            name: schedule.name().to_owned(),
            cron: schedule.cron().to_owned(),
            zone: schedule.zone().to_owned(),
            kind: schedule.kind().to_owned(),
            queue: schedule.queue().to_owned(),
            catch_up: schedule.policy(),
            jitter_seconds: schedule.longest_jitter().as_secs_f64(),
            last: state.last,
            next: state.next,
            overdue: state.overdue,
            paused: state.paused,
            application: state.application.clone(),
            left: state.left,
            defined: state.defined.clone(),
        }
    }
}

/// The next ticks of a schedule after a moment.
pub fn ticks(schedule: &Schedule, after: DateTime<Utc>) -> Vec<ComingTick> {
    let ticks = std::iter::successors(schedule.next_after(after), |tick| schedule.next_after(*tick));
    ticks.take(TICKS).map(|at| ComingTick { at, on_its_clock: schedule.on_its_clock(at) }).collect()
}

/// All schedules, by queue and name.
pub async fn schedules(site: &Site) -> Result<Vec<ScheduleView>, ScheduleError> {
    Ok(site.schedules.list().await?.iter().map(ScheduleView::from).collect())
}

/// One schedule; of two of that name, the one that has not left its code for another queue.
pub async fn schedule(site: &Site, name: &str) -> Result<ScheduleDetail, ScheduleError> {
    let mut states = site.schedules.list().await?;
    states.sort_by_key(|state| state.left);
    let known = states.iter().map(|state| state.schedule.name()).collect::<Vec<_>>().join(", ");
    let known = if known.is_empty() { "none".to_owned() } else { known };
    let found = states.into_iter().find(|state| state.schedule.name() == name);
    let state = found.ok_or_else(|| ScheduleError::Unknown { name: name.to_owned(), known })?;
    let queue = site.queues.queue(state.schedule.queue());
    let ids: Vec<JobId> = state.jobs.iter().map(|job| job.key).collect();
    let (there, now) = tokio::try_join!(queue.look(&ids), queue.now())?;
    let state_of = |key| there.iter().find(|job| job.key == key).map(|job| job.state);
    let made = |job: &millgate_jobs::ScheduledJob| MadeJob {
        key: job.key,
        at: job.at,
        tick: job.tick,
        state: state_of(job.key),
    };
    let is_still = state.paused || state.left;
    Ok(ScheduleDetail {
        schedule: ScheduleView::from(&state),
        payload: state.schedule.payload().to_owned(),
        ticks: if is_still { Vec::new() } else { ticks(&state.schedule, now) },
        jobs: state.jobs.iter().map(made).collect(),
    })
}
