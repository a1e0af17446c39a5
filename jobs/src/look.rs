//! Looking at jobs, and acting on them one by one.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use redis::Script;
use serde::{Deserialize, Serialize};

use crate::{
    JobId, Origin, Queue, QueueError,
    blocks::Blocks,
    job::DEFAULT_ATTEMPTS,
    new_job::{from_millis, unique_key},
    record::{More, Past, PastFailure, Record, read_options},
};

/// Jobs in one call: the script takes a few µs each.
pub(crate) const STEP: usize = 200;
/// The same of those that run: a page of them is what runs at one moment. Lua gives back no more than 8,000 values.
const RUNNING: usize = 5_000;

/// Where a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum JobState {
    /// It may run now.
    Waiting,
    /// It runs later: at first, or again after it failed.
    Delayed,
    /// It waits for others of its lane.
    Held,
    /// A worker has it.
    Active,
    /// It cannot be done, and is not on the dead-letter topic yet.
    Dead,
    /// It is done, and kept to be looked at.
    Done,
}

impl JobState {
    /// All of them.
    pub const ALL: [Self; 6] = [Self::Waiting, Self::Delayed, Self::Held, Self::Active, Self::Dead, Self::Done];

    /// Its name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Delayed => "delayed",
            Self::Held => "held",
            Self::Active => "active",
            Self::Dead => "dead",
            Self::Done => "done",
        }
    }
}

impl fmt::Display for JobState {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.pad(self.as_str())
    }
}

impl FromStr for JobState {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let known = || Self::ALL.map(Self::as_str).join(", ");
        let found = Self::ALL.into_iter().find(|state| state.as_str() == text);
        found.ok_or_else(|| format!("`{text}` is no state; there are {}", known()))
    }
}

/// A job as one may look at it.
#[derive(Debug, Clone, Serialize)]
pub struct JobView {
    /// What its queue calls it.
    pub key: JobId,
    /// Its id: one of its own, as its event gave it, or that of the queue.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Version of its arguments' shape.
    pub version: u32,
    /// Where it is.
    pub state: JobState,
    /// 0 runs first, 9 last.
    pub priority: u8,
    /// When it was enqueued.
    pub enqueued_at: DateTime<Utc>,
    /// When what it is about happened; or else when it was enqueued.
    pub time: DateTime<Utc>,
    /// When it is to run, if it is delayed; when it was started, if a worker has it; when it was done or is next to be
    /// buried, if it is that.
    pub at: Option<DateTime<Utc>>,
    /// Its arguments as JSON.
    pub payload: String,
    /// Runs that ended, or were cut off.
    pub attempts: u32,
    /// After so many it is dead.
    pub max_attempts: u32,
    /// Its lane, if it has one.
    pub lane: Option<String>,
    /// Its unique key within its kind, if it has one.
    pub unique: Option<String>,
    /// How they failed.
    pub failures: Vec<FailureView>,
    /// How much is done, in percent, if it says so.
    pub progress: Option<f64>,
    /// Its own log.
    pub log: Vec<(DateTime<Utc>, String)>,
    /// Whether it runs and is told to stop.
    pub stopping: bool,
    /// The event it goes back to, if any.
    pub origin: Option<Box<Origin>>,
}

/// A failed run.
#[derive(Debug, Clone, Serialize)]
pub struct FailureView {
    /// When.
    pub at: DateTime<Utc>,
    /// Which run it was, from 1.
    pub attempt: u32,
    /// A word for grouping.
    pub code: String,
    /// A sentence for people.
    pub message: String,
}

impl From<PastFailure> for FailureView {
    fn from(PastFailure { at, attempt, code, message }: PastFailure) -> Self {
        Self { at: from_millis(at), attempt, code, message }
    }
}

/// Some ids, and where to go on.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// The ids; there may be none, and still more to come.
    pub ids: Vec<JobId>,
    /// Where the next page begins; `None`: this was the last.
    pub next: Option<String>,
}

/// A job, and what lies of it in Redis.
pub(crate) struct Found {
    pub(crate) view: JobView,
    pub(crate) record: String,
    pub(crate) past: String,
}

/// From and until when: a job that is delayed is to run, or one that is done was done. Both count in.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Between {
    /// Not before this.
    pub since: Option<DateTime<Utc>>,
    /// Not after this.
    pub until: Option<DateTime<Utc>>,
}

/// What became of a job that somebody acted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Acted {
    /// It was cancelled, or runs at another time: as it was asked.
    Well,
    /// A worker has it, and is told to stop.
    Stopping,
    /// It cannot be done with a job in this state.
    Not(JobState),
    /// There is no such job.
    Gone,
}

impl Queue {
    /// Looks at jobs; those that are gone are left out.
    pub async fn look(&self, ids: &[JobId]) -> Result<Vec<JobView>, QueueError> {
        Ok(self.look_up(ids).await?.into_iter().map(|found| found.view).collect())
    }

    /// The same, with what lies in Redis.
    pub(crate) async fn look_up(&self, ids: &[JobId]) -> Result<Vec<Found>, QueueError> {
        let mut views = Vec::with_capacity(ids.len());
        for ids in ids.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.look);
            for id in ids {
                call.arg(id.as_str());
            }
            let answer: Vec<String> = self.run(&call).await?;
            let mut blocks = Blocks::default();
            let found = ids.iter().zip(answer.chunks(5));
            let in_blocks = found
                .clone()
                .filter(|(_, values)| !values[0].is_empty() && values.get(2).is_some_and(String::is_empty));
            let mut wanted: Vec<String> = in_blocks.filter_map(|(id, _)| Some(id.place()?.0)).collect();
            wanted.dedup();
            blocks.fetch(self, &self.queues.link, &wanted.iter().map(String::as_str).collect::<Vec<_>>()).await?;
            for (id, values) in found {
                let [state, when, record, past, stopping] = values else {
                    return Err(QueueError::strange_answer("look", &values.join(" ")));
                };
                let Ok(state) = state.parse() else { continue };
                let in_block = || id.place().and_then(|(block, place)| blocks.get(&block)?.record(place));
                // One that has left its block meanwhile is as good as gone.
                let Some(record) = Some(record.clone()).filter(|record| !record.is_empty()).or_else(in_block) else {
                    continue;
                };
                let record = &record;
                let view = view(*id, state, when, record, past, stopping == "1");
                views.push(Found { view, record: record.clone(), past: past.clone() });
            }
        }
        Ok(views)
    }

    /// Ids of jobs in a state, oldest first where that is known, `kind` only if it is given.
    ///
    /// One call looks at no more than some hundred entries, 5,000 of those that run, so that it never holds Redis up. Jobs that
    /// go from state to state meanwhile may be missed, or come twice. What stays comes, whatever is taken ahead of it; of what
    /// runs that is only so within a page.
    pub async fn page(
        &self,
        state: JobState,
        from: Option<&str>,
        most: usize,
        kind: Option<&str>,
    ) -> Result<Page, QueueError> {
        self.page_within(state, Between::default(), from, most, kind).await
    }

    /// The same of jobs that run, or were done, within a span. In other states it does not count.
    pub async fn page_within(
        &self,
        state: JobState,
        span: Between,
        from: Option<&str>,
        most: usize,
        kind: Option<&str>,
    ) -> Result<Page, QueueError> {
        let limit = if state == JobState::Active { RUNNING } else { STEP };
        let mut call = self.prepare(&self.queues.scripts.page);
        call.arg(state.as_str()).arg(from.unwrap_or_default()).arg(most.clamp(1, limit)).arg(kind.unwrap_or_default());
        for end in [span.since, span.until] {
            call.arg(end.map(|end| end.timestamp_millis().to_string()).unwrap_or_default());
        }
        let mut answer: Vec<String> = self.run(&call).await?;
        if answer.is_empty() {
            return Err(QueueError::strange_answer("page", "nothing"));
        }
        let next = answer.remove(0);
        Ok(Page { ids: ids(&answer, "page")?, next: (!next.is_empty()).then_some(next) })
    }

    /// Ids of all jobs in a state, `kind` only if it is given: page by page, so that Redis is never held up.
    ///
    /// What to do with many jobs, [`stop`](Self::stop), [`reschedule`](Self::reschedule), [`remove`](Self::remove) and
    /// [`transfer`](Self::transfer) do in steps as well: `queue.reschedule(&queue.all(JobState::Dead, None).await?, None)`
    /// runs all dead jobs again.
    pub async fn all(&self, state: JobState, kind: Option<&str>) -> Result<Vec<JobId>, QueueError> {
        let (mut ids, mut from) = (Vec::new(), None);
        loop {
            let page = self.page(state, from.as_deref(), STEP, kind).await?;
            ids.extend(page.ids);
            from = page.next;
            if from.is_none() {
                return Ok(ids);
            }
        }
    }

    /// Ids of jobs that are indexed under `field=value`, at most `most`, after `after`.
    pub async fn find(
        &self,
        field: &str,
        value: &str,
        after: Option<JobId>,
        most: usize,
    ) -> Result<Vec<JobId>, QueueError> {
        let mut call = self.prepare(&self.queues.scripts.find);
        let after = after.map(|id| id.to_string()).unwrap_or_default();
        call.arg(format!("{field}={value}")).arg(after).arg(most.clamp(1, 1_000));
        ids(&self.run::<Vec<String>>(&call).await?, "find")
    }

    /// The job that holds a unique key.
    pub async fn find_unique(&self, kind: &str, key: &str) -> Result<Option<JobId>, QueueError> {
        let mut get = redis::cmd("HGET");
        get.arg(self.key("unique")).arg(unique_key(kind, key));
        let link = &self.queues.link;
        let mut lent = link.lend(&self.key("wake")).await?;
        let answer = get.query_async::<Option<String>>(&mut lent.redis).await;
        let holder = link.heard(&lent, answer)?;
        Ok(holder.and_then(|holder| holder.split(' ').next()?.parse().ok()))
    }

    /// Cancels jobs, also those that a worker has: their cancel tokens fire, within about a second.
    pub async fn stop(&self, ids: &[JobId]) -> Result<Vec<Acted>, QueueError> {
        self.act(&self.queues.scripts.stop, None, ids).await
    }

    /// Makes jobs run at another time; `None` is now. Dead ones get all their attempts anew.
    ///
    /// A job that waits for a worker is searched in its line: that takes Redis about 10 ms at a depth of a million.
    pub async fn reschedule(&self, ids: &[JobId], at: Option<DateTime<Utc>>) -> Result<Vec<Acted>, QueueError> {
        let at = at.map_or(0, |at| at.timestamp_millis().max(0));
        self.act(&self.queues.scripts.reschedule, Some(at), ids).await
    }

    /// Removes jobs that no worker has, whatever their state. Gives how many there were.
    pub async fn remove(&self, ids: &[JobId]) -> Result<usize, QueueError> {
        Ok(self.remove_each(ids).await?.into_iter().filter(|removed| *removed).count())
    }

    /// The same, and says of each whether it was removed.
    pub async fn remove_each(&self, ids: &[JobId]) -> Result<Vec<bool>, QueueError> {
        let mut removed = Vec::with_capacity(ids.len());
        for ids in ids.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.remove);
            for id in ids {
                call.arg(id.as_str());
            }
            removed.extend(self.run::<Vec<bool>>(&call).await?);
        }
        Ok(removed)
    }

    async fn act(&self, script: &Script, argument: Option<i64>, ids: &[JobId]) -> Result<Vec<Acted>, QueueError> {
        let mut acted = Vec::with_capacity(ids.len());
        while acted.len() < ids.len() {
            let mut call = self.prepare(script);
            if let Some(argument) = argument {
                call.arg(argument);
            }
            for id in ids[acted.len()..].iter().take(STEP) {
                call.arg(id.as_str());
            }
            // One a job, from the first on; there may be fewer.
            let words: Vec<String> = self.run(&call).await?;
            if words.is_empty() {
                return Err(QueueError::strange_answer("stop or reschedule", "nothing"));
            }
            for word in words {
                acted.push(self::acted(&word));
            }
        }
        Ok(acted)
    }
}

/// What a script says became of a job.
pub(crate) fn acted(word: &str) -> Acted {
    match word {
        "cancelled" | "moved" => Acted::Well,
        "stopping" => Acted::Stopping,
        word => word.parse().map_or(Acted::Gone, Acted::Not),
    }
}

fn ids(words: &[String], script: &'static str) -> Result<Vec<JobId>, QueueError> {
    words.iter().map(|word| word.parse().map_err(|_| QueueError::strange_answer(script, word))).collect()
}

pub(crate) fn view(key: JobId, state: JobState, when: &str, record: &str, past: &str, stopping: bool) -> JobView {
    let read = Record::read(record);
    // One that cannot be read can be looked at all the same.
    let unknown = Record { kind: "unknown", version: 1, more: More::default(), payload: record };
    let Record { kind, version, more, payload } = read.unwrap_or(unknown);
    let options = read_options(record);
    let text_of = |option: &str| options.get(option)?.as_str().map(str::to_owned);
    let past = Past::read(past).unwrap_or_default();
    JobView {
        key,
        id: more.id.unwrap_or_else(|| key.to_string()),
        kind: kind.to_owned(),
        version,
        state,
        priority: key.priority(),
        enqueued_at: from_millis(key.born()),
        time: from_millis(more.time.unwrap_or_else(|| key.born())),
        at: match state {
            // Its token, which is made like an id.
            JobState::Active => when.get(..9).and_then(|ms| i64::from_str_radix(ms, 36).ok()),
            _ => when.parse().ok(),
        }
        .map(from_millis),
        payload: payload.to_owned(),
        attempts: past.attempts,
        max_attempts: more.max_attempts.unwrap_or(DEFAULT_ATTEMPTS),
        lane: text_of("l"),
        unique: text_of("u").map(|key| key.strip_prefix(&format!("{kind}:")).unwrap_or(&key).to_owned()),
        failures: past.failures.into_iter().map(FailureView::from).collect(),
        progress: past.progress,
        log: past.log.into_iter().map(|line| (from_millis(line.at), line.line)).collect(),
        stopping,
        origin: more.origin,
    }
}
