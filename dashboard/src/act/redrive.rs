//! Dead letters on their way back: an event through its routes, a job straight into its queue.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millgate_bridge::{Plan, Poison, Routes};
use millgate_events::{Claim, DeadLetterStore, Record, StoredLetter, Values};
use millgate_jobs::{Cancel, Enqueued, NewJob, Queues, Revival};
use uuid::Uuid;

use super::ActError;
use crate::Site;

/// Redis knows for so long which redrives it has done, so that one that was cut off can be ended.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
/// For so long that is relied on. What was cut off earlier may run twice.
pub(super) const RELIED_ON: Duration = Duration::from_hours(6 * 24);

/// What it takes to redrive.
pub(super) struct Redrive {
    store: DeadLetterStore,
    /// Those of the main group, and by consumer group those of all.
    main: Arc<Routes>,
    routes: BTreeMap<String, Arc<Routes>>,
    main_group: String,
    queues: Queues,
    values: Values,
    topic_prefix: String,
    max_payload: usize,
}

/// What a letter comes to.
enum Errand {
    Job { queue: String, job: Box<Revival> },
    Event { jobs: Vec<NewJob>, cancels: Vec<(String, Cancel)> },
}

/// What became of letters.
#[derive(Debug, Default)]
pub(super) struct Tally {
    /// Letters that went back, or would.
    pub(super) redriven: u64,
    /// Of these: jobs.
    pub(super) jobs: u64,
    /// Of these: events.
    pub(super) events: u64,
    /// The jobs that the events came to.
    pub(super) jobs_of_events: u64,
    /// Those that stay dead, by the reason.
    pub(super) refused: BTreeMap<String, Refused>,
}

/// Letters that stay dead.
#[derive(Debug)]
pub(super) struct Refused {
    pub(super) letters: u64,
    /// One of them.
    pub(super) example: Uuid,
}

impl Tally {
    fn refuse(&mut self, letter: &StoredLetter, reason: String) {
        self.refused.entry(reason).or_insert(Refused { letters: 0, example: letter.id }).letters += 1;
    }

    fn count(&mut self, errand: &Errand) {
        match errand {
            Errand::Job { .. } => self.jobs += 1,
            Errand::Event { jobs, .. } => {
                self.events += 1;
                self.jobs_of_events += jobs.len() as u64;
            }
        }
    }
}

impl Tally {
    /// In words; `are` or `would be`.
    pub(super) fn text(&self, verb: &str) -> String {
        let Self { redriven, jobs, events, jobs_of_events, .. } = self;
        format!(
            "{redriven} letters {verb} redriven: {jobs} jobs, and {events} events that come to {jobs_of_events} jobs"
        )
    }

    pub(super) fn figures(&self) -> BTreeMap<&'static str, u64> {
        let Self { redriven, jobs, events, jobs_of_events, .. } = self;
        [("redriven", *redriven), ("jobs", *jobs), ("events", *events), ("jobs_of_events", *jobs_of_events)].into()
    }

    /// Why letters stay dead.
    pub(super) fn reasons(&self) -> impl Iterator<Item = String> {
        let reason = |(reason, Refused { letters, example }): (&String, &Refused)| {
            format!("{letters} letters stay dead ({example} is one): {reason}")
        };
        self.refused.iter().map(reason)
    }
}

impl Redrive {
    pub(super) fn new(site: &Site, store: DeadLetterStore) -> Self {
        let main = site.readers.first();
        Self {
            store,
            routes: site.readers.iter().map(|it| (it.kafka.consumer_group.clone(), it.routes.clone())).collect(),
            main: main.map(|reader| reader.routes.clone()).unwrap_or_default(),
            main_group: main.map(|reader| reader.kafka.consumer_group.clone()).unwrap_or_default(),
            queues: site.queues.clone(),
            values: site.values.clone(),
            topic_prefix: site.kafka().topic_prefix,
            max_payload: site.max_payload,
        }
    }

    /// What would become of letters. Changes nothing.
    pub(super) async fn would(&self, letters: &[StoredLetter], tally: &mut Tally) {
        for letter in letters {
            match self.errand(letter).await {
                Ok(errand) => {
                    tally.count(&errand);
                    tally.redriven += 1;
                }
                Err(reason) => tally.refuse(letter, reason),
            }
        }
    }

    /// Redrives letters that are claimed. Whatever has been done when this fails, or is cut off, is not done again by
    /// the next redrive of these letters.
    pub(super) async fn run(&self, letters: &[StoredLetter], action: i64, tally: &mut Tally) -> Result<(), ActError> {
        let (mut done, mut back) = (Vec::new(), Vec::new());
        let mut revivals: BTreeMap<String, Vec<(&StoredLetter, Revival)>> = BTreeMap::new();
        for letter in letters {
            let errand = self.errand(letter).await;
            if let Ok(errand) = &errand {
                tally.count(errand);
            }
            match errand {
                Ok(Errand::Job { queue, job }) => revivals.entry(queue).or_default().push((letter, *job)),
                Ok(Errand::Event { jobs, cancels }) => {
                    self.hand_off(jobs, cancels).await?;
                    done.push(Claim::of(letter));
                }
                Err(reason) => {
                    tally.refuse(letter, reason);
                    back.push(Claim::of(letter));
                }
            }
        }
        for (queue, revivals) in revivals {
            let (letters, jobs): (Vec<_>, Vec<_>) = revivals.into_iter().unzip();
            let results = self.queues.queue(&queue).revive(&jobs).await?;
            for (letter, result) in letters.into_iter().zip(results) {
                // A duplicate is what a redrive that was cut off has put in.
                if let Enqueued::Held(_) = result {
                    tally.jobs -= 1;
                    tally.refuse(letter, "another job holds its unique key; redrive it when that has ended".into());
                    back.push(Claim::of(letter));
                } else {
                    done.push(Claim::of(letter));
                }
            }
        }
        self.store.release(&back).await?;
        tally.redriven += self.store.redriven(&done, action).await?;
        Ok(())
    }

    /// Jobs, queue by queue, and then what they may be cancelled by.
    async fn hand_off(&self, jobs: Vec<NewJob>, cancels: Vec<(String, Cancel)>) -> Result<(), ActError> {
        let mut by_queue: BTreeMap<String, (Vec<NewJob>, Vec<Cancel>)> = BTreeMap::new();
        for job in jobs {
            by_queue.entry(job.queue.clone()).or_default().0.push(job);
        }
        for (queue, cancel) in cancels {
            by_queue.entry(queue).or_default().1.push(cancel);
        }
        for (queue, (jobs, cancels)) in by_queue {
            let queue = self.queues.queue(&queue);
            queue.enqueue(&jobs).await?;
            queue.cancel(&cancels).await?;
        }
        Ok(())
    }

    /// What a letter comes to, or why it stays dead.
    async fn errand(&self, letter: &StoredLetter) -> Result<Errand, String> {
        let once = Claim::of(letter).once();
        let redrives = u32::try_from(letter.redrives).unwrap_or_default() + 1;
        let fits = |bytes: usize| {
            let limit = self.max_payload;
            let reason = || format!("its job has {bytes} bytes of arguments, and redis.max_payload is {limit}");
            if bytes <= limit { Ok(()) } else { Err(reason()) }
        };
        if let Some(record) = letter.record() {
            let topic = record.topic.strip_prefix(self.topic_prefix.as_str()).unwrap_or(&record.topic);
            let plan = self.plan(&record, topic, letter.consumer_group.as_deref()).await?;
            let Plan { jobs, cancels } = plan.unwrap_or_default();
            jobs.iter().try_for_each(|job| fits(job.payload().len()))?;
            let jobs = jobs.into_iter().map(|job| {
                let once = format!("{once}:{}", job.name().unwrap_or_default());
                job.redriven(redrives, once, REMEMBERED)
            });
            return Ok(Errand::Event { jobs: jobs.collect(), cancels });
        }
        let (Some(queue), Some(head)) = (&letter.queue, letter.job_head.as_deref().filter(|head| !head.is_empty()))
        else {
            return Err("its record could not be read when it died; only its bytes are left".into());
        };
        let payload = letter.current_payload().unwrap_or_default();
        fits(payload.len())?;
        let payload = std::str::from_utf8(payload).map_err(|_| "its arguments are no text".to_owned())?;
        let job = Revival::new(head, payload, redrives, &once, REMEMBERED)
            .map_err(|reason| format!("its record cannot be read: {reason}"))?;
        Ok(Errand::Job { queue: queue.clone(), job: Box::new(job) })
    }

    /// What a record comes to by the routes of today, of the group that it died in; its value may lie elsewhere, or be in the wire format.
    async fn plan(&self, record: &Record, topic: &str, group: Option<&str>) -> Result<Option<Plan>, String> {
        let routes = match group.map(|group| (group, self.routes.get(group))) {
            Some((_, Some(routes))) => routes,
            Some((group, None)) if group.starts_with(&format!("{}.", self.main_group)) => {
                return Err(format!("it died in the group {group}, which this application does not have"));
            }
            // The main one may have had another name.
            _ => &self.main,
        };
        let plan = |record: &Record| routes.plan(record, topic);
        let planned = if Values::is_closed(record) {
            let opened = self.values.open(record).await.map_err(|away| away.to_string())?;
            opened.map_err(Poison::from).and_then(|whole| plan(&whole.record))
        } else {
            plan(record)
        };
        planned.map_err(|poison| format!("it still is poison: {}", poison.message()))
    }
}
