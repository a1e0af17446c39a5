//! An audit of a test's own.

use std::{sync::Arc, time::Duration};

use millgate_streams::{
    Audit, AuditFilter, AuditFinding, AuditFlaw, AuditLog, AuditLogs, AuditSettings, Hide, StreamConfig, StreamError,
    StreamRunner, migrate,
};
use millgate_testkit::{Database, KafkaSpace, wait_until};
use sqlx::{AssertSqlSafe, Connection, PgConnection, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

pub(crate) const SOON: Duration = Duration::from_mins(2);

pub(crate) struct Rig {
    pub(crate) kafka: KafkaSpace,
    pub(crate) database: Database,
}

/// Hides what is called `card`, and `pin` in an `order.created`.
pub(crate) fn hide() -> Hide {
    Arc::new(|event, _, value| {
        let pin = (event == Some("order.created")).then_some("pin");
        let mut is_masked = false;
        for name in ["card"].into_iter().chain(pin) {
            if let Some(field) = value.get_mut(name) {
                *field = "•••".into();
                is_masked = true;
            }
        }
        is_masked
    })
}

impl Rig {
    /// With the topics `orders` and `dlq`.
    pub(crate) async fn fresh(partitions: usize) -> Self {
        let (kafka, database) = (KafkaSpace::fresh("audit"), Database::fresh(None).await);
        kafka.create("orders", partitions).await;
        kafka.create("dlq", 1).await;
        migrate(database.pool()).await.unwrap();
        Self { kafka, database }
    }

    pub(crate) fn start(&self, audit: Audit) -> Running {
        self.start_on(audit, self.pool())
    }

    pub(crate) fn start_on(&self, audit: Audit, pool: PgPool) -> Running {
        let settings = AuditSettings {
            topic_prefix: self.kafka.config().topic_prefix,
            topics: vec!["orders".into()],
            dead_letter_topics: vec!["dlq".into()],
            hide: hide(),
        };
        let config = StreamConfig { batch_size: 7, ..StreamConfig::default() };
        let runner =
            StreamRunner::start(Arc::new(audit).stream(settings), &self.kafka.config(), &config, pool).unwrap();
        let stop = CancellationToken::new();
        Running { task: tokio::spawn(runner.run(stop.clone())), stop }
    }

    /// An event of an order, by a customer, of a request.
    pub(crate) async fn order(&self, partition: i32, number: usize) {
        let id = format!("event-{number}");
        let request = format!("request-{}", number / 2);
        let headers = headers("order.created", &id);
        let headers = [headers.as_slice(), &[("ce_correlationid", &*request)]].concat();
        let value = format!(r#"{{"order": {number}, "customer": {{"id": "ada-{}"}}}}"#, number % 3);
        let key = format!("order-{number}");
        self.kafka.put("orders", partition, Some(key.as_bytes()), Some(value.as_bytes()), &headers).await;
    }

    pub(crate) fn pool(&self) -> PgPool {
        self.database.pool().clone()
    }

    pub(crate) fn logs(&self) -> AuditLogs {
        AuditLogs::new(self.pool())
    }

    /// All entries, chain by chain.
    pub(crate) async fn entries(&self) -> Vec<AuditLog> {
        let mut entries = self.logs().search(&AuditFilter::default(), 10_000).await.unwrap();
        entries.sort_by(|one, other| {
            let key = |entry: &AuditLog| (entry.topic.clone(), entry.partition, entry.chain, entry.number);
            key(one).cmp(&key(other))
        });
        entries
    }

    pub(crate) async fn until(&self, count: usize) {
        wait_until("the records to be recorded", SOON, async || self.entries().await.len() >= count).await;
    }

    /// Records what is there, and so many entries in all.
    pub(crate) async fn record(&self, audit: Audit, count: usize) -> Vec<AuditLog> {
        let running = self.start(audit);
        self.until(count).await;
        running.end().await;
        self.entries().await
    }

    pub(crate) async fn findings(&self) -> Vec<AuditFinding> {
        self.logs().verify(None, &[], |_, _| ()).await.unwrap().findings
    }

    pub(crate) async fn flaws(&self) -> Vec<(AuditFlaw, i64, i64)> {
        self.findings().await.iter().map(|it| (it.flaw, it.number, it.until)).collect()
    }

    /// Does what the owner can do to the tables who switches triggers off.
    pub(crate) async fn tamper(&self, statements: &str) {
        let mut connection = self.database.pool().acquire().await.unwrap();
        let mut transaction = connection.begin().await.unwrap();
        let statements = format!("SET LOCAL session_replication_role = replica; {statements}");
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut *transaction).await.unwrap();
        transaction.commit().await.unwrap();
    }

    /// Has what is recorded from now on be recorded then.
    pub(crate) async fn go_to(&self, time: &str) {
        self.tamper(&format!("UPDATE audit_chains SET recorded_at = '{time}'")).await;
    }
}

/// Headers of an event.
pub(crate) fn headers<'a>(event_type: &'a str, id: &'a str) -> [(&'a str, &'a str); 4] {
    [("ce_specversion", "1.0"), ("ce_id", id), ("ce_source", "shop"), ("ce_type", event_type)]
}

pub(crate) struct Running {
    pub(crate) task: JoinHandle<Result<(), StreamError>>,
    stop: CancellationToken,
}

impl Running {
    pub(crate) async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

/// What PostgreSQL says to a statement that it refuses.
pub(crate) async fn refused(statement: &str, connection: &mut PgConnection) -> String {
    match sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(connection).await {
        Ok(_) => panic!("{statement} was not refused"),
        Err(error) => error.to_string(),
    }
}
