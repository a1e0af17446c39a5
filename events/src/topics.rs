//! Topics as code: what should be there, what is there, the difference, and applying it.

use std::{collections::HashMap, time::Duration};

use rdkafka::{
    admin::{
        AdminClient, AdminOptions, AlterConfig, ConfigEntry, ConfigSource, NewPartitions, NewTopic,
        OwnedResourceSpecifier, ResourceSpecifier, TopicReplication,
    },
    error::RDKafkaErrorCode as Code,
};

use crate::{KafkaConfig, KafkaError, complaints::Silent};

/// Between two looks whether brokers know of a change.
const LOOK: Duration = Duration::from_millis(50);

/// How a topic should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TopicSpec {
    /// Its name, without the prefix.
    pub name: String,
    /// Partitions; a topic can gain some, and never lose any.
    pub partitions: usize,
    /// Copies of each partition. Only for topics that are created.
    pub replication: i32,
    /// How long records are kept; `None` keeps them for ever.
    pub retention: Option<Duration>,
    /// Keep the latest record of each key instead of deleting by age.
    pub compaction: bool,
}

/// A topic that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// Its name, as Kafka has it.
    pub name: String,
    /// Its partitions.
    pub partitions: usize,
}

/// One difference between a spec and what is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TopicChange {
    /// It is not there.
    Create(TopicSpec),
    /// It has fewer partitions. Keys will move to other partitions.
    AddPartitions {
        /// Its name, without the prefix.
        name: String,
        /// What it has.
        from: usize,
        /// What it should have.
        to: usize,
    },
    /// It has more partitions than it should, which cannot be undone.
    TooManyPartitions {
        /// Its name, without the prefix.
        name: String,
        /// What it has.
        has: usize,
        /// What it should have.
        wants: usize,
    },
    /// A setting differs.
    Set {
        /// Its name, without the prefix.
        name: String,
        /// The setting, as Kafka names it.
        setting: &'static str,
        /// What it is.
        from: String,
        /// What it should be.
        to: String,
    },
}

impl TopicSpec {
    fn settings(&self) -> [(&'static str, String); 2] {
        let retention = match self.retention {
            Some(time) => time.as_millis().to_string(),
            None => "-1".to_owned(),
        };
        let policy = if self.compaction { "compact" } else { "delete" };
        [("retention.ms", retention), ("cleanup.policy", policy.to_owned())]
    }
}

impl TopicChange {
    /// Whether [`TopicAdmin::apply`] can make it.
    pub fn can_be_applied(&self) -> bool {
        !matches!(self, Self::TooManyPartitions { .. })
    }
}

impl std::fmt::Display for TopicChange {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create(spec) => write!(
                out,
                "+ {}  partitions={} replication={} {}",
                spec.name,
                spec.partitions,
                spec.replication,
                spec.settings().map(|(name, value)| format!("{name}={value}")).join(" ")
            ),
            Self::AddPartitions { name, from, to } => {
                write!(out, "~ {name}  partitions: {from} -> {to} (keys move to other partitions)")
            }
            Self::TooManyPartitions { name, has, wants } => {
                write!(out, "! {name}  partitions: {has}, wanted {wants}; Kafka cannot remove partitions")
            }
            Self::Set { name, setting, from, to } => write!(out, "~ {name}  {setting}: {from} -> {to}"),
        }
    }
}

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
        let info = crate::describe(&self.config, self.timeout).await?;
        let ours = |name: &str| name.starts_with(&self.config.topic_prefix) && !name.starts_with("__");
        let mut topics: Vec<Topic> = info
            .topics
            .into_iter()
            .filter(|(name, _)| ours(name))
            .map(|(name, partitions)| Topic { name, partitions })
            .collect();
        topics.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(topics)
    }

    /// What would have to change.
    pub async fn plan(&self, specs: &[TopicSpec]) -> Result<Vec<TopicChange>, KafkaError> {
        let there: HashMap<String, usize> =
            self.list().await?.into_iter().map(|topic| (topic.name, topic.partitions)).collect();
        let mut changes = Vec::new();
        for spec in specs {
            let full = self.config.topic(&spec.name);
            let Some(&has) = there.get(&full) else {
                changes.push(TopicChange::Create(spec.clone()));
                continue;
            };
            let name = spec.name.clone();
            if has < spec.partitions {
                changes.push(TopicChange::AddPartitions { name, from: has, to: spec.partitions });
            } else if has > spec.partitions {
                changes.push(TopicChange::TooManyPartitions { name, has, wants: spec.partitions });
            }
            let settings = self.settings(&full).await?;
            for (setting, to) in spec.settings() {
                let found = settings.iter().find(|entry| entry.name == setting);
                let from = found.and_then(|entry| entry.value.clone()).unwrap_or_default();
                if from != to {
                    changes.push(TopicChange::Set { name: spec.name.clone(), setting, from, to });
                }
            }
        }
        Ok(changes)
    }

    /// Makes the changes that can be made, and returns when they can be seen. A topic that someone else created meanwhile
    /// is fine.
    pub async fn apply(&self, changes: &[TopicChange]) -> Result<(), KafkaError> {
        for change in changes {
            match change {
                TopicChange::Create(spec) => self.create(spec).await?,
                TopicChange::AddPartitions { name, to, .. } => {
                    let full = self.config.topic(name);
                    let wanted = NewPartitions::new(&full, *to);
                    let results = self.client.create_partitions([&wanted], &self.options()).await?;
                    check(results)?;
                }
                TopicChange::Set { name, setting, to, .. } => self.set(name, setting, to).await?,
                TopicChange::TooManyPartitions { .. } => {}
            }
        }
        self.seen(changes).await
    }

    /// The controller answers a little before brokers know of it: who publishes at once would be told that there is no
    /// such topic. They are waited for, but not longer than for an answer.
    async fn seen(&self, changes: &[TopicChange]) -> Result<(), KafkaError> {
        let wanted: Vec<(String, usize)> = changes
            .iter()
            .filter_map(|change| match change {
                TopicChange::Create(spec) => Some((self.config.topic(&spec.name), spec.partitions)),
                TopicChange::AddPartitions { name, to, .. } => Some((self.config.topic(name), *to)),
                TopicChange::Set { .. } | TopicChange::TooManyPartitions { .. } => None,
            })
            .collect();
        let looks = async {
            loop {
                let there = self.list().await?;
                let is_there = |(name, partitions): &(String, usize)| {
                    there.iter().any(|topic| topic.name == *name && topic.partitions >= *partitions)
                };
                if wanted.iter().all(is_there) {
                    return Ok(());
                }
                tokio::time::sleep(LOOK).await;
            }
        };
        tokio::time::timeout(self.timeout, looks).await.unwrap_or(Ok(()))
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
        let settings = spec.settings();
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

    /// Sets one value. The client can only replace all of a topic's settings, so those set before go along.
    async fn set(&self, name: &str, setting: &str, value: &str) -> Result<(), KafkaError> {
        let full = self.config.topic(name);
        let before = self.settings(&full).await?;
        let mut wanted = AlterConfig::new(ResourceSpecifier::Topic(&full));
        for entry in before.iter().filter(|entry| entry.source == ConfigSource::DynamicTopic) {
            if let Some(value) = &entry.value {
                wanted = wanted.set(&entry.name, value);
            }
        }
        wanted = wanted.set(setting, value);
        for result in self.client.alter_configs([&wanted], &self.options()).await? {
            result.map_err(|(_, code)| KafkaError::Config(format!("topic {full}: {setting}={value}: {code}")))?;
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

fn check(results: Vec<Result<String, (String, Code)>>) -> Result<(), KafkaError> {
    for result in results {
        result.map_err(|(name, code)| KafkaError::Config(format!("topic {name}: {code}")))?;
    }
    Ok(())
}
