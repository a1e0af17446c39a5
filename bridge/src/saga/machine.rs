//! What follows from what happens to a saga: a pure function of its definition, where it stands, and the time.

use chrono::{DateTime, TimeDelta, Utc};
use millgate_events::{Lifecycle, SagaCommand, SagaEvent, idempotency_key};
use millgate_jobs::ErrorCode;
use serde_json::Value;
use uuid::Uuid;

use super::{
    Cause, Definition, Happening, Instance, SagaStatus, StepProgress, StepStatus, TimelineEntry,
    command::CommandDefinition, step::StepDefinition,
};

/// Something that happens to a saga.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A worker replied.
    Reply(SagaEvent),
    /// A timer is due.
    Timer,
    /// Somebody wants a running saga taken back.
    Cancel {
        /// Why.
        reason: String,
    },
    /// Somebody wants a saga taken back that runs, or is completed.
    Compensate {
        /// Why.
        reason: String,
    },
    /// Somebody wants what waits, or is stuck, tried again now.
    Retry,
    /// Somebody has taken back by hand what is stuck.
    Resolve {
        /// The step, or its compensation; nothing: all that are stuck.
        step: Option<String>,
        /// What they did.
        reason: String,
    },
}

/// Why an operator's word cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Refused(pub String);

/// What a change leads to. All of it is written in one transaction with the saga itself.
#[derive(Debug, Default, PartialEq)]
pub struct Transition {
    /// Commands, each with its topic.
    pub commands: Vec<(&'static str, SagaCommand)>,
    /// What the saga tells, with the step that it is about.
    pub told: Vec<(Lifecycle, Option<String>)>,
    /// The event that it ends in.
    pub outcome: Option<Outgoing>,
    /// What is added to its timeline.
    pub lines: Vec<TimelineEntry>,
    /// It has come to wait for people.
    pub stuck: bool,
    /// A reply said nothing new, or came late.
    pub ignored: bool,
}

/// An event of the application.
#[derive(Debug, PartialEq)]
pub struct Outgoing {
    /// Its topic.
    pub topic: &'static str,
    /// Its type.
    pub event_type: &'static str,
    /// The version of its shape.
    pub version: u32,
    /// What it is about.
    pub key: String,
    /// Its payload.
    pub data: Value,
}

/// Ids of commands are version 5 UUIDs under this one.
const MESSAGE_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_7361_6761_0001);

impl Definition {
    /// Begins a saga of which nothing is known but its state.
    pub fn begin(&self, mut instance: Instance, now: DateTime<Utc>) -> (Instance, Transition) {
        let begun =
            |step: &StepDefinition| StepProgress { name: step.command.name.to_owned(), ..StepProgress::default() };
        instance.progress.steps = self.steps.iter().map(begun).collect();
        let mut walk = Walk { definition: self, instance: &mut instance, now, out: Transition::default() };
        walk.line(Happening::Started, None, format!("version {}", self.version));
        walk.tell(Lifecycle::Started, None);
        walk.go_on();
        let out = walk.out;
        (instance, out)
    }

    /// Where a saga stands after this, and what it leads to.
    pub fn advance(&self, instance: &mut Instance, input: Input, now: DateTime<Utc>) -> Result<Transition, Refused> {
        let is_same = |(progress, step): (&StepProgress, &StepDefinition)| progress.name == step.command.name;
        let steps = &instance.progress.steps;
        if steps.len() != self.steps.len() || !steps.iter().zip(&self.steps).all(is_same) {
            let (name, version) = (self.name, self.version);
            return Err(Refused(format!(
                "version {version} of saga `{name}` had other steps when it began; put them back, and give what changed another \
                 version"
            )));
        }
        let mut walk = Walk { definition: self, instance, now, out: Transition::default() };
        match input {
            Input::Reply(reply) => walk.reply(reply),
            Input::Timer => walk.timers(),
            Input::Cancel { reason } => walk.cancel(&reason, false)?,
            Input::Compensate { reason } => walk.cancel(&reason, true)?,
            Input::Retry => walk.retry()?,
            Input::Resolve { step, reason } => walk.resolve(step.as_deref(), &reason)?,
        }
        walk.go_on();
        Ok(walk.out)
    }
}

struct Walk<'a> {
    definition: &'a Definition,
    instance: &'a mut Instance,
    now: DateTime<Utc>,
    out: Transition,
}

impl Walk<'_> {
    /// Does all that can be done now.
    fn go_on(&mut self) {
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

    /// The next stage's commands, if the one before is done. Whether there may be more to do.
    fn forward(&mut self) -> bool {
        let is_done = |step: &StepProgress| step.status == StepStatus::Done;
        let Some(first) = self.instance.progress.steps.iter().position(|step| !is_done(step)) else {
            self.complete();
            return false;
        };
        let stage = self.definition.steps[first].stage;
        let of_stage: Vec<usize> =
            (0..self.definition.steps.len()).filter(|&step| self.definition.steps[step].stage == stage).collect();
        let gone = |step: &&usize| matches!(self.status(**step), StepStatus::Failed | StepStatus::GivenUp);
        if let Some(&step) = of_stage.iter().find(gone) {
            let cause = self.instance.progress.steps[step].failure.clone();
            self.turn_back(cause.unwrap_or_else(|| self.cause(step, "unknown", "")), Lifecycle::Failed);
            return true;
        }
        let waiting: Vec<usize> =
            of_stage.into_iter().filter(|&step| self.status(step) == StepStatus::Waiting).collect();
        let mut goes_on = false;
        for step in waiting {
            self.send(step);
            goes_on |= self.status(step) != StepStatus::Sent;
            if let Some(early) = self.instance.progress.steps[step].early.take() {
                self.forward_reply(step, early);
                goes_on = true;
            }
        }
        goes_on
    }

    /// The commands that take back the last stage that is not taken back. Whether there may be more to do.
    fn backward(&mut self) -> bool {
        if self.any(|step| step.status == StepStatus::Stuck) {
            self.instance.status = SagaStatus::Stuck;
            self.out.stuck = true;
            return false;
        }
        let open = |step: &usize| {
            matches!(self.status(*step), StepStatus::Sent | StepStatus::Undoing | StepStatus::UndoRetrying)
                || self.is_to_undo(*step)
        };
        let Some(last) = (0..self.definition.steps.len()).rev().find(open) else {
            self.compensated();
            return false;
        };
        let stage = self.definition.steps[last].stage;
        let of_stage: Vec<usize> =
            (0..self.definition.steps.len()).filter(|&step| self.definition.steps[step].stage == stage).collect();
        // Whether they will be done is not known yet: what comes before them must not be taken back first.
        if of_stage.iter().any(|&step| self.status(step) == StepStatus::Sent) {
            return false;
        }
        let mut goes_on = false;
        for step in of_stage {
            if self.is_to_undo(step) {
                self.instance.progress.steps[step].tries = 0;
                self.send_undo(step);
                goes_on |= self.status(step) == StepStatus::Stuck;
            }
        }
        goes_on
    }

    fn status(&self, step: usize) -> StepStatus {
        self.instance.progress.steps[step].status
    }

    fn any(&self, of: impl Fn(&StepProgress) -> bool) -> bool {
        self.instance.progress.steps.iter().any(of)
    }

    fn is_to_undo(&self, step: usize) -> bool {
        self.status(step) == StepStatus::Done && self.definition.steps[step].compensation.is_some()
    }

    fn cause(&self, step: usize, code: impl ToString, message: impl ToString) -> Cause {
        let name = self.definition.steps[step].command.name;
        Cause { step: Some(name.to_owned()), code: code.to_string(), message: message.to_string() }
    }

    fn line(&mut self, what: Happening, step: Option<&str>, detail: impl Into<String>) {
        let step = step.map(str::to_owned);
        self.out.lines.push(TimelineEntry { at: self.now, what, step, detail: detail.into() });
    }

    fn tell(&mut self, what: Lifecycle, step: Option<&str>) {
        self.out.told.push((what, step.map(str::to_owned)));
    }

    fn after(&self, time: std::time::Duration) -> Option<DateTime<Utc>> {
        let time = TimeDelta::from_std(time).unwrap_or(TimeDelta::days(365));
        Some(self.now + time)
    }

    // Forward.

    fn send(&mut self, step: usize) {
        let command = self.definition.steps[step].command.clone();
        match command.data(&self.instance.state) {
            Ok(data) => {
                let due = self.after(command.timeout);
                let progress = &mut self.instance.progress.steps[step];
                progress.began_at.get_or_insert(self.now);
                progress.status = StepStatus::Sent;
                progress.tries += 1;
                progress.due = due;
                self.command(step, &command, data, Happening::Sent, false);
            }
            Err(reason) => {
                let cause = self.cause(step, "command", format!("its command cannot be made: {reason}"));
                self.fail(step, cause);
            }
        }
    }

    fn command(&mut self, step: usize, command: &CommandDefinition, data: Value, what: Happening, compensates: bool) {
        let tries = self.instance.progress.steps[step].tries;
        let saga_id = self.instance.id.to_string();
        let name = format!("{}:{}:{}", command.name, self.instance.revision, self.out.commands.len());
        let message = SagaCommand {
            message_id: Uuid::new_v5(&MESSAGE_IDS, format!("{saga_id}:{name}").as_bytes()).to_string(),
            correlation_id: saga_id.clone(),
            saga_name: self.instance.saga.clone(),
            step_name: command.name.to_owned(),
            step_index: u32::try_from(step).unwrap_or(u32::MAX),
            idempotency_key: idempotency_key(&saga_id, command.name),
            timeout_at: self.after(command.timeout).unwrap_or(self.now),
            retry_count: tries.saturating_sub(1),
            max_retries: command.retries,
            compensates,
            data,
            saga_id,
        };
        let again = if tries > 1 { format!("try {tries} of {}", command.retries + 1) } else { String::new() };
        self.line(what, Some(command.name), again);
        self.out.commands.push((command.topic, message));
    }

    /// It cannot be done, and has changed nothing.
    fn fail(&mut self, step: usize, cause: Cause) {
        self.line(Happening::Failed, Some(self.definition.steps[step].command.name), said(&cause));
        let progress = &mut self.instance.progress.steps[step];
        progress.status = StepStatus::Failed;
        progress.due = None;
        progress.ended_at = Some(self.now);
        progress.failure = Some(cause);
    }

    fn done(&mut self, step: usize, reply: &SagaEvent) {
        let definition = &self.definition.steps[step];
        let name = definition.command.name;
        let progress = &mut self.instance.progress.steps[step];
        progress.status = StepStatus::Done;
        progress.due = None;
        progress.ended_at = Some(self.now);
        progress.failure = None;
        match definition.fold.as_ref().map(|fold| fold(&self.instance.state, &reply.data)).transpose() {
            Ok(state) => {
                if let Some(state) = state {
                    self.instance.state = state;
                }
            }
            Err(reason) => {
                // It is done, and cannot be gone on with.
                let cause = self.cause(step, "undecodable_reply", reason);
                self.line(Happening::Failed, Some(name), said(&cause));
                if self.instance.status == SagaStatus::Running {
                    self.turn_back(cause, Lifecycle::Failed);
                }
            }
        }
    }

    fn turn_back(&mut self, cause: Cause, told: Lifecycle) {
        self.line(Happening::TurnedBack, cause.step.clone().as_deref(), said(&cause));
        self.tell(told, cause.step.clone().as_deref());
        self.instance.progress.turned = Some(cause);
        self.instance.status = SagaStatus::Compensating;
        self.instance.ended_at = None;
        for progress in &mut self.instance.progress.steps {
            if progress.status == StepStatus::Retrying {
                progress.status = StepStatus::GivenUp;
                progress.due = None;
                progress.ended_at = Some(self.now);
            }
            // It is done, although nobody here knows of the command.
            if progress.early.take().is_some_and(|early| early.success) {
                progress.status = StepStatus::Done;
                progress.ended_at = Some(self.now);
            }
        }
    }

    fn complete(&mut self) {
        self.instance.status = SagaStatus::Completed;
        self.instance.ended_at = Some(self.now);
        self.line(Happening::Completed, None, "");
        self.tell(Lifecycle::Completed, None);
        self.outcome(true);
    }

    // Backward.

    fn send_undo(&mut self, step: usize) {
        let Some(command) = self.definition.steps[step].compensation.clone() else { return };
        match command.data(&self.instance.state) {
            Ok(data) => {
                let due = self.after(command.timeout);
                let progress = &mut self.instance.progress.steps[step];
                progress.status = StepStatus::Undoing;
                progress.tries += 1;
                progress.due = due;
                self.command(step, &command, data, Happening::Undoing, true);
            }
            Err(reason) => {
                let cause = self.cause(step, "command", format!("its compensation cannot be made: {reason}"));
                self.stick(step, cause);
            }
        }
    }

    /// People have to see to it.
    fn stick(&mut self, step: usize, cause: Cause) {
        let name = self.definition.names(step).1;
        self.line(Happening::Stuck, name, said(&cause));
        let progress = &mut self.instance.progress.steps[step];
        progress.status = StepStatus::Stuck;
        progress.due = None;
        progress.failure = Some(cause);
    }

    fn undone(&mut self, step: usize) {
        let progress = &mut self.instance.progress.steps[step];
        progress.status = StepStatus::Undone;
        progress.due = None;
        progress.ended_at = Some(self.now);
        if self.definition.steps[step].refunds {
            self.tell(Lifecycle::Refunded, self.definition.names(step).1);
        }
    }

    fn compensated(&mut self) {
        self.instance.status = SagaStatus::Compensated;
        self.instance.ended_at = Some(self.now);
        self.line(Happening::Compensated, None, "");
        if !std::mem::replace(&mut self.instance.progress.told, true) {
            self.tell(Lifecycle::Compensated, None);
            self.outcome(false);
        }
    }

    fn outcome(&mut self, completed: bool) {
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

    // What comes from outside.

    fn reply(&mut self, reply: SagaEvent) {
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

    fn ignore(&mut self, name: &str, why: &str) {
        self.out.ignored = true;
        self.line(Happening::Ignored, Some(name), why);
    }

    fn forward_reply(&mut self, step: usize, reply: SagaEvent) {
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

    fn is_current(&self, step: usize, reply: &SagaEvent) -> bool {
        let tries = self.instance.progress.steps[step].tries;
        reply.retry_count.is_none_or(|count| count + 1 == tries)
    }

    fn failed(&mut self, step: usize, reply: &SagaEvent) {
        let cause = self.cause(step, code(reply), &reply.error_message);
        let command = self.definition.steps[step].command.clone();
        let tries = self.instance.progress.steps[step].tries;
        let is_running = self.instance.status == SagaStatus::Running;
        if is_running && is_retryable(reply) && tries <= command.retries {
            self.again(step, &command, cause, StepStatus::Retrying);
        } else {
            self.fail(step, cause);
        }
    }

    /// It is to be tried again in a while.
    fn again(&mut self, step: usize, command: &CommandDefinition, cause: Cause, status: StepStatus) {
        let pause = command.pause(self.instance.progress.steps[step].tries);
        self.line(Happening::Retry, Some(command.name), format!("in {pause:?}: {}", said(&cause)));
        let due = self.after(pause);
        let progress = &mut self.instance.progress.steps[step];
        progress.status = status;
        progress.due = due;
        progress.failure = Some(cause);
    }

    fn undo_reply(&mut self, step: usize, reply: &SagaEvent) {
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

    fn undo_failed(&mut self, step: usize, cause: Cause, retryable: bool) {
        let Some(command) = self.definition.steps[step].compensation.clone() else { return };
        let tries = self.instance.progress.steps[step].tries;
        if retryable && tries <= command.retries {
            self.again(step, &command, cause, StepStatus::UndoRetrying);
        } else {
            self.stick(step, cause);
        }
    }

    fn timers(&mut self) {
        for step in 0..self.definition.steps.len() {
            let progress = &self.instance.progress.steps[step];
            if progress.due.is_some_and(|due| due <= self.now) {
                self.due(step);
            }
        }
    }

    fn due(&mut self, step: usize) {
        let (name, undo) = self.definition.names(step);
        match self.status(step) {
            StepStatus::Retrying => self.send(step),
            StepStatus::UndoRetrying => self.send_undo(step),
            StepStatus::Sent => {
                let command = self.definition.steps[step].command.clone();
                let cause = self.cause(step, "timeout", format!("no reply within {:?}", command.timeout));
                let tries = self.instance.progress.steps[step].tries;
                if self.instance.status == SagaStatus::Running && tries <= command.retries {
                    return self.again(step, &command, cause, StepStatus::Retrying);
                }
                self.line(Happening::TimedOut, Some(name), said(&cause));
                let progress = &mut self.instance.progress.steps[step];
                progress.status = StepStatus::GivenUp;
                progress.due = None;
                progress.ended_at = Some(self.now);
                progress.failure = Some(cause);
            }
            StepStatus::Undoing => {
                let timeout = self.definition.steps[step].compensation.as_ref().map(|command| command.timeout);
                let message = format!("no reply within {:?}", timeout.unwrap_or_default());
                let cause = Cause { step: undo.map(str::to_owned), code: "timeout".into(), message };
                self.undo_failed(step, cause, true);
            }
            _ => self.instance.progress.steps[step].due = None,
        }
    }

    fn cancel(&mut self, reason: &str, also_completed: bool) -> Result<(), Refused> {
        let status = self.instance.status;
        let may = status == SagaStatus::Running || also_completed && status == SagaStatus::Completed;
        if !may {
            let advice = match status {
                SagaStatus::Completed => "; `millgate saga compensate` takes back what is done",
                SagaStatus::Stuck => "; `millgate saga show` says what cannot be taken back",
                _ => "",
            };
            return Err(Refused(format!("the saga is {status} already{advice}")));
        }
        let cause = Cause { step: None, code: "canceled".into(), message: reason.to_owned() };
        self.turn_back(cause, Lifecycle::Canceled);
        Ok(())
    }

    fn retry(&mut self) -> Result<(), Refused> {
        let status = self.instance.status;
        let mut any = false;
        for step in 0..self.definition.steps.len() {
            let (name, undo) = self.definition.names(step);
            match self.status(step) {
                StepStatus::Stuck => {
                    self.line(Happening::Retried, undo, "");
                    self.instance.progress.steps[step].tries = 0;
                    self.send_undo(step);
                }
                StepStatus::Retrying => {
                    self.line(Happening::Retried, Some(name), "");
                    self.send(step);
                }
                StepStatus::UndoRetrying => {
                    self.line(Happening::Retried, undo, "");
                    self.send_undo(step);
                }
                _ => continue,
            }
            any = true;
        }
        if any { Ok(()) } else { Err(Refused(format!("the saga is {status}, and nothing of it waits for a retry"))) }
    }

    fn resolve(&mut self, wanted: Option<&str>, reason: &str) -> Result<(), Refused> {
        let meant = |step: &usize| {
            let (name, undo) = self.definition.names(*step);
            wanted.is_none_or(|wanted| wanted == name || Some(wanted) == undo)
        };
        let stuck: Vec<usize> = (0..self.definition.steps.len())
            .filter(|step| self.status(*step) == StepStatus::Stuck && meant(step))
            .collect();
        if stuck.is_empty() {
            let what = wanted.map_or_else(|| "nothing of it".to_owned(), |step| format!("its step {step}"));
            let verb = if wanted.is_some() { "is not stuck" } else { "is stuck" };
            return Err(Refused(format!("the saga is {}, and {what} {verb}", self.instance.status)));
        }
        for step in stuck {
            self.line(Happening::Resolved, self.definition.names(step).1, reason);
            self.undone(step);
        }
        Ok(())
    }
}

fn said(cause: &Cause) -> String {
    match cause.message.as_str() {
        "" => cause.code.clone(),
        message => format!("{}: {message}", cause.code),
    }
}

fn code(reply: &SagaEvent) -> String {
    if reply.error_code.is_empty() { "failed".to_owned() } else { reply.error_code.clone() }
}

fn failure(reply: &SagaEvent) -> String {
    said(&Cause { step: None, code: code(reply), message: reply.error_message.clone() })
}

fn took(reply: &SagaEvent) -> String {
    match reply.duration {
        0 => String::new(),
        nanoseconds => format!("took {:?}", std::time::Duration::from_nanos(nanoseconds)),
    }
}

fn is_retryable(reply: &SagaEvent) -> bool {
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

#[cfg(test)]
#[path = "machine_tests.rs"]
mod tests;
