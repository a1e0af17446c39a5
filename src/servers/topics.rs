//! The topics that the application needs.

use std::{collections::BTreeSet, time::Duration};

use millgate_events::TopicSpec;

use super::Servers;

impl Servers {
    /// The topics that the application needs, as the configuration wants them.
    pub(crate) fn topic_specs(&self) -> Vec<TopicSpec> {
        // Sorted, and each once.
        let streams = self.streams();
        let mut own: BTreeSet<&str> = self.readers.iter().flat_map(|reader| reader.routes.topics()).collect();
        own.extend(
            streams.iter().flat_map(|stream| stream.topics().iter().map(String::as_str).chain(stream.written())),
        );
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
                retention: settings.retention,
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millgate_derive::Event;
    use millgate_streams::{
        Resources,
        changes::{Change, Changes},
        windows::Windows,
    };
    use serde::{Deserialize, Serialize};

    use crate::{App, config::Config, servers::Servers};

    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "page.viewed", key = "page")]
    struct Viewed {
        page: String,
    }

    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "page.popular", topic = "pages", key = "page")]
    struct Popular {
        page: String,
    }

    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "user.renamed", key = "id")]
    struct Renamed {
        id: String,
    }

    #[tokio::test]
    async fn what_streams_write_is_needed_as_much_as_what_they_read() {
        let popular = |resources: &Resources| {
            let views = Windows::over::<Viewed>("views", resources).tumbling(Duration::from_mins(5)).late_to("late");
            views.count().publish(|result| Some(Popular { page: result.key.clone() }))
        };
        let renamed = |_: &Change<Renamed>| None::<Renamed>;
        let app = App::new("pages")
            .stream(popular)
            .stream(move |resources| Changes::of("db.public.users").publish(renamed).stream("users", resources));
        let servers = Servers::new(app, Config::default()).unwrap();
        let mut names: Vec<String> = servers.topic_specs().into_iter().map(|spec| spec.name).collect();
        names.retain(|name| !servers.dead_letter_topics.names().contains(&name.as_str()));
        assert_eq!(names, ["db.public.users", "late", "page.viewed", "pages", "user.renamed"]);
    }
}
