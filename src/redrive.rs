//! Dead letters on their way back: an event through its routes, a job straight into its queue.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millgate_bridge::{Plan, Poison, Routes};
use millgate_events::{Claim, Claims, DeadLetterStore, Record, StoredLetter};
use millgate_jobs::{Cancel, Enqueued, NewJob, Queues, Revival};
use serde::Serialize;
use uuid::Uuid;

use crate::servers::Servers;

/// Redis knows for so long which redrives it has done, so that one that was cut off can be ended.
const REMEMBERED: Duration = Duration::from_hours(7 * 24);
/// For so long that is relied on. What was cut off earlier may run twice.
pub(crate) const RELIED_ON: Duration = Duration::from_hours(6 * 24);

/// What it takes to redrive.
pub(crate) struct Redrive {
    store: DeadLetterStore,
    /// Those of the main group, and by consumer group those of all.
    main: Arc<Routes>,
    routes: BTreeMap<String, Arc<Routes>>,
    main_group: String,
    queues: Queues,
    claims: Claims,
    topic_prefix: String,
    max_payload: usize,
}

/// What a letter comes to.
enum Errand {
    Job { queue: String, job: Box<Revival> },
    Event { jobs: Vec<NewJob>, cancels: Vec<(String, Cancel)> },
}

/// What became of letters.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Tally {
    /// Letters that went back, or would.
    pub(crate) redriven: u64,
    /// Of these: jobs.
    pub(crate) jobs: u64,
    /// Of these: events.
    pub(crate) events: u64,
    /// The jobs that the events came to.
    pub(crate) jobs_of_events: u64,
    /// Those that stay dead, by the reason.
    pub(crate) refused: BTreeMap<String, Refused>,
}

/// Letters that stay dead.
#[derive(Debug, Serialize)]
pub(crate) struct Refused {
    pub(crate) letters: u64,
    /// One of them.
    pub(crate) example: Uuid,
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

impl Redrive {
    pub(crate) fn new(servers: &Servers, store: DeadLetterStore) -> Self {
        Self {
            store,
            routes: servers.readers.iter().map(|it| (it.kafka.consumer_group.clone(), it.routes.clone())).collect(),
            main: servers.routes.clone(),
            main_group: servers.config.kafka.consumer_group.clone(),
            queues: servers.queues.clone(),
            claims: servers.producer.claims().clone(),
            topic_prefix: servers.config.kafka.topic_prefix.clone(),
            max_payload: servers.config.redis.max_payload,
        }
    }

    /// What would become of letters. Changes nothing.
    pub(crate) async fn would(&self, letters: &[StoredLetter], tally: &mut Tally) {
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
    pub(crate) async fn run(&self, letters: &[StoredLetter], action: i64, tally: &mut Tally) -> anyhow::Result<()> {
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
    async fn hand_off(&self, jobs: Vec<NewJob>, cancels: Vec<(String, Cancel)>) -> anyhow::Result<()> {
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

    /// What a record comes to by the routes of today, of the group that it died in; its value may lie in the claim store.
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
        let planned = if Claims::is_claim(record) {
            let redeemed = self.claims.redeem(record).await.map_err(|away| away.to_string())?;
            redeemed.map_err(Poison::from).and_then(|whole| plan(&whole.record))
        } else {
            plan(record)
        };
        planned.map_err(|poison| format!("it still is poison: {}", poison.message()))
    }
}

#[cfg(test)]
mod tests {
    use millgate_bridge::on;
    use millgate_derive::{Event, Job};
    use millgate_events::{DeadLetter, Headers, KafkaConfig, LetterFilter, Position, Record};
    use millgate_jobs::RedisConfig;
    use millgate_testkit::{Database, KafkaSpace, RedisSpace};
    use serde::Deserialize;

    use super::*;
    use crate::{
        App,
        config::{Config, PostgresConfig},
    };

    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "parcel.lost", key = "parcel")]
    struct ParcelLost {
        parcel: String,
    }

    #[derive(Serialize, Deserialize, Job)]
    #[job(queue = "search")]
    struct SearchParcel {
        parcel: String,
    }

    fn servers(app: App, kafka: KafkaConfig, redis: RedisConfig, url: String) -> Servers {
        let postgres = PostgresConfig { url, ..PostgresConfig::default() };
        Servers::new(app, Config { kafka, redis, postgres, ..Config::default() }).unwrap()
    }

    #[tokio::test]
    async fn an_event_goes_through_the_routes_of_today() {
        let (kafka, redis) = (KafkaSpace::fresh("today"), RedisSpace::fresh("today"));
        kafka.create("dead-letter-queue", 1).await;
        let database = Database::fresh(None).await;
        let servers = |app| servers(app, kafka.config(), redis.config(), database.url());
        let yesterday = servers(App::new("parcels"));
        yesterday.migrate().await.unwrap();
        let record = Record {
            topic: kafka.name("parcel.lost").into(),
            partition: 0,
            offset: 7,
            timestamp: Some(1_700_000_000_000),
            key: None,
            value: Some(r#"{"parcel":"p1"}"#.into()),
            headers: Headers::new(),
        };
        let now = chrono::DateTime::UNIX_EPOCH;
        let letter =
            DeadLetter::of_event(&record, "bridge", "unknown_type", "event type parcel.lost is unknown here", now);
        yesterday.dead_letters.write(&letter).await.unwrap();
        let store = yesterday.letters.clone().unwrap();
        let letters = store.whole_page(&LetterFilter::default(), Position::START, 10).await.unwrap();
        let mut tally = Tally::default();
        Redrive::new(&yesterday, store.clone()).would(&letters, &mut tally).await;
        assert!(tally.refused.keys().all(|reason| reason.contains("parcel.lost is unknown here")), "{tally:?}");

        let app = App::new("parcels").route(on::<ParcelLost>().enqueue(|e| SearchParcel { parcel: e.parcel.clone() }));
        let today = servers(app);
        let redrive = Redrive::new(&today, store.clone());
        // Twice, as by two commands at once.
        for redriven in [1, 0] {
            let mut tally = Tally::default();
            redrive.run(&claimed(&store, &letters).await, 0, &mut tally).await.unwrap();
            assert_eq!((tally.redriven, tally.jobs_of_events), (redriven, 1));
        }
        let stats = today.queues.queue("search").stats().await.unwrap();
        assert_eq!((stats.waiting, stats.enqueued()), (1, 1));
    }

    async fn claimed(store: &DeadLetterStore, letters: &[StoredLetter]) -> Vec<StoredLetter> {
        let claimed = store.claim(&LetterFilter::default().open(), Position::START, 10, 0).await.unwrap();
        if claimed.is_empty() { letters.to_vec() } else { claimed }
    }

    #[tokio::test]
    async fn an_application_without_tables_has_no_dead_letters_in_a_database_that_nobody_named() {
        assert!(Servers::new(App::new("parcels"), Config::default()).unwrap().letters.is_none());
        let named = PostgresConfig { url: "postgres://db/parcels".into(), ..PostgresConfig::default() };
        let config = Config { postgres: named, ..Config::default() };
        assert!(Servers::new(App::new("parcels"), config).unwrap().letters.is_some());
    }
}
