//! What these tests have in common: a stream of users, its topic, and a table that follows.

use std::{
    sync::atomic::{AtomicUsize, Ordering::SeqCst},
    time::Duration,
};

use millgate_events::{DeadLetterStore, DeadLetters, Event, Producer, Values};
use millgate_streams::{
    Resources, StageError, StreamConfig, StreamError, StreamPositions, StreamRunner,
    changes::{Change, Changes, Current, Op, RowKey, Sink},
};
use millgate_testkit::{Database, KafkaSpace, RedisSpace, unique, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_mins(2);
pub(crate) const USERS: &str = "db.public.users";

#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct User {
    pub(crate) id: i64,
    pub(crate) name: String,
    pub(crate) email: String,
    pub(crate) bio: Option<String>,
}

/// Published by the streams of these tests.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Renamed {
    pub(crate) id: i64,
    pub(crate) to: String,
}

impl Event for Renamed {
    const TYPE: &'static str = "user.renamed";

    fn key(&self) -> String {
        self.id.to_string()
    }
}

pub(crate) fn renamed(change: &Change<User>) -> Option<Renamed> {
    let user = change.after.as_ref()?;
    (change.op != Op::Read).then(|| Renamed { id: user.id, to: user.name.clone() })
}

/// Fails as often as it is told to, after it has written.
#[derive(Default)]
pub(crate) struct Directory(pub(crate) AtomicUsize);

impl Sink<User> for Directory {
    async fn upsert(&self, rows: &[Current<'_, User>], database: &mut PgConnection) -> Result<(), StageError> {
        for Current { row, unchanged, .. } in rows {
            let keeps = unchanged.iter().any(|column| column == "bio");
            sqlx::query(
                "INSERT INTO directory (id, name, email, bio) VALUES ($1, $2, $3, $4) ON CONFLICT (id) DO UPDATE SET \
                 name = EXCLUDED.name, email = EXCLUDED.email, bio = CASE WHEN $5 THEN directory.bio ELSE EXCLUDED.bio END",
            )
            .bind(row.id)
            .bind(&row.name)
            .bind(&row.email)
            .bind(&row.bio)
            .bind(keeps)
            .execute(&mut *database)
            .await?;
        }
        match self.0.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)) {
            Ok(_) => Err(StageError::Other("told to fail".into())),
            Err(_) => Ok(()),
        }
    }

    async fn delete(&self, keys: &[RowKey], database: &mut PgConnection) -> Result<(), StageError> {
        let ids = keys.iter().map(RowKey::read::<i64>).collect::<Result<Vec<_>, _>>()?;
        sqlx::query("DELETE FROM directory WHERE id = ANY($1)").bind(ids).execute(database).await?;
        Ok(())
    }
}

pub(crate) struct Rig {
    pub(crate) kafka: KafkaSpace,
    pub(crate) redis: RedisSpace,
    pub(crate) database: Database,
    /// Keys of caches are under names of their own.
    pub(crate) prefix: String,
}

impl Rig {
    pub(crate) async fn fresh() -> Self {
        Self::with_partitions(1).await
    }

    pub(crate) async fn with_partitions(partitions: usize) -> Self {
        let (kafka, redis) = (KafkaSpace::fresh("changes"), RedisSpace::fresh("changes"));
        let database = Database::fresh(None).await;
        kafka.create(USERS, partitions).await;
        kafka.create("dead-letters", 1).await;
        millgate_events::migrate(database.pool()).await.unwrap();
        millgate_streams::migrate(database.pool()).await.unwrap();
        let table = "CREATE TABLE directory (id bigint PRIMARY KEY, name text NOT NULL, email text NOT NULL, bio text)";
        sqlx::raw_sql(table).execute(database.pool()).await.unwrap();
        Self { kafka, redis, database, prefix: unique("cache") }
    }

    pub(crate) fn pool(&self) -> PgPool {
        self.database.pool().clone()
    }

    pub(crate) fn resources(&self) -> Resources {
        let producer = Producer::new(&self.kafka.config(), "crm").unwrap();
        let store = DeadLetterStore::new(self.pool());
        Resources {
            database: self.pool(),
            queues: self.redis.queues(),
            cache: self.redis.queues().cache(),
            dead_letters: DeadLetters::new(producer.clone(), "dead-letters").stored_in(Some(store)),
            values: Values::default(),
            consumer_group: self.kafka.config().consumer_group,
            producer,
        }
    }

    pub(crate) fn start<T>(&self, name: &str, changes: Changes<T>) -> Running
    where
        T: serde::de::DeserializeOwned + Send + Sync + 'static,
    {
        let stream = changes.stream(name, &self.resources());
        let config = StreamConfig { batch_size: 50, ..StreamConfig::default() };
        let runner = StreamRunner::start(stream, &self.kafka.config(), &config, self.pool()).unwrap();
        let stop = CancellationToken::new();
        Running { task: tokio::spawn(runner.run(stop.clone())), stop }
    }

    /// Runs a stream over all that is there, and ends it.
    pub(crate) async fn run(&self, changes: Changes<User>) {
        let running = self.start("users", changes);
        self.settled("users", USERS).await;
        running.end().await;
    }

    /// Waits until a stream has taken all that is on a topic.
    pub(crate) async fn settled(&self, stream: &str, topic: &str) {
        let positions = StreamPositions::new(self.pool());
        let name = self.kafka.name(topic);
        wait_until("the stream to be at the end", SOON, async || {
            let ends = self.kafka.ends(topic).await;
            let list = positions.list().await.unwrap();
            (0..).zip(&ends).all(|(partition, end)| {
                let at = list.iter().find(|at| at.stream == stream && at.topic == name && at.partition == partition);
                *end == at.map_or(0, |at| at.next_offset)
            })
        })
        .await;
    }

    /// Puts a change of a user on the topic.
    pub(crate) async fn tell(&self, op: &str, id: i64, lsn: i64, before: Value, after: Value) {
        self.tell_at(0, op, id, lsn, before, after, &[]).await;
    }

    #[expect(clippy::too_many_arguments, reason = "an envelope has as many parts")]
    pub(crate) async fn tell_at(
        &self,
        partition: i32,
        op: &str,
        id: i64,
        lsn: i64,
        before: Value,
        after: Value,
        headers: &[(&str, &str)],
    ) {
        let envelope = envelope(op, lsn, before, after).to_string();
        let key = json!({"id": id}).to_string();
        let key = (op != "t").then_some(key.as_bytes());
        self.kafka.put(USERS, partition, key, Some(envelope.as_bytes()), headers).await;
    }

    pub(crate) async fn directory(&self) -> Vec<(i64, String, Option<String>)> {
        let read = "SELECT id, name, bio FROM directory ORDER BY id";
        sqlx::query_as(read).fetch_all(self.database.pool()).await.unwrap()
    }

    /// Id and headers of the events that are to be published.
    pub(crate) async fn events(&self) -> Vec<(String, Value, Value)> {
        let read = "SELECT id::text, headers, payload FROM outbox ORDER BY position";
        sqlx::query_as(read).fetch_all(self.database.pool()).await.unwrap()
    }

    /// Code and message of the dead letters, in the order of their offsets.
    pub(crate) async fn dead(&self) -> Vec<(String, String)> {
        let read = "SELECT code, message FROM dead_letters ORDER BY record_offset";
        sqlx::query_as(read).fetch_all(self.database.pool()).await.unwrap()
    }

    pub(crate) fn key(&self, name: &str) -> String {
        format!("{}:{name}", self.prefix)
    }

    pub(crate) async fn fill(&self, names: &[&str]) {
        let cache = self.redis.queues().cache();
        for name in names {
            cache.put(&self.key(name), "cached", Some(SOON * 10)).await.unwrap();
        }
    }

    /// Which of these keys are filled.
    pub(crate) async fn filled<'a>(&self, names: &[&'a str]) -> Vec<&'a str> {
        let cache = self.redis.queues().cache();
        let mut filled = Vec::new();
        for name in names {
            if cache.get(&self.key(name)).await.unwrap().is_some_and(|text| !text.is_empty()) {
                filled.push(*name);
            }
        }
        filled
    }
}

pub(crate) struct Running {
    task: JoinHandle<Result<(), StreamError>>,
    stop: CancellationToken,
}

impl Running {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

pub(crate) fn envelope(op: &str, lsn: i64, before: Value, after: Value) -> Value {
    let snapshot = if op == "r" { "true" } else { "false" };
    let mut envelope = json!({
        "op": op, "ts_ms": 1_700_000_000_500_i64, "transaction": null,
        "source": {"connector": "postgresql", "name": "db", "ts_ms": 1_700_000_000_000_i64, "snapshot": snapshot, "db": "shop",
            "schema": "public", "table": "users", "txId": 700 + lsn / 10, "lsn": lsn, "xmin": null},
    });
    envelope["before"] = before;
    envelope["after"] = after;
    envelope
}

pub(crate) fn user(id: i64, name: &str) -> Value {
    json!({"id": id, "name": name, "email": format!("{}@example.com", name.to_lowercase()), "bio": null})
}

pub(crate) fn names(directory: &[(i64, String, Option<String>)]) -> Vec<(i64, &str)> {
    directory.iter().map(|(id, name, _)| (*id, name.as_str())).collect()
}
