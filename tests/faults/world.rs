//! What the faults happen in: a Kafka, a Redis, bridges in processes of their own, and a worker that writes down what it
//! does.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use millgate::{
    Ctx, Done, Handlers, Job, JobError, Producer, Queues, RedisConfig, State,
    email::{ReminderEmail, SendConfirmationEmail},
    inventory::UpdateInventory,
    shop::MIGRATIONS,
};
use millgate_events::DeadLetterStore;
use millgate_jobs::QueueStats;
use millgate_testkit::{Binary, Child, Database, KafkaSpace, wait_for, wait_until};
use millgate_workers::{Worker, WorkerConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    ledger::{KINDS, Ledger},
    traffic::Traffic,
};

/// Ample for a machine that is busy with tests.
pub(crate) const PATIENCE: Duration = Duration::from_mins(2);

/// The topic that the orders come on.
pub(crate) const TOPIC: &str = "order.created";
const QUEUES: [&str; 2] = ["email", "inventory"];

pub(crate) struct World {
    pub(crate) kafka: KafkaSpace,
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) queues: Queues,
    pub(crate) producer: Producer,
    pub(crate) database: Database,
    variables: BTreeMap<&'static str, String>,
    worker: Option<(CancellationToken, JoinHandle<()>)>,
}

impl World {
    /// Topics, and a worker on that Redis. Bridges come later.
    pub(crate) async fn new(kafka: KafkaSpace, redis: &RedisConfig) -> Self {
        let events = kafka.config();
        let database = Database::fresh(Some(&MIGRATIONS)).await;
        DeadLetterStore::new(database.pool().clone()).migrate().await.unwrap();
        let variables = BTreeMap::from([
            ("KAFKA_BROKERS", events.brokers.clone()),
            ("KAFKA_CONSUMER_GROUP", events.consumer_group.clone()),
            ("KAFKA_SESSION_TIMEOUT", "6s".into()),
            ("MILLGATE_KAFKA_TOPIC_PREFIX", events.topic_prefix.clone()),
            ("MILLGATE_TOPICS_PARTITIONS", "3".into()),
            ("MILLGATE_REDIS_URL", redis.url.clone()),
            ("MILLGATE_REDIS_PREFIX", redis.prefix.clone()),
            ("MILLGATE_POSTGRES_URL", database.url()),
            ("MILLGATE_SHOP_REMINDER_DELAY", "1s".into()),
            // Small batches and rare commits, so that every fault finds some that are handed off and not committed.
            ("MILLGATE_BRIDGE_BATCH_SIZE", "10".into()),
            ("MILLGATE_BRIDGE_COMMIT_INTERVAL", "3s".into()),
            ("MILLGATE_BRIDGE_WATERMARK_CHECK_INTERVAL", "500ms".into()),
        ]);
        let (ledger, queues) = (Arc::new(Ledger::default()), Queues::new(redis).unwrap());
        let producer = Producer::new(&events, "/faults").unwrap();
        let mut world = Self { kafka, ledger, queues, producer, database, variables, worker: None };
        world.run(&["topics", "apply"]).await;
        world.employ(redis);
        world
    }

    fn employ(&mut self, redis: &RedisConfig) {
        let mut handlers = Handlers::default();
        add(&mut handlers, &self.ledger, |job: &UpdateInventory| job.order_id.clone());
        add(&mut handlers, &self.ledger, |job: &SendConfirmationEmail| job.order_id.clone());
        add(&mut handlers, &self.ledger, |job: &ReminderEmail| job.order_id.clone());
        let worker =
            Worker::start(&WorkerConfig::default(), &Queues::new(redis).unwrap(), Arc::new(handlers), State::new());
        let stop = CancellationToken::new();
        self.worker = Some((stop.clone(), tokio::spawn(worker.unwrap().run(stop))));
    }

    fn millgate(&self, arguments: &[&str]) -> Binary {
        let program = Binary::new(env!("CARGO_BIN_EXE_millgate")).args(arguments.iter().copied());
        self.variables.iter().fold(program, |program, (name, value)| program.env(*name, value))
    }

    /// A bridge in a process of its own.
    pub(crate) fn bridge(&self) -> Child {
        self.millgate(&["bridge"]).spawn()
    }

    /// Runs a command to its end, which must be a good one, and gives what it said.
    pub(crate) async fn run(&self, arguments: &[&str]) -> String {
        let child = self.millgate(arguments).spawn();
        let status = child.wait_exit(PATIENCE).await;
        assert!(status.success(), "{arguments:?}: {status}: {}", child.output());
        child.output()
    }

    pub(crate) fn traffic(&self) -> Traffic {
        Traffic::start(&self.producer, &self.ledger)
    }

    pub(crate) async fn stats(&self, queue: &str) -> QueueStats {
        let queue = self.queues.queue(queue);
        wait_for("Redis answers", PATIENCE, async || queue.stats().await.ok()).await
    }

    /// Waits until some more jobs were done.
    pub(crate) async fn progress(&self) {
        let target = self.ledger.runs(KINDS[0]) + 20;
        wait_until("jobs are done", PATIENCE, async || self.ledger.runs(KINDS[0]) >= target).await;
    }

    /// Waits until all that is on Kafka is handed off, and that is committed.
    pub(crate) async fn handed_off(&self) {
        wait_until("all is handed off", PATIENCE, async || {
            let committed = self.kafka.committed(TOPIC).await;
            let committed: Vec<i64> = committed.into_iter().map(Option::unwrap_or_default).collect();
            committed == self.kafka.ends(TOPIC).await
        })
        .await;
    }

    /// Waits until all that is on Kafka is handed off and done, then compares the books. Gives how many runs were
    /// repetitions, which only a Redis that lost something may cause.
    pub(crate) async fn settle(&mut self) -> usize {
        self.handed_off().await;
        self.settle_refilled().await
    }

    /// The same where offsets are committed that a Redis which went back knows nothing of.
    pub(crate) async fn settle_refilled(&mut self) -> usize {
        for name in QUEUES {
            wait_until(&format!("all of {name} is done"), PATIENCE, async || {
                let stats = self.stats(name).await;
                let orders = self.ledger.orders() as u64;
                let all_in = stats.kinds.values().all(|kind| kind.enqueued >= orders);
                all_in && stats.waiting + stats.delayed + stats.active + stats.unburied == 0
            })
            .await;
        }
        if let Some((stop, ended)) = self.worker.take() {
            stop.cancel();
            ended.await.unwrap();
        }
        let again = self.ledger.check();
        let orders = self.ledger.done_orders() as u64;
        for (name, kinds) in [("inventory", &KINDS[..1]), ("email", &KINDS[1..])] {
            let stats = self.stats(name).await;
            assert!(stats.adds_up(), "{name}: {stats:?}");
            assert_eq!(self.queues.queue(name).check().await.unwrap(), Vec::<String>::new());
            for kind in kinds {
                // What Redis forgot it forgot in its counts, too: so each order is counted once, come what may.
                assert_eq!(stats.kinds[*kind].enqueued, orders, "{kind} is enqueued once an order");
            }
        }
        again
    }
}

fn add<J: Job>(handlers: &mut Handlers, ledger: &Arc<Ledger>, order: fn(&J) -> String) {
    let ledger = ledger.clone();
    handlers.add(move |job: J, _: Ctx| {
        ledger.ran(J::KIND, order(&job));
        async { Ok::<_, JobError>(Done) }
    });
}
