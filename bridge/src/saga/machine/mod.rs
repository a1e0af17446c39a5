//! What follows from what happens to a saga: a pure function of its definition, where it stands, and the time.

mod backward;
mod forward;
mod order;
mod reply;
#[cfg(test)]
mod tests;
mod timer;
mod transition;
mod walk;

use chrono::{DateTime, Utc};
use millgate_events::Lifecycle;

pub use self::transition::{Input, Outgoing, Refused, Transition};
use self::walk::Walk;
use super::{Definition, Happening, Instance, StepProgress, step::StepDefinition};

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
