//! Why something cannot be seen.

use millgate_bridge::{WatermarkError, saga::SagaError};
use millgate_events::{DeadLetterError, KafkaError};
use millgate_jobs::QueueError;

/// Why something cannot be seen, and what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SeeError {
    /// What was asked for cannot be meant.
    #[error("{0}")]
    Misunderstood(String),
    /// It is not there.
    #[error("{0}")]
    Missing(String),
    /// A server does not say.
    #[error("{0}")]
    Away(String),
}

impl From<DeadLetterError> for SeeError {
    fn from(error: DeadLetterError) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<SagaError> for SeeError {
    fn from(error: SagaError) -> Self {
        match error {
            SagaError::Place(_) => Self::Misunderstood(error.to_string()),
            error => Self::Away(error.to_string()),
        }
    }
}

impl From<QueueError> for SeeError {
    fn from(error: QueueError) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<WatermarkError> for SeeError {
    fn from(error: WatermarkError) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<KafkaError> for SeeError {
    fn from(error: KafkaError) -> Self {
        let text = error.to_string();
        match error {
            KafkaError::UnknownTopic(_) | KafkaError::NoPartition { .. } => Self::Missing(text),
            _ => Self::Away(text),
        }
    }
}
