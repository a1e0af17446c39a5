//! Routes: when this event happens, do these jobs.

use std::{fmt::Display, ops::ControlFlow};

use millgate_events::Event;
use millgate_jobs::{Cancel, Job, JobOptions, NewJob, PublishEvent, QueueError};

use crate::{Action, Outline, Plan, Received, Routes};

type Step<E> = Box<dyn Fn(&Received<E>, &mut Plan) -> Result<Flow, QueueError> + Send + Sync>;
type Flow = ControlFlow<()>;

/// What to do when an event of type `E` happens. Begun by [`on`].
pub struct Route<E> {
    steps: Vec<Step<E>>,
    outlines: Vec<Outline>,
    /// What makes the events known that it publishes.
    known: Vec<fn(&mut Routes)>,
    is_conditional: bool,
}

/// A route for events of type `E`.
///
/// ```text
/// on::<OrderCreated>()
///     .enqueue(|e| SendConfirmationEmail { order_id: e.order_id, to: e.customer_email.clone() })
///     .enqueue_with(|e| (ReminderEmail { order_id: e.order_id }, delay(DAY).unique(e.order_id)))
///     .when(|e| e.total > 100)
///     .publish(|e| LargeOrderCreated { order_id: e.order_id })
/// ```
pub fn on<E: Event>() -> Route<E> {
    Route { steps: Vec::new(), outlines: Vec::new(), known: Vec::new(), is_conditional: false }
}

impl<E: Event> Route<E> {
    /// From here on only for events of which this holds; after another `when`, of which both hold. What is to be done
    /// for other events is another route: those of one event add up.
    ///
    /// The event is of the newest version; `e.meta.version` is the one that it was published in.
    #[must_use]
    pub fn when(mut self, condition: impl Fn(&Received<E>) -> bool + Send + Sync + 'static) -> Self {
        self.is_conditional = true;
        self.steps
            .push(Box::new(move |event, _| Ok(if condition(event) { Flow::Continue(()) } else { Flow::Break(()) })));
        self
    }

    /// Enqueues a job.
    #[must_use]
    pub fn enqueue<J: Job>(self, job: impl Fn(&Received<E>) -> J + Send + Sync + 'static) -> Self {
        self.enqueue_with(move |event| (job(event), JobOptions::default()))
    }

    /// Enqueues a job with a delay, a priority or a unique key. A delay counts from the event's time.
    #[must_use]
    pub fn enqueue_with<J: Job>(self, job: impl Fn(&Received<E>) -> (J, JobOptions) + Send + Sync + 'static) -> Self {
        self.enqueue_as(Action::Enqueue, None, move |event| Ok(job(event)))
    }

    fn enqueue_as<J: Job>(
        self,
        action: Action,
        publishes: Option<&str>,
        job: impl Fn(&Received<E>) -> Result<(J, JobOptions), QueueError> + Send + Sync + 'static,
    ) -> Self {
        self.step::<J>(action, publishes, move |event, plan| {
            let (job, options) = job(event)?;
            plan.jobs.push(NewJob::new(&job, options, event.meta.time)?);
            Ok(())
        })
    }

    /// Cancels the job of kind `J` that waits under a unique key, if it is about anything older:
    /// `.cancel::<ReminderEmail, _>(|e| e.order_id)`.
    #[must_use]
    pub fn cancel<J: Job, K: Display>(self, key: impl Fn(&Received<E>) -> K + Send + Sync + 'static) -> Self {
        self.step::<J>(Action::Cancel, None, move |event, plan| {
            let cancel = Cancel { kind: J::KIND.to_owned(), unique: key(event).to_string(), time: event.meta.time };
            plan.cancels.push((J::QUEUE.to_owned(), cancel));
            Ok(())
        })
    }

    /// Publishes another event, by way of a job of the kind [`PublishEvent`]: so it is not lost, and may come twice,
    /// with the same id. It happens at the time of this event.
    #[must_use]
    pub fn publish<P: Event>(mut self, publish: impl Fn(&Received<E>) -> P + Send + Sync + 'static) -> Self {
        self.known.push(Routes::know::<P>);
        self.enqueue_as(Action::Publish, Some(P::TYPE), move |event| {
            let next = publish(event);
            let written = serde_json::to_value(&next);
            let data = written.map_err(|error| QueueError::Encode { kind: P::TYPE, source: error.into() })?;
            let job = PublishEvent {
                event_type: P::TYPE.to_owned(),
                version: P::VERSION,
                topic: P::TOPIC.to_owned(),
                key: next.key(),
                data,
            };
            Ok((job, JobOptions::default()))
        })
    }

    /// A step about a job of kind `J`.
    fn step<J: Job>(
        mut self,
        action: Action,
        publishes: Option<&str>,
        step: impl Fn(&Received<E>, &mut Plan) -> Result<(), QueueError> + Send + Sync + 'static,
    ) -> Self {
        self.outlines.push(Outline {
            event: E::TYPE.to_owned(),
            version: None,
            action,
            kind: J::KIND.to_owned(),
            queue: J::QUEUE.to_owned(),
            publishes: publishes.map(str::to_owned),
            place: None,
            conditions: if self.is_conditional { vec!["in the code".to_owned()] } else { Vec::new() },
            options: Vec::new(),
        });
        self.steps.push(Box::new(move |event, plan| step(event, plan).map(Flow::Continue)));
        self
    }

    /// Whether some step of it publishes an event.
    pub fn publishes(&self) -> bool {
        !self.known.is_empty()
    }

    /// What its steps may come to.
    pub(crate) fn outlines(&self) -> &[Outline] {
        &self.outlines
    }

    /// What makes the events known that it publishes.
    pub(crate) fn known(&self) -> &[fn(&mut Routes)] {
        &self.known
    }

    pub(crate) fn apply(&self, event: &Received<E>, plan: &mut Plan) -> Result<(), QueueError> {
        for step in &self.steps {
            if step(event, plan)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}
