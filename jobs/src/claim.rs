//! Taking jobs out under a lease.

use std::{
    ops::Range,
    sync::Arc,
    time::{Duration, Instant},
};

use redis::{Value, from_redis_value};

use crate::{
    Claimed, Failure, JobId, Queue, QueueError,
    blocks::{Block, Blocks},
    job::{DEFAULT_ATTEMPTS, DEFAULT_TIMEOUT},
    lease::{Hold, Place},
    link::Link,
    new_job::{from_millis, millis},
    record::{More, Past, Record, kind_and_version, read_more, read_options},
};

/// How often a block is read again, and after how long.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// What a claim brought.
#[derive(Default)]
pub(crate) struct Claim {
    pub(crate) jobs: Vec<Claimed>,
    /// There may be work after this long even if nothing new comes; `None`: none in sight.
    pub(crate) next: Option<Duration>,
    /// Jobs that cannot be read; they have to be settled as dead.
    pub(crate) unreadable: Vec<(Hold, Failure)>,
}

impl Queue {
    /// Leases out up to `most` jobs.
    pub(crate) async fn claim(
        &self,
        link: &Link,
        blocks: &mut Blocks,
        most: usize,
        lease: Duration,
    ) -> Result<Claim, QueueError> {
        let mut call = self.prepare(&self.queues.scripts.claim);
        call.arg(most).arg(millis(lease));
        let answer: Vec<Value> = self.run_on(link, &call).await?;
        let mut values = answer.into_iter();
        let mut text = || text(values.next().unwrap_or(Value::Nil));
        let mut claim = Claim::default();
        let wait = text()?;
        // Below zero: nothing in sight.
        claim.next = wait.parse().ok().and_then(|ms: f64| Duration::try_from_secs_f64(ms / 1_000.0).ok());
        let (token, items) = (text()?, text()?);
        let lease = Lease { claimed: (Instant::now(), born(&token)), token: token.into(), queue: self.shared_name() };
        let runs = items.split_ascii_whitespace().filter_map(|item| Some(item.split_once(':')?.0));
        self.fetch(link, blocks, &runs.collect::<Vec<_>>()).await?;
        for item in items.split_ascii_whitespace() {
            let (past, record) = (text()?, text()?);
            if let Some((block, run)) = item.split_once(':') {
                let places = run.split_once('-').and_then(|(first, end)| Some(first.parse().ok()?..end.parse().ok()?));
                let places = places.ok_or_else(|| QueueError::strange_answer("claim", item))?;
                // One that is gone by now is gone with the lease.
                if let Some(text) = blocks.get(block) {
                    lease.read_run(block, places, &text, &mut claim);
                }
            } else {
                let id = item.parse().map_err(|_| QueueError::strange_answer("claim", item))?;
                lease.read_one(id, &past, &record, &mut claim);
            }
        }
        Ok(claim)
    }

    /// Reads blocks. What is claimed of them is leased already, so it is tried more than once.
    async fn fetch(&self, link: &Link, blocks: &mut Blocks, wanted: &[&str]) -> Result<(), QueueError> {
        for _ in 0..TRIES {
            match blocks.fetch(self, link, wanted).await {
                Err(error) if error.is_transient() => tokio::time::sleep(PAUSE).await,
                fetched => return fetched,
            }
        }
        blocks.fetch(self, link, wanted).await
    }
}

fn text(value: Value) -> Result<String, QueueError> {
    match value {
        Value::BulkString(bytes) => Ok(String::from_utf8(bytes).unwrap_or_else(|error| {
            // Not ours; whatever reads it will say so.
            String::from_utf8_lossy(error.as_bytes()).into_owned()
        })),
        Value::Nil => Ok(String::new()),
        value => Ok(from_redis_value(value).map_err(redis::RedisError::from)?),
    }
}

/// When a job was first to run: when it was enqueued, or after its delay. In ms since 1970.
fn due_at(id: JobId, record: &str) -> i64 {
    let options = if record.starts_with('+') { read_options(record) } else { serde_json::Value::Null };
    #[expect(clippy::cast_possible_truncation, reason = "milliseconds")]
    let ms = |name: &str| options[name].as_f64().map(|ms| ms as i64);
    ms("at").or_else(|| Some(id.born() + ms("d")?)).unwrap_or_default().max(id.born())
}

/// What all jobs of a claim share.
struct Lease {
    token: Arc<str>,
    queue: Arc<str>,
    /// When it came here, and when it was made by the clock of Redis, in ms since 1970.
    claimed: (Instant, i64),
}

/// When an id was made, as it says itself: ms since 1970.
fn born(id: &str) -> i64 {
    id.get(..9).and_then(|digits| i64::from_str_radix(digits, 36).ok()).unwrap_or_default()
}

impl Lease {
    /// A job with a record of its own.
    fn read_one(&self, id: JobId, past: &str, text: &str, claim: &mut Claim) {
        let read = Record::read(text).and_then(|record| Ok((record, Past::read(past)?)));
        let is_new = past.is_empty();
        match read {
            Ok((record, past)) => {
                let hold = Hold::new(self.token.clone(), id, record.kind.into(), None);
                let hold_kind = record.kind.into();
                let attempt = past.attempts + 1;
                // What was put off since is due at another time than its record says.
                let due = is_new.then(|| self.due(due_at(id, text)));
                let claimed = self.job(hold, hold_kind, record.version, record.more, record.payload, attempt);
                claim.jobs.push(Claimed { due: due.flatten(), ..claimed });
            }
            Err(reason) => {
                let hold = Hold::new(self.token.clone(), id, "unknown".into(), None);
                claim.unreadable.push((hold, Failure::new("undecodable", reason)));
            }
        }
    }

    /// A run of jobs in a block.
    fn read_run(&self, block: &str, places: Range<usize>, text: &Block, claim: &mut Claim) {
        let (kind, version) = match kind_and_version(text.head()) {
            Ok((kind, version)) => (Arc::<str>::from(kind), Ok(version)),
            Err(reason) => (Arc::from("unknown"), Err(reason)),
        };
        let block: Arc<str> = block.into();
        let due = self.due(born(&block));
        for number in places {
            let Some(id) = JobId::in_block(&block, number) else { continue };
            // A line that is not there is read as an empty one, which is nobody's arguments.
            let line = text.line(number).unwrap_or_default();
            let place = Place { block: block.clone(), number };
            let hold = Hold::new(self.token.clone(), id, kind.clone(), Some(place));
            let (payload, more) = match line.split_once('\t') {
                Some((payload, more)) => (payload, read_more(more)),
                None => (line, Ok(More::default())),
            };
            match version.clone().and_then(|version| Ok((version, more?))) {
                Ok((version, more)) => {
                    let job = self.job(hold, kind.clone(), version, more, payload, 1);
                    claim.jobs.push(Claimed { due, ..job });
                }
                Err(reason) => claim.unreadable.push((hold, Failure::new("undecodable", reason))),
            }
        }
    }

    /// A moment of the clock of Redis by that of this process; no later than the claim.
    fn due(&self, at_ms: i64) -> Option<Instant> {
        let (here, there) = self.claimed;
        here.checked_sub(Duration::from_millis(u64::try_from(there - at_ms).unwrap_or_default()))
    }

    fn job(&self, hold: Hold, kind: Arc<str>, version: u32, more: More, payload: &str, attempt: u32) -> Claimed {
        let id = hold.id();
        Claimed {
            id: more.id.unwrap_or_else(|| id.to_string()),
            kind,
            version,
            queue: self.queue.clone(),
            payload: payload.to_owned(),
            attempt,
            max_attempts: more.max_attempts.unwrap_or(DEFAULT_ATTEMPTS),
            timeout: more.timeout_ms.map_or(DEFAULT_TIMEOUT, Duration::from_millis),
            time: from_millis(more.time.unwrap_or_else(|| id.born())),
            origin: more.origin,
            batch: more.batch,
            tick: more.tick.map(from_millis),
            lost: hold.lost().clone(),
            due: None,
            hold,
        }
    }
}
