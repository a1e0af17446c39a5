//! A stage with a name and topics.

use std::{fmt, sync::Arc};

use millgate_events::KafkaConfig;

use crate::{
    Stage,
    partition::{Partitions, Take},
};

/// A stage with its name, which is also the end of its consumer group's, and the topics that it reads.
pub struct Stream {
    pub(crate) name: String,
    pub(crate) topics: Vec<String>,
    pub(crate) take: Arc<dyn Take>,
}

impl Stream {
    /// Topics are without the prefix.
    pub fn new(name: &str, topics: impl IntoIterator<Item = impl Into<String>>, stage: impl Stage) -> Self {
        let topics = topics.into_iter().map(Into::into).collect();
        Self { name: name.to_owned(), topics, take: Arc::new(Partitions::new(name, stage)) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What it reads, without the prefix.
    pub fn topics(&self) -> &[String] {
        &self.topics
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
