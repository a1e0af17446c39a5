//! Streams, on a real Kafka and a real PostgreSQL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use millgate_events::{Holding, KafkaConfig, Record, Troubles};
use millgate_streams::{
    Clock, Stage, StageError, Stream, StreamConfig, StreamError, StreamPositions, StreamRunner, StreamStats, Turn,
    migrate,
};
use millgate_testkit::{Database, KafkaSpace, wait_until};
use sqlx::{PgConnection, PgPool};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_mins(2);

/// Writes every value into a table, and fails after it has, as often as it is told to.
#[derive(Default)]
struct Copy {
    fails: AtomicUsize,
    panics: Arc<AtomicUsize>,
    clock: Option<Clock>,
    turns: Arc<AtomicUsize>,
}

/// One that turns often, and to which nothing is idle.
const CLOCK: Clock = Clock { every: Duration::from_millis(50), idle_after: Duration::from_hours(1) };

fn is_left(count: &AtomicUsize) -> bool {
    count.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok()
}

impl Stage for Copy {
    type State = ();

    async fn open(&self, _: &Holding, _: &mut PgConnection) -> Result<(), StageError> {
        Ok(())
    }

    async fn take(&self, (): &mut (), records: &[Record], database: &mut PgConnection) -> Result<(), StageError> {
        for record in records {
            let value = String::from_utf8(record.value.clone().unwrap().to_vec()).unwrap();
            sqlx::query("INSERT INTO copied VALUES ($1)").bind(value).execute(&mut *database).await?;
        }
        assert!(!is_left(&self.panics), "told to panic");
        if is_left(&self.fails) {
            return Err(StageError::Other("told to fail".into()));
        }
        Ok(())
    }

    fn clock(&self) -> Option<Clock> {
        self.clock
    }

    async fn turn(&self, _: &Turn<'_>, _: &mut PgConnection) -> Result<bool, StageError> {
        assert!(!is_left(&self.panics), "told to panic");
        self.turns.fetch_add(1, SeqCst);
        Ok(false)
    }
}

struct Rig {
    kafka: KafkaSpace,
    database: Database,
}

impl Rig {
    async fn fresh() -> Self {
        let (kafka, database) = (KafkaSpace::fresh("streams"), Database::fresh(None).await);
        kafka.create("numbers", 1).await;
        migrate(database.pool()).await.unwrap();
        sqlx::query("CREATE TABLE copied (value text NOT NULL)").execute(database.pool()).await.unwrap();
        Self { kafka, database }
    }

    async fn put(&self, values: std::ops::Range<usize>) {
        for value in values {
            self.kafka.put("numbers", 0, None, Some(value.to_string().as_bytes()), &[]).await;
        }
    }

    fn start(&self, fails: usize) -> Running {
        self.start_with(Copy { fails: AtomicUsize::new(fails), ..Copy::default() }, &self.kafka.config())
    }

    fn start_with(&self, stage: Copy, kafka: &KafkaConfig) -> Running {
        let stream = Stream::new("copy", ["numbers"], stage);
        let config = StreamConfig { batch_size: 7, ..StreamConfig::default() };
        let runner = StreamRunner::start(stream, kafka, &config, self.pool()).unwrap();
        let stop = CancellationToken::new();
        let (stats, troubles) = (runner.stats(), runner.troubles());
        Running { task: tokio::spawn(runner.run(stop.clone())), stop, stats, troubles }
    }

    /// Puts the tables back to where they were before this number, as a backup does, or a standby that had not all.
    async fn put_back(&self, to: i64) {
        let mut connection = self.pool().acquire().await.unwrap();
        let mut back = sqlx::Connection::begin(&mut *connection).await.unwrap();
        sqlx::query("DELETE FROM copied WHERE value::bigint >= $1").bind(to).execute(&mut *back).await.unwrap();
        sqlx::query("UPDATE stream_positions SET next_offset = $1").bind(to).execute(&mut *back).await.unwrap();
        back.commit().await.unwrap();
    }

    fn pool(&self) -> PgPool {
        self.database.pool().clone()
    }

    async fn copied(&self) -> Vec<i64> {
        let read = "SELECT value::bigint FROM copied ORDER BY 1";
        sqlx::query_scalar(read).fetch_all(self.database.pool()).await.unwrap()
    }

    async fn until(&self, count: usize) {
        wait_until("the records to be copied", SOON, async || self.copied().await.len() >= count).await;
    }
}

struct Running {
    task: JoinHandle<Result<(), StreamError>>,
    stop: CancellationToken,
    stats: Arc<StreamStats>,
    troubles: Troubles,
}

impl Running {
    async fn until_waiting(&self, why: &str) {
        let waits = async || self.troubles.list().iter().any(|waiting| waiting.text.contains(why));
        wait_until("it to be told what keeps it waiting", SOON, waits).await;
    }

    async fn end(self) {
        self.stop.cancel();
        self.task.await.unwrap().unwrap();
    }
}

fn numbers(until: i64) -> Vec<i64> {
    (0..until).collect()
}

#[tokio::test]
async fn a_batch_that_fails_is_undone_and_comes_again() {
    let rig = Rig::fresh().await;
    rig.put(0..20).await;
    let running = rig.start(3);
    rig.until(20).await;
    running.end().await;
    assert_eq!(rig.copied().await, numbers(20));
}

#[tokio::test]
async fn what_kafka_gives_again_is_passed_over() {
    let rig = Rig::fresh().await;
    rig.put(0..10).await;
    // Not ended: dropped with its commits, as a process that dies.
    let killed = rig.start(0);
    rig.until(10).await;
    killed.task.abort();
    rig.put(10..20).await;
    let running = rig.start(0);
    rig.until(20).await;
    running.end().await;
    assert_eq!(rig.copied().await, numbers(20));
}

#[tokio::test]
async fn tables_that_are_behind_kafkas_offsets_are_caught_up() {
    let rig = Rig::fresh().await;
    rig.put(0..10).await;
    let running = rig.start(0);
    rig.until(10).await;
    running.end().await;
    rig.put_back(4).await;
    rig.put(10..12).await;
    let running = rig.start(0);
    rig.until(12).await;
    running.end().await;
    assert_eq!(rig.copied().await, numbers(12));
}

#[tokio::test]
async fn tables_that_are_behind_are_caught_up_where_nothing_comes() {
    for clock in [None, Some(CLOCK)] {
        let rig = Rig::fresh().await;
        rig.put(0..10).await;
        let running = rig.start(0);
        rig.until(10).await;
        running.end().await;
        rig.put_back(4).await;
        let running = rig.start_with(Copy { clock, ..Copy::default() }, &rig.kafka.config());
        rig.until(10).await;
        // Under its feet, as when a standby takes over.
        rig.put_back(7).await;
        rig.until(10).await;
        rig.put(10..12).await;
        rig.until(12).await;
        running.end().await;
        assert_eq!(rig.copied().await, numbers(12));
    }
}

#[tokio::test]
async fn what_is_left_of_a_topic_is_taken_also_by_those_who_begin_at_the_end() {
    let rig = Rig::fresh().await;
    let latest = KafkaConfig { auto_offset_reset: "latest".into(), ..rig.kafka.config() };
    rig.put(0..10).await;
    let running = rig.start(0);
    rig.until(10).await;
    running.end().await;
    rig.put(10..20).await;
    rig.kafka.truncate("numbers", 0, 15).await;
    let running = rig.start_with(Copy::default(), &latest);
    rig.until(15).await;
    running.end().await;
    assert_eq!(rig.copied().await[10..], [15, 16, 17, 18, 19]);
}

#[tokio::test]
async fn a_panic_is_told_and_tried_again() {
    let rig = Rig::fresh().await;
    rig.put(0..10).await;
    let running = rig.start_with(Copy { panics: Arc::new(2.into()), ..Copy::default() }, &rig.kafka.config());
    rig.until(10).await;
    assert!(running.stats.read().failures >= 2);
    running.end().await;
    assert_eq!(rig.copied().await, numbers(10));
}

#[tokio::test]
async fn a_panic_does_not_stop_the_clock() {
    let rig = Rig::fresh().await;
    let stage = Copy { panics: Arc::new(usize::MAX.into()), clock: Some(CLOCK), ..Copy::default() };
    let (panics, turns) = (stage.panics.clone(), stage.turns.clone());
    let running = rig.start_with(stage, &rig.kafka.config());
    running.until_waiting("told to panic").await;
    panics.store(0, SeqCst);
    wait_until("the clock to turn", SOON, async || turns.load(SeqCst) > 1).await;
    wait_until("nothing to keep it waiting", SOON, async || running.troubles.list().is_empty()).await;
    running.end().await;
}

#[tokio::test]
async fn what_kafka_has_deleted_keeps_nobody_waiting() {
    let rig = Rig::fresh().await;
    rig.put(0..10).await;
    let running = rig.start(0);
    rig.until(10).await;
    running.end().await;
    rig.put_back(4).await;
    rig.put(10..12).await;
    rig.kafka.truncate("numbers", 0, 8).await;
    let running = rig.start(0);
    rig.until(8).await;
    running.end().await;
    assert_eq!(rig.copied().await, [0, 1, 2, 3, 8, 9, 10, 11]);
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_not_passed_over_in_silence() {
    let rig = Rig::fresh().await;
    rig.put(0..3).await;
    let topic = rig.kafka.name("numbers");
    let position = "INSERT INTO stream_positions (stream, topic, partition, next_offset) VALUES ('copy', $1, 0, 50)";
    sqlx::query(position).bind(topic).execute(rig.database.pool()).await.unwrap();
    let running = rig.start(0);
    wait_until("it to be told", SOON, async || running.stats.read().failures > 0).await;
    running.end().await;
    assert_eq!(rig.copied().await, numbers(0));
    assert_eq!(StreamPositions::new(rig.pool()).forget("copy").await.unwrap(), 1);
    let running = rig.start(0);
    rig.until(3).await;
    running.end().await;
    assert_eq!(rig.copied().await, numbers(3));
}

#[tokio::test]
async fn a_topic_that_was_made_anew_is_not_passed_over_when_the_clock_comes_first() {
    let rig = Rig::fresh().await;
    let topic = rig.kafka.name("numbers");
    let position = "INSERT INTO stream_positions (stream, topic, partition, next_offset) VALUES ('copy', $1, 0, 50)";
    sqlx::query(position).bind(topic).execute(rig.database.pool()).await.unwrap();
    let stage = Copy { clock: Some(CLOCK), ..Copy::default() };
    let turns = stage.turns.clone();
    let running = rig.start_with(stage, &rig.kafka.config());
    // Nothing has come.
    running.until_waiting("made anew").await;
    rig.put(0..3).await;
    wait_until("the batch to be refused, too", SOON, async || running.troubles.list().len() > 1).await;
    let before = turns.load(SeqCst);
    wait_until("more turns", SOON, async || turns.load(SeqCst) > before + 1).await;
    assert_eq!(rig.copied().await, numbers(0));
    assert_eq!(StreamPositions::new(rig.pool()).forget("copy").await.unwrap(), 1);
    rig.until(3).await;
    running.end().await;
    assert_eq!(rig.copied().await, numbers(3));
}

#[tokio::test]
async fn one_that_was_overtaken_writes_nothing() {
    let rig = Rig::fresh().await;
    rig.put(0..5).await;
    let running = rig.start(0);
    rig.until(5).await;
    // Another process, which has the partition by now, was further than we know.
    sqlx::query("UPDATE stream_positions SET next_offset = 8").execute(rig.database.pool()).await.unwrap();
    rig.put(5..12).await;
    rig.until(9).await;
    running.end().await;
    assert_eq!(rig.copied().await, [0, 1, 2, 3, 4, 8, 9, 10, 11]);
    let positions = StreamPositions::new(rig.pool());
    assert_eq!(positions.list().await.unwrap()[0].next_offset, 12);
    assert_eq!(positions.forget("copy").await.unwrap(), 1);
}

#[tokio::test]
async fn a_position_that_was_forgotten_is_not_put_back_by_one_who_remembers_it() {
    let rig = Rig::fresh().await;
    rig.put(0..5).await;
    let running = rig.start(0);
    rig.until(5).await;
    let positions = StreamPositions::new(rig.pool());
    assert_eq!(positions.forget("copy").await.unwrap(), 1);
    rig.put(5..8).await;
    rig.until(8).await;
    assert!(running.stats.read().failures > 0, "it finds out that it was overtaken, and begins as the tables say");
    running.end().await;
    assert_eq!(rig.copied().await, numbers(8));
    assert_eq!(positions.list().await.unwrap()[0].next_offset, 8);
}
