//! Handing one batch off: jobs into their queues, poison onto the dead-letter topic, then the batch is settled.

use std::{
    collections::{BTreeMap, HashMap},
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use futures::future::join_all;
use millgate_events::{
    Batch, BatchToken, DeadLetter, DeadLetters, Record, SPANS, TraceParent, Trail, Troubles, Values, metrics,
    processing, spans_are_on,
};
use millgate_jobs::{Expected, HandedOff, NewJob, Queues, Tell};
use tokio_util::sync::CancellationToken;
use tracing::{Span, error, warn};

use crate::{
    BridgeStats, Plan, Poison, RouteTable, Routes,
    judge::{Decision, Judge},
    noting::Noting,
    partition::{Mark, Partition, Partitions},
    share::Share,
    stats::Standing,
    trouble::Trouble,
};

/// A partition that waits for somebody to say how to go on is said again after so long.
const REMINDER: Duration = Duration::from_secs(30);
/// Between two looks whether it may go on.
const LOOK: Duration = Duration::from_secs(1);

/// What every hand-off needs.
pub(crate) struct HandOff {
    pub(crate) routes: Arc<Routes>,
    pub(crate) queues: Queues,
    pub(crate) judge: Judge,
    pub(crate) partitions: Partitions,
    pub(crate) values: Values,
    pub(crate) dead_letters: DeadLetters,
    pub(crate) stats: Arc<BridgeStats>,
    pub(crate) trail: Trail,
    pub(crate) group: String,
    pub(crate) topic_prefix: String,
    /// Fires when the bridge stops: what waits for people is not waited for.
    pub(crate) stopping: CancellationToken,
    pub(crate) troubles: Troubles,
    /// What was said, and when.
    pub(crate) said: Mutex<HashMap<String, Instant>>,
}

/// Why a batch is not handed off.
enum Stop {
    /// The partition is another's now.
    Revoked,
    /// Something before it has to be handed off again.
    Rewind(i64),
}

impl HandOff {
    /// Hands a batch off. Only when everything in it is confirmed is it settled; without that it comes again.
    pub(crate) async fn run(&self, batch: Batch) {
        let taken = Instant::now();
        let partition = self.partitions.of(batch.token.holding(), &self.group);
        let mut progress = partition.progress.lock().await;
        let (Some(first), Some(last)) = (batch.records.first(), batch.records.last()) else { return };
        let (first, last) = (first.offset, last.offset);
        if let Some(offset) = progress.rewind.take() {
            progress.read_again(offset.min(first));
            return batch.token.rewind(offset.min(first));
        }
        progress.begin(first);
        if let Some(began) = progress.began.take() {
            let missed =
                self.persist(&batch.token, "nothing yet", || self.judge.missed(&partition, began, first)).await;
            let Ok(missed) = missed else { return };
            self.stats.missed(missed);
        }
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        let mut poisoned: Vec<(&Record, Poison)> = Vec::new();
        let mut tombstones = 0;
        let routes = self.routes.table();
        // Asked once. They end when the batch is settled, or given up.
        let (traced, mut spans) = (spans_are_on(), Vec::new());
        let mut noting = Noting::begin(&self.trail, &self.group);
        for record in &batch.records {
            let topic = record.topic.strip_prefix(self.topic_prefix.as_str()).unwrap_or(&record.topic);
            let Ok(planned) = self.plan(&routes, record, topic, &batch.token, noting.as_mut()).await else { return };
            let span = if traced { processing(record, &self.group) } else { Span::none() };
            match planned {
                Ok(Some(Plan { mut jobs, cancels })) => {
                    if let Some(trace) = TraceParent::of(&span) {
                        let trace = trace.to_string();
                        for job in &mut jobs {
                            job.traced_by(&trace);
                        }
                    }
                    for job in jobs {
                        let share = shares.entry(job.queue.clone()).or_default();
                        share.enqueue(record, job);
                    }
                    for (queue, cancel) in cancels {
                        shares.entry(queue).or_default().cancel(record, cancel);
                    }
                }
                Ok(None) => tombstones += 1,
                Err(poison) => {
                    span.in_scope(|| error!(target: SPANS, error = poison.message()));
                    poisoned.push((record, poison));
                }
            }
            if traced {
                spans.push(span);
            }
        }
        let filled = join_all(shares.iter().map(async |(queue, share)| {
            let mut mark = progress.mark(queue);
            let stop = self.fill(queue, share, &partition, &mut mark, (&batch, noting.as_ref())).await.err();
            self.troubles.of(&partition.holding, queue).goes_on();
            (queue, mark, stop)
        }));
        let mut rewind: Option<i64> = None;
        let mut revoked = false;
        for (queue, mark, stop) in filled.await {
            progress.set(queue, mark);
            match stop {
                None => {}
                Some(Stop::Revoked) => revoked = true,
                Some(Stop::Rewind(to)) => rewind = Some(rewind.map_or(to, |earlier| earlier.min(to))),
            }
        }
        if let Some(to) = rewind {
            // Its own records too: those that are poison are not buried yet.
            progress.read_again(to.min(first));
            return batch.token.rewind(to.min(first));
        }
        if revoked {
            return;
        }
        let buried = progress.buried;
        for (record, poison) in poisoned.iter().filter(|(record, _)| Some(record.offset) > buried) {
            if self.bury(record, poison, &batch.token).await.is_err() {
                return;
            }
        }
        progress.end(last);
        let dead = poisoned.len() as u64;
        let topic = partition.holding.topic().strip_prefix(self.topic_prefix.as_str());
        let topic = topic.unwrap_or(partition.holding.topic());
        self.stats.batch(topic, batch.records.len() as u64 - dead, tombstones, dead);
        drop(poisoned);
        if let Some(noting) = noting {
            noting.end();
        }
        let note = progress.note(last + 1);
        metrics().processed(batch.token.holding().topic(), &self.group, batch.records.len(), taken.elapsed());
        batch.token.settle_with(&note);
    }

    /// What a record comes to, which is noted. A value that lies elsewhere, or is in the wire format, is opened first, one at a
    /// time, and gone with the end of this: a batch of them would be more than fits.
    async fn plan(
        &self,
        routes: &RouteTable<'_>,
        record: &Record,
        topic: &str,
        token: &BatchToken,
        mut noting: Option<&mut Noting<'_>>,
    ) -> Result<Result<Option<Plan>, Poison>, Stop> {
        let plan = |record: &Record| {
            let plan = routes.plan(record, topic)?;
            // A queue that refuses a job would do so for ever.
            let mut jobs = plan.iter().flat_map(|plan| &plan.jobs);
            jobs.try_for_each(|job| self.queues.accept(job)).map_err(Poison::Job)?;
            Ok(plan)
        };
        let mut noted = |record: &Record, plan: Result<Option<Plan>, Poison>| {
            if let Some(noting) = &mut noting {
                noting.planned(record, topic, &plan);
            }
            Ok(plan)
        };
        if !Values::is_closed(record) {
            return noted(record, plan(record));
        }
        match self.persist(token, "jobs whose values are elsewhere", || self.values.open(record)).await? {
            Ok(whole) => noted(&whole.record, plan(&whole.record)),
            Err(bad) => noted(record, Err(bad.into())),
        }
    }

    /// Enqueues and cancels in one queue, from where it is.
    async fn fill(
        &self,
        name: &str,
        share: &Share,
        partition: &Partition,
        mark: &mut Mark,
        (batch, noting): (&Batch, Option<&Noting<'_>>),
    ) -> Result<(), Stop> {
        let (queue, token) = (self.queues.queue(name), &batch.token);
        let source = [partition.source.as_str()];
        let tell = noting.map(|noting| |job: &NewJob, became| noting.tell(job, became));
        let tell = tell.as_ref().map(|tell| tell as Tell<'_>);
        if !share.cancels.is_empty() {
            // They go by the times of their events, so that it does no harm that they come before the jobs, and again.
            let taken = self.persist(token, name, || queue.cancel(&share.cancels)).await?;
            self.stats.cancelled(taken);
        }
        let spot = self.troubles.of(token.holding(), name);
        let (halted, refused) = (Standing::new(&self.stats.halted_now), Standing::new(&self.stats.refused));
        loop {
            let rest = share.after(mark.expected);
            let stored = if share.begins_before(mark.expected) && mark.proven != mark.expected {
                // Nothing is passed over without a look.
                self.persist(token, name, || queue.watermarks_of(&source)).await?.pop().flatten()
            } else {
                if rest.is_empty() {
                    self.stats.skipped(share.jobs_up_to(mark.expected));
                    return Ok(());
                }
                let expected = mark.expected.map_or(Expected::Unknown, Expected::At);
                let hand_off = || async {
                    let done = queue.hand_off_telling(source[0], expected, rest, tell).await;
                    refused.set(done.is_err());
                    done
                };
                match self.persist(token, name, hand_off).await? {
                    HandedOff::Done(results) => {
                        self.stats.enqueued(&results);
                        self.stats.skipped(share.jobs_up_to(mark.expected));
                        mark.expected = rest.last().map(|portion| portion.mark.offset);
                        return Ok(());
                    }
                    HandedOff::Elsewhere(stored) => stored,
                }
            };
            let judged = match self.judge.decide(name, partition, mark.expected, stored, &self.stats).await {
                Ok(Decision::Expect(expected)) => {
                    mark.expected = expected;
                    let proof = match stored.filter(|_| share.begins_before(expected)) {
                        Some(stored) => self.judge.prove(name, partition, stored, &batch.records).await,
                        None => continue,
                    };
                    if proof.is_ok() {
                        mark.proven = expected;
                    }
                    proof
                }
                Ok(Decision::Rewind { to, expect }) => {
                    mark.expected = expect;
                    return Err(Stop::Rewind(to));
                }
                Err(trouble) => Err(trouble),
            };
            halted.set(judged.as_ref().is_err_and(Trouble::is_for_people));
            match &judged {
                Ok(()) => spot.goes_on(),
                Err(trouble) => spot.waits(trouble),
            }
            if let Err(trouble) = judged {
                mark.replaced |= matches!(trouble, Trouble::TopicIsAnother { .. });
                self.say(&trouble);
                self.wait(token).await?;
                let began = Instant::now();
                while trouble.is_for_people() && began.elapsed() < REMINDER {
                    // What is wrong changes when somebody sets the watermark.
                    let now = self.persist(token, name, || queue.watermarks_of(&source)).await?.pop().flatten();
                    if now != stored {
                        break;
                    }
                    self.wait(token).await?;
                }
            }
        }
    }

    /// Says what is wrong: once, and then once in a while.
    pub(crate) fn say(&self, trouble: &Trouble) {
        let text = trouble.to_string();
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.retain(|_, at| at.elapsed() < REMINDER);
        if said.insert(text.clone(), Instant::now()).is_none() {
            if trouble.is_for_people() {
                self.stats.halted();
            }
            error!("{text}");
        }
    }

    /// Waits a moment, as long as the partition is ours.
    async fn wait(&self, token: &BatchToken) -> Result<(), Stop> {
        let waited = self.stopping.run_until_cancelled(tokio::time::sleep(LOOK)).await;
        if waited.is_none() || token.is_revoked() { Err(Stop::Revoked) } else { Ok(()) }
    }

    /// Puts a record that cannot become jobs on the dead-letter topic.
    async fn bury(&self, record: &Record, poison: &Poison, token: &BatchToken) -> Result<(), Stop> {
        let (topic, partition, offset) = (&record.topic, record.partition, record.offset);
        let message = poison.message();
        warn!(%topic, partition, offset, code = poison.code(), reason = message, "event is poison; to the dead-letter topic");
        let letter = DeadLetter::of_event(record, &self.group, poison.code(), &message, now());
        let unwritable = Standing::new(&self.stats.unwritable);
        let write = || async {
            let written = self.dead_letters.write(&letter).await;
            unwritable.set(written.is_err());
            written
        };
        self.persist(token, "the dead letters", write).await
    }

    /// Tries until it works, or until the partition is another's to care for. Meanwhile the partition fills up and is
    /// paused; nothing is skipped.
    async fn persist<T, E: Display, F: Future<Output = Result<T, E>>>(
        &self,
        token: &BatchToken,
        target: &str,
        action: impl Fn() -> F,
    ) -> Result<T, Stop> {
        let spot = self.troubles.of(token.holding(), &format!("try {target}"));
        let mut pause = Duration::from_millis(50);
        let mut waits = false;
        loop {
            if token.is_revoked() {
                spot.goes_on();
                return Err(Stop::Revoked);
            }
            match action().await {
                Ok(value) => {
                    if waits {
                        spot.goes_on();
                    }
                    return Ok(value);
                }
                Err(reason) => {
                    error!(into = target, %reason, "cannot hand off; trying on");
                    spot.waits(format_args!("cannot hand off into {target}, trying on: {reason}"));
                    waits = true;
                }
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}

/// The time of a death.
#[expect(clippy::disallowed_methods, reason = "a record that is given up is given up now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
