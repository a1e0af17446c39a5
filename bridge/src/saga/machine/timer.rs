//! What follows from silence.

use super::{reply::said, walk::Walk};
use crate::saga::{Cause, Happening, SagaStatus, StepStatus};

impl Walk<'_> {
    pub(super) fn timers(&mut self) {
        for step in 0..self.definition.steps.len() {
            let progress = &self.instance.progress.steps[step];
            if progress.due.is_some_and(|due| due <= self.now) {
                self.due(step);
            }
        }
    }

    pub(super) fn due(&mut self, step: usize) {
        let (name, undo) = self.definition.names(step);
        match self.status(step) {
            StepStatus::Retrying => self.send(step),
            StepStatus::UndoRetrying => self.send_undo(step),
            StepStatus::Sent => {
                let command = self.definition.steps[step].command.clone();
                let cause = self.cause(step, "timeout", format!("no reply within {:?}", command.timeout));
                let tries = self.instance.progress.steps[step].counted();
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
}
