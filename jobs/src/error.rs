//! What can go wrong between us and Redis.

use std::sync::Arc;

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
    /// Arguments that are too long.
    #[error(
        "job {kind} has {bytes} bytes of arguments, and redis.max_payload is {limit}; store them elsewhere and enqueue where"
    )]
    TooLarge {
        /// The job's kind.
        kind: String,
        /// Its size.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// The queue's limit is reached.
    #[error("{0}; wait until workers get on, add some, or raise the queue's max_jobs")]
    QueueFull(String),
    /// The queue is being drained.
    #[error("{0}; it is being drained: `millgate queues resume` ends that")]
    Draining(String),
    /// More jobs than one atomic step takes.
    #[error("a batch has {jobs} jobs, and {limit} is the most; make batches of batches")]
    BatchTooLarge {
        /// How many.
        jobs: usize,
        /// The most.
        limit: usize,
    },
    /// A script's answer that is none of ours: another version works on the same queue, or somebody wrote into it.
    #[error("Redis gave a strange answer to {script}: {answer}; does another version work on these queues?")]
    Strange {
        /// The script.
        script: &'static str,
        /// Its answer.
        answer: String,
    },
    /// The call that many shared has failed.
    #[error(transparent)]
    Shared(Arc<QueueError>),
    /// The runtime ended before Redis answered. Nothing is known of whether the command took effect.
    #[error("the program stops; whether the job was enqueued is not known")]
    Stopped,
    /// No thread for the leases, and without leases no work.
    #[error("no thread to renew leases: {0}")]
    Thread(std::io::Error),
}

impl QueueError {
    pub(crate) fn strange_answer(script: &'static str, answer: &str) -> Self {
        Self::Strange { script, answer: answer.chars().take(100).collect() }
    }

    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::Full(_) | Self::QueueFull(_) | Self::Draining(_) => true,
            Self::Shared(error) => error.is_transient(),
            _ => false,
        }
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
            _ if error.code() == Some("QUEUEFULL") => Self::QueueFull(error.detail().unwrap_or_default().to_owned()),
            _ if error.code() == Some("DRAINING") => Self::Draining(error.detail().unwrap_or_default().to_owned()),
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
