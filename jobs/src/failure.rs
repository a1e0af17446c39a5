//! Why a job failed, and whether that can change.

use std::fmt;

/// A class of error. Those that no retry mends make a job dead at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorCode {
    /// The request itself is wrong.
    InvalidRequest,
    /// The arguments break a rule.
    ValidationFailed,
    /// What it is about does not exist.
    NotFound,
    /// Not logged in.
    Unauthorized,
    /// Logged in, and not allowed.
    Forbidden,
    /// It was done before.
    Duplicate,
    /// What it makes is there already.
    AlreadyExists,
    /// A service that it needs is away.
    Unavailable,
    /// It took too long.
    Timeout,
    /// The handler panicked.
    Panic,
    /// The worker died, or was silent for longer than the lease.
    LeaseLost,
    /// The arguments cannot be read.
    Undecodable,
    /// Anything else.
    Internal,
}

impl ErrorCode {
    /// Whether a retry is pointless.
    pub fn is_permanent(self) -> bool {
        matches!(
            self,
            Self::InvalidRequest
                | Self::ValidationFailed
                | Self::NotFound
                | Self::Unauthorized
                | Self::Forbidden
                | Self::Duplicate
                | Self::AlreadyExists
                | Self::Undecodable
        )
    }

    /// Its name in logs, metrics and dead letters.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::ValidationFailed => "validation_failed",
            Self::NotFound => "not_found",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::Duplicate => "duplicate",
            Self::AlreadyExists => "already_exists",
            Self::Unavailable => "unavailable",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::LeaseLost => "lease_lost",
            Self::Undecodable => "undecodable",
            Self::Internal => "internal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// One failure of a job: a word for grouping, a sentence for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// An [`ErrorCode`]'s name, or a word of the handler's own.
    pub code: String,
    /// What happened.
    pub message: String,
}

impl Failure {
    /// A failure; a message beyond 1,000 characters is cut.
    pub fn new(code: impl fmt::Display, message: impl fmt::Display) -> Self {
        Self { code: code.to_string(), message: message.to_string().chars().take(1_000).collect() }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}: {}", self.code, self.message)
    }
}
