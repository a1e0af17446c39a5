//! What a reply of a worker says, and what follows from it.

use std::time::Duration;

use millgate_events::SagaEvent;
use millgate_jobs::ErrorCode;

use super::walk::Walk;
use crate::saga::{Cause, Happening, SagaStatus, StepStatus};

impl Walk<'_> {
    pub(super) fn reply(&mut self, reply: SagaEvent) {
        let name = reply.step_name.clone();
        let steps = 0..self.definition.steps.len();
        if let Some(step) = steps.clone().find(|&step| self.definition.names(step).0 == name) {
            return self.forward_reply(step, reply);
        }
        match steps.into_iter().find(|&step| self.definition.names(step).1 == Some(&*name)) {
            Some(step) => self.undo_reply(step, &reply),
            None => self.ignore(&name, "the saga has no such step"),
        }
    }

    pub(super) fn ignore(&mut self, name: &str, why: &str) {
        self.out.ignored = true;
        self.line(Happening::Ignored, Some(name), why);
    }

    pub(super) fn forward_reply(&mut self, step: usize, reply: SagaEvent) {
        let name = self.definition.names(step).0;
        let status = self.status(step);
        let is_running = self.instance.status == SagaStatus::Running;
        match (status, reply.success) {
            (StepStatus::Waiting, _) if is_running => {
                self.line(Happening::Early, Some(name), "its command is not known to be sent; the reply is kept");
                self.instance.progress.steps[step].early = Some(reply);
            }
            (StepStatus::Sent | StepStatus::Retrying, true) => {
                self.line(Happening::Done, Some(name), took(&reply));
                self.done(step, &reply);
            }
            (StepStatus::Waiting | StepStatus::Failed | StepStatus::GivenUp, true) => {
                self.out.ignored = true;
                let back = if self.definition.steps[step].compensation.is_some() {
                    "nobody waited for it any more; it is taken back"
                } else {
                    "nobody waited for it any more; nothing takes it back"
                };
                self.line(Happening::Late, Some(name), back);
                self.done(step, &reply);
            }
            (StepStatus::Sent, false) if self.is_current(step, &reply) => self.failed(step, &reply),
            (_, true) => self.ignore(name, "it is known already"),
            (_, false) => self.ignore(name, &format!("a failure that came late: {}", failure(&reply))),
        }
    }

    pub(super) fn is_current(&self, step: usize, reply: &SagaEvent) -> bool {
        let tries = self.instance.progress.steps[step].tries;
        reply.retry_count.is_none_or(|count| count + 1 == tries)
    }

    pub(super) fn failed(&mut self, step: usize, reply: &SagaEvent) {
        let cause = self.cause(step, code(reply), reply.error_message.clone());
        let command = self.definition.steps[step].command.clone();
        let tries = self.instance.progress.steps[step].counted();
        let is_running = self.instance.status == SagaStatus::Running;
        if is_running && is_retryable(reply) && tries <= command.retries {
            self.again(step, &command, cause, StepStatus::Retrying);
        } else {
            self.fail(step, cause);
        }
    }

    pub(super) fn undo_reply(&mut self, step: usize, reply: &SagaEvent) {
        let name = reply.step_name.clone();
        match (self.status(step), reply.success) {
            (StepStatus::Undoing | StepStatus::UndoRetrying | StepStatus::Stuck, true) => {
                self.line(Happening::Undone, Some(&name), took(reply));
                self.undone(step);
            }
            (StepStatus::Undoing, false) if self.is_current(step, reply) => {
                let cause = Cause { step: Some(name), code: code(reply), message: reply.error_message.clone() };
                self.undo_failed(step, cause, is_retryable(reply));
            }
            (_, true) => self.ignore(&name, "it is known already"),
            (_, false) => self.ignore(&name, &format!("a failure that came late: {}", failure(reply))),
        }
    }
}

pub(super) fn said(cause: &Cause) -> String {
    match cause.message.as_str() {
        "" => cause.code.clone(),
        message => format!("{}: {message}", cause.code),
    }
}

pub(super) fn code(reply: &SagaEvent) -> String {
    if reply.error_code.is_empty() { "failed".to_owned() } else { reply.error_code.clone() }
}

pub(super) fn failure(reply: &SagaEvent) -> String {
    said(&Cause { step: None, code: code(reply), message: reply.error_message.clone() })
}

pub(super) fn took(reply: &SagaEvent) -> String {
    match reply.duration {
        0 => String::new(),
        nanoseconds => format!("took {:?}", Duration::from_nanos(nanoseconds)),
    }
}

pub(super) fn is_retryable(reply: &SagaEvent) -> bool {
    const PERMANENT: [ErrorCode; 7] = [
        ErrorCode::InvalidRequest,
        ErrorCode::ValidationFailed,
        ErrorCode::NotFound,
        ErrorCode::Unauthorized,
        ErrorCode::Forbidden,
        ErrorCode::Duplicate,
        ErrorCode::AlreadyExists,
    ];
    reply.retryable.unwrap_or_else(|| PERMANENT.iter().all(|code| code.as_str() != reply.error_code))
}
