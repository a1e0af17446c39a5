//! Routes: when this event happens, do these jobs.

use std::fmt::Display;

use millgate_events::Event;
use millgate_jobs::{Cancel, Job, JobOptions, NewJob, QueueError};

use crate::{Plan, Received};

type Step<E> = Box<dyn Fn(&Received<E>, &mut Plan) -> Result<(), QueueError> + Send + Sync>;

/// What to do when an event of type `E` happens. Begun by [`on`].
pub struct Route<E> {
    steps: Vec<Step<E>>,
    jobs: Vec<(&'static str, &'static str)>,
}

/// A route for events of type `E`.
///
/// ```text
/// on::<OrderCreated>()
///     .enqueue(|e| SendConfirmationEmail { order_id: e.order_id, to: e.customer_email.clone() })
///     .enqueue_with(|e| (ReminderEmail { order_id: e.order_id }, delay(DAY).unique(e.order_id)))
/// ```
pub fn on<E: Event>() -> Route<E> {
    Route { steps: Vec::new(), jobs: Vec::new() }
}

impl<E: Event> Route<E> {
    /// Enqueues a job.
    #[must_use]
    pub fn enqueue<J: Job>(self, job: impl Fn(&Received<E>) -> J + Send + Sync + 'static) -> Self {
        self.enqueue_with(move |event| (job(event), JobOptions::default()))
    }

    /// Enqueues a job with a delay, a priority or a unique key. A delay counts from the event's time.
    #[must_use]
    pub fn enqueue_with<J: Job>(
        mut self,
        job: impl Fn(&Received<E>) -> (J, JobOptions) + Send + Sync + 'static,
    ) -> Self {
        self.jobs.push((J::KIND, J::QUEUE));
        self.steps.push(Box::new(move |event, plan| {
            let (job, options) = job(event);
            plan.jobs.push(NewJob::new(&job, options, event.meta.time)?);
            Ok(())
        }));
        self
    }

    /// Cancels the job of kind `J` that waits under a unique key, if it is about anything older:
    /// `.cancel::<ReminderEmail, _>(|e| e.order_id)`.
    #[must_use]
    pub fn cancel<J: Job, K: Display>(mut self, key: impl Fn(&Received<E>) -> K + Send + Sync + 'static) -> Self {
        self.jobs.push((J::KIND, J::QUEUE));
        self.steps.push(Box::new(move |event, plan| {
            let cancel = Cancel { kind: J::KIND.to_owned(), unique: key(event).to_string(), time: event.meta.time };
            plan.cancels.push((J::QUEUE.to_owned(), cancel));
            Ok(())
        }));
        self
    }

    /// Kinds and queues of the jobs that it makes or cancels.
    pub(crate) fn jobs(&self) -> &[(&'static str, &'static str)] {
        &self.jobs
    }

    pub(crate) fn apply(&self, event: &Received<E>, plan: &mut Plan) -> Result<(), QueueError> {
        self.steps.iter().try_for_each(|step| step(event, plan))
    }
}
