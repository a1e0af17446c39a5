//! Sagas, and what drives them.

use millgate_bridge::saga::{Orchestrator, SagaStore};
use millgate_dashboard::Follower;
use millgate_events::{KafkaConfig, Outbox};
use millgate_workers::DeadSteps;

use super::Servers;

impl Servers {
    /// The sagas, if there are any and a database to keep them in.
    pub(crate) fn sagas(&self) -> Option<SagaStore> {
        let has_sagas = self.letters.is_some() && !self.sagas.definitions().is_empty();
        has_sagas.then(|| SagaStore::new(self.database.clone(), self.sagas.clone()))
    }

    /// What drives the sagas, in a consumer group of its own.
    pub(crate) fn orchestrator(&self) -> anyhow::Result<Orchestrator> {
        let (kafka, config) = (self.saga_kafka(), &self.config.saga);
        let (database, values) = (self.database.clone(), self.producer.values().clone());
        let (sagas, letters) = (self.sagas.clone(), self.dead_letters.clone());
        Ok(Orchestrator::start(&kafka, config, sagas, database, letters, values)?)
    }

    /// Kafka, as orchestrators use it.
    pub(crate) fn saga_kafka(&self) -> KafkaConfig {
        let kafka = &self.config.kafka;
        KafkaConfig { consumer_group: format!("{}-sagas", kafka.consumer_group), ..kafka.clone() }
    }

    /// What orchestrators read, for those who look.
    pub(crate) fn orchestrators(&self) -> Option<Follower> {
        let topics: Vec<String> = self.sagas.definitions().read_topics().into_iter().map(str::to_owned).collect();
        (!topics.is_empty()).then(|| Follower { name: "sagas".into(), topics, kafka: self.saga_kafka() })
    }

    pub(super) fn dead_steps(&self) -> Option<DeadSteps> {
        let failed = self.handlers.steps().clone();
        let outbox = Outbox::new(self.producer.source());
        (!failed.is_empty()).then(|| DeadSteps { database: self.database.clone(), outbox, failed })
    }
}
