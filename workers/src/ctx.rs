//! What a handler knows beyond its arguments.

use std::{
    mem::take,
    sync::{Arc, Mutex, PoisonError},
};

use chrono::{DateTime, Utc};
use millgate_events::Run;
use millgate_jobs::{BatchOutcome, Claimed, Notes, Origin, Queue};
use tokio_util::sync::CancellationToken;
use tracing::warn;

use crate::{JobError, State};

/// One run of one job.
#[derive(Clone)]
pub struct Ctx {
    /// The job's id: the same at every attempt, and for the same event again.
    pub job_id: String,
    /// The queue it lies in; an id is a job's own in its queue.
    pub queue: Arc<str>,
    /// Which run this is, from 1.
    pub attempt: u32,
    /// After this many the job is dead.
    pub max_attempts: u32,
    /// When what the job is about happened.
    pub time: DateTime<Utc>,
    /// The event that the job goes back to, if any.
    pub origin: Option<Box<Origin>>,
    /// What became of the batch that this job follows, if it follows one.
    pub batch: Option<BatchOutcome>,
    /// The tick of the job's schedule, if it has one: when it was to run, whenever it does.
    pub tick: Option<DateTime<Utc>>,
    /// Fires when this run is no longer wanted: somebody stopped the job, its lease is lost, or it took too long. Of
    /// these only a job that was stopped leaves time to end well: `worker.cancel_grace`.
    pub cancelled: CancellationToken,
    notes: NotesTo,
    noted: Option<Run>,
    state: State,
}

/// Where what a run has to say goes.
#[derive(Clone)]
enum NotesTo {
    Queue(Notes),
    Memory(Arc<Mutex<Noted>>),
}

/// What a handler noted, for tests of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Noted {
    /// How much is done, in percent, as it was said last.
    pub progress: Option<f64>,
    /// The lines of its log, and those that it noted.
    pub log: Vec<String>,
}

impl Ctx {
    /// Takes out of the job what only the handler wants; its arguments stay.
    pub(crate) fn new(job: &mut Claimed, queue: Option<Arc<Queue>>, noted: Option<Run>, state: State) -> Self {
        Self {
            noted,
            notes: queue.map_or_else(|| NotesTo::Memory(Arc::default()), |queue| NotesTo::Queue(job.notes_to(queue))),
            job_id: take(&mut job.id),
            queue: job.queue.clone(),
            attempt: job.attempt,
            max_attempts: job.max_attempts,
            time: job.time,
            origin: job.origin.take(),
            batch: job.batch.take(),
            tick: job.tick,
            cancelled: job.lost.clone(),
            state,
        }
    }

    /// A context for calling a handler in a test. What the handler notes goes nowhere but to [`noted`](Self::noted).
    pub fn for_test(job_id: &str, time: DateTime<Utc>, state: State) -> Self {
        Self {
            job_id: job_id.to_owned(),
            queue: "test".into(),
            attempt: 1,
            max_attempts: 1,
            time,
            origin: None,
            batch: None,
            tick: None,
            cancelled: CancellationToken::new(),
            notes: NotesTo::Memory(Arc::default()),
            noted: None,
            state,
        }
    }

    /// A value that the App was given with `.state(…)`.
    pub fn state<T: Send + Sync + 'static>(&self) -> Result<&T, JobError> {
        self.state.get()
    }

    pub(crate) fn shared_state(&self) -> &State {
        &self.state
    }

    /// Whether this run is no longer wanted: [`cancelled`](Self::cancelled) has fired.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_cancelled()
    }

    /// Notes how much is done, 0 to 100 percent, for whoever looks at the job. One call to Redis; that it cannot be
    /// written is logged, and no reason to fail.
    pub async fn progress(&self, percent: impl Into<f64>) {
        let percent = percent.into();
        match &self.notes {
            NotesTo::Queue(notes) => self.written(notes.progress(percent).await),
            NotesTo::Memory(noted) => lock(noted).progress = Some(percent.clamp(0.0, 100.0)),
        }
    }

    /// Adds a line to the job's own log, of which the last twenty are kept while the job is; a longer one than 500
    /// characters is cut. One call to Redis; that it cannot be written is logged, and no reason to fail.
    pub async fn log(&self, line: impl AsRef<str>) {
        self.note(line.as_ref());
        match &self.notes {
            NotesTo::Queue(notes) => self.written(notes.log(line.as_ref()).await),
            // It is noted.
            NotesTo::Memory(_) => {}
        }
    }

    /// Adds a line to what the trail has of this run: it is there when the run has ended, with the line's time. It costs no
    /// call to anybody, and where there is no trail it is nothing.
    pub fn note(&self, line: impl AsRef<str>) {
        if let Some(run) = &self.noted {
            run.log(line.as_ref());
        }
        if let NotesTo::Memory(noted) = &self.notes {
            lock(noted).log.push(line.as_ref().to_owned());
        }
    }

    fn written(&self, result: Result<(), millgate_jobs::QueueError>) {
        if let Err(error) = result {
            warn!(job = self.job_id, %error, "a note of a job cannot be written");
        }
    }

    /// What was noted with a context [for a test](Self::for_test); of any other, nothing.
    pub fn noted(&self) -> Noted {
        match &self.notes {
            NotesTo::Queue(_) => Noted::default(),
            NotesTo::Memory(noted) => lock(noted).clone(),
        }
    }
}

fn lock(noted: &Mutex<Noted>) -> std::sync::MutexGuard<'_, Noted> {
    // Every change is one step; none can leave it torn.
    noted.lock().unwrap_or_else(PoisonError::into_inner)
}
