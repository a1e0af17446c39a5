//! The table of all routes.

use std::{
    any::Any,
    collections::{BTreeMap, BTreeSet, HashMap},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
};

use millgate_events::{DecodeError, Event, Incoming, Record};
use millgate_jobs::{Origin, QueueError};
use uuid::Uuid;

use crate::{Plan, Poison, Received, Route};

/// Ids of jobs are version 5 UUIDs under this one, so that the same event gives the same ids, always.
const JOB_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_6a6f_6200_0001);

/// One event type's decoding and routes, whatever the type.
trait Entry: Send + Sync {
    fn plan(&self, incoming: &Incoming) -> Result<Plan, Poison>;
    fn as_any(&mut self) -> &mut dyn Any;
}

struct TypedEntry<E> {
    routes: Vec<Route<E>>,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> Entry for TypedEntry<E> {
    fn plan(&self, incoming: &Incoming) -> Result<Plan, Poison> {
        // Decoding, upcasts and routes are the user's code; one event that it cannot bear must not stop the others.
        let planned = catch_unwind(AssertUnwindSafe(|| {
            let received = Received { event: incoming.decode::<E>()?, meta: incoming.meta.clone() };
            let mut plan = Plan::default();
            self.routes.iter().try_for_each(|route| route.apply(&received, &mut plan))?;
            Ok(plan)
        }));
        planned.unwrap_or_else(|panic| {
            Err(Poison::RoutePanicked {
                event_type: incoming.meta.event_type.clone(),
                message: panic_message(panic.as_ref()),
            })
        })
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// Every event type that is known, with what to do about it.
#[derive(Default)]
pub struct Routes {
    entries: HashMap<&'static str, Box<dyn Entry>>,
    topics: BTreeSet<&'static str>,
    jobs: BTreeMap<&'static str, &'static str>,
}

impl Routes {
    /// Makes an event type known. Without a route it comes to nothing, and is no poison.
    pub fn know<E: Event>(&mut self) {
        self.topics.insert(E::TOPIC);
        let entry = || Box::new(TypedEntry::<E> { routes: Vec::new(), event: PhantomData }) as Box<dyn Entry>;
        self.entries.entry(E::TYPE).or_insert_with(entry);
    }

    /// Adds a route.
    ///
    /// # Panics
    /// If two types in the program have the same event name, which no reader of events could tell apart.
    pub fn add<E: Event>(&mut self, route: Route<E>) {
        self.know::<E>();
        self.jobs.extend(route.jobs().iter().copied());
        let entry = self.entries.get_mut(E::TYPE).and_then(|entry| entry.as_any().downcast_mut::<TypedEntry<E>>());
        let Some(entry) = entry else {
            panic!("two types are named `{}`; give one another #[event(type = …)]", E::TYPE)
        };
        entry.routes.push(route);
    }

    /// The topics that the known events come on, without the prefix.
    pub fn topics(&self) -> impl Iterator<Item = &'static str> {
        self.topics.iter().copied()
    }

    /// Kinds of the jobs that routes make or cancel, each with its queue.
    pub fn jobs(&self) -> impl Iterator<Item = (&'static str, &'static str)> {
        self.jobs.iter().map(|(kind, queue)| (*kind, *queue))
    }

    /// The queues that routes fill.
    pub fn queues(&self) -> BTreeSet<&'static str> {
        self.jobs.values().copied().collect()
    }

    /// What a record of the topic named `topic` (without the prefix) comes to. `Ok(None)` is a tombstone.
    ///
    /// A pure function: the same record gives the same jobs with the same ids.
    pub fn plan(&self, record: &Record, topic: &str) -> Result<Option<Plan>, Poison> {
        let Some(incoming) = Incoming::read(record, topic)? else { return Ok(None) };
        let meta = &incoming.meta;
        let unknown = || DecodeError::UnknownType(meta.event_type.clone());
        let entry = self.entries.get(meta.event_type.as_str()).ok_or_else(unknown)?;
        let origin = Origin {
            event_id: meta.id.clone(),
            event_source: meta.source.clone(),
            event_type: meta.event_type.clone(),
            correlation_id: meta.correlation_id.clone(),
            traceparent: meta.trace.map(|trace| trace.to_string()),
            record: format!("{}/{}/{}", record.topic, record.partition, record.offset),
        };
        let mut plan = entry.plan(&incoming)?;
        let mut nth: HashMap<String, usize> = HashMap::new();
        let named = plan.jobs.into_iter().map(|job| {
            let nth = nth.entry(job.kind.clone()).or_default();
            let id = job_id(&origin, &job.kind, *nth);
            *nth += 1;
            job.caused_by(id, origin.clone())
        });
        plan.jobs = named.collect();
        Ok(Some(plan))
    }

    /// Refuses jobs that nobody handles: gives the kinds that `handled` does not know.
    pub fn unhandled(&self, handled: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
        self.jobs().filter(|(kind, _)| !handled(kind)).collect()
    }
}

/// The id of the `nth` job of a kind that an event comes to. Routes may be added and reordered; only the order
/// of jobs of one kind within an event matters.
fn job_id(origin: &Origin, kind: &str, nth: usize) -> String {
    // Lengths keep ("a", "bc") and ("ab", "c") apart.
    let (source, id) = (&origin.event_source, &origin.event_id);
    let name = format!("{}:{source}{}:{id}{}:{kind}{nth}", source.len(), id.len(), kind.len());
    Uuid::new_v5(&JOB_IDS, name.as_bytes()).to_string()
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().map(str::to_owned);
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

impl From<QueueError> for Poison {
    fn from(error: QueueError) -> Self {
        Self::Job(error)
    }
}

#[cfg(test)]
#[path = "routes_tests.rs"]
mod tests;
