//! A stage with a name and topics.

use std::{collections::BTreeSet, fmt, sync::Arc};

use millgate_events::KafkaConfig;

use crate::{
    Stage,
    changes::ChangeStats,
    partition::{Partitions, Take},
    windows::WindowStats,
};

/// A stage with its name, which is also the end of its consumer group's, and the topics that it reads and writes.
pub struct Stream {
    pub(crate) name: String,
    pub(crate) topics: Vec<String>,
    pub(crate) written: BTreeSet<String>,
    pub(crate) take: Arc<dyn Take>,
    /// Of a stream of changes.
    pub(crate) changes: Option<Arc<ChangeStats>>,
    /// Of a stream of windows.
    pub(crate) windows: Option<Arc<WindowStats>>,
}

impl Stream {
    /// Topics are without the prefix.
    pub fn new(name: &str, topics: impl IntoIterator<Item = impl Into<String>>, stage: impl Stage) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        let take = Arc::new(Partitions::new(name, stage));
        Self { name: name.to_owned(), topics, written: BTreeSet::new(), take, changes: None, windows: None }
    }

    /// The same with counts of its windows.
    pub(crate) fn counted(self, windows: Arc<WindowStats>) -> Self {
        Self { windows: Some(windows), ..self }
    }

    /// Says to which topics its stage writes, without the prefix, so that they are among those that the application needs.
    #[must_use]
    pub fn writes(mut self, topics: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.written.extend(topics.into_iter().map(Into::into));
        self
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it reads, without the prefix.
    pub fn topics(&self) -> &[String] {
        &self.topics
    }

    /// What it is known to write, without the prefix.
    pub fn written(&self) -> impl Iterator<Item = &str> {
        self.written.iter().map(String::as_str)
    }

    /// These servers, with the consumer group that is its own: `{kafka.consumer_group}.{name}`.
    #[must_use]
    pub fn kafka(&self, kafka: &KafkaConfig) -> KafkaConfig {
        KafkaConfig { consumer_group: format!("{}.{}", kafka.consumer_group, self.name), ..kafka.clone() }
    }
}

impl fmt::Debug for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream").field("name", &self.name).field("topics", &self.topics).finish_non_exhaustive()
    }
}
