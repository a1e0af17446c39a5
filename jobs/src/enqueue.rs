//! Putting jobs in: many in one call, plain ones packed into blocks.

use std::{borrow::Borrow, time::Duration};

use redis::ScriptInvocation;

use crate::{Expected, JobId, NewJob, Queue, QueueError, Queues, Watermark, new_job::millis, producer::Turn};

/// Most jobs in a block: its ids count them in two digits of base 36. Fewer, so that a block goes to few workers.
const BLOCK_JOBS: usize = 250;
/// No block is larger, in bytes: a script copies it whole.
const BLOCK_BYTES: usize = 64 << 10;
/// What is said of a job that goes back to an event, beside its arguments, is about as long.
const MORE_BYTES: usize = 400;
/// Jobs in one call of a script: enough to amortise the round trip, few enough not to hold Redis up.
pub(crate) const STEP: usize = 1_000;
/// A job with options takes the script as long as so many in a block.
pub(crate) const OPTIONS_COST: usize = 10;
/// So many bytes in one call, about.
pub(crate) const STEP_BYTES: usize = 1 << 20;
/// How often a call is made whose answer does not come.
const TRIES: u32 = 3;
/// For how long Redis keeps the answer to a producer's last call.
const ANSWER_KEPT: Duration = Duration::from_mins(10);

/// What became of a job that was to be enqueued.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Enqueued {
    /// It is in the queue, under this id.
    New(JobId),
    /// It was enqueued before, within the dedupe window.
    Duplicate,
    /// This job holds its unique key.
    Held(JobId),
    /// Its unique key was cancelled after its event happened.
    Cancelled,
}

impl Enqueued {
    /// The id under which it is in the queue: its own, or that of the job that holds its key.
    pub fn id(&self) -> Option<JobId> {
        match self {
            Self::New(id) | Self::Held(id) => Some(*id),
            Self::Duplicate | Self::Cancelled => None,
        }
    }

    /// From the word that a script has for it.
    pub(crate) fn read(word: &str, script: &'static str) -> Result<Self, QueueError> {
        let id = |text: &str| text.parse::<JobId>().map_err(|_| QueueError::strange_answer(script, word));
        Ok(match word.as_bytes().first() {
            Some(b'=') => Self::Duplicate,
            Some(b'!') => Self::Cancelled,
            Some(b'~') => Self::Held(id(&word[1..])?),
            _ => Self::New(id(word)?),
        })
    }
}

/// Some jobs as the script wants them.
#[derive(Default)]
pub(crate) struct Call {
    mark: Option<(String, String, String)>,
    groups: Vec<Group>,
    bytes: usize,
    /// How long the script takes, in jobs of a block.
    cost: usize,
}

struct Group {
    kind: String,
    mode: String,
    jobs: usize,
    values: Vec<String>,
    is_block: bool,
}

impl Call {
    /// Adds as many jobs as fit in one call; gives how many.
    pub(crate) fn fill(&mut self, jobs: &[NewJob], window: Duration) -> usize {
        let mut at = 0;
        while at < jobs.len() && self.cost < STEP && self.bytes < STEP_BYTES {
            let run = plain_run(&jobs[at..], STEP - self.cost);
            if run > 1 {
                self.add_block(&jobs[at..at + run]);
                at += run;
            } else {
                self.add(&jobs[at], window);
                at += 1;
            }
        }
        at
    }

    pub(crate) fn add(&mut self, job: &NewJob, window: Duration) {
        let mode = if job.is_plain() { job.priority.to_string() } else { "+".to_owned() };
        self.add_one(&job.kind, mode, job.record(window));
    }

    /// Adds a job by its record, which has options.
    pub(crate) fn add_record(&mut self, kind: &str, record: String) {
        self.add_one(kind, "+".to_owned(), record);
    }

    fn add_one(&mut self, kind: &str, mode: String, record: String) {
        self.bytes += record.len();
        self.cost += if mode == "+" { OPTIONS_COST } else { 1 };
        match self.groups.last_mut() {
            Some(group) if group.kind == kind && group.mode == mode => {
                group.values.push(record);
                group.jobs += 1;
            }
            _ => {
                self.groups.push(Group { kind: kind.to_owned(), mode, jobs: 1, values: vec![record], is_block: false });
            }
        }
    }

    /// Adds plain jobs of one kind, version and priority: a [`plain_run`].
    pub(crate) fn add_block<J: Borrow<NewJob>>(&mut self, jobs: &[J]) {
        let first = jobs[0].borrow();
        let mut text = first.head();
        let offset = text.len() + 2;
        let payloads: usize = jobs.iter().map(|job| job.borrow().payload.len()).sum();
        text.reserve(payloads + jobs.len() * MORE_BYTES);
        for job in jobs.iter().map(Borrow::borrow) {
            text.push('\n');
            text.push_str(&job.payload);
            if let Some(more) = job.more() {
                text.push('\t');
                text.push_str(&more);
            }
        }
        self.bytes += text.len();
        self.cost += jobs.len();
        self.groups.push(Group {
            kind: first.kind.clone(),
            mode: format!("b{}", first.priority),
            jobs: jobs.len(),
            values: vec![text, offset.to_string()],
            is_block: true,
        });
    }

    /// Adds all, however many.
    pub(crate) fn add_all(&mut self, jobs: &[NewJob], window: Duration) {
        for job in jobs {
            self.add(job, window);
        }
    }

    /// Only if the source is where it is expected to be; then its watermark moves. Goes first.
    pub(crate) fn add_mark(&mut self, source: &str, expected: Expected, mark: Watermark) {
        self.mark = Some((source.to_owned(), expected.to_string(), mark.to_string()));
    }

    /// A batch that jobs of this call are of.
    pub(crate) fn add_batch(&mut self, id: &str, text: String) {
        let (kind, mode) = (id.to_owned(), "batch".to_owned());
        self.groups.push(Group { kind, mode, jobs: 0, values: vec![text], is_block: false });
    }

    /// All of the batch's jobs are in.
    pub(crate) fn close_batch(&mut self, id: &str) {
        let (kind, mode) = (id.to_owned(), "close".to_owned());
        self.groups.push(Group { kind, mode, jobs: 0, values: Vec::new(), is_block: false });
    }

    pub(crate) fn write(&self, call: &mut ScriptInvocation<'_>) {
        if let Some((source, expected, mark)) = &self.mark {
            call.arg(source).arg("mark").arg(expected).arg(mark);
        }
        for group in &self.groups {
            call.arg(group.kind.as_str()).arg(group.mode.as_str()).arg(group.jobs);
            for value in &group.values {
                call.arg(value.as_str());
            }
        }
    }

    /// Reads the script's answer: one result a job.
    pub(crate) fn read(&self, answer: &str, results: &mut Vec<Enqueued>) -> Result<(), QueueError> {
        let mut words = answer.split(' ');
        for group in &self.groups {
            let words_of_group = if group.is_block { 1 } else { group.jobs };
            for _ in 0..words_of_group {
                let word = words.next().unwrap_or_default();
                if group.is_block {
                    let strange = || QueueError::strange_answer("enqueue", word);
                    for place in 0..group.jobs {
                        results.push(Enqueued::New(JobId::in_block(word, place).ok_or_else(strange)?));
                    }
                } else {
                    results.push(Enqueued::read(word, "enqueue")?);
                }
            }
        }
        Ok(())
    }
}

/// How many jobs from the first on can share a block.
pub(crate) fn plain_run<J: Borrow<NewJob>>(jobs: &[J], most: usize) -> usize {
    let Some(first) = jobs.first().map(Borrow::borrow) else { return 0 };
    let like_first = |job: &&NewJob| {
        job.is_plain() && job.kind == first.kind && job.version == first.version && job.priority == first.priority
    };
    let mut bytes = 0;
    let fits = |job: &&NewJob| {
        bytes += job.payload.len() + 1;
        bytes <= BLOCK_BYTES && !job.payload.contains(['\n', '\t'])
    };
    jobs.iter().map(Borrow::borrow).take(most.min(BLOCK_JOBS)).take_while(like_first).take_while(fits).count()
}

impl Queues {
    /// Refuses a job that is larger than [`RedisConfig::max_payload`](crate::RedisConfig::max_payload), as all queues do.
    pub fn accept(&self, job: &NewJob) -> Result<(), QueueError> {
        let limit = self.config.max_payload;
        match job.payloads().map(str::len).max().unwrap_or_default() {
            bytes if bytes > limit => Err(QueueError::TooLarge { kind: job.kind.clone(), bytes, limit }),
            _ => Ok(()),
        }
    }
}

impl Queue {
    /// Puts jobs in, in order. On an error some may be in; the same call again adds just the rest of those that have
    /// an id of their own, and all others a second time.
    pub async fn enqueue(&self, jobs: &[NewJob]) -> Result<Vec<Enqueued>, QueueError> {
        self.accept(jobs)?;
        let mut results = Vec::with_capacity(jobs.len());
        let mut rest = jobs;
        while !rest.is_empty() {
            let mut call = Call::default();
            let taken = call.fill(rest, self.queues.config.dedupe_window);
            self.send(&call, &mut results).await?;
            rest = &rest[taken..];
        }
        Ok(results)
    }

    /// Refuses what is too large before anything is sent.
    pub(crate) fn accept(&self, jobs: &[NewJob]) -> Result<(), QueueError> {
        jobs.iter().try_for_each(|job| self.queues.accept(job))
    }

    /// One call, made again under its number while it is not known whether it took effect.
    pub(crate) async fn send(&self, call: &Call, results: &mut Vec<Enqueued>) -> Result<(), QueueError> {
        let turn: Turn = self.queues.producer.turn();
        let answer = self.ask(call, &turn.name(), ANSWER_KEPT).await?;
        call.read(&answer, results)
    }

    /// Makes a call, again while no answer comes. Something has to keep it from being done twice: the `number`, for whose
    /// producer Redis keeps the answer for so long, or a watermark.
    pub(crate) async fn ask(&self, call: &Call, number: &str, kept: Duration) -> Result<String, QueueError> {
        let mut invocation = self.prepare(&self.queues.scripts.enqueue);
        invocation.arg(number).arg(millis(kept));
        call.write(&mut invocation);
        let mut tries = 0;
        loop {
            tries += 1;
            match self.run(&invocation).await {
                Err(QueueError::Unavailable(_)) if tries < TRIES => {
                    tokio::time::sleep(Duration::from_millis(50) * tries).await;
                }
                answer => return answer,
            }
        }
    }
}
