//! Why a handler did not finish its job, and what is to become of it.

use std::{error::Error, fmt::Display, time::Duration};

use lettre::transport::smtp;
use millgate_jobs::{ErrorCode, Failure};
use sqlx::error::ErrorKind as Sql;

use crate::{
    email::{MailError, TemplateError},
    layers::Carried,
};

/// A handler's word that its job is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Done;

/// Anything but done. `?` on any error makes one, and finds out by itself whether a retry can help.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobError {
    /// Try again: after this long, or after the backoff's pause.
    Retry {
        /// How long to wait, if the handler knows better than the backoff.
        after: Option<Duration>,
        /// Why.
        failure: Failure,
    },
    /// Not now, and no fault of the job: no attempt is spent.
    Snooze {
        /// How long to wait.
        after: Duration,
    },
    /// Not by this worker now: back to the queue, for any worker. No attempt is spent.
    HandBack {
        /// How long no worker takes it.
        after: Duration,
    },
    /// No longer wanted; gone without a dead letter.
    Cancel {
        /// Why.
        reason: String,
    },
    /// No retry can help.
    Dead {
        /// Why.
        failure: Failure,
    },
}

impl JobError {
    /// Try again after the backoff's pause.
    pub fn retry(message: impl Display) -> Self {
        Self::of(ErrorCode::Internal, message)
    }

    /// The same, with a word of the handler's own for the kind of failure.
    pub fn retry_with(code: impl Display, message: impl Display) -> Self {
        Self::Retry { after: None, failure: Failure::new(code, message) }
    }

    /// Try again after exactly this long.
    pub fn retry_after(after: Duration, message: impl Display) -> Self {
        Self::Retry { after: Some(after), failure: Failure::new(ErrorCode::Internal, message) }
    }

    /// Not now; no attempt is spent.
    pub fn snooze(after: Duration) -> Self {
        Self::Snooze { after }
    }

    /// Not by this worker; no attempt is spent.
    pub fn hand_back(after: Duration) -> Self {
        Self::HandBack { after }
    }

    /// No longer wanted.
    pub fn cancel(reason: impl Display) -> Self {
        Self::Cancel { reason: reason.to_string() }
    }

    /// No retry can help. The code is a word for grouping: `out_of_stock`.
    pub fn dead(code: impl Display, message: impl Display) -> Self {
        Self::Dead { failure: Failure::new(code, message) }
    }

    /// Dead or tried again, as the class of error says.
    pub fn of(code: ErrorCode, message: impl Display) -> Self {
        if code.is_permanent() { Self::dead(code, message) } else { Self::retry_with(code, message) }
    }
}

impl<E: Error + Send + Sync + 'static> From<E> for JobError {
    fn from(error: E) -> Self {
        Self::of_error(&error)
    }
}

impl JobError {
    /// What `?` makes of an error.
    pub(crate) fn of_error(error: &(dyn Error + 'static)) -> Self {
        let message = with_causes(error);
        let mut cause = Some(error);
        while let Some(error) = cause {
            if let Some(Carried(error)) = error.downcast_ref() {
                return error.clone();
            }
            if let Some(error) = error.downcast_ref::<sqlx::Error>() {
                return Self::of(classify_sql(error), message);
            }
            if let Some(error) = error.downcast_ref::<MailError>() {
                return of_mail(error, message);
            }
            if let Some(error) = error.downcast_ref::<TemplateError>() {
                return of_template(error, message);
            }
            if let Some(error) = error.downcast_ref::<smtp::Error>() {
                return of_smtp(error, message);
            }
            cause = error.source();
        }
        Self::retry(message)
    }
}

/// The error and what caused it, each part once.
pub(crate) fn with_causes(error: &(dyn Error + 'static)) -> String {
    let mut message = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !message.contains(&part) {
            message = format!("{message}: {part}");
        }
        cause = error.source();
    }
    message
}

fn classify_sql(error: &sqlx::Error) -> ErrorCode {
    match error {
        sqlx::Error::RowNotFound => ErrorCode::NotFound,
        sqlx::Error::Database(error) => match error.kind() {
            Sql::UniqueViolation => ErrorCode::AlreadyExists,
            Sql::ForeignKeyViolation | Sql::NotNullViolation | Sql::CheckViolation | Sql::ExclusionViolation => {
                ErrorCode::ValidationFailed
            }
            // Class 22: data that the database cannot take, now or later.
            _ if error.code().is_some_and(|code| code.starts_with("22")) => ErrorCode::ValidationFailed,
            // A lost race, a lock, a server that is stopping or full: classes 40, 53, 55, 57, 58.
            _ => ErrorCode::Unavailable,
        },
        sqlx::Error::Io(_) | sqlx::Error::PoolTimedOut | sqlx::Error::PoolClosed | sqlx::Error::WorkerCrashed => {
            ErrorCode::Unavailable
        }
        _ => ErrorCode::Internal,
    }
}

fn of_mail(error: &MailError, message: String) -> JobError {
    match error {
        MailError::Recipient { .. } => JobError::of(ErrorCode::InvalidRequest, message),
        // A 5yz before the first MAIL (554 for a greeting, 535 for a password) is about us, and no fault of the mail.
        MailError::Connect { source, .. } => match source.status() {
            Some(status) => JobError::retry_with(format!("smtp_{status}"), message),
            None => JobError::of(ErrorCode::Unavailable, message),
        },
        MailError::Step { source, .. } => of_smtp(source, message),
        MailError::Attachment { is_lasting: true, .. } => JobError::dead("attachment", message),
        MailError::Silent { .. }
        | MailError::Confused { .. }
        | MailError::Attachment { .. }
        | MailError::Folder { .. } => JobError::of(ErrorCode::Unavailable, message),
        MailError::Url(_)
        | MailError::From { .. }
        | MailError::Unsubscribe(_)
        | MailError::Compose(_)
        | MailError::CaFile { .. } => JobError::retry(message),
    }
}

fn of_template(error: &TemplateError, message: String) -> JobError {
    match error {
        TemplateError::Unknown(_) => JobError::of(ErrorCode::NotFound, message),
        // Another worker, or this one after a rollback, may have a template that works.
        TemplateError::Broken { .. } | TemplateError::Unreadable { .. } => JobError::retry_with("template", message),
    }
}

/// RFC 5321, 4.2.1: 4yz may be tried again, 5yz may not.
fn of_smtp(error: &smtp::Error, message: String) -> JobError {
    match error.status() {
        // RFC 4954: no login, or one that is not good enough. That is mended in the settings, and the mail then goes.
        Some(status) if matches!(u16::from(status), 530 | 534 | 535 | 538) => {
            JobError::retry_with(format!("smtp_{status}"), message)
        }
        Some(status) if error.is_permanent() => JobError::dead(format!("smtp_{status}"), message),
        Some(status) => JobError::retry_with(format!("smtp_{status}"), message),
        None => JobError::of(ErrorCode::Unavailable, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(error: JobError) -> (bool, String) {
        match error {
            JobError::Dead { failure } => (true, failure.code),
            JobError::Retry { failure, .. } => (false, failure.code),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_retry_is_spent_only_where_it_can_help() {
        for permanent in [
            ErrorCode::InvalidRequest,
            ErrorCode::ValidationFailed,
            ErrorCode::NotFound,
            ErrorCode::Unauthorized,
            ErrorCode::Forbidden,
            ErrorCode::Duplicate,
            ErrorCode::AlreadyExists,
        ] {
            assert_eq!(code(JobError::of(permanent, "x")), (true, permanent.to_string()));
        }
        assert_eq!(code(JobError::of(ErrorCode::Unavailable, "x")), (false, "unavailable".into()));
        assert_eq!(code(sqlx::Error::RowNotFound.into()), (true, "not_found".into()));
        assert_eq!(code(sqlx::Error::PoolTimedOut.into()), (false, "unavailable".into()));
        assert_eq!(code(std::io::Error::other("disk").into()), (false, "internal".into()));
        let nobody = MailError::Recipient { address: "ada".into(), reason: "no @".into() };
        assert_eq!(code(nobody.into()), (true, "invalid_request".into()));
        assert_eq!(code(TemplateError::Unknown("invoice".into()).into()), (true, "not_found".into()));
        let broken = TemplateError::Broken { place: "invoice.txt:3".into(), reason: "syntax error".into() };
        assert_eq!(code(broken.into()), (false, "template".into()));
    }

    #[test]
    fn causes_are_told_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("outer")]
        struct Outer(#[source] std::io::Error);
        let JobError::Retry { failure, .. } = Outer(std::io::Error::other("inner")).into() else { panic!() };
        assert_eq!(failure.message, "outer: inner");
    }
}
