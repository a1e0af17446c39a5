//! The `[kafka]` section: how to reach the brokers, and how to produce and consume.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// How to reach Kafka. Every field has a working default; see `millgate config`.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct KafkaConfig {
    /// Bootstrap servers, `host:port`, comma-separated.
    pub brokers: String,
    /// Name that brokers log and put quotas on.
    pub client_id: String,
    /// `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`. Empty: chosen from `sasl_enabled`.
    pub security_protocol: String,
    /// Log in with `sasl_mechanism`, `username` and `password`.
    pub sasl_enabled: bool,
    /// `SCRAM-SHA-256`, `SCRAM-SHA-512` or `PLAIN`.
    pub sasl_mechanism: String,
    /// SASL user name.
    pub username: String,
    /// Put before every topic name, so that several installations can share a cluster.
    pub topic_prefix: String,
    /// SASL password.
    pub password: String,
    /// File of CA certificates (PEM) to trust. Empty: the system's.
    pub ssl_ca_file: String,
    /// Most records in one produce request.
    pub batch_size: u32,
    /// How long a record may wait for others to share its request, in milliseconds.
    pub linger_ms: u32,
    /// `none`, `gzip`, `snappy`, `lz4` or `zstd`.
    pub compression: String,
    /// Times a produce request is sent again before its delivery fails.
    pub max_retries: u32,
    /// First pause between those; doubles each time, up to 32 times this.
    #[serde(with = "humantime_serde")]
    pub retry_interval: Duration,
    /// Within this time a record is acked by all in-sync replicas, or its delivery has failed.
    #[serde(with = "humantime_serde")]
    pub delivery_timeout: Duration,
    /// The bridge's consumer group.
    pub consumer_group: String,
    /// This member's own name in it, for static membership: one that is back within `session_timeout` has its partitions
    /// again, without a rebalance. Each process needs another one. Empty: none.
    pub group_instance_id: String,
    /// A consumer that is silent for this long loses its partitions.
    #[serde(with = "humantime_serde")]
    pub session_timeout: Duration,
    /// Within this time every member must have rejoined a rebalance (`max.poll.interval.ms`).
    #[serde(with = "humantime_serde")]
    pub rebalance_timeout: Duration,
    /// Where a group without a committed offset begins: `earliest`, `latest` or `error`.
    pub auto_offset_reset: String,
    /// `cooperative-sticky`, `range` or `roundrobin`.
    pub assignment_strategy: String,
}

impl Default for KafkaConfig {
    fn default() -> Self {
        Self {
            brokers: "127.0.0.1:19092".into(),
            client_id: "millgate".into(),
            security_protocol: String::new(),
            sasl_enabled: false,
            sasl_mechanism: "SCRAM-SHA-256".into(),
            topic_prefix: String::new(),
            username: String::new(),
            password: String::new(),
            ssl_ca_file: String::new(),
            batch_size: 10_000,
            linger_ms: 0,
            compression: "lz4".into(),
            max_retries: 10,
            retry_interval: Duration::from_millis(100),
            delivery_timeout: Duration::from_secs(30),
            consumer_group: "millgate-bridge".into(),
            group_instance_id: String::new(),
            session_timeout: Duration::from_secs(30),
            rebalance_timeout: Duration::from_mins(1),
            auto_offset_reset: "earliest".into(),
            assignment_strategy: "cooperative-sticky".into(),
        }
    }
}

/// Without what it takes to log in.
impl fmt::Debug for KafkaConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaConfig")
            .field("brokers", &self.brokers)
            .field("client_id", &self.client_id)
            .field("consumer_group", &self.consumer_group)
            .field("topic_prefix", &self.topic_prefix)
            .finish_non_exhaustive()
    }
}
