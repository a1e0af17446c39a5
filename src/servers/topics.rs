//! The topics that the application needs.

use std::{collections::BTreeSet, time::Duration};

use millgate_events::TopicSpec;
use millgate_streams::Stream;

use super::Servers;

impl Servers {
    /// The topics that the application needs, as the configuration wants them.
    pub(crate) fn topic_specs(&self) -> Vec<TopicSpec> {
        // Sorted, and each once.
        let streams = self.streams();
        let mut own: BTreeSet<&str> = self.readers.iter().flat_map(|reader| reader.routes.topics()).collect();
        own.extend(streams.iter().flat_map(Stream::topics).map(String::as_str));
        let (lines, errors) = self.config.log_shipping.topics(self.application);
        let logs = [Some(lines), errors].into_iter().flatten().filter(|_| self.config.log_shipping.enabled);
        let logs: BTreeSet<String> = logs.collect();
        let names = own.into_iter().chain(self.dead_letter_topics.names()).chain(logs.iter().map(String::as_str));
        let specs = names.map(|name| {
            let settings = self.config.topics.settings_of(name);
            TopicSpec {
                name: name.to_owned(),
                partitions: settings.partitions as usize,
                replication: i32::try_from(settings.replication).unwrap_or(i32::MAX),
                retention: Some(settings.retention),
                compaction: settings.compaction,
                min_insync_replicas: settings.min_insync_replicas,
            }
        });
        specs.collect()
    }

    /// Topics whose records may be there longer than `age`.
    pub(crate) fn topics_that_outlive(&self, age: Duration) -> Vec<String> {
        let mut specs = self.topic_specs();
        specs.retain(|spec| spec.compaction || spec.retention.is_none_or(|retention| retention >= age));
        specs.into_iter().map(|spec| spec.name).collect()
    }
}
