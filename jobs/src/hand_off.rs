//! Taking over from a log: its records' jobs exactly once, by a watermark that moves with them.
//!
//! For each source (a partition of a topic, as one reader has it) a queue knows the last record that was handed off. A call
//! says which one its caller believes that to be. If it is, the jobs are in and the watermark is moved, in one atomic
//! step; if not, nothing is done, and the caller is told. So whoever repeats himself, comes late or was replaced
//! enqueues nothing, and a Redis that went back in time is found out: the watermark went back with its jobs.

use std::{collections::BTreeMap, fmt, str::FromStr, time::Duration};

use crate::{
    Enqueued, NewJob, Queue, QueueError,
    enqueue::{Call, OPTIONS_COST, STEP, STEP_BYTES, plain_run},
};

/// A record of a log, the last one that was handed off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watermark {
    /// Its offset; -1 is before the first.
    pub offset: i64,
    /// Its time in milliseconds since 1970, by which a log is told from another that took its place; -1 if not known.
    pub timestamp: i64,
}

/// What a caller believes the watermark to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Anything; so it may only be that there is none yet.
    Unknown,
    /// There is none yet.
    Nothing,
    /// This offset.
    At(i64),
}

/// A record and the jobs that it comes to in one queue, which may be none.
#[derive(Debug, Clone)]
pub struct Portion {
    /// The record.
    pub mark: Watermark,
    /// Its jobs.
    pub jobs: Vec<NewJob>,
}

/// Is told of each job what became of it.
pub type Tell<'a> = &'a (dyn Fn(&NewJob, Enqueued) + Sync);

/// What came of a hand-off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HandedOff {
    /// Every job is in, once. Gives what became of each, in no order; of a call whose answer was lost, nothing.
    Done(Vec<Enqueued>),
    /// The watermark is not what was expected, or no longer: this is what it is. Nothing was done from there on.
    Elsewhere(Option<Watermark>),
}

impl fmt::Display for Watermark {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.offset, self.timestamp)
    }
}

impl FromStr for Watermark {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (offset, timestamp) = text.split_once(' ').ok_or(())?;
        Ok(Self { offset: offset.parse().map_err(drop)?, timestamp: timestamp.parse().map_err(drop)? })
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => out.write_str("?"),
            Self::Nothing => out.write_str("-"),
            Self::At(offset) => write!(out, "{offset}"),
        }
    }
}

impl Queue {
    /// Takes over records of a source, in order of their offsets, from the expected watermark on.
    ///
    /// All jobs of a record come in with one call; many records take several, each of which moves the watermark to its last
    /// record. Within a call plain jobs of a kind are put together. After an error some calls may have been made: the
    /// same again says where that ended.
    pub async fn hand_off(
        &self,
        source: &str,
        expected: Expected,
        portions: &[Portion],
    ) -> Result<HandedOff, QueueError> {
        self.hand_off_telling(source, expected, portions, None).await
    }

    /// The same, telling of each job what became of it as soon as that is known. Of jobs that were taken over before, and
    /// of a call whose answer was lost, nothing is told.
    pub async fn hand_off_telling(
        &self,
        source: &str,
        expected: Expected,
        portions: &[Portion],
        tell: Option<Tell<'_>>,
    ) -> Result<HandedOff, QueueError> {
        for portion in portions {
            self.accept(&portion.jobs)?;
        }
        let (mut results, mut expected, mut rest) = (Vec::new(), expected, portions);
        while !rest.is_empty() {
            let (now, later) = rest.split_at(call_of(rest));
            let Some(mark) = now.last().map(|portion| portion.mark) else { break };
            let mut call = Call::default();
            call.add_mark(source, expected, mark);
            let mut order = tell.map(|_| Vec::new());
            fill(&mut call, now, self.queues.config.dedupe_window, order.as_mut());
            let known = results.len();
            match self.move_on(&call).await? {
                Answer::Taken(answer) => {
                    call.read(&answer, &mut results)?;
                    if let (Some(tell), Some(order)) = (tell, order) {
                        order.into_iter().zip(&results[known..]).for_each(|(job, became)| tell(job, *became));
                    }
                }
                // It was done, and its answer lost; or another has done just the same.
                Answer::Elsewhere(Some(stored)) if stored == mark => {}
                Answer::Elsewhere(stored) => return Ok(HandedOff::Elsewhere(stored)),
            }
            (expected, rest) = (Expected::At(mark.offset), later);
        }
        Ok(HandedOff::Done(results))
    }

    /// Up to where each of these sources was handed off.
    pub async fn watermarks_of(&self, sources: &[&str]) -> Result<Vec<Option<Watermark>>, QueueError> {
        if sources.is_empty() {
            return Ok(Vec::new());
        }
        let key = self.key("watermarks");
        let mut lent = self.queues.link.lend(&key).await?;
        let answer = redis::cmd("HMGET").arg(&key).arg(sources).query_async(&mut lent.redis).await;
        let texts: Vec<Option<String>> = self.queues.link.heard(&lent, answer)?;
        texts.into_iter().map(|text| text.as_deref().map(read).transpose()).collect()
    }

    /// Forgets how far sources are that nothing will be handed off from any more.
    pub async fn forget_watermarks(&self, sources: &[&str]) -> Result<(), QueueError> {
        if sources.is_empty() {
            return Ok(());
        }
        let key = self.key("watermarks");
        let mut lent = self.queues.link.lend(&key).await?;
        let answer = redis::cmd("HDEL").arg(&key).arg(sources).query_async::<u64>(&mut lent.redis).await;
        self.queues.link.heard(&lent, answer).map(drop)
    }

    /// Every source's watermark.
    pub async fn watermarks(&self) -> Result<BTreeMap<String, Watermark>, QueueError> {
        let key = self.key("watermarks");
        let mut lent = self.queues.link.lend(&key).await?;
        let answer = redis::cmd("HGETALL").arg(&key).query_async(&mut lent.redis).await;
        let texts: BTreeMap<String, String> = self.queues.link.heard(&lent, answer)?;
        texts.into_iter().map(|(source, text)| Ok((source, read(&text)?))).collect()
    }

    /// Makes a call, which needs no number: a watermark that has moved keeps it from being done twice.
    async fn move_on(&self, call: &Call) -> Result<Answer, QueueError> {
        let answer = self.ask(call, "", Duration::ZERO).await?;
        Ok(match answer.strip_prefix('@') {
            None => Answer::Taken(answer),
            Some("-") => Answer::Elsewhere(None),
            Some(stored) => Answer::Elsewhere(Some(read(stored)?)),
        })
    }
}

enum Answer {
    Taken(String),
    Elsewhere(Option<Watermark>),
}

fn read(text: &str) -> Result<Watermark, QueueError> {
    text.parse().map_err(|()| QueueError::strange_answer("enqueue", text))
}

/// How many of these go in one call: at least one.
fn call_of(portions: &[Portion]) -> usize {
    let (mut cost, mut bytes) = (0, 0);
    let fits = |portion: &&Portion| {
        let fits = cost < STEP && bytes < STEP_BYTES;
        for job in &portion.jobs {
            cost += if job.is_plain() { 1 } else { OPTIONS_COST };
            bytes += job.payloads().map(str::len).sum::<usize>();
        }
        fits
    };
    portions.iter().take_while(fits).count().max(1)
}

/// Plain jobs in blocks, however they are mixed with others; then those with options, which may depend on each other's order.
/// `order` is the one in which the script will answer.
fn fill<'a>(call: &mut Call, portions: &'a [Portion], window: Duration, mut order: Option<&mut Vec<&'a NewJob>>) {
    let (plain, others): (Vec<&NewJob>, Vec<&NewJob>) =
        portions.iter().flat_map(|portion| &portion.jobs).partition(|job| job.is_plain());
    let mut kinds: Vec<(_, Vec<&NewJob>)> = Vec::new();
    for job in plain {
        let kind = (job.kind.as_str(), job.version, job.priority);
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, jobs)) => jobs.push(job),
            None => kinds.push((kind, vec![job])),
        }
    }
    for (_, jobs) in kinds {
        if let Some(order) = &mut order {
            order.extend(&jobs);
        }
        let mut rest = jobs.as_slice();
        while let Some(first) = rest.first() {
            let run = plain_run(rest, rest.len());
            if run > 1 {
                call.add_block(&rest[..run]);
            } else {
                call.add(first, window);
            }
            rest = &rest[run.max(1)..];
        }
    }
    if let Some(order) = order {
        order.extend(&others);
    }
    for job in others {
        call.add(job, window);
    }
}
