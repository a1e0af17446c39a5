//! How far the bridge is behind, asked of Kafka every few seconds.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use chrono::{DateTime, Utc};
use millgate_events::{Holdings, KafkaConfig, KafkaError, Logs, metrics};
use tokio::sync::Mutex;

use crate::health::Probe;

/// For one question.
const PATIENCE: Duration = Duration::from_secs(4);

type Name = (Arc<str>, i32);

/// The lag of the partitions that are ours.
struct Lags {
    logs: Logs,
    group: String,
    holdings: Holdings,
    /// A topic to ask for while there are none.
    topic: Option<String>,
    known: Mutex<Vec<Name>>,
}

/// Notes the lag for as long as anybody wants to know whether Kafka answers.
pub(crate) fn follow(kafka: &KafkaConfig, holdings: Holdings, topic: Option<&str>) -> Probe {
    let lags = Arc::new(Lags {
        logs: Logs::new(kafka, PATIENCE),
        group: kafka.consumer_group.clone(),
        holdings,
        topic: topic.map(str::to_owned),
        known: Mutex::default(),
    });
    Probe::start(move || {
        let lags = lags.clone();
        async move { lags.note().await }
    })
}

impl Lags {
    async fn note(&self) -> Result<(), KafkaError> {
        let held = self.holdings.list();
        let names: Vec<Name> = held.iter().map(|held| (held.topic().clone(), held.partition())).collect();
        if let (true, Some(topic)) = (names.is_empty(), &self.topic) {
            self.logs.committed(topic).await?;
        }
        let mut known = self.known.lock().await;
        for (topic, partition) in known.iter().filter(|name| !names.contains(name)) {
            metrics().set_lag((topic, *partition), &self.group, None);
            metrics().set_topic_records((topic, *partition), None);
        }
        known.clone_from(&names);
        if names.is_empty() {
            return Ok(());
        }
        for lag in self.logs.lags(names).await? {
            let age = lag.first.and_then(|first| (now() - first).to_std().ok()).unwrap_or_default();
            metrics().set_lag((&lag.topic, lag.partition), &self.group, Some((lag.records, age)));
            metrics().set_topic_records((&lag.topic, lag.partition), Some(lag.end - lag.begin));
        }
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "the age of a record is its age now")]
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
