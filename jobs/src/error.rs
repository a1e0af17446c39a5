//! What can go wrong between us and Redis.

use std::sync::Arc;

use redis::{ErrorKind, RedisError, ServerErrorKind};

/// An error from a queue, with what to do about it. Of a call that many shared each gets it.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum QueueError {
    /// A URL that cannot be read.
    #[error(
        "redis.url cannot be used: {0}; it looks like redis://127.0.0.1:6379/0, redis+cluster://host:6379,host:6379 or \
         redis+sentinel://host:26379,host:26379/master-name"
    )]
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
        source: Arc<serde_json::Error>,
    },
    /// Arguments of another shape than the kind's.
    #[error("the fields of {kind} have another shape than it takes: {source}")]
    Arguments {
        /// The job's kind.
        kind: &'static str,
        /// What serde said.
        source: Arc<serde_json::Error>,
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
    /// No such process runs.
    #[error(
        "there is no process {0}: it has ended, or has said nothing for half a minute; `millgate workers` lists those there are"
    )]
    NoProcess(String),
    /// The runtime ended before Redis answered. Nothing is known of whether the command took effect.
    #[error("the program stops; whether the job was enqueued is not known")]
    Stopped,
    /// No thread for the leases, and without leases no work.
    #[error("no thread to renew leases: {0}")]
    Thread(Arc<std::io::Error>),
}

impl QueueError {
    pub(crate) fn strange_answer(script: &'static str, answer: &str) -> Self {
        Self::Strange { script, answer: answer.chars().take(100).collect() }
    }

    /// Whether the same call may well succeed later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Full(_) | Self::QueueFull(_) | Self::Draining(_))
    }
}

impl From<RedisError> for QueueError {
    fn from(error: RedisError) -> Self {
        match error.kind() {
            ErrorKind::InvalidClientConfig | ErrorKind::AuthenticationFailed => Self::Refused(error),
            ErrorKind::Io
            | ErrorKind::ClusterConnectionNotFound
            | ErrorKind::MasterNameNotFoundBySentinel
            | ErrorKind::Server(
                ServerErrorKind::BusyLoading
                | ServerErrorKind::TryAgain
                | ServerErrorKind::ClusterDown
                | ServerErrorKind::MasterDown
                | ServerErrorKind::ReadOnly
                | ServerErrorKind::Moved
                | ServerErrorKind::Ask
                | ServerErrorKind::NoScript,
            ) => Self::Unavailable(error),
            _ if error.code() == Some("QUEUEFULL") => Self::QueueFull(error.detail().unwrap_or_default().to_owned()),
            _ if error.code() == Some("DRAINING") => Self::Draining(error.detail().unwrap_or_default().to_owned()),
            _ if says(&error, "OOM") => Self::Full(error),
            _ if PASSING.iter().any(|code| says(&error, code)) => Self::Unavailable(error),
            _ => Self::Refused(error),
        }
    }
}

/// Codes of errors that pass, without a kind of their own: too few replicas are there (`min-replicas-to-write`); a disk
/// that cannot be written, which people mend; a pop that waits on a master while that is made a replica.
const PASSING: [&str; 7] = ["NOREPLICAS", "MISCONF", "UNBLOCKED", "READONLY", "LOADING", "CLUSTERDOWN", "MASTERDOWN"];

/// Whether the error has this code, or a script stopped at one that has: before Redis 7 its code is then that of the
/// script, and its own stands in the text.
fn says(error: &RedisError, code: &str) -> bool {
    error.code() == Some(code) || error.to_string().contains(&format!("-{code} "))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error as the client reads it off the wire.
    fn answered(line: &str) -> QueueError {
        let value = redis::parse_redis_value(format!("-{line}\r\n").as_bytes()).unwrap();
        value.extract_error().unwrap_err().into()
    }

    #[test]
    fn what_a_failover_answers_passes() {
        for line in [
            "MOVED 866 127.0.0.1:7001",
            "ASK 866 127.0.0.1:7001",
            "TRYAGAIN Multiple keys request during rehashing of slot",
            "CLUSTERDOWN The cluster is down",
            "CLUSTERDOWN Hash slot not served",
            "MASTERDOWN Link with MASTER is down and replica-serve-stale-data is set to 'no'.",
            "READONLY You can't write against a read only replica. script: 4a2, on @user_script:3.",
            "ERR Error running script (call to f_4a2): @user_script:3: -READONLY You can't write against a read only replica.",
            "NOREPLICAS Not enough good replicas to write.",
            "UNBLOCKED force unblock from blocking operation, instance state changed (master -> replica?)",
            "LOADING Redis is loading the dataset in memory",
            "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk.",
        ] {
            let error = answered(line);
            assert!(matches!(error, QueueError::Unavailable(_)), "{line}: {error:?}");
        }
        for kind in [ErrorKind::ClusterConnectionNotFound, ErrorKind::MasterNameNotFoundBySentinel, ErrorKind::Io] {
            assert!(matches!(RedisError::from((kind, "nobody")).into(), QueueError::Unavailable(_)));
        }
    }

    #[test]
    fn a_redis_without_memory_is_full_and_what_is_forbidden_is_refused() {
        for line in [
            "OOM command not allowed when used memory > 'maxmemory'. script: 4a2, on @user_script:3.",
            "ERR Error running script (call to f_4a2): @user_script:3: -OOM command not allowed when used memory > 'maxmemory'.",
        ] {
            assert!(matches!(answered(line), QueueError::Full(_)), "{line}");
        }
        for line in ["NOAUTH Authentication required.", "NOPERM this user has no permissions", "ERR unknown command"] {
            assert!(matches!(answered(line), QueueError::Refused(_)), "{line}");
        }
    }
}
