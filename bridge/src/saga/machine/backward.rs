//! The way back: what was done is taken back, the last stage first.

use millgate_events::Lifecycle;

use super::{reply::said, walk::Walk};
use crate::saga::{Cause, Happening, SagaStatus, StepStatus};

impl Walk<'_> {
    /// The commands that take back the last stage that is not taken back. Whether there may be more to do.
    pub(super) fn backward(&mut self) -> bool {
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
                let progress = &mut self.instance.progress.steps[step];
                (progress.tries, progress.forgiven) = (0, 0);
                self.send_undo(step);
                goes_on |= self.status(step) == StepStatus::Stuck;
            }
        }
        goes_on
    }

    pub(super) fn is_to_undo(&self, step: usize) -> bool {
        self.status(step) == StepStatus::Done && self.definition.steps[step].compensation.is_some()
    }

    pub(super) fn send_undo(&mut self, step: usize) {
        let Some(command) = self.definition.steps[step].compensation.clone() else { return };
        match command.data(&self.instance.state) {
            Ok(data) => {
                let due = Some(self.after(command.timeout));
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
    pub(super) fn stick(&mut self, step: usize, cause: Cause) {
        let name = self.definition.names(step).1;
        self.line(Happening::Stuck, name, said(&cause));
        let progress = &mut self.instance.progress.steps[step];
        progress.status = StepStatus::Stuck;
        progress.due = None;
        progress.failure = Some(cause);
    }

    pub(super) fn undone(&mut self, step: usize) {
        let progress = &mut self.instance.progress.steps[step];
        progress.status = StepStatus::Undone;
        progress.due = None;
        progress.ended_at = Some(self.now);
        if self.definition.steps[step].refunds {
            self.tell(Lifecycle::Refunded, self.definition.names(step).1);
        }
    }

    pub(super) fn compensated(&mut self) {
        self.instance.status = SagaStatus::Compensated;
        self.instance.ended_at = Some(self.now);
        self.line(Happening::Compensated, None, "");
        if !std::mem::replace(&mut self.instance.progress.told, true) {
            self.tell(Lifecycle::Compensated, None);
            self.outcome(false);
        }
    }

    pub(super) fn undo_failed(&mut self, step: usize, cause: Cause, retryable: bool) {
        let Some(command) = self.definition.steps[step].compensation.clone() else { return };
        let tries = self.instance.progress.steps[step].counted();
        if retryable && tries <= command.retries {
            self.again(step, &command, cause, StepStatus::UndoRetrying);
        } else {
            self.stick(step, cause);
        }
    }
}
