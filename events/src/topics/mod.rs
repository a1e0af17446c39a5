//! Topics as code: what should be there, what is there, the difference, and applying it.

mod change;
mod spec;

use std::{
    collections::{BTreeMap, HashMap},
    time::Duration,
};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigSource, NewPartitions, NewTopic,
        OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
    },
    error::RDKafkaErrorCode as Code,
};

use crate::{KafkaConfig, KafkaError, client::metadata, complaints::Silent};

pub use change::TopicChange;
pub use spec::{Topic, TopicSpec};

/// Between two looks whether brokers know of a change.
const LOOK: Duration = Duration::from_millis(50);

/// Sees to topics.
pub struct TopicAdmin {
    client: AdminClient<Silent>,
    config: KafkaConfig,
    timeout: Duration,
}

impl TopicAdmin {
    /// An admin client. No answer within `timeout` is an error.
    pub fn new(config: &KafkaConfig, timeout: Duration) -> Result<Self, KafkaError> {
        let client =
            config.client().create_with_context(Silent).map_err(|error| KafkaError::Config(error.to_string()))?;
        Ok(Self { client, config: config.clone(), timeout })
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new().request_timeout(Some(self.timeout)).operation_timeout(Some(self.timeout))
    }

    /// The topics that are there, those under the prefix only, without Kafka's own.
    pub async fn list(&self) -> Result<Vec<Topic>, KafkaError> {
        Ok(self.look().await?.0)
    }

    /// The same, and how many brokers are up.
    async fn look(&self) -> Result<(Vec<Topic>, usize), KafkaError> {
        let prefix = self.config.topic_prefix.clone();
        let (mut topics, brokers) = metadata(&self.config, self.timeout, move |metadata| {
            let ours = metadata.topics().iter().filter(|topic| {
                let name = topic.name();
                name.starts_with(&prefix) && !name.starts_with("__")
            });
            (ours.map(Topic::of).collect::<Vec<_>>(), metadata.brokers().len())
        })
        .await?;
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok((topics, brokers))
    }

    /// What would have to change. What a spec does not say of a topic stays as it is.
    pub async fn plan(&self, specs: &[TopicSpec]) -> Result<Vec<TopicChange>, KafkaError> {
        let (there, brokers) = self.look().await?;
        let there: HashMap<String, Topic> = there.into_iter().map(|topic| (topic.name.clone(), topic)).collect();
        let mut changes = Vec::new();
        for spec in specs {
            let full = self.config.topic(&spec.name);
            let name = || spec.name.clone();
            let Some(topic) = there.get(&full) else {
                changes.push(missing(spec, brokers));
                continue;
            };
            let has = topic.partitions;
            if has < spec.partitions {
                changes.push(TopicChange::AddPartitions { name: name(), from: has, to: spec.partitions });
            } else if has > spec.partitions {
                changes.push(TopicChange::TooManyPartitions { name: name(), has, wants: spec.partitions });
            }
            if topic.replication != spec.replication {
                changes.push(TopicChange::Replicate { name: name(), has: topic.replication, wants: spec.replication });
            }
            let settings = self.settings(&full).await?;
            for (setting, to) in spec.settings() {
                let found = settings.iter().find(|entry| entry.name == setting);
                let from = found.and_then(|entry| entry.value.clone()).unwrap_or_default();
                if from != to {
                    changes.push(TopicChange::Set { name: name(), setting, from, to });
                }
            }
        }
        Ok(changes)
    }

    /// The removal of those of these topics, named without the prefix, that are there.
    pub async fn plan_removal(&self, names: &[String]) -> Result<Vec<TopicChange>, KafkaError> {
        let there = self.list().await?;
        let is_there = |name: &&String| there.iter().any(|topic| topic.name == self.config.topic(name));
        Ok(names.iter().filter(is_there).map(|name| TopicChange::Remove { name: name.clone() }).collect())
    }

    /// Makes the changes that can be made, and returns when they can be seen. A topic that someone else created meanwhile
    /// is fine. What loses records is made, too: ask [`TopicChange::loses`] before.
    pub async fn apply(&self, changes: &[TopicChange]) -> Result<(), KafkaError> {
        let mut settings: BTreeMap<&str, Vec<(&str, &str)>> = BTreeMap::new();
        for change in changes {
            match change {
                // A broker may have come up since, and one in memory counts no copies: they say what they refuse.
                TopicChange::Create(spec) | TopicChange::TooFewBrokers { spec, .. } => self.create(spec).await?,
                TopicChange::AddPartitions { name, to, .. } => {
                    let full = self.config.topic(name);
                    let wanted = NewPartitions::new(&full, *to);
                    let results = self.client.create_partitions([&wanted], &self.options()).await?;
                    check(results)?;
                }
                TopicChange::Set { name, setting, to, .. } => settings.entry(name).or_default().push((setting, to)),
                TopicChange::Remove { name } => self.delete(&[name]).await?,
                TopicChange::TooManyPartitions { .. } | TopicChange::Replicate { .. } => {}
            }
        }
        // All of a topic at once: a second call would begin with what the brokers knew before the first.
        for (name, settings) in settings {
            self.set(name, &settings).await?;
        }
        self.seen(changes).await
    }

    /// The controller answers a little before brokers know of it: who publishes at once would be told that there is no
    /// such topic. They are waited for, but not longer than for an answer.
    async fn seen(&self, changes: &[TopicChange]) -> Result<(), KafkaError> {
        let looks = async {
            while !self.are_seen(changes).await? {
                tokio::time::sleep(LOOK).await;
            }
            Ok(())
        };
        tokio::time::timeout(self.timeout, looks).await.unwrap_or(Ok(()))
    }

    async fn are_seen(&self, changes: &[TopicChange]) -> Result<bool, KafkaError> {
        let there = self.list().await?;
        let partitions = |name: &str| {
            let full = self.config.topic(name);
            there.iter().find(|topic| topic.name == full).map(|topic| topic.partitions)
        };
        for change in changes {
            let is_seen = match change {
                TopicChange::Create(TopicSpec { name, partitions: wanted, .. })
                | TopicChange::TooFewBrokers { spec: TopicSpec { name, partitions: wanted, .. }, .. }
                | TopicChange::AddPartitions { name, to: wanted, .. } => {
                    partitions(name).is_some_and(|has| has >= *wanted)
                }
                TopicChange::Remove { name } => partitions(name).is_none(),
                TopicChange::Set { name, setting, to, .. } => {
                    let settings = self.settings(&self.config.topic(name)).await?;
                    settings.iter().any(|entry| entry.name == *setting && entry.value.as_ref() == Some(to))
                }
                TopicChange::TooManyPartitions { .. } | TopicChange::Replicate { .. } => true,
            };
            if !is_seen {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Deletes topics, prefix and all. For tests and demos.
    pub async fn delete(&self, names: &[&str]) -> Result<(), KafkaError> {
        let full: Vec<String> = names.iter().map(|name| self.config.topic(name)).collect();
        let list: Vec<&str> = full.iter().map(String::as_str).collect();
        check(self.client.delete_topics(&list, &self.options()).await?)
    }

    async fn create(&self, spec: &TopicSpec) -> Result<(), KafkaError> {
        let full = self.config.topic(&spec.name);
        let partitions = i32::try_from(spec.partitions)
            .map_err(|_| KafkaError::Config(format!("topic {full} has too many partitions")))?;
        let settings: Vec<_> = spec.settings().collect();
        let mut topic = NewTopic::new(&full, partitions, TopicReplication::Fixed(spec.replication));
        for (name, value) in &settings {
            topic = topic.set(name, value);
        }
        let results = self.client.create_topics([&topic], &self.options()).await?;
        match results.into_iter().next() {
            Some(Err((_, Code::TopicAlreadyExists))) => Ok(()),
            Some(Err((name, code))) => Err(KafkaError::Config(format!("topic {name}: {code}"))),
            _ => Ok(()),
        }
    }

    /// Sets values. The client can only replace all of a topic's settings, so those set before go along.
    async fn set(&self, name: &str, settings: &[(&str, &str)]) -> Result<(), KafkaError> {
        let full = self.config.topic(name);
        let before = self.settings(&full).await?;
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(&full));
        for entry in before.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic) {
            if let Some(value) = &entry.value {
                wanted = wanted.set(&entry.name, value);
            }
        }
        for (setting, value) in settings {
            wanted = wanted.set(setting, value);
        }
        for result in self.client.alter_configs([&wanted], &self.options()).await? {
            let told: Vec<String> = settings.iter().map(|(setting, value)| format!("{setting}={value}")).collect();
            result.map_err(|(_, code)| KafkaError::Config(format!("topic {full}: {}: {code}", told.join(" "))))?;
        }
        Ok(())
    }

    /// The settings of topics, which are named as Kafka does: each with its name and value. Of a topic that is not there
    /// nothing.
    pub async fn settings_of(&self, topics: &[&str]) -> Result<HashMap<String, Vec<(String, String)>>, KafkaError> {
        if topics.is_empty() {
            return Ok(HashMap::new());
        }
        let asked: Vec<ResourceSpecifier<'_>> = topics.iter().map(|topic| ResourceSpecifier::Topic(topic)).collect();
        let answers = self.client.describe_configs(&asked, &self.options()).await?;
        let settings = answers.into_iter().flatten().filter_map(|resource| {
            let OwnedResourceSpecifier::Topic(name) = resource.specifier else { return None };
            let entries = resource.entries.into_iter().filter_map(|entry| Some((entry.name, entry.value?)));
            Some((name, entries.collect()))
        });
        Ok(settings.collect())
    }

    async fn settings(&self, full: &str) -> Result<Vec<ConfigEntry>, KafkaError> {
        let asked = [ResourceSpecifier::Topic(full)];
        let answers = self.client.describe_configs(&asked, &self.options()).await?;
        let resource = answers.into_iter().next().ok_or(KafkaError::UnknownTopic(full.to_owned()))?;
        let resource = resource.map_err(|code| KafkaError::Config(format!("topic {full}: {code}")))?;
        Ok(resource.entries)
    }
}

/// What becomes of a topic that is not there.
fn missing(spec: &TopicSpec, brokers: usize) -> TopicChange {
    match usize::try_from(spec.replication) {
        Ok(wanted) if wanted > brokers => TopicChange::TooFewBrokers { spec: spec.clone(), brokers },
        _ => TopicChange::Create(spec.clone()),
    }
}

fn check(results: Vec<Result<String, (String, Code)>>) -> Result<(), KafkaError> {
    for result in results {
        result.map_err(|(name, code)| KafkaError::Config(format!("topic {name}: {code}")))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn more_copies_than_there_are_brokers_are_told_in_the_plan() {
        let spec = |replication| TopicSpec {
            name: "a".into(),
            partitions: 1,
            replication,
            retention: None,
            compaction: false,
            min_insync_replicas: None,
        };
        assert_eq!(missing(&spec(3), 3), TopicChange::Create(spec(3)));
        let refused = missing(&spec(3), 2);
        assert!(!refused.can_be_applied() && refused.loses().is_none());
        assert_eq!(
            refused.to_string(),
            "! a  replication: 3 wanted, brokers that are up: 2; each copy needs one of its own, so that it cannot be created"
        );
    }
}
