//! Events through routes, into queues, each once by watermarks of the replay's own.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, Utc};
use millgate_events::{Chosen, Destination, KafkaConfig, Progress, Record, ReplayError, Span, Taken, Tally, Values};
use millgate_jobs::{Enqueued, Expected, HandedOff, NewJob, QueueError, Queues};
use tracing::error;
use uuid::Uuid;

use super::{
    doubling::{Doubling, Present},
    names::Names,
    spot::Spot,
};
use crate::{Plan, Poison, RouteTable, Routes, partition::source, share::Share};

/// Names of jobs that are made again are version 5 UUIDs under this one: so that each comes in once, however often the
/// replay is cut off.
const NAMES: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_7265_706c_6179);

/// Hands events to routes, and their jobs to queues.
pub struct IntoRoutes {
    /// The replay's id.
    pub id: String,
    /// The group whose routes these are: the way to Kafka, with the group's own name.
    pub kafka: KafkaConfig,
    /// Its routes.
    pub routes: Arc<Routes>,
    /// Only jobs of these kinds, and cancels of them; all, if none is named.
    pub kinds: BTreeSet<String>,
    /// The way to Redis.
    pub queues: Queues,
    /// Where large values lie.
    pub values: Values,
    /// What to do about jobs that the live group makes.
    pub doubling: Doubling,
    /// For so long ids are remembered (`redis.dedupe_window`).
    pub window: Duration,
    /// When the replay was asked for.
    pub asked_at: DateTime<Utc>,
    /// Of all jobs, rather than what their routes say; 9 lets live ones go first.
    pub priority: Option<u8>,
    /// Ends at the first event that its routes cannot bear.
    pub strict: bool,
    /// Counts what would be done, and does nothing.
    pub is_dry: bool,
    /// Jobs that there are, once it was looked.
    present: Option<Present>,
}

impl IntoRoutes {
    /// All jobs that the routes of a group make, with nothing doubled.
    pub fn new(id: &str, kafka: &KafkaConfig, routes: Arc<Routes>, queues: Queues, asked_at: DateTime<Utc>) -> Self {
        Self {
            id: id.to_owned(),
            kafka: kafka.clone(),
            routes,
            kinds: BTreeSet::new(),
            queues,
            values: Values::default(),
            doubling: Doubling::Never,
            window: Duration::from_hours(24),
            asked_at,
            priority: None,
            strict: false,
            is_dry: false,
            present: None,
        }
    }

    /// The queues that its jobs go to.
    fn queue_names(&self) -> BTreeSet<String> {
        let outlines = self.routes.table().outlines().into_iter();
        outlines.filter(|outline| self.is_meant(&outline.kind)).map(|outline| outline.queue).collect()
    }

    fn is_meant(&self, kind: &str) -> bool {
        self.kinds.is_empty() || self.kinds.contains(kind)
    }

    /// What queues call a partition of this replay.
    fn source(&self, span: &Span) -> String {
        source(&format!("{}.replay-{}", self.kafka.consumer_group, self.id), &span.topic, span.partition)
    }

    async fn plan(
        &self,
        routes: &RouteTable<'_>,
        record: &Record,
    ) -> Result<Result<Option<Plan>, Poison>, ReplayError> {
        let topic = record.topic.strip_prefix(self.kafka.topic_prefix.as_str()).unwrap_or(&record.topic);
        let plan = |record: &Record| {
            let plan = routes.plan(record, topic)?;
            let mut jobs = plan.iter().flat_map(|plan| &plan.jobs);
            jobs.try_for_each(|job| self.queues.accept(job)).map_err(Poison::Job)?;
            Ok(plan)
        };
        if !Values::is_closed(record) {
            return Ok(plan(record));
        }
        let opened = self.values.open(record).await.map_err(|away| ReplayError::Away(away.to_string()))?;
        Ok(opened.map_err(Poison::from).and_then(|whole| plan(&whole.record)))
    }

    /// A job as this replay makes it, or nothing.
    fn job(&self, record: &Record, spot: &Spot, job: NewJob, tally: &mut Tally) -> Option<NewJob> {
        // What this replay has handed off itself is not left out; its watermark passes it over.
        let is_own = spot.marks.get(&job.queue).is_some_and(|mark| record.offset <= *mark);
        let mut job = match (self.doubling, &self.present) {
            (Doubling::Again, _) => {
                let name = format!("{} {}", self.id, job.name().unwrap_or_default());
                job.renamed(Uuid::new_v5(&NAMES, name.as_bytes()).to_string())
            }
            (Doubling::Never, present) => {
                let present = present.as_ref().filter(|_| !is_own);
                if let Some(left_out) = present.and_then(|present| present.leaves_out(record, spot.live, &job)) {
                    tally.count(left_out.words(), 1);
                    return None;
                }
                // Nor do two replays of the same events.
                let once = format!("replay:{}", job.name().unwrap_or_default());
                job.taken_in_once(once, self.window)
            }
        };
        if let Some(priority) = self.priority {
            job.priority = priority.min(9);
        }
        tally.count(&format!("jobs of {}", job.kind), 1);
        Some(job)
    }

    /// What records of a partition come to in each queue.
    async fn shares(
        &self,
        records: &[&Chosen],
        spot: &Spot,
        tally: &mut Tally,
    ) -> Result<BTreeMap<String, Share>, ReplayError> {
        let routes = self.routes.table();
        let mut shares: BTreeMap<String, Share> = BTreeMap::new();
        for chosen in records {
            let Plan { jobs, cancels } = match self.plan(&routes, &chosen.record).await? {
                Ok(plan) => plan.unwrap_or_default(),
                Err(poison) if self.strict => {
                    return Err(ReplayError::Unreadable { place: chosen.place(), reason: poison.message() });
                }
                Err(poison) => {
                    tally.skip(&chosen.place(), &poison.message());
                    continue;
                }
            };
            for job in jobs.into_iter().filter(|job| self.is_meant(&job.kind)) {
                if let Some(job) = self.job(&chosen.record, spot, job, tally) {
                    shares.entry(job.queue.clone()).or_default().enqueue(&chosen.record, job);
                }
            }
            for (queue, cancel) in cancels.into_iter().filter(|(_, cancel)| self.is_meant(&cancel.kind)) {
                tally.count(&format!("cancels of {}", cancel.kind), 1);
                shares.entry(queue).or_default().cancel(&chosen.record, cancel);
            }
        }
        Ok(shares)
    }

    /// Hands a share off to its queue, from where that is. Gives the offset to read again from, if Redis lost something.
    async fn fill(
        &self,
        name: &str,
        share: &Share,
        span: &Span,
        spot: &mut Spot,
        tally: &mut Tally,
    ) -> Result<Option<i64>, ReplayError> {
        let (queue, source) = (self.queues.queue(name), self.source(span));
        if !share.cancels.is_empty() {
            // They go by the times of their events, so that it does no harm that they are made again.
            queue.cancel(&share.cancels).await.map_err(away)?;
        }
        loop {
            let mark = spot.marks.get(name).copied();
            let rest = share.after(mark);
            let Some(last) = rest.last() else { return Ok(None) };
            let expected = mark.map_or(Expected::Unknown, Expected::At);
            match queue.hand_off(&source, expected, rest).await.map_err(away)? {
                HandedOff::Done(results) => {
                    for result in results {
                        match result {
                            Enqueued::New(_) => {}
                            Enqueued::Duplicate => tally.count("jobs not taken in, as they were before", 1),
                            Enqueued::Held(_) => tally.count("jobs not taken in, as another has their unique key", 1),
                            Enqueued::Cancelled => tally.count("jobs not taken in, as they were cancelled", 1),
                        }
                    }
                    spot.marks.insert(name.to_owned(), last.mark.offset);
                    return Ok(None);
                }
                HandedOff::Elsewhere(stored) => {
                    if let Some(again) = moved(name, span, spot, stored.map(|stored| stored.offset)) {
                        return Ok(Some(again));
                    }
                }
            }
        }
    }
}

/// Expects of a queue what it has. Gives the offset to read again from, if that is less than it had.
fn moved(queue: &str, span: &Span, spot: &mut Spot, stored: Option<i64>) -> Option<i64> {
    let mark = spot.marks.get(queue).copied();
    match stored {
        Some(stored) => drop(spot.marks.insert(queue.to_owned(), stored)),
        None => drop(spot.marks.remove(queue)),
    }
    let again = stored.map_or(span.from, |stored| stored + 1);
    if stored >= mark {
        return None;
    }
    error!(
        queue,
        partition = span.name(),
        stored,
        expected = mark,
        "Redis has less than was replayed: it went back in time; reading again"
    );
    Some(again)
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn away(error: QueueError) -> ReplayError {
    ReplayError::Away(error.to_string())
}

impl Destination for IntoRoutes {
    async fn begin(&mut self, progress: &mut Progress) -> Result<(), ReplayError> {
        if self.doubling == Doubling::Never && self.present.is_none() {
            let (queues, kept) = (self.queue_names(), Names::new(&self.queues, &self.id));
            let kept = Some(&kept).filter(|_| !self.is_dry);
            let present = Present::look(&self.queues, &queues, self.asked_at, self.window, kept).await;
            self.present = Some(present.map_err(away)?);
        }
        // What it was killed in the midst of may be there; what Redis lost since is not.
        if self.is_dry { Ok(()) } else { self.end(progress).await.map(drop) }
    }

    async fn take(
        &mut self,
        records: &[Chosen],
        progress: &mut Progress,
        tally: &mut Tally,
    ) -> Result<Taken, ReplayError> {
        let mut taken = Taken::All;
        for span in &mut progress.spans {
            let is_of =
                |chosen: &&Chosen| chosen.record.topic == span.topic && chosen.record.partition == span.partition;
            let own: Vec<&Chosen> = records.iter().filter(is_of).collect();
            if own.is_empty() {
                continue;
            }
            let mut spot = Spot::read(span)?;
            let shares = self.shares(&own, &spot, tally).await?;
            if self.is_dry {
                continue;
            }
            let mut again: Option<i64> = None;
            for (queue, share) in &shares {
                let lost = self.fill(queue, share, span, &mut spot, tally).await?;
                again = again.into_iter().chain(lost).min();
            }
            if let Some(again) = again {
                // Its own records, too: what is not known to be in every queue.
                span.next = again.min(own.first().map_or(again, |first| first.record.offset));
                taken = Taken::Again;
            }
            spot.write(span);
        }
        Ok(taken)
    }

    /// Whether each queue still has what it took.
    async fn end(&mut self, progress: &mut Progress) -> Result<Taken, ReplayError> {
        let mut taken = Taken::All;
        if self.is_dry {
            return Ok(taken);
        }
        for span in &mut progress.spans {
            let mut spot = Spot::read(span)?;
            let source = self.source(span);
            for queue in spot.marks.clone().into_keys() {
                let stored = self.queues.queue(&queue).watermarks_of(&[&source]).await.map_err(away)?.pop().flatten();
                if let Some(again) = moved(&queue, span, &mut spot, stored.map(|stored| stored.offset)) {
                    span.next = span.next.min(again.max(span.from));
                    taken = Taken::Again;
                }
            }
            spot.write(span);
        }
        Ok(taken)
    }

    async fn clear(&mut self, progress: &Progress) -> Result<(), ReplayError> {
        for span in &progress.spans {
            for queue in Spot::read(span)?.marks.keys() {
                self.queues.queue(queue).forget_watermarks(&[&self.source(span)]).await.map_err(away)?;
            }
        }
        Names::new(&self.queues, &self.id).forget().await.map_err(away)
    }
}
