//! What can go wrong between us and Redis.

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// An error from a queue, with what to do about it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// A URL that cannot be read.
    #[error("redis.url cannot be used: {0}; it looks like redis://127.0.0.1:6379/0")]
    Url(RedisError),
    /// Redis is away, busy or restarting. Nothing is known of whether the command took effect.
    #[error("Redis does not answer: {0}; check redis.url and that the server runs")]
    Unavailable(RedisError),
    /// Redis has no memory left. Nothing was written.
    #[error("Redis is out of memory, and took nothing: {0}; raise maxmemory or drain the queues")]
    Full(RedisError),
    /// Redis answered with an error that a retry will not mend.
    #[error("Redis refuses: {0}")]
    Refused(RedisError),
    /// Arguments that cannot be written as JSON.
    #[error("job {kind} cannot be written as JSON: {source}")]
    Encode {
        /// The job's kind.
        kind: &'static str,
        /// What serde said.
        source: serde_json::Error,
    },
    /// What lies in Redis is not what we put there.
    #[error("job {id} in queue {queue} cannot be read: {reason}")]
    Corrupt {
        /// The queue.
        queue: String,
        /// The job.
        id: String,
        /// What is wrong.
        reason: String,
    },
    /// No thread for the leases, and without leases no work.
    #[error("no thread to renew leases: {0}")]
    Thread(std::io::Error),
}

impl QueueError {
    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_))
    }
}

impl From<RedisError> for QueueError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::InvalidClientConfig | ErrorKind::AuthenticationFailed => Self::Refused(error),
            ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::NoScript,
            ) => Self::Unavailable(error),
            _ if error.code() == Some("OOM") || error.to_string().contains("OOM command not allowed") => {
                Self::Full(error)
            }
            // A disk that cannot be written (MISCONF) is mended by people, and then goes on.
            _ if error.is_io_error() || error.is_timeout() || error.code() == Some("MISCONF") => {
                Self::Unavailable(error)
            }
            ErrorKind::Io => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}
