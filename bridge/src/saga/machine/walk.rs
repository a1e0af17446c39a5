//! One walk of a saga: from what happened to it to where it can go no further now.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{Lifecycle, SagaCommand, idempotency_key};
use serde_json::Value;
use uuid::Uuid;

use super::{Outgoing, Transition, reply::said};
use crate::saga::{
    Cause, Definition, Happening, Instance, SagaStatus, StepProgress, StepStatus, TimelineEntry,
    command::CommandDefinition,
};

/// Ids of commands are version 5 UUIDs under this one.
const MESSAGE_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_7361_6761_0001);

/// A saga that is being moved on, and what that leads to.
pub(super) struct Walk<'a> {
    pub(super) definition: &'a Definition,
    pub(super) instance: &'a mut Instance,
    pub(super) now: DateTime<Utc>,
    pub(super) out: Transition,
}

impl Walk<'_> {
    /// Does all that can be done now.
    pub(super) fn go_on(&mut self) {
        loop {
            let goes_on = match self.instance.status {
                SagaStatus::Running => self.forward(),
                SagaStatus::Compensating => self.backward(),
                SagaStatus::Stuck => {
                    let is_stuck = self.any(|step| step.status == StepStatus::Stuck);
                    if !is_stuck {
                        self.instance.status = SagaStatus::Compensating;
                    }
                    !is_stuck
                }
                SagaStatus::Completed => false,
                SagaStatus::Compensated => {
                    let is_late = (0..self.definition.steps.len()).any(|step| self.is_to_undo(step));
                    if is_late {
                        self.instance.status = SagaStatus::Compensating;
                        self.instance.ended_at = None;
                    }
                    is_late
                }
            };
            if !goes_on {
                return;
            }
        }
    }

    pub(super) fn status(&self, step: usize) -> StepStatus {
        self.instance.progress.steps[step].status
    }

    pub(super) fn any(&self, of: impl Fn(&StepProgress) -> bool) -> bool {
        self.instance.progress.steps.iter().any(of)
    }

    pub(super) fn cause(&self, step: usize, code: impl Into<String>, message: impl Into<String>) -> Cause {
        let name = self.definition.steps[step].command.name;
        Cause { step: Some(name.to_owned()), code: code.into(), message: message.into() }
    }

    pub(super) fn line(&mut self, what: Happening, step: Option<&str>, detail: impl Into<String>) {
        let step = step.map(str::to_owned);
        self.out.lines.push(TimelineEntry { at: self.now, what, step, detail: detail.into() });
    }

    pub(super) fn tell(&mut self, what: Lifecycle, step: Option<&str>) {
        self.out.told.push((what, step.map(str::to_owned)));
    }

    pub(super) fn after(&self, time: Duration) -> DateTime<Utc> {
        self.now + TimeDelta::from_std(time).unwrap_or(TimeDelta::days(365))
    }

    pub(super) fn command(
        &mut self,
        step: usize,
        command: &CommandDefinition,
        data: Value,
        what: Happening,
        compensates: bool,
    ) {
        let progress = &self.instance.progress.steps[step];
        let (tries, counted, forgiven) = (progress.tries, progress.counted(), progress.forgiven);
        let saga_id = self.instance.id.to_string();
        let name = format!("{}:{}:{}", command.name, self.instance.revision, self.out.commands.len());
        let message = SagaCommand {
            message_id: Uuid::new_v5(&MESSAGE_IDS, format!("{saga_id}:{name}").as_bytes()).to_string(),
            correlation_id: saga_id.clone(),
            saga_name: self.instance.saga.clone(),
            step_name: command.name.to_owned(),
            step_index: u32::try_from(step).unwrap_or(u32::MAX),
            idempotency_key: idempotency_key(&saga_id, command.name),
            timeout_at: self.after(command.timeout),
            retry_count: tries.saturating_sub(1),
            max_retries: command.retries + forgiven,
            compensates,
            data,
            saga_id,
        };
        let again = if counted > 1 { format!("try {counted} of {}", command.retries + 1) } else { String::new() };
        self.line(what, Some(command.name), again);
        self.out.commands.push((command.topic, message));
    }

    /// It is to be tried again in a while.
    pub(super) fn again(&mut self, step: usize, command: &CommandDefinition, cause: Cause, status: StepStatus) {
        let pause = command.pause(self.instance.progress.steps[step].counted());
        self.line(Happening::Retry, Some(command.name), format!("in {pause:?}: {}", said(&cause)));
        let due = Some(self.after(pause));
        let progress = &mut self.instance.progress.steps[step];
        progress.status = status;
        progress.due = due;
        progress.failure = Some(cause);
    }

    pub(super) fn outcome(&mut self, completed: bool) {
        let outcome = if completed { &self.definition.completed } else { &self.definition.compensated };
        let Some(outcome) = outcome else { return };
        match (outcome.make)(&self.instance.state, self.instance.progress.turned.as_ref()) {
            Ok((key, data)) => {
                let (topic, event_type, version) = (outcome.topic, outcome.event_type, outcome.version);
                self.out.outcome = Some(Outgoing { topic, event_type, version, key, data });
            }
            Err(reason) => {
                let detail = format!("the event {} cannot be made: {reason}", outcome.event_type);
                self.line(Happening::Failed, None, detail);
            }
        }
    }
}
