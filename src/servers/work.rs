//! Workers and schedulers.

use millgate_events::Outbox;
use millgate_jobs::{Scheduler, Schedules};
use millgate_workers::{
    DeadLetterForwarder, Worker,
    email::{Attachments, Mailer, Suppressions, Templates},
    webhook::Webhooks,
};

use super::Servers;
use crate::{config::Config, housekeeping::Retention};

impl Servers {
    /// The worker, which takes jobs at once, and what brings its dead jobs to their topic.
    pub(crate) fn worker(&self) -> anyhow::Result<(Worker, DeadLetterForwarder)> {
        let Config { worker, smtp, webhook, .. } = &self.config;
        let state = self.state.clone();
        let mut state = state
            .with(self.producer.clone())
            .with(Outbox::new(self.producer.source()))
            .with(self.event_store())
            .with(self.trail().clone())
            .with(self.queues.clone())
            .with(self.database.clone())
            .with(self.sagas.clone())
            .with(Mailer::new(smtp)?)
            .with(Templates::new(smtp)?)
            .with(Webhooks::new(webhook)?)
            .with(Attachments::new(smtp, self.producer.claims().clone()))
            .with(Retention { letters: self.letters.clone(), keep: self.config.postgres.dead_letter_retention });
        if self.letters.is_some() {
            state = state.with(Suppressions::new(self.database.clone()));
        }
        let started = Worker::start(worker, &self.queues, self.handlers.clone(), state)?;
        let names = started.queues();
        let forwarder = DeadLetterForwarder {
            queues: names.iter().map(|name| self.queues.queue(name)).collect(),
            dead_letters: self.dead_letters.clone(),
            steps: self.dead_steps(),
        };
        Ok((started, forwarder))
    }

    /// The schedules of all queues.
    pub(crate) fn schedules(&self) -> Schedules {
        Schedules::new(&self.queues, self.queue_names())
    }

    /// What fires the schedules of all queues, those of the code among them. Refuses schedules of jobs that no handler of
    /// this application does.
    pub(crate) fn scheduler(&self) -> anyhow::Result<Scheduler> {
        for schedule in &self.schedules {
            let (name, kind) = (schedule.name(), schedule.kind());
            anyhow::ensure!(
                self.handlers.handles(kind),
                "schedule {name} makes jobs of kind {kind}, which no handler does; add App::worker(…)"
            );
        }
        Ok(Scheduler::new(self.schedules()).declaring(self.application, self.schedules.clone()))
    }
}
