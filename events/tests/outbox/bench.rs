//! What the tests work with: an event, an outbox, relays.

use std::time::Duration;

use millgate_events::{Event, Outbox, OutboxStore, Producer, Record, Relay, RelayConfig, RelayStats, migrate};
use millgate_testkit::{Database, KafkaSpace, wait_until};
use serde::{Deserialize, Serialize};
use sqlx::{PgConnection, PgPool};
use std::sync::Arc;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// For everything that takes as long as the machine makes it.
pub(crate) const SOON: Duration = Duration::from_mins(2);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Moved {
    pub(crate) parcel: String,
    pub(crate) n: usize,
}

impl Event for Moved {
    const TYPE: &'static str = "parcel.moved";
    const VERSION: u32 = 2;
    const TOPIC: &'static str = "parcels";

    fn key(&self) -> String {
        self.parcel.clone()
    }
}

pub(crate) fn moved(parcel: &str, n: usize) -> Moved {
    Moved { parcel: parcel.into(), n }
}

pub(crate) struct Bench {
    pub(crate) kafka: KafkaSpace,
    pub(crate) database: Database,
    pub(crate) store: OutboxStore,
    pub(crate) outbox: Outbox,
    pub(crate) config: RelayConfig,
}

/// A relay in this process. Dropped, it is gone as after a kill.
pub(crate) struct Running {
    pub(crate) stats: Arc<RelayStats>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }

    pub(crate) async fn abort(self) {
        self.task.abort();
        assert!(self.task.await.unwrap_err().is_cancelled());
    }
}

impl Bench {
    /// With the topic of [`Moved`].
    pub(crate) async fn open() -> Self {
        let bench = Self::on(KafkaSpace::fresh("outbox")).await;
        bench.kafka.create(Moved::TOPIC, 3).await;
        bench
    }

    pub(crate) async fn on(kafka: KafkaSpace) -> Self {
        let database = Database::fresh(None).await;
        migrate(database.pool()).await.unwrap();
        let store = OutboxStore::new(database.pool().clone());
        let config = RelayConfig { poll_interval: Duration::from_millis(200), ..RelayConfig::default() };
        Self { kafka, database, store, outbox: Outbox::new("shop"), config }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    pub(crate) fn relay(&self) -> Running {
        let producer = Producer::new(&self.kafka.config(), "shop").unwrap();
        let relay = Relay::new(self.pool().clone(), producer, self.config.clone());
        let (stats, stop) = (relay.stats(), CancellationToken::new());
        Running { stats, task: tokio::spawn(relay.run(stop.clone())), stop }
    }

    /// Appends in a transaction of its own.
    pub(crate) async fn append(&self, event: &Moved) {
        let mut transaction = self.pool().begin().await.unwrap();
        self.outbox.append(&mut transaction, event).await.unwrap();
        transaction.commit().await.unwrap();
    }

    pub(crate) async fn empty(&self) {
        wait_until("the outbox is empty", SOON, async || self.store.backlog().await.unwrap().waiting == 0).await;
    }

    /// Numbers of a parcel's events on Kafka, in their order, once there are `count` events of all parcels.
    pub(crate) async fn numbers(&self, parcel: &str, count: usize) -> Vec<usize> {
        numbers(&self.kafka.records(Moved::TOPIC, count).await, parcel)
    }
}

pub(crate) fn numbers(records: &[Record], parcel: &str) -> Vec<usize> {
    let of_parcel = records.iter().filter(|record| record.key.as_deref() == Some(parcel.as_bytes()));
    of_parcel.map(|record| serde_json::from_slice::<Moved>(record.value.as_ref().unwrap()).unwrap().n).collect()
}

/// Gives the transaction an id of its own, as any change does.
pub(crate) async fn write_something(database: &mut PgConnection) {
    sqlx::query("SELECT pg_current_xact_id()").execute(database).await.unwrap();
}
