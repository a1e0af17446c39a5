//! Its streams, and what they may use.

use std::sync::Arc;

use millgate_dashboard::Follower;
use millgate_streams::{AuditLogs, AuditSettings, Resources, Stream, StreamPositions, windows::WindowStore};

use super::Servers;

impl Servers {
    /// Whether the application has any.
    pub(crate) fn has_streams(&self) -> bool {
        !self.streams.is_empty() || self.audit.is_some()
    }

    /// The streams of the application, in its order.
    pub(crate) fn streams(&self) -> Vec<Stream> {
        let resources = self.stream_resources();
        let audit = self.audit.iter().map(|audit| audit.clone().stream(self.audit_settings()));
        self.streams.iter().map(|make| make(&resources)).chain(audit).collect()
    }

    /// Goes without streams, and gives their names.
    pub(crate) fn leave_out_streams(&mut self) -> Vec<String> {
        let left_out = self.streams().iter().map(|stream| stream.name().to_owned()).collect();
        self.streams.clear();
        self.audit = None;
        left_out
    }

    /// What stages may use.
    pub(crate) fn stream_resources(&self) -> Resources {
        Resources {
            database: self.database.clone(),
            producer: self.producer.clone(),
            queues: self.queues.clone(),
            cache: self.queues.cache(),
            dead_letters: self.dead_letters.clone(),
            values: self.producer.values().clone(),
            consumer_group: self.config.kafka.consumer_group.clone(),
        }
    }

    fn audit_settings(&self) -> AuditSettings {
        let mask = self.mask();
        AuditSettings {
            topic_prefix: self.config.kafka.topic_prefix.clone(),
            topics: self.events.iter().map(|(_, event)| event.topic.to_owned()).collect(),
            dead_letter_topics: self.dead_letter_topics.names().into_iter().map(str::to_owned).collect(),
            hide: Arc::new(move |event, job, value| match job {
                Some(kind) => mask.apply_to_job(kind, event, value),
                None => mask.apply_to_event(event.unwrap_or_default(), value),
            }),
        }
    }

    pub(super) fn stream_readers(&self) -> Vec<Follower> {
        let reader = |stream: Stream| Follower {
            kafka: stream.kafka(&self.config.kafka),
            topics: stream.topics().to_vec(),
            name: stream.name().to_owned(),
        };
        self.streams().into_iter().map(reader).collect()
    }

    /// How far the streams are.
    pub(crate) fn stream_positions(&self) -> StreamPositions {
        StreamPositions::new(self.database.clone())
    }

    /// The audit log, if the application keeps one.
    pub(crate) fn audit_logs(&self) -> Option<AuditLogs> {
        self.audit.as_ref().map(|_| AuditLogs::new(self.database.clone()))
    }

    /// The tables of windows.
    pub(crate) fn windows(&self) -> WindowStore {
        WindowStore::new(self.database.clone())
    }
}
