//! Reads replies and the clock, and moves sagas on.

use std::{
    collections::BTreeSet,
    fmt::Display,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use millgate_events::{
    Batch, BatchToken, Consumer, ConsumerConfig, DeadLetter, DeadLetters, Holdings, Incoming, KafkaConfig, KafkaError,
    Record, SagaEvent, Values, metrics,
};
use sqlx::{FromRow, PgPool};
use tokio::{sync::watch, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tracing::{error, info, warn};
use uuid::Uuid;

use super::{Applied, Input, SagaConfig, SagaError, Sagas, poison::Unusable, sagas::Origin, table};

/// So many timers are looked up at a time.
const STEP: usize = 200;
/// Bytes of a saga's key. A row of the index by key takes about 2,700.
const LONGEST_KEY: usize = 1_000;
/// Old parked replies are looked for this often.
const TIDY_EVERY: Duration = Duration::from_mins(10);
/// What is said again and again is said this often.
const REMINDER: Duration = Duration::from_mins(1);
/// Bytes that a partition may hold in memory.
const BUFFER_BYTES: usize = 4 * 1024 * 1024;
/// When a partition is taken away: how long its batch may still take.
const DRAIN: Duration = Duration::from_secs(10);

/// Why an orchestrator ended, other than by being told to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OrchestratorError {
    /// There is nothing to orchestrate.
    #[error("this application has no sagas; add them to the App by App::saga(…)")]
    NoSagas,
    /// Kafka cannot be used.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
}

/// Moves sagas on, beside any number of others.
pub struct Orchestrator {
    consumer: Consumer,
    desk: Arc<Desk>,
    turned: watch::Sender<Instant>,
}

/// What its tasks share.
struct Desk {
    sagas: Sagas,
    database: PgPool,
    dead_letters: DeadLetters,
    values: Values,
    config: SagaConfig,
    group: String,
    topic_prefix: String,
    reply_topics: BTreeSet<&'static str>,
    /// Sagas of versions that are unknown here were last spoken of.
    reminded: Mutex<Option<Instant>>,
}

/// The partition is another's now.
struct Revoked;

#[derive(FromRow)]
struct Parked {
    id: i64,
    saga_id: Uuid,
    reply: String,
}

impl Orchestrator {
    /// Joins the consumer group that `kafka` names, which is to be one of orchestrators only. Neither Kafka nor PostgreSQL need be up yet.
    pub fn start(
        kafka: &KafkaConfig,
        config: &SagaConfig,
        sagas: Sagas,
        database: PgPool,
        dead_letters: DeadLetters,
        values: impl Into<Values>,
    ) -> Result<Self, OrchestratorError> {
        if sagas.definitions().is_empty() {
            return Err(OrchestratorError::NoSagas);
        }
        let topics: Vec<String> = sagas.definitions().read_topics().into_iter().map(str::to_owned).collect();
        let names: Vec<String> =
            sagas.definitions().iter().map(|known| format!("{}@{}", known.name(), known.version())).collect();
        info!(group = kafka.consumer_group, sagas = names.join(" "), "orchestrator starts");
        let consumer = Consumer::start(ConsumerConfig {
            kafka: kafka.clone(),
            topics,
            batch_size: config.batch_size,
            buffer_bytes: BUFFER_BYTES,
            commit_interval: config.commit_interval,
            drain_timeout: DRAIN,
        })?;
        let desk = Desk {
            reply_topics: sagas.definitions().reply_topics(),
            sagas,
            database,
            dead_letters,
            values: values.into(),
            config: config.clone(),
            group: kafka.consumer_group.clone(),
            topic_prefix: kafka.topic_prefix.clone(),
            reminded: Mutex::default(),
        };
        Ok(Self { consumer, desk: Arc::new(desk), turned: watch::Sender::new(Instant::now()) })
    }

    /// The partitions that are its own, at any time.
    pub fn holdings(&self) -> Holdings {
        self.consumer.holdings()
    }

    /// When it last polled Kafka, from now on.
    pub fn polled(&self) -> watch::Receiver<Instant> {
        self.consumer.polled()
    }

    /// When it last looked for timers that are due, from now on.
    pub fn looked(&self) -> watch::Receiver<Instant> {
        self.turned.subscribe()
    }

    /// Runs until `stop` fires; then finishes what it has in hand, commits and leaves the group.
    pub async fn run(self, stop: CancellationToken) -> Result<(), OrchestratorError> {
        let Self { mut consumer, desk, turned } = self;
        let looking = AbortOnDropHandle::new(tokio::spawn(desk.clone().look(turned, stop.clone())));
        let mut tasks = JoinSet::new();
        while let Some(Some(batch)) = stop.run_until_cancelled(consumer.next()).await {
            let desk = desk.clone();
            tasks.spawn(async move { desk.take(batch).await });
            while let Some(ended) = tasks.try_join_next() {
                if let Err(panic) = ended {
                    error!(%panic, "replies were not dealt with; they will come again");
                }
            }
        }
        info!("orchestrator stops");
        let closed = consumer.close().await;
        tasks.shutdown().await;
        let _ = looking.await;
        Ok(closed?)
    }
}

impl Desk {
    /// Records of one partition, one after the other.
    async fn take(&self, batch: Batch) {
        let Batch { records, token } = batch;
        let taken = Instant::now();
        for record in &records {
            if let Err(Revoked) = self.record(record, &token).await {
                return;
            }
        }
        metrics().processed(token.holding().topic(), &self.group, records.len(), taken.elapsed());
        token.settle();
    }

    async fn record(&self, record: &Record, token: &BatchToken) -> Result<(), Revoked> {
        let used = match self.whole(record, token).await? {
            Ok(record) => self.used(&record, token).await?,
            Err(bad) => Err(bad),
        };
        let Err(unusable) = used else { return Ok(()) };
        let (topic, partition, offset) = (&record.topic, record.partition, record.offset);
        let message = unusable.message();
        warn!(%topic, partition, offset, code = unusable.code(), reason = message, "no saga can use this; to the dead-letter topic");
        let letter = DeadLetter::of_event(record, &self.group, unusable.code(), &message, now());
        self.persist(token, || self.dead_letters.write(&letter)).await
    }

    /// The record with its value, wherever that lies.
    async fn whole(&self, record: &Record, token: &BatchToken) -> Result<Result<Record, Unusable>, Revoked> {
        if !Values::is_closed(record) {
            return Ok(Ok(record.clone()));
        }
        let opened = self.persist(token, || self.values.open(record)).await?;
        Ok(opened.map(|whole| whole.record).map_err(Unusable::from))
    }

    async fn used(&self, record: &Record, token: &BatchToken) -> Result<Result<(), Unusable>, Revoked> {
        let topic = record.topic.strip_prefix(self.topic_prefix.as_str()).unwrap_or(&record.topic);
        let incoming = match Incoming::read(record, topic) {
            Ok(Some(incoming)) => incoming,
            Ok(None) => return Ok(Ok(())),
            Err(error) => return Ok(Err(error.into())),
        };
        if self.reply_topics.contains(topic) {
            let (id, reply) = match reply(record) {
                Ok(reply) => reply,
                Err(unusable) => return Ok(Err(unusable)),
            };
            self.persist(token, || self.reply(id, &reply)).await?;
            return Ok(Ok(()));
        }
        let mut used = Ok(());
        for (definition, starter) in self.sagas.definitions().starters(&incoming.meta.event_type) {
            let (key, state) = match (starter.start)(&incoming).and_then(with_usable_key) {
                Ok(begun) => begun,
                // Others that it begins are begun all the same.
                Err(unusable) => {
                    used = used.and(Err(unusable));
                    continue;
                }
            };
            let begin = || async {
                let mut transaction = self.database.begin().await?;
                let origin = Origin::of(&incoming.meta);
                self.sagas.begin(&mut transaction, definition, &key, state.clone(), origin).await?;
                transaction.commit().await?;
                Ok::<(), SagaError>(())
            };
            self.persist(token, begin).await?;
        }
        Ok(used)
    }

    /// Moves the saga on, or keeps the reply for whoever can.
    async fn reply(&self, id: Uuid, reply: &SagaEvent) -> Result<(), SagaError> {
        let applied = match self.sagas.apply(&self.database, id, &Input::Reply(reply.clone())).await {
            // The definition has changed under it: another program has the one that it began with.
            Err(error @ (SagaError::Refused(_) | SagaError::Broken { .. })) => {
                error!(%id, "a reply is kept: {error}");
                Applied::Unknown
            }
            applied => applied?,
        };
        if let Applied::Unknown | Applied::Foreign { .. } = applied {
            let text = serde_json::to_string(reply).unwrap_or_default();
            let mut database = self.database.acquire().await?;
            table::park(&mut database, id, &text).await?;
            info!(%id, step = reply.step_name, ?applied, "a reply waits for its saga");
        }
        Ok(())
    }

    /// Looks at the clock until told to stop.
    async fn look(self: Arc<Self>, turned: watch::Sender<Instant>, stop: CancellationToken) {
        let mut tidied = None;
        let mut is_away = false;
        while !stop.is_cancelled() {
            let goes_on = || {
                turned.send_replace(Instant::now());
                !stop.is_cancelled()
            };
            match self.round(&mut tidied, &goes_on).await {
                Ok(()) => {
                    if std::mem::take(&mut is_away) {
                        info!("timers of sagas fire again");
                    }
                    turned.send_replace(Instant::now());
                }
                Err(error) => {
                    if !is_away {
                        error!(%error, "timers of sagas cannot be looked at; trying on");
                    }
                    is_away = true;
                    // That the database is away is no reason to be restarted.
                    turned.send_replace(Instant::now());
                }
            }
            let _ = stop.run_until_cancelled(tokio::time::sleep(self.config.poll_interval)).await;
        }
    }

    /// `goes_on` is asked before each page, since a round can be long.
    async fn round(&self, tidied: &mut Option<Instant>, goes_on: &(impl Fn() -> bool + Sync)) -> Result<(), SagaError> {
        // One time for the whole round: what comes due while it lasts is the next one's, and so it ends.
        let now: DateTime<Utc> = sqlx::query_scalar("SELECT now()").fetch_one(&self.database).await?;
        let (names, versions) = self.sagas.definitions().known();
        for (name, version) in names.iter().zip(&versions) {
            self.fire(name, *version, now, goes_on).await?;
            self.unpark(name, *version, goes_on).await?;
        }
        if tidied.is_none_or(|at| at.elapsed() > TIDY_EVERY) {
            self.tidy().await?;
            *tidied = Some(Instant::now());
        }
        self.remind().await
    }

    /// Timers that are due by then. Page after page: sagas that cannot be moved on stay due, and would fill the first one.
    async fn fire(
        &self,
        name: &str,
        version: i32,
        now: DateTime<Utc>,
        goes_on: &(impl Fn() -> bool + Sync),
    ) -> Result<(), SagaError> {
        let due = "SELECT due, id FROM sagas WHERE due <= $3 AND (due, id) > ($4, $5) AND saga = $1 AND version = $2 \
            ORDER BY due, id LIMIT $6";
        let mut after = (DateTime::UNIX_EPOCH, Uuid::nil());
        while goes_on() {
            let page = sqlx::query_as(due).bind(name).bind(version).bind(now).bind(after.0).bind(after.1);
            let page: Vec<(DateTime<Utc>, Uuid)> = page.bind(most()).fetch_all(&self.database).await?;
            for &(_, id) in &page {
                self.said(id, self.sagas.apply(&self.database, id, &Input::Timer).await)?;
            }
            match page.last() {
                Some(&last) if page.len() == STEP => after = last,
                _ => break,
            }
        }
        Ok(())
    }

    /// Replies that came before their saga, or came to a program without its version; page after page, too.
    async fn unpark(&self, name: &str, version: i32, goes_on: &(impl Fn() -> bool + Sync)) -> Result<(), SagaError> {
        let parked = "SELECT p.id, p.saga_id, p.reply FROM saga_parked AS p JOIN sagas AS s ON s.id = p.saga_id \
            WHERE s.saga = $1 AND s.version = $2 AND p.id > $3 ORDER BY p.id LIMIT $4";
        let mut after = 0;
        while goes_on() {
            let page = sqlx::query_as(parked).bind(name).bind(version).bind(after).bind(most());
            let page: Vec<Parked> = page.fetch_all(&self.database).await?;
            let is_last = page.len() < STEP;
            for Parked { id, saga_id, reply } in page {
                after = id;
                let Ok(reply) = serde_json::from_str(&reply) else {
                    warn!(id, %saga_id, "a reply that was kept cannot be read");
                    continue;
                };
                let input = Input::Reply(reply);
                self.said(saga_id, self.sagas.apply_parked(&self.database, saga_id, &input, Some(id)).await)?;
            }
            if is_last {
                break;
            }
        }
        Ok(())
    }

    /// One saga that cannot be moved on does not keep the others. An error only if none of them can be.
    fn said(&self, id: Uuid, applied: Result<Applied, SagaError>) -> Result<(), SagaError> {
        match applied {
            Err(error) if !error.is_of_all() => {
                let mut reminded = self.reminded.lock().unwrap_or_else(PoisonError::into_inner);
                if reminded.is_none_or(|at| at.elapsed() > REMINDER) {
                    error!(%id, "a saga cannot go on: {error}");
                    *reminded = Some(Instant::now());
                }
                Ok(())
            }
            applied => applied.map(drop),
        }
    }

    /// Says that there are sagas which no definition here fits, whose time has come.
    async fn remind(&self) -> Result<(), SagaError> {
        let is_time = |reminded: &Option<Instant>| reminded.is_none_or(|at| at.elapsed() > REMINDER);
        if !is_time(&self.reminded.lock().unwrap_or_else(PoisonError::into_inner)) {
            return Ok(());
        }
        let overdue = "SELECT saga, version, count(*) FROM sagas WHERE due <= now() GROUP BY saga, version";
        let overdue: Vec<(String, i32, i64)> = sqlx::query_as(overdue).fetch_all(&self.database).await?;
        for (saga, version, count) in overdue {
            let known =
                u32::try_from(version).is_ok_and(|version| self.sagas.definitions().get(&saga, version).is_some());
            if !known {
                warn!(
                    saga,
                    version,
                    count,
                    "sagas wait for a program that has this version of their definition; this one leaves them as they are"
                );
                *self.reminded.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
            }
        }
        Ok(())
    }

    async fn tidy(&self) -> Result<(), SagaError> {
        let old = "DELETE FROM saga_parked WHERE parked_at < now() - $1 * INTERVAL '1 second' \
            AND saga_id NOT IN (SELECT s.id FROM sagas AS s)";
        let age = self.config.parked_retention.as_secs_f64();
        let removed = sqlx::query(old).bind(age).execute(&self.database).await?.rows_affected();
        if removed > 0 {
            warn!(removed, "replies were kept for sagas that never came; they are gone");
        }
        Ok(())
    }

    /// Tries until it works, or until the partition is another's to care for.
    async fn persist<T, E: Display, F: Future<Output = Result<T, E>>>(
        &self,
        token: &BatchToken,
        action: impl Fn() -> F,
    ) -> Result<T, Revoked> {
        let mut pause = Duration::from_millis(50);
        loop {
            if token.is_revoked() {
                return Err(Revoked);
            }
            match action().await {
                Ok(value) => return Ok(value),
                Err(reason) => error!(%reason, "a saga cannot be moved on; trying on"),
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_secs(2));
        }
    }
}

/// Of one page.
fn most() -> i64 {
    i64::try_from(STEP).unwrap_or(i64::MAX)
}

/// Reads a reply, and the id of its saga.
fn reply(record: &Record) -> Result<(Uuid, SagaEvent), Unusable> {
    let value = record.value.as_deref().unwrap_or_default();
    let reply: SagaEvent = serde_json::from_slice(value).map_err(|error| Unusable::Reply(error.to_string()))?;
    let id = reply.saga_id.parse().map_err(|_| Unusable::Reply(format!("saga_id `{}` is no UUID", reply.saga_id)))?;
    Ok((id, reply))
}

/// The time of a death.
#[expect(clippy::disallowed_methods, reason = "a record that is given up is given up now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

/// No table takes other keys, however often that is tried.
fn with_usable_key<S>((key, state): (String, S)) -> Result<(String, S), Unusable> {
    if key.contains('\0') {
        return Err(Unusable::Start("its key has a NUL in it".into()));
    }
    if key.len() > LONGEST_KEY {
        let message = format!("its key has {} bytes; at most {LONGEST_KEY} can be looked up", key.len());
        return Err(Unusable::Start(message));
    }
    Ok((key, state))
}
