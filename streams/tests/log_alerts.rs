//! Errors that are counted, on a real Kafka.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use chrono::{DateTime, Utc};
use millgate_streams::{LogAlert, LogAlertConfig, LogAlerts};
use millgate_testkit::{KafkaSpace, wait_until};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const SOON: Duration = Duration::from_mins(2);
const ERRORS: &str = "logs-error-topic";

/// Whoever is told.
#[derive(Clone, Default)]
struct Told {
    alerts: Arc<Mutex<Vec<LogAlert>>>,
    /// So often telling fails.
    fails: Arc<AtomicUsize>,
    /// So often somebody else was told lately.
    others: Arc<AtomicUsize>,
}

impl Told {
    fn services(&self) -> Vec<(String, u64)> {
        let alerts = self.alerts.lock().unwrap();
        alerts.iter().map(|alert| (alert.service.clone(), alert.errors)).collect()
    }

    fn counting(&self, space: &KafkaSpace, config: &LogAlertConfig) -> (JoinHandle<()>, CancellationToken) {
        let (stop, told) = (CancellationToken::new(), self.clone());
        let alerts = LogAlerts::start(&space.config(), ERRORS, config, now()).unwrap();
        let tell = move |alert| {
            let told = told.clone();
            async move {
                if told.fails.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                    return Err("Redis is away");
                }
                if told.others.fetch_update(SeqCst, SeqCst, |left| left.checked_sub(1)).is_ok() {
                    return Ok(false);
                }
                told.alerts.lock().unwrap().push(alert);
                Ok(true)
            }
        };
        (tokio::spawn(alerts.run(tell, stop.clone())), stop)
    }
}

async fn log(space: &KafkaSpace, service: &str, count: usize) {
    for n in 0..count {
        let line = format!(r#"{{"level":"error","service":"{service}","message":"number {n}"}}"#);
        space.put(ERRORS, i32::try_from(n % 2).unwrap(), None, Some(line.as_bytes()), &[]).await;
    }
}

fn config() -> LogAlertConfig {
    LogAlertConfig { threshold: 10, ..LogAlertConfig::default() }
}

#[tokio::test]
async fn too_many_errors_of_one_service_are_told_once() {
    let space = KafkaSpace::fresh("alerts");
    space.create(ERRORS, 2).await;
    let told = Told::default();
    told.fails.store(2, SeqCst);
    let (counting, stop) = told.counting(&space, &config());
    log(&space, "quiet", 9).await;
    log(&space, "shop", 30).await;
    space.put(ERRORS, 0, None, Some(b"not JSON"), &[]).await;
    // The last one shows that all before it were counted, in each partition.
    log(&space, "bank", 20).await;
    wait_until("both are told", SOON, async || told.services().len() == 2).await;
    assert_eq!(told.services(), [("shop".to_owned(), 10), ("bank".to_owned(), 10)]);
    assert!(told.alerts.lock().unwrap()[0].message.starts_with("number "));
    stop.cancel();
    counting.await.unwrap();

    // A process that is new counts what was logged lately, too: whether it is told again is the job's key to say.
    let fresh = Told::default();
    let (counting, stop) = fresh.counting(&space, &config());
    log(&space, "quiet", 1).await;
    wait_until("three are told", SOON, async || fresh.services().len() == 3).await;
    assert_eq!(fresh.services().last().unwrap(), &("quiet".to_owned(), 10));
    stop.cancel();
    counting.await.unwrap();
}

/// Whose notes of when that was are not known here.
#[tokio::test]
async fn where_another_process_has_told_it_is_not_silent_for_as_long_once_more() {
    let space = KafkaSpace::fresh("alerts");
    space.create(ERRORS, 2).await;
    let told = Told::default();
    told.others.store(2, SeqCst);
    let often = LogAlertConfig { again_after: Duration::from_mins(10), ..config() };
    let (counting, stop) = told.counting(&space, &often);
    log(&space, "shop", 10).await;
    wait_until("one is told", SOON, async || {
        log(&space, "shop", 1).await;
        !told.services().is_empty()
    })
    .await;
    stop.cancel();
    counting.await.unwrap();
}

#[tokio::test]
async fn a_machine_whose_clock_is_ahead_does_not_silence_the_others() {
    let space = KafkaSpace::fresh("alerts");
    space.create(ERRORS, 2).await;
    let told = Told::default();
    let (counting, stop) = told.counting(&space, &config());
    let ahead = now().timestamp_millis() + 50 * 60 * 1000;
    let line = br#"{"level":"error","service":"shop","message":"from tomorrow"}"#;
    for partition in 0..2 {
        space.put_at(Some(ahead), ERRORS, partition, None, Some(line), &[]).await;
    }
    log(&space, "shop", 8).await;
    wait_until("it is told", SOON, async || told.services() == [("shop".to_owned(), 10)]).await;
    stop.cancel();
    counting.await.unwrap();
}

#[tokio::test]
async fn what_is_over_is_over_and_a_topic_may_come_later() {
    let space = KafkaSpace::fresh("alerts");
    let told = Told::default();
    // A window so short that two errors that are written one after the other hardly fall into it.
    let short = LogAlertConfig { threshold: 3, window: Duration::from_millis(60), ..LogAlertConfig::default() };
    let (counting, stop) = told.counting(&space, &short);
    space.create(ERRORS, 2).await;
    for _ in 0..3 {
        let before = now();
        log(&space, "slow", 1).await;
        wait_until("the window is over", SOON, async || (now() - before).num_milliseconds() > 200).await;
    }
    let lines = futures::future::join_all((0..20).map(|_| log(&space, "burst", 1))).await;
    assert_eq!(lines.len(), 20);
    wait_until("one is told", SOON, async || !told.services().is_empty()).await;
    assert_eq!(told.services()[0].0, "burst", "slow ones are never too many");
    stop.cancel();
    counting.await.unwrap();
}

#[expect(clippy::disallowed_methods, reason = "Kafka's clock is that of this machine")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
