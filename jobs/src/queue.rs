//! One queue: put jobs in, take them out under a lease, say what became of them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use redis::{FromRedisValue, Script, ScriptInvocation};
use tokio_util::sync::CancellationToken;

use crate::{
    Claimed, DeadJob, Failure, NewJob, QueueError, QueueStats, Queues, Verdict,
    keys::Keys,
    link::Link,
    new_job::{Body, from_millis},
};

/// The keys that every script gets, in this order; `lua/prelude.lua` names them.
const QUEUE_KEYS: [&str; 14] = [
    "jobs",
    "run",
    "wait",
    "delayed",
    "active",
    "dead",
    "seen",
    "unique",
    "cancelled",
    "cancels",
    "counts",
    "seq",
    "wake",
    "schedules",
];

/// Jobs in one call of a script: enough to amortise the round trip, few enough not to hold Redis up.
const STEP: usize = 250;

/// One queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    pub(crate) queues: Queues,
    name: String,
    keys: Keys,
}

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue.
    New,
    /// A job with its id was enqueued before, within the dedupe window.
    Duplicate,
    /// A job with its unique key is in the queue already.
    Held,
    /// Its unique key was cancelled after its event happened.
    Cancelled,
}

/// A wish to cancel what waits under a unique key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The kind of job.
    pub kind: String,
    /// Its unique key.
    pub unique: String,
    /// When it stopped being wanted: jobs about anything later stay.
    pub time: DateTime<Utc>,
}

/// What a claim brought.
pub(crate) struct Claim {
    pub(crate) jobs: Vec<Claimed>,
    /// There may be work after this long even if nothing new comes; `None`: none in sight.
    pub(crate) next: Option<Duration>,
    /// Jobs that cannot be read, with their tokens; they have to be settled as dead.
    pub(crate) unreadable: Vec<(String, u64, Failure)>,
}

/// A verdict on a leased job.
#[derive(Debug, Clone)]
pub(crate) struct Settlement {
    pub(crate) id: String,
    pub(crate) token: u64,
    pub(crate) verdict: Verdict,
}

impl Queue {
    pub(crate) fn new(queues: Queues, name: &str) -> Self {
        let keys = Keys::new(&queues.config.prefix, name);
        Self { queues, name: name.to_owned(), keys }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn key(&self, part: &str) -> String {
        self.keys.name(part)
    }

    pub(crate) fn prepare<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for part in QUEUE_KEYS {
            call.key(self.keys.name(part));
        }
        call
    }

    pub(crate) async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, QueueError> {
        self.run_on(&self.queues.link, call).await
    }

    async fn run_on<T: FromRedisValue>(&self, link: &Link, call: &ScriptInvocation<'_>) -> Result<T, QueueError> {
        let mut lent = link.lend();
        let answer = call.invoke_async(&mut lent.redis).await;
        link.heard(&lent, answer)
    }

    /// Puts jobs in, in order. On an error some may be in; the same call again adds just the rest.
    pub async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        let mut results = Vec::with_capacity(jobs.len());
        for jobs in jobs.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.enqueue);
            call.arg(millis(self.queues.config.dedupe_window));
            for job in jobs {
                let body = serde_json::to_string(&job.body)
                    .map_err(|source| QueueError::Encode { kind: "(enqueue)", source })?;
                let unique = job.unique.as_ref().map(|key| unique_key(&job.kind, key)).unwrap_or_default();
                call.arg(&job.id)
                    .arg(body)
                    .arg(&job.kind)
                    .arg(job.priority)
                    .arg(job.max_attempts)
                    .arg(job.run_at.map_or(0, |at| at.timestamp_millis().max(0)))
                    .arg(unique)
                    .arg(job.time.timestamp_millis());
            }
            let words: Vec<String> = self.run(&call).await?;
            results.extend(words.iter().map(|word| match word.as_str() {
                "duplicate" => Enqueued::Duplicate,
                "held" => Enqueued::Held,
                "cancelled" => Enqueued::Cancelled,
                _ => Enqueued::New,
            }));
        }
        Ok(results)
    }

    /// Cancels what waits under unique keys. Gives how many waiting jobs that took away.
    ///
    /// Order does not matter: a job that arrives after its cancel, and is about something older, is cancelled too.
    pub async fn cancel(&self, cancels: &[Cancel]) -> Result<usize, QueueError> {
        let mut taken = 0;
        for cancels in cancels.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.cancel);
            call.arg(millis(self.queues.config.dedupe_window));
            for cancel in cancels {
                call.arg(unique_key(&cancel.kind, &cancel.unique)).arg(cancel.time.timestamp_millis());
            }
            taken += self.run::<Vec<usize>>(&call).await?.iter().sum::<usize>();
        }
        Ok(taken)
    }

    /// Leases out up to `most` jobs.
    pub(crate) async fn claim(&self, link: &Link, most: usize, lease: Duration) -> Result<Claim, QueueError> {
        let mut call = self.prepare(&self.queues.scripts.claim);
        call.arg(most).arg(millis(lease));
        let values: Vec<redis::Value> = self.run_on(link, &call).await?;
        let mut values = values.into_iter();
        let next = values.next().map(redis::from_redis_value::<i64>).transpose().map_err(redis::RedisError::from)?;
        let mut claim = Claim {
            jobs: Vec::new(),
            next: next.and_then(|ms| u64::try_from(ms).ok()).map(Duration::from_millis),
            unreadable: Vec::new(),
        };
        while let Some(id) = values.next() {
            let mut rest = || values.next().unwrap_or(redis::Value::Nil);
            let (body, attempt, most, token) = (rest(), rest(), rest(), rest());
            let id: String = redis::from_redis_value(id).map_err(redis::RedisError::from)?;
            let token: u64 = redis::from_redis_value(token).map_err(redis::RedisError::from)?;
            let body: String = redis::from_redis_value(body).map_err(redis::RedisError::from)?;
            match serde_json::from_str::<Body>(&body) {
                Ok(body) => claim.jobs.push(Claimed {
                    kind: body.kind,
                    version: body.version,
                    queue: self.name.clone(),
                    payload: body.payload.get().to_owned(),
                    attempt: redis::from_redis_value(attempt).map_err(redis::RedisError::from)?,
                    max_attempts: redis::from_redis_value(most).map_err(redis::RedisError::from)?,
                    timeout: Duration::from_millis(body.timeout_ms),
                    time: from_millis(body.time),
                    origin: body.origin,
                    lost: CancellationToken::new(),
                    id,
                    token,
                }),
                Err(error) => claim.unreadable.push((id, token, Failure::new("undecodable", error))),
            }
        }
        Ok(claim)
    }

    /// Makes leases last another `lease`. Gives the tokens of those that are lost. `link` may belong to another runtime.
    pub(crate) async fn renew(
        &self,
        link: &Link,
        leases: &[(String, u64)],
        lease: Duration,
    ) -> Result<Vec<u64>, QueueError> {
        let mut lost = Vec::new();
        for leases in leases.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.renew);
            call.arg(millis(lease));
            for (id, token) in leases {
                call.arg(id).arg(*token);
            }
            lost.extend(self.run_on::<Vec<u64>>(link, &call).await?);
        }
        Ok(lost)
    }

    /// Says what became of leased jobs. Gives for each whether it counted; a late result does not.
    pub(crate) async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, QueueError> {
        let mut results = Vec::with_capacity(settlements.len());
        for settlements in settlements.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.settle);
            for Settlement { id, token, verdict } in settlements {
                let (word, delay, code, message) = match verdict {
                    Verdict::Done => ("done", Duration::ZERO, "", ""),
                    Verdict::Cancel { reason } => ("cancel", Duration::ZERO, "", reason.as_str()),
                    Verdict::Snooze { after } => ("snooze", *after, "", ""),
                    Verdict::HandBack { after } => ("back", *after, "", ""),
                    Verdict::Retry { after, failure } => {
                        ("retry", *after, failure.code.as_str(), failure.message.as_str())
                    }
                    Verdict::Dead { failure } => {
                        ("dead", Duration::ZERO, failure.code.as_str(), failure.message.as_str())
                    }
                };
                call.arg(id).arg(*token).arg(word).arg(millis(delay)).arg(code).arg(message);
            }
            results.extend(self.run::<Vec<bool>>(&call).await?);
        }
        Ok(results)
    }

    /// Gives up to `most` dead jobs to this caller alone for `lease`, to be made safe elsewhere.
    pub async fn claim_dead(&self, most: usize, lease: Duration) -> Result<Vec<DeadJob>, QueueError> {
        let mut call = self.prepare(&self.queues.scripts.claim_dead);
        call.arg(most).arg(millis(lease));
        let values: Vec<String> = self.run(&call).await?;
        let jobs = values.chunks_exact(3).map(|entry| {
            let [id, body, run] = entry else { unreachable!("chunks are exact") };
            DeadJob::read(id, body, run)
        });
        Ok(jobs.collect())
    }

    /// Keeps dead jobs that could not be made safe elsewhere; nobody is given them before `pause` has passed.
    pub async fn keep_dead(&self, ids: &[String], pause: Duration) -> Result<(), QueueError> {
        for ids in ids.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.keep_dead);
            call.arg(millis(pause));
            for id in ids {
                call.arg(id);
            }
            self.run::<()>(&call).await?;
        }
        Ok(())
    }

    /// Lets go of dead jobs that are safe elsewhere.
    pub async fn drop_dead(&self, ids: &[String]) -> Result<usize, QueueError> {
        let mut dropped = 0;
        for ids in ids.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.drop_dead);
            for id in ids {
                call.arg(id);
            }
            dropped += self.run::<usize>(&call).await?;
        }
        Ok(dropped)
    }

    /// Removes the queue with everything in it, counts included. For demos and tests.
    pub async fn obliterate(&self) -> Result<(), QueueError> {
        let mut unlink = redis::cmd("UNLINK");
        for part in QUEUE_KEYS {
            unlink.arg(self.key(part));
        }
        let link = &self.queues.link;
        let mut lent = link.lend();
        let answer = unlink.query_async(&mut lent.redis).await;
        link.heard(&lent, answer)
    }

    /// Counts of what happened and of what is there.
    pub async fn stats(&self) -> Result<QueueStats, QueueError> {
        let call = self.prepare(&self.queues.scripts.stats);
        let (counts, waiting, delayed, active, dead): (Vec<(String, u64)>, u64, u64, u64, u64) =
            self.run(&call).await?;
        Ok(QueueStats::new(counts, waiting, delayed, active, dead))
    }
}

/// A unique key within its kind.
fn unique_key(kind: &str, key: &str) -> String {
    format!("{kind}:{key}")
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
