//! A shop of a test's own: topics, keys, tables, a mailbox, and the program that works on them.

use std::{collections::BTreeMap, time::Duration};

use millgate::{email::Suppressions, shop::MIGRATIONS};
use millgate_events::DeadLetterStore;
use millgate_jobs::{QueueStats, Queues};
use millgate_testkit::{Binary, Child, Database, KafkaSpace, RedisSpace, SmtpServer, wait_for, wait_until};

/// Ample for a machine that is busy with tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(3);

pub(crate) struct Shop {
    pub(crate) kafka: KafkaSpace,
    pub(crate) database: Database,
    pub(crate) smtp: SmtpServer,
    pub(crate) queues: Queues,
    pub(crate) redis: RedisSpace,
    variables: BTreeMap<&'static str, String>,
}

impl Shop {
    /// A shop with its topics and tables, with nobody at work yet.
    pub(crate) async fn open(name: &str) -> Self {
        let kafka = KafkaSpace::fresh(name);
        let shop = Self::on(kafka, name).await;
        shop.apply_topics().await;
        shop
    }

    /// The same on a Kafka that need not be up, so without topics.
    pub(crate) async fn on(kafka: KafkaSpace, name: &str) -> Self {
        let redis = RedisSpace::fresh(name);
        let database = Database::fresh(Some(&MIGRATIONS)).await;
        DeadLetterStore::new(database.pool().clone()).migrate().await.unwrap();
        Suppressions::new(database.pool().clone()).migrate().await.unwrap();
        let smtp = SmtpServer::start().await;
        for (sku, available) in [("lamp", 1_000), ("table", 5)] {
            let fill = "UPDATE stock SET available = $2 WHERE sku = $1";
            sqlx::query(fill).bind(sku).bind(available).execute(database.pool()).await.unwrap();
        }
        let (events, keys) = (kafka.config(), redis.config());
        let variables = BTreeMap::from([
            ("KAFKA_BROKERS", events.brokers),
            ("KAFKA_CONSUMER_GROUP", events.consumer_group),
            ("KAFKA_SESSION_TIMEOUT", "6s".into()),
            ("MILLGATE_KAFKA_TOPIC_PREFIX", events.topic_prefix),
            ("MILLGATE_TOPICS_PARTITIONS", "3".into()),
            ("MILLGATE_REDIS_URL", keys.url),
            ("MILLGATE_REDIS_PREFIX", keys.prefix),
            ("MILLGATE_POSTGRES_URL", database.url()),
            ("MILLGATE_SMTP_URL", smtp.url()),
            ("MILLGATE_WORKER_LEASE", "2s".into()),
            ("MILLGATE_WORKER_BACKOFF_BASE", "200ms".into()),
            ("MILLGATE_WORKER_BACKOFF_MAX", "1s".into()),
            ("MILLGATE_SHOP_REMINDER_DELAY", "1s".into()),
            // A port of its own, for each of them.
            ("MILLGATE_HTTP_LISTEN", "127.0.0.1:0".into()),
        ]);
        let queues = redis.queues();
        Self { kafka, database, smtp, queues, redis, variables }
    }

    /// Sets a variable of every program started from now on.
    pub(crate) fn set(&mut self, variable: &'static str, value: impl Into<String>) {
        self.variables.insert(variable, value.into());
    }

    /// The program with these arguments.
    pub(crate) fn millgate(&self, arguments: &[&str]) -> Binary {
        let program = Binary::new(env!("CARGO_BIN_EXE_millgate")).args(arguments.iter().copied());
        self.variables.iter().fold(program, |program, (name, value)| program.env(*name, value))
    }

    /// Starts the program with these arguments.
    pub(crate) fn start(&self, arguments: &[&str]) -> Child {
        self.millgate(arguments).spawn()
    }

    /// Runs it to its end, which must be a good one, and gives what it said.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let child = self.start(arguments);
        let status = child.wait_exit(PATIENCE).await;
        assert!(status.success(), "{arguments:?}: {status}: {}", child.output());
        child.output()
    }

    pub(crate) async fn apply_topics(&self) {
        self.run(&["topics", "apply"]).await;
    }

    /// Publishes lines in the form of `millgate publish`.
    pub(crate) async fn publish(&self, lines: &[String]) {
        let folder = millgate_testkit::Folder::new("lines");
        let file = folder.path().join("events.jsonl");
        std::fs::write(&file, lines.join("\n")).unwrap();
        self.run(&["publish", file.to_str().unwrap()]).await;
    }

    pub(crate) async fn stats(&self, queue: &str) -> QueueStats {
        let queue = self.queues.queue(queue);
        wait_for("Redis answers", PATIENCE, async || queue.stats().await.ok()).await
    }

    /// Waits until so many jobs of a kind are done.
    pub(crate) async fn wait_done(&self, queue: &str, kind: &str, count: u64) {
        let what = format!("{count} {kind} done");
        wait_until(&what, PATIENCE, async || self.done(queue, kind).await >= count).await;
    }

    pub(crate) async fn done(&self, queue: &str, kind: &str) -> u64 {
        self.stats(queue).await.kinds.get(kind).map_or(0, |kind| kind.done)
    }

    /// Waits until no job has anything left to do, and checks that the books balance.
    pub(crate) async fn settle(&self) {
        for name in ["email", "inventory"] {
            wait_until(&format!("{name} is settled"), PATIENCE, async || {
                let stats = self.stats(name).await;
                stats.waiting + stats.delayed + stats.active + stats.unburied == 0
            })
            .await;
            let stats = self.stats(name).await;
            assert!(stats.adds_up(), "{name}: {stats:?}");
        }
    }

    pub(crate) async fn stock(&self, sku: &str) -> i32 {
        let query = "SELECT available FROM stock WHERE sku = $1";
        sqlx::query_scalar(query).bind(sku).fetch_one(self.database.pool()).await.unwrap()
    }
}

/// A line of `order.created`: one lamp.
pub(crate) fn order(number: usize) -> String {
    let data = serde_json::json!({
        "order_id": format!("order-{number}"), "customer_name": "Ada",
        "customer_email": format!("ada-{number}@mail.example"),
        "items": [{ "sku": "lamp", "quantity": 1 }], "total_cents": 1_990, "currency": "EUR",
    });
    serde_json::json!({ "type": "order.created", "id": format!("event-{number}"), "data": data }).to_string()
}

/// A line of `notification.email`.
pub(crate) fn notification(to: &str) -> String {
    let data = serde_json::json!({ "to": to, "subject": "News", "body": "Lamps." });
    serde_json::json!({ "type": "notification.email", "data": data }).to_string()
}
