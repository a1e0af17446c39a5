//! Definitions of sagas: what is done in which order, and what takes it back.

use std::{
    any::{TypeId, type_name},
    collections::BTreeSet,
    marker::PhantomData,
    sync::Arc,
};

use millgate_events::{Event, Incoming, Lifecycle, StepCommand};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use super::{
    Cause, Step,
    command::{guarded, read, written},
    poison::Unusable,
    step::StepDefinition,
};
use crate::Routes;

type Start = Arc<dyn Fn(&Incoming) -> Result<(String, Value), Unusable> + Send + Sync>;
type MakeOutcome = Arc<dyn Fn(&Value, Option<&Cause>) -> Result<(String, Value), String> + Send + Sync>;

/// A saga whose state is an `S`. Begun by [`named`](Self::named), and given to the application.
///
/// ```text
/// Saga::<Booking>::named("booking")
///     .started_by::<BookingRequested>(|e| Booking { … })
///     .step(
///         Step::command("reserve-seats", |b: &Booking| ReserveSeats { … })
///             .timeout(Duration::from_secs(5))
///             .replied(|b: &mut Booking, reply| b.reservation = Some(reply.reservation))
///             .compensate("release-seats", |b: &Booking| ReleaseSeats { … }),
///     )
///     .on_completed(|b: &Booking| BookingConfirmed { … })
/// ```
pub struct Saga<S> {
    definition: Definition,
    state: PhantomData<fn() -> S>,
}

/// A saga's definition, whatever the type of its state.
#[derive(Clone)]
pub struct Definition {
    pub(super) name: &'static str,
    pub(super) version: u32,
    pub(super) steps: Vec<StepDefinition>,
    pub(super) starters: Vec<Starter>,
    pub(super) completed: Option<Outcome>,
    pub(super) compensated: Option<Outcome>,
    pub(super) shared_topic: Option<&'static str>,
    pub(super) state: TypeId,
    pub(super) state_name: &'static str,
}

/// An event that begins sagas.
#[derive(Clone)]
pub(super) struct Starter {
    pub(super) topic: &'static str,
    pub(super) event_type: &'static str,
    pub(super) start: Start,
    know: fn(&mut Routes),
}

/// The event that a saga ends in.
#[derive(Clone)]
pub(super) struct Outcome {
    pub(super) topic: &'static str,
    pub(super) event_type: &'static str,
    pub(super) version: u32,
    pub(super) make: MakeOutcome,
    know: fn(&mut Routes),
}

impl Outcome {
    fn of<S: DeserializeOwned, E: Event>(event: impl Fn(&S, Option<&Cause>) -> E + Send + Sync + 'static) -> Self {
        Self {
            topic: E::TOPIC,
            event_type: E::TYPE,
            version: E::VERSION,
            make: Arc::new(move |state, cause| {
                guarded(|| {
                    let event = event(&read(state)?, cause);
                    let key = event.key();
                    // The outbox does not take it, however often that is tried, and the saga would never end.
                    if key.contains('\0') {
                        return Err("its key has a NUL in it".to_owned());
                    }
                    Ok((key, written(&event)?))
                })
            }),
            know: Routes::know::<E>,
        }
    }
}

impl<S: Serialize + DeserializeOwned + Send + Sync + 'static> Saga<S> {
    /// A saga of that name, which is in the topics of what it tells: `saga.{name}.started.event`. Its version is 1.
    pub fn named(name: &'static str) -> Self {
        let definition = Definition {
            name,
            version: 1,
            steps: Vec::new(),
            starters: Vec::new(),
            completed: None,
            compensated: None,
            shared_topic: None,
            state: TypeId::of::<S>(),
            state_name: type_name::<S>(),
        };
        Self { definition, state: PhantomData }
    }

    /// The version of this definition. A saga that began with one goes on with it: keep the old one beside the new one for
    /// as long as there are such.
    #[must_use]
    pub fn version(mut self, version: u32) -> Self {
        self.definition.version = version;
        self
    }

    /// Each such event begins a saga with this state. Its key is the event's: a second one with the same key begins none.
    #[must_use]
    pub fn started_by<E: Event>(mut self, state: impl Fn(&E) -> S + Send + Sync + 'static) -> Self {
        let start: Start = Arc::new(move |incoming| {
            let event: E = incoming.decode()?;
            let begun = guarded(|| Ok((event.key(), written(&state(&event))?)));
            begun.map_err(Unusable::Start)
        });
        let (topic, event_type) = (E::TOPIC, E::TYPE);
        self.definition.starters.push(Starter { topic, event_type, start, know: Routes::know::<E> });
        self
    }

    /// What is done next, when all steps before are done.
    #[must_use]
    pub fn step<C: StepCommand>(self, step: Step<S, C>) -> Self {
        self.together(|steps| steps.step(step))
    }

    /// Steps that are done at the same time: `.together(|steps| steps.step(a).step(b))`. What comes after them waits for
    /// all of them.
    #[must_use]
    pub fn together(mut self, steps: impl FnOnce(Parallel<S>) -> Parallel<S>) -> Self {
        let stage = self.definition.steps.last().map_or(0, |step| step.stage + 1);
        let parallel = steps(Parallel { steps: Vec::new(), state: PhantomData });
        let steps = parallel.steps.into_iter().map(|step| StepDefinition { stage, ..step });
        self.definition.steps.extend(steps);
        self
    }

    /// The event that a saga ends in whose steps are all done.
    #[must_use]
    pub fn on_completed<E: Event>(mut self, event: impl Fn(&S) -> E + Send + Sync + 'static) -> Self {
        self.definition.completed = Some(Outcome::of(move |state: &S, _| event(state)));
        self
    }

    /// The event that a saga ends in that was taken back, and why it was.
    #[must_use]
    pub fn on_compensated<E: Event>(mut self, event: impl Fn(&S, &Cause) -> E + Send + Sync + 'static) -> Self {
        self.definition.compensated = Some(Outcome::of(move |state: &S, cause: Option<&Cause>| {
            let unknown = || Cause { step: None, code: "unknown".into(), message: String::new() };
            event(state, &cause.cloned().unwrap_or_else(unknown))
        }));
        self
    }

    /// Tells what it does on this topic, too, where all sagas can be: `saga.started`, `saga.completed` …
    #[must_use]
    pub fn also_told_on(mut self, topic: &'static str) -> Self {
        self.definition.shared_topic = Some(topic);
        self
    }

    /// The definition. An error if two of its commands have one name, or it has no steps.
    pub fn build(self) -> Result<Definition, String> {
        let Definition { name, steps, .. } = &self.definition;
        if steps.is_empty() {
            return Err(format!("saga `{name}` has no steps"));
        }
        let mut names = BTreeSet::new();
        for command in self.definition.commands() {
            if !names.insert(command.name) {
                return Err(format!("saga `{name}` has two commands named `{}`", command.name));
            }
        }
        Ok(self.definition)
    }
}

/// Steps that are done at the same time.
pub struct Parallel<S> {
    steps: Vec<StepDefinition>,
    state: PhantomData<fn() -> S>,
}

impl<S> Parallel<S> {
    /// One more.
    #[must_use]
    pub fn step<C: StepCommand>(mut self, step: Step<S, C>) -> Self {
        self.steps.push(step.built());
        self
    }
}

impl Definition {
    /// The saga's name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Its version.
    pub fn version(&self) -> u32 {
        self.version
    }

    /// Its commands: those of its steps, and those that take them back.
    pub(super) fn commands(&self) -> impl Iterator<Item = &super::command::CommandDefinition> {
        self.steps.iter().flat_map(|step| std::iter::once(&step.command).chain(&step.compensation))
    }

    /// Names of a step and of what takes it back.
    pub(super) fn names(&self, step: usize) -> (&'static str, Option<&'static str>) {
        self.steps
            .get(step)
            .map_or(("", None), |step| (step.command.name, step.compensation.as_ref().map(|it| it.name)))
    }

    /// Topics and types that its workers and itself write, and the topics that they read, without the prefix.
    pub(super) fn written(&self) -> Vec<(String, String)> {
        let commands = self.commands().flat_map(|command| [command.topic, command.done, command.failed]);
        let mut written: Vec<(String, String)> = commands.map(|topic| (topic.to_owned(), topic.to_owned())).collect();
        for told in Lifecycle::ALL {
            let topic = told.topic(self.name);
            written.push((topic.clone(), topic));
            written.extend(self.shared_topic.map(|topic| (topic.to_owned(), told.shared_type().to_owned())));
        }
        written
    }

    /// Makes events known that begin it, and those that it ends in.
    pub fn know(&self, routes: &mut Routes) {
        let outcomes = self.completed.iter().chain(&self.compensated).map(|outcome| outcome.know);
        self.starters.iter().map(|starter| starter.know).chain(outcomes).for_each(|know| know(routes));
    }
}
