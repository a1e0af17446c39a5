//! What can go wrong on the way to Kafka and back.

use rdkafka::error::{KafkaError as Client, RDKafkaErrorCode as Code};

use crate::{ClaimError, RegistryError};

/// An error from Kafka, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KafkaError {
    /// A setting that the client refuses.
    #[error("Kafka refuses a setting: {0}; correct the [kafka] section")]
    Config(String),
    /// An event that cannot be written as JSON.
    #[error("event {event_type} cannot be written as JSON: {source}")]
    Encode {
        /// The event's type.
        event_type: &'static str,
        /// What serde said.
        source: serde_json::Error,
    },
    /// A record larger than broker or producer allow.
    #[error(
        "the record for topic {topic} is too large ({bytes} bytes); name a claim_check.store that producers and consumers \
         share and publish it with `publish`, or raise max.message.bytes"
    )]
    TooLarge {
        /// Where it was to go.
        topic: String,
        /// Size of its value.
        bytes: usize,
    },
    /// A value that should go by the claim store, and cannot.
    #[error(transparent)]
    Claim(#[from] ClaimError),
    /// A value that should be in the wire format, and cannot.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The topic does not exist.
    #[error(
        "topic {0} does not exist; create it with `millgate topics apply`, which knows the topics of routes, streams and sagas, and \
         of what `App::event` names"
    )]
    UnknownTopic(String),
    /// The topic has no such partition.
    #[error("topic {topic} has {has} partitions, the first is 0; there is no partition {partition}")]
    NoPartition {
        /// The topic, as Kafka names it.
        topic: String,
        /// What was asked for.
        partition: i32,
        /// How many there are.
        has: usize,
    },
    /// The producer's own queue is full: Kafka takes records more slowly than they come.
    #[error("the producer's queue is full; wait for deliveries, or raise queue.buffering.max.messages")]
    QueueFull,
    /// Not acked by all in-sync replicas in time; it may or may not be on the topic.
    #[error("not acked within the delivery timeout; are the brokers up? ({0})")]
    Timeout(String),
    /// No broker answers.
    #[error("no Kafka broker answers at {brokers}: {reason}; check kafka.brokers and that the broker runs")]
    Unreachable {
        /// The brokers that were tried.
        brokers: String,
        /// What the client said.
        reason: String,
    },
    /// A group without a committed offset, where `auto_offset_reset = "error"`.
    #[error(
        "group {group} has no offset for {partition} and auto_offset_reset is `error`; set earliest or latest once"
    )]
    NoOffset {
        /// The consumer group.
        group: String,
        /// `topic/partition`.
        partition: String,
    },
    /// A consumer that did not end in time. What it had not committed is read again.
    #[error("the consumer did not end in time; what it had not committed will be read again")]
    SlowClose,
    /// The producer or consumer is closed.
    #[error("the Kafka client is closed")]
    Closed,
    /// Anything else that the client said.
    #[error("Kafka: {0}")]
    Client(#[from] Client),
}

impl KafkaError {
    /// The client's error for a record, in our words.
    pub(crate) fn of_delivery(error: Client, topic: &str, bytes: usize) -> Self {
        match error.rdkafka_error_code() {
            Some(Code::MessageSizeTooLarge | Code::InvalidMessageSize) => {
                Self::TooLarge { topic: topic.to_owned(), bytes }
            }
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                Self::UnknownTopic(topic.to_owned())
            }
            Some(Code::QueueFull) => Self::QueueFull,
            Some(Code::MessageTimedOut | Code::RequestTimedOut | Code::OperationTimedOut) => {
                Self::Timeout(error.to_string())
            }
            _ => Self::Client(error),
        }
    }

    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::QueueFull | Self::Timeout(_) | Self::Unreachable { .. } => true,
            Self::Claim(error) => error.is_transient(),
            Self::Registry(error) => error.is_transient(),
            Self::Client(error) => !matches!(
                error.rdkafka_error_code(),
                Some(Code::TopicAuthorizationFailed | Code::ClusterAuthorizationFailed | Code::Fatal)
            ),
            _ => false,
        }
    }

    /// Whether it is about this one record: others of its topic may go on without it.
    pub(crate) fn is_about_the_record(&self) -> bool {
        match self {
            Self::TooLarge { .. } | Self::Encode { .. } => true,
            Self::Claim(error) => !error.is_transient(),
            Self::Registry(error) => !error.is_transient(),
            Self::Client(error) => matches!(
                error.rdkafka_error_code(),
                Some(Code::InvalidMessage | Code::InvalidRecord | Code::InvalidTimestamp | Code::PolicyViolation)
            ),
            _ => false,
        }
    }
}
