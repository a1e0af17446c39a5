//! Reading the dead-letter topic while it is written.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millgate_events::{Consumer, ConsumerConfig, Headers, KafkaConfig};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::config::Config;

/// What is on the topic, a line each.
pub(super) struct DeadLetterView {
    lines: Arc<Mutex<Vec<String>>>,
    stop: CancellationToken,
    reading: JoinHandle<()>,
}

impl DeadLetterView {
    /// Reads what is written from now on. With `all`, none of it is missed: the topics are read from their beginning, since
    /// some may come before this has begun to read.
    pub(super) fn start(config: &Config, topics: &[&str], all: bool) -> anyhow::Result<Self> {
        let began = now();
        let begin = if all { "earliest" } else { "latest" };
        let group = format!("{}-view-{}", config.kafka.consumer_group, uuid::Uuid::new_v4().simple());
        let mut consumer = Consumer::start(ConsumerConfig {
            kafka: KafkaConfig { consumer_group: group, auto_offset_reset: begin.into(), ..config.kafka.clone() },
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            batch_size: 100,
            buffer_bytes: 1 << 20,
            commit_interval: Duration::from_mins(1),
            drain_timeout: Duration::from_secs(1),
        })?;
        let lines = Arc::new(Mutex::new(Vec::new()));
        let stop = CancellationToken::new();
        let (written, stopped) = (lines.clone(), stop.clone());
        let reading = tokio::spawn(async move {
            while let Some(Some(batch)) = stopped.run_until_cancelled(consumer.next()).await {
                // What was there before is another run's.
                let new = batch.records.iter().filter(|record| record.timestamp.is_none_or(|time| time >= began));
                let new = new.map(|record| line(&record.headers));
                written.lock().unwrap_or_else(PoisonError::into_inner).extend(new);
                batch.token.settle();
            }
            let _ = consumer.close().await;
        });
        Ok(Self { lines, stop, reading })
    }

    pub(super) fn lines(&self) -> Vec<String> {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn count(&self) -> u64 {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len() as u64
    }

    pub(super) async fn close(self) {
        self.stop.cancel();
        let _ = self.reading.await;
    }
}

/// Milliseconds since 1970, as Kafka counts.
#[expect(clippy::disallowed_methods, reason = "what is written from now on is told by the clock")]
fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

fn line(headers: &Headers) -> String {
    let text = |name: &str| headers.text(name).unwrap_or("?").to_owned();
    let what = match headers.text("x-dlq-kind") {
        Some("job") => {
            format!("job   {} after {} attempts", text("x-dlq-job-kind"), text("__dlq.errors.delivery.count"))
        }
        _ => format!(
            "event {}/{}/{}",
            text("__dlq.errors.topic"),
            text("__dlq.errors.partition"),
            text("__dlq.errors.offset")
        ),
    };
    format!("dead letter: {what}: {}: {}", text("x-dlq-code"), text("__dlq.errors.message"))
}
