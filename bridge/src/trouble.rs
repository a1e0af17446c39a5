//! What the bridge does not decide by itself.

use millgate_events::KafkaError;
use millgate_jobs::QueueError;

/// Why a partition waits, and what to type for it to go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Trouble {
    /// Redis has lost everything.
    #[error(
        "queue {queue} knows nothing of {topic}/{partition}, whose events up to offset {expected} were handed off to it: \
         Redis lost its data, and jobs with it. Nothing more is handed off until you say how to go on: \
         `millgate watermarks go-on --queue {queue}` gives up what was lost, \
         `millgate watermarks rewind --queue {queue} --by 1h` hands the last hour's events off again"
    )]
    RedisIsEmpty { queue: String, topic: String, partition: i32, expected: i64 },
    /// The log is not the one that was handed off.
    #[error(
        "{topic}/{partition} is not the partition whose events up to offset {stored} were handed off to queue {queue} \
         (it ends at {ends}): the topic was made anew, or Kafka lost records. Its events would be taken for known \
         ones, so nothing is handed off. `millgate watermarks rewind --topic {topic}` hands off all that it holds"
    )]
    TopicIsAnother { queue: String, topic: String, partition: i32, stored: i64, ends: i64 },
    /// What Redis lost Kafka does not have any more either.
    #[error(
        "queue {queue} lost jobs of {topic}/{partition} from offset {wanted} on, and Kafka has kept its events only from \
         {begins} on. `millgate watermarks go-on --queue {queue}` gives up those between, and hands the rest off again"
    )]
    Gone { queue: String, topic: String, partition: i32, wanted: i64, begins: i64 },
    /// Kafka cannot say.
    #[error(transparent)]
    Kafka(#[from] KafkaError),
    /// Redis cannot say.
    #[error(transparent)]
    Queue(#[from] QueueError),
}

impl Trouble {
    /// Whether somebody has to do something.
    pub(crate) fn is_for_people(&self) -> bool {
        !matches!(self, Self::Kafka(_) | Self::Queue(_))
    }
}
