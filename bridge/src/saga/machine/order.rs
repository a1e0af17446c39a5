//! What operators want of a saga.

use millgate_events::Lifecycle;

use super::{Refused, walk::Walk};
use crate::saga::{Cause, Happening, SagaStatus, StepStatus};

impl Walk<'_> {
    pub(super) fn cancel(&mut self, reason: &str, also_completed: bool) -> Result<(), Refused> {
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

    pub(super) fn retry(&mut self) -> Result<(), Refused> {
        let status = self.instance.status;
        let mut any = false;
        for step in 0..self.definition.steps.len() {
            let (name, undo) = self.definition.names(step);
            match self.status(step) {
                StepStatus::Stuck => {
                    self.line(Happening::Retried, undo, "");
                    let progress = &mut self.instance.progress.steps[step];
                    // Numbers go on: what was said of a try before is not said of one that comes.
                    progress.forgiven = progress.tries;
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

    pub(super) fn resolve(&mut self, wanted: Option<&str>, reason: &str) -> Result<(), Refused> {
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
