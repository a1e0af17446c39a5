//! The way forward: a stage of steps after the other.

use millgate_events::{Lifecycle, SagaEvent};

use super::{reply::said, walk::Walk};
use crate::saga::{Cause, Happening, SagaStatus, StepProgress, StepStatus};

impl Walk<'_> {
    /// The next stage's commands, if the one before is done. Whether there may be more to do.
    pub(super) fn forward(&mut self) -> bool {
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

    pub(super) fn send(&mut self, step: usize) {
        let command = self.definition.steps[step].command.clone();
        match command.data(&self.instance.state) {
            Ok(data) => {
                let due = Some(self.after(command.timeout));
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

    /// It cannot be done, and has changed nothing.
    pub(super) fn fail(&mut self, step: usize, cause: Cause) {
        self.line(Happening::Failed, Some(self.definition.steps[step].command.name), said(&cause));
        let progress = &mut self.instance.progress.steps[step];
        progress.status = StepStatus::Failed;
        progress.due = None;
        progress.ended_at = Some(self.now);
        progress.failure = Some(cause);
    }

    pub(super) fn done(&mut self, step: usize, reply: &SagaEvent) {
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

    pub(super) fn turn_back(&mut self, cause: Cause, told: Lifecycle) {
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

    pub(super) fn complete(&mut self) {
        self.instance.status = SagaStatus::Completed;
        self.instance.ended_at = Some(self.now);
        self.line(Happening::Completed, None, "");
        self.tell(Lifecycle::Completed, None);
        self.outcome(true);
    }
}
