//! What the tests work with: a saga of two steps, orchestrators, a relay, and the test as the worker.

use std::{sync::Arc, time::Duration};

use millgate_bridge::saga::{
    Definition, Definitions, Orchestrator, Saga, SagaConfig, SagaDetail, SagaStatus, SagaStore, Sagas, Step,
};
use millgate_events::{
    Claims, DeadLetterStore, DeadLetters, Event, Outbox, Producer, Relay, RelayConfig, SagaCommand, SagaEvent,
    StepCommand,
};
use millgate_testkit::{Database, KafkaSpace, wait_for, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::PgPool;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// For everything that takes as long as the machine makes it.
pub(crate) const SOON: Duration = Duration::from_mins(2);
/// A timeout that no test waits for.
pub(crate) const NEVER: Duration = Duration::from_hours(1);
pub(crate) const DEAD: &str = "dead-letter-queue";

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Trip {
    pub(crate) trip: String,
    #[serde(default)]
    pub(crate) car: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TripWanted {
    pub(crate) trip: String,
}

impl Event for TripWanted {
    const TYPE: &'static str = "trip.wanted";
    fn key(&self) -> String {
        self.trip.clone()
    }
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TripOver {
    pub(crate) trip: String,
    pub(crate) why: String,
}

impl Event for TripOver {
    const TYPE: &'static str = "trip.over";
    fn key(&self) -> String {
        self.trip.clone()
    }
}

macro_rules! command {
    ($name:ident, $step:literal) => {
        #[derive(Debug, Clone, Serialize, Deserialize)]
        pub(crate) struct $name {
            pub(crate) trip: String,
            #[serde(default)]
            pub(crate) car: Option<u32>,
        }

        impl StepCommand for $name {
            type Reply = Value;
            const TOPIC: &'static str = concat!("saga.trip.", $step, ".command");
            const DONE: &'static str = concat!("saga.trip.", $step, "-done.event");
            const FAILED: &'static str = concat!("saga.trip.", $step, "-failed.event");
        }

        impl From<&Trip> for $name {
            fn from(trip: &Trip) -> Self {
                Self { trip: trip.trip.clone(), car: trip.car }
            }
        }
    };
}

command!(BookCar, "book-car");
command!(CancelCar, "cancel-car");
command!(Pay, "pay");
command!(Refund, "refund");
command!(Insure, "insure");

/// A car and a payment, each with what takes it back, with these timeouts.
pub(crate) fn trip(timeout: Duration, retries: u32) -> Saga<Trip> {
    Saga::<Trip>::named("trip")
        .started_by(|wanted: &TripWanted| {
            assert!(wanted.trip != "panic", "nobody travels like this");
            Trip { trip: wanted.trip.clone(), car: None }
        })
        .step(
            Step::command("book-car", |trip: &Trip| BookCar::from(trip))
                .timeout(timeout)
                .retries(retries)
                .backoff(Duration::from_millis(50))
                .replied(|trip: &mut Trip, reply| {
                    trip.car = reply["car"].as_u64().and_then(|car| u32::try_from(car).ok());
                })
                .compensate("cancel-car", |trip: &Trip| CancelCar::from(trip))
                .compensation_retries(retries),
        )
        .step(
            Step::command("pay", |trip: &Trip| Pay::from(trip))
                .timeout(timeout)
                .retries(retries)
                .backoff(Duration::from_millis(50))
                .compensate("refund", |trip: &Trip| Refund::from(trip))
                .refunds(),
        )
        .on_completed(|trip: &Trip| TripOver { trip: trip.trip.clone(), why: "done".into() })
        .on_compensated(|trip: &Trip, why| TripOver { trip: trip.trip.clone(), why: why.code.clone() })
        .also_told_on("oms.saga.events")
}

pub(crate) struct Bench {
    pub(crate) kafka: KafkaSpace,
    database: Database,
    pub(crate) producer: Producer,
    relay: Running,
}

/// A task that ends when it is told to.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    fn start<F: Future<Output = ()> + Send + 'static>(run: impl FnOnce(CancellationToken) -> F) -> Self {
        let stop = CancellationToken::new();
        Self { task: tokio::spawn(run(stop.clone())), stop }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
    }
}

impl Bench {
    /// With the topics of these definitions, and a relay.
    pub(crate) async fn open(definitions: &Definitions) -> Self {
        let kafka = KafkaSpace::fresh("saga");
        let mut routes = millgate_bridge::Routes::default();
        definitions.know(&mut routes);
        for topic in routes.topics().chain([DEAD]) {
            kafka.create(topic, 2).await;
        }
        let database = Database::fresh(None).await;
        DeadLetterStore::new(database.pool().clone()).migrate().await.unwrap();
        let producer = Producer::new(&kafka.config(), "trips").unwrap();
        let relay = Relay::new(database.pool().clone(), producer.clone(), RelayConfig::default());
        let relay = Running::start(|stop| relay.run(stop));
        Self { kafka, database, producer, relay }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    pub(crate) fn store(&self, definitions: &Definitions) -> SagaStore {
        SagaStore::new(self.pool().clone(), sagas(definitions))
    }

    /// An orchestrator of these.
    pub(crate) fn orchestrator(&self, definitions: &Definitions) -> Running {
        let config = SagaConfig { poll_interval: Duration::from_millis(50), ..SagaConfig::default() };
        let letters = DeadLetters::new(self.producer.clone(), DEAD);
        let sagas = sagas(definitions);
        let orchestrator =
            Orchestrator::start(&self.kafka.config(), &config, sagas, self.pool().clone(), letters, Claims::default());
        let orchestrator = orchestrator.unwrap();
        Running::start(|stop| async move { orchestrator.run(stop).await.unwrap() })
    }

    pub(crate) async fn begin(&self, trip: &str) -> Uuid {
        self.producer.publish(&TripWanted { trip: trip.to_owned() }).await.unwrap();
        Sagas::id("trip", trip)
    }

    /// The `count` commands on a topic that there are at least.
    pub(crate) async fn commands<C: StepCommand>(&self, count: usize) -> Vec<SagaCommand> {
        let records = self.kafka.records(C::TOPIC, count).await;
        records.iter().map(|record| serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()).collect()
    }

    /// The last command of a saga, once there are so many.
    pub(crate) async fn command<C: StepCommand>(&self, saga: Uuid, count: usize) -> SagaCommand {
        let of = async || {
            let all = self.commands::<C>(0).await;
            let of: Vec<_> = all.into_iter().filter(|command| command.saga_id == saga.to_string()).collect();
            (of.len() >= count).then(|| of.into_iter().max_by_key(|command| command.retry_count).unwrap())
        };
        wait_for(C::TOPIC, SOON, of).await
    }

    /// Replies that it is done.
    pub(crate) async fn done<C: StepCommand>(&self, command: &SagaCommand) {
        self.reply(C::DONE, &reply(command, &json!({ "success": true, "data": { "car": 7 } }))).await;
    }

    /// Replies that it cannot be done.
    pub(crate) async fn failed<C: StepCommand>(&self, command: &SagaCommand, code: &str) {
        let failure = json!({ "success": false, "error_code": code, "error_message": "no" });
        self.reply(C::FAILED, &reply(command, &failure)).await;
    }

    pub(crate) async fn reply(&self, topic: &str, reply: &SagaEvent) {
        let value = serde_json::to_vec(reply).unwrap();
        self.kafka.put(topic, 0, Some(reply.saga_id.as_bytes()), Some(&value), &[]).await;
    }

    /// Waits until a saga is so.
    pub(crate) async fn is(&self, store: &SagaStore, saga: Uuid, status: SagaStatus) -> SagaDetail {
        let is_so = async || store.show(saga).await.unwrap().filter(|saga| saga.row.status == status);
        wait_for(&format!("it is {status}"), SOON, is_so).await
    }

    /// What the saga told, in order.
    pub(crate) async fn told(&self, topic: &str, count: usize) -> Vec<Value> {
        let records = self.kafka.records(topic, count).await;
        records.iter().map(|record| serde_json::from_slice(record.value.as_ref().unwrap()).unwrap()).collect()
    }

    pub(crate) async fn close(self) {
        wait_until("the outbox is empty", SOON, async || {
            let waiting: i64 = sqlx::query_scalar("SELECT count(*) FROM outbox").fetch_one(self.pool()).await.unwrap();
            waiting == 0
        })
        .await;
        self.relay.stop().await;
    }
}

pub(crate) fn sagas(definitions: &Definitions) -> Sagas {
    Sagas::new(Arc::new(definitions.clone()), Outbox::new("trips"))
}

/// A reply to a command, with these fields.
pub(crate) fn reply(command: &SagaCommand, fields: &Value) -> SagaEvent {
    let mut reply = json!({
        "saga_id": command.saga_id, "step_name": command.step_name, "retry_count": command.retry_count,
    });
    reply.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    serde_json::from_value(reply).unwrap()
}

pub(crate) fn only(saga: Saga<Trip>) -> Definitions {
    all([saga.build().unwrap()])
}

pub(crate) fn all(known: impl IntoIterator<Item = Definition>) -> Definitions {
    let mut definitions = Definitions::default();
    for definition in known {
        definitions.add(definition).unwrap();
    }
    definitions
}
