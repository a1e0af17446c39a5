//! From our settings to the client's.

use std::time::Duration;

use rdkafka::{
    ClientConfig,
    consumer::{BaseConsumer, Consumer as _},
    metadata::Metadata,
};

use crate::{KafkaConfig, KafkaError, complaints::Silent};

impl KafkaConfig {
    /// A topic's name on the brokers.
    pub fn topic(&self, name: &str) -> String {
        format!("{}{name}", self.topic_prefix)
    }

    /// What every client needs.
    pub(crate) fn client(&self) -> ClientConfig {
        let protocol = match (self.security_protocol.as_str(), self.sasl_enabled) {
            ("", true) => "sasl_ssl",
            ("", false) => "plaintext",
            (given, _) => given,
        };
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", &self.client_id)
            .set("security.protocol", protocol)
            .set("reconnect.backoff.ms", "50")
            .set("reconnect.backoff.max.ms", "2000")
            .set("log.connection.close", "false");
        if self.sasl_enabled {
            config
                .set("sasl.mechanisms", &self.sasl_mechanism)
                .set("sasl.username", &self.username)
                .set("sasl.password", &self.password);
        }
        if !self.ssl_ca_file.is_empty() {
            config.set("ssl.ca.location", &self.ssl_ca_file);
        }
        config
    }

    /// A producer that loses and reorders nothing: acks from all in-sync replicas, idempotent.
    pub(crate) fn producer(&self) -> ClientConfig {
        let first = self.retry_interval.as_millis().clamp(1, 300_000);
        let timeout = self.delivery_timeout.as_millis().max(1);
        let mut config = self.client();
        config
            .set("acks", "all")
            .set("enable.idempotence", "true")
            .set("linger.ms", self.linger_ms.to_string())
            .set("batch.num.messages", self.batch_size.to_string())
            .set("compression.type", &self.compression)
            .set("message.send.max.retries", self.max_retries.to_string())
            .set("retry.backoff.ms", first.to_string())
            .set("retry.backoff.max.ms", (first * 32).min(300_000).to_string())
            // How large a record may be is the topic's to say (max.message.bytes), not the client's.
            .set("message.max.bytes", "104857600")
            // A new topic may take a moment to be known everywhere. Left at its default of 30 s this would outlast the
            // delivery timeout, and a topic that does not exist would be a broker that does not answer.
            .set("topic.metadata.propagation.max.ms", (timeout / 2).min(5_000).to_string())
            .set("message.timeout.ms", timeout.to_string());
        config
    }

    /// A consumer whose offsets move only when we say so.
    pub(crate) fn consumer(&self) -> ClientConfig {
        let mut config = self.client();
        config
            .set("group.id", &self.consumer_group)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("auto.offset.reset", &self.auto_offset_reset)
            .set("partition.assignment.strategy", &self.assignment_strategy)
            .set("session.timeout.ms", self.session_timeout.as_millis().to_string())
            .set("heartbeat.interval.ms", (self.session_timeout.as_millis() / 10).max(1).to_string())
            .set("max.poll.interval.ms", self.rebalance_timeout.as_millis().to_string())
            // A long poll wakes as soon as a record is there; this only bounds an idle one.
            .set("fetch.wait.max.ms", "100")
            // A partition's, on top of what we hold of it ourselves. More makes a hand-off no faster, if the client looks
            // again soon once there is room: by default it waits for a second.
            .set("queued.max.messages.kbytes", "2048")
            .set("fetch.queue.backoff.ms", "5")
            .set("allow.auto.create.topics", "false")
            // A topic that is created after the subscription is noticed within this time.
            .set("topic.metadata.refresh.interval.ms", "5000");
        if !self.group_instance_id.is_empty() {
            config.set("group.instance.id", &self.group_instance_id);
        }
        config
    }
}

/// What a cluster says of itself.
#[derive(Debug, Clone)]
pub struct BrokerInfo {
    /// Brokers that are up, as `host:port`.
    pub brokers: Vec<String>,
    /// Topics, with their number of partitions.
    pub topics: Vec<(String, usize)>,
}

/// Asks the cluster for its brokers and topics, waiting at most `timeout`.
pub async fn describe(config: &KafkaConfig, timeout: Duration) -> Result<BrokerInfo, KafkaError> {
    metadata(config, timeout, |metadata| BrokerInfo {
        brokers: metadata.brokers().iter().map(|b| format!("{}:{}", b.host(), b.port())).collect(),
        topics: metadata.topics().iter().map(|t| (t.name().to_owned(), t.partitions().len())).collect(),
    })
    .await
}

/// What `read` takes from what the cluster says, waiting at most `timeout`.
pub(crate) async fn metadata<T: Send + 'static>(
    config: &KafkaConfig,
    timeout: Duration,
    read: impl FnOnce(&Metadata) -> T + Send + 'static,
) -> Result<T, KafkaError> {
    let config = config.clone();
    tokio::task::spawn_blocking(move || {
        let consumer: BaseConsumer<Silent> =
            config.client().create_with_context(Silent).map_err(|error| KafkaError::Config(error.to_string()))?;
        let metadata = consumer
            .fetch_metadata(None, timeout)
            .map_err(|error| KafkaError::Unreachable { brokers: config.brokers.clone(), reason: error.to_string() })?;
        Ok(read(&metadata))
    })
    .await
    .map_err(|_| KafkaError::Closed)?
}
