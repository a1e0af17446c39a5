//! The table of all routes.

use std::{
    any::Any,
    borrow::Cow,
    collections::{BTreeSet, HashMap},
    marker::PhantomData,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{Arc, PoisonError, RwLock},
};

use millgate_events::{DecodeError, Event, Incoming, Record};
use millgate_jobs::{NewJob, Origin, QueueError};
use uuid::Uuid;

use crate::{DeclaredRoute, Outline, Plan, Poison, Received, Route};

/// Ids of jobs are version 5 UUIDs under this one, so that the same event gives the same ids, always.
const JOB_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_6a6f_6200_0001);

/// Declared routes, by the type of their events.
type Declared = HashMap<String, Vec<DeclaredRoute>>;

/// One event type's decoding and routes, whatever the type.
trait Entry: Send + Sync {
    /// What an event comes to, and the identities of those jobs that come from declared routes, which are the last ones.
    fn plan(&self, incoming: &Incoming, declared: &[DeclaredRoute]) -> Result<(Plan, Vec<Uuid>), Poison>;
    fn version(&self) -> u32;
    fn as_any(&mut self) -> &mut dyn Any;
}

struct TypedEntry<E> {
    routes: Vec<Route<E>>,
    event: PhantomData<fn() -> E>,
}

impl<E: Event> TypedEntry<E> {
    fn apply(&self, incoming: &Incoming, declared: &[DeclaredRoute]) -> Result<(Plan, Vec<Uuid>), Poison> {
        let received = Received { event: incoming.decode::<E>()?, meta: incoming.meta.clone() };
        let (mut plan, mut identities) = (Plan::default(), Vec::new());
        self.routes.iter().try_for_each(|route| route.apply(&received, &mut plan))?;
        if !declared.is_empty() {
            let (meta, data) = (&incoming.meta, incoming.lift::<E>()?);
            for route in declared.iter().filter(|route| route.applies(meta, &data)) {
                identities.extend(route.apply(meta, &data, &mut plan)?);
            }
        }
        Ok((plan, identities))
    }
}

impl<E: Event> Entry for TypedEntry<E> {
    fn plan(&self, incoming: &Incoming, declared: &[DeclaredRoute]) -> Result<(Plan, Vec<Uuid>), Poison> {
        // Decoding, upcasts and routes are the user's code; one event that it cannot bear must not stop the others.
        catch_unwind(AssertUnwindSafe(|| self.apply(incoming, declared))).unwrap_or_else(|panic| {
            Err(Poison::RoutePanicked {
                event_type: incoming.meta.event_type.clone(),
                message: panic_message(panic.as_ref()),
            })
        })
    }

    fn version(&self) -> u32 {
        E::VERSION
    }

    fn as_any(&mut self) -> &mut dyn Any {
        self
    }
}

/// An event that comes to nothing here, whatever is in it.
struct Untyped;

impl Entry for Untyped {
    fn plan(&self, incoming: &Incoming, declared: &[DeclaredRoute]) -> Result<(Plan, Vec<Uuid>), Poison> {
        let (mut plan, mut identities) = (Plan::default(), Vec::new());
        if !declared.is_empty() {
            let data = incoming.data()?;
            for route in declared.iter().filter(|route| route.applies(&incoming.meta, &data)) {
                identities.extend(route.apply(&incoming.meta, &data, &mut plan)?);
            }
        }
        Ok((plan, identities))
    }

    fn version(&self) -> u32 {
        1
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
    outlines: Vec<Outline>,
    declared: RwLock<Arc<Declared>>,
}

/// All routes as they are at one moment: those that are declared may change at any.
pub struct RouteTable<'a> {
    routes: &'a Routes,
    declared: Arc<Declared>,
}

impl Routes {
    /// Makes an event type known. Without a route it comes to nothing, and is no poison.
    pub fn know<E: Event>(&mut self) {
        self.topics.insert(E::TOPIC);
        let entry = || Box::new(TypedEntry::<E> { routes: Vec::new(), event: PhantomData }) as Box<dyn Entry>;
        let known = self.entries.entry(E::TYPE).or_insert_with(entry);
        // What was known by its name only is known better.
        if known.as_any().is::<Untyped>() {
            *known = entry();
        }
    }

    /// The same of a type that is known by its name only, whatever its payload. Names last as long as the program, as
    /// those of types do.
    pub fn know_named(&mut self, topic: &str, event_type: &str) {
        let lasting = |name: &str| -> &'static str { Box::leak(name.to_owned().into_boxed_str()) };
        if !self.topics.contains(topic) {
            self.topics.insert(lasting(topic));
        }
        if !self.entries.contains_key(event_type) {
            self.entries.insert(lasting(event_type), Box::new(Untyped));
        }
    }

    /// Adds a route.
    ///
    /// # Panics
    /// If two types in the program have the same event name, which no reader of events could tell apart.
    pub fn add<E: Event>(&mut self, route: Route<E>) {
        self.know::<E>();
        route.known().iter().for_each(|know| know(self));
        self.outlines.extend(route.outlines().iter().cloned());
        let entry = self.entries.get_mut(E::TYPE).and_then(|entry| entry.as_any().downcast_mut::<TypedEntry<E>>());
        let Some(entry) = entry else {
            panic!("two types are named `{}`; give one another #[event(type = …)]", E::TYPE)
        };
        entry.routes.push(route);
    }

    /// Puts these in the place of the declared routes that there were. What is being planned goes on with those.
    pub fn declare(&self, routes: Vec<DeclaredRoute>) {
        let mut declared = Declared::new();
        for route in routes {
            declared.entry(route.event_type.clone()).or_default().push(route);
        }
        *self.declared.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(declared);
    }

    /// All routes as they are now.
    pub fn table(&self) -> RouteTable<'_> {
        let declared = self.declared.read().unwrap_or_else(PoisonError::into_inner).clone();
        RouteTable { routes: self, declared }
    }

    /// The newest version of an event type, if it is known.
    pub fn version(&self, event_type: &str) -> Option<u32> {
        self.entries.get(event_type).map(|entry| entry.version())
    }

    /// Event types that are known, in order.
    pub fn event_types(&self) -> Vec<&'static str> {
        let mut types: Vec<_> = self.entries.keys().copied().collect();
        types.sort_unstable();
        types
    }

    /// The topics that the known events come on, without the prefix.
    pub fn topics(&self) -> impl Iterator<Item = &'static str> {
        self.topics.iter().copied()
    }

    /// What routes of the code may come to.
    fn jobs(&self) -> impl Iterator<Item = (&str, &str)> {
        self.outlines.iter().map(|outline| (outline.kind.as_str(), outline.queue.as_str()))
    }

    /// The queues that routes fill, as they are now.
    pub fn queues(&self) -> BTreeSet<String> {
        self.table().outlines().into_iter().map(|outline| outline.queue).collect()
    }

    /// What a record comes to with the routes as they are now: see [`RouteTable::plan`].
    pub fn plan(&self, record: &Record, topic: &str) -> Result<Option<Plan>, Poison> {
        self.table().plan(record, topic)
    }

    /// Refuses jobs of routes in the code that nobody handles: gives the kinds that `handled` does not know, each with
    /// its queue.
    pub fn unhandled(&self, handled: impl Fn(&str) -> bool) -> Vec<(&str, &str)> {
        let mut unhandled: Vec<_> = self.jobs().filter(|(kind, _)| !handled(kind)).collect();
        unhandled.sort_unstable();
        unhandled.dedup();
        unhandled
    }
}

impl RouteTable<'_> {
    /// What all routes may come to, by event type; those of the code come first.
    pub fn outlines(&self) -> Vec<Outline> {
        let declared = self.declared.values().flatten().map(DeclaredRoute::outline);
        let mut outlines: Vec<Outline> = self.routes.outlines.iter().cloned().chain(declared).collect();
        // Stable: what is of one event stays in the order of the code, or of the file.
        outlines.sort_by(|a, b| (&a.event, a.place.is_some()).cmp(&(&b.event, b.place.is_some())));
        outlines
    }

    /// What a record of the topic named `topic` (without the prefix) comes to. `Ok(None)` is a tombstone.
    ///
    /// A pure function: the same record gives the same jobs with the same ids.
    pub fn plan(&self, record: &Record, topic: &str) -> Result<Option<Plan>, Poison> {
        let Some(incoming) = Incoming::read(record, topic)? else { return Ok(None) };
        let meta = &incoming.meta;
        let unknown = || DecodeError::UnknownType(meta.event_type.clone());
        let entry = self.routes.entries.get(meta.event_type.as_str()).ok_or_else(unknown)?;
        let declared = self.declared.get(&meta.event_type).map_or(&[][..], Vec::as_slice);
        let (mut plan, identities) = entry.plan(&incoming, declared)?;
        if plan.jobs.is_empty() {
            return Ok(Some(plan));
        }
        let meta = Arc::unwrap_or_clone(incoming.meta);
        let origin = Origin {
            event_id: meta.id,
            event_source: meta.source,
            event_type: meta.event_type,
            correlation_id: meta.correlation_id,
            traceparent: meta.trace.map(|trace| trace.to_string()),
            tracestate: meta.trace_state,
            baggage: meta.baggage,
            record: format!("{}/{}/{}", record.topic, record.partition, record.offset),
        };
        let names = names(&plan.jobs, &identities);
        let ids: Vec<_> = names.iter().map(|(name, nth)| job_id(&origin, name, *nth)).collect();
        // The last one needs no copy.
        let origins = std::iter::repeat_n(Box::new(origin), ids.len());
        let named = plan.jobs.into_iter().zip(ids.into_iter().zip(origins));
        plan.jobs = named.map(|(job, (id, origin))| job.caused_by(id, origin)).collect();
        Ok(Some(plan))
    }
}

/// What tells an event's jobs apart: a name, and how many before it have the same. The last of the jobs come from
/// declared routes, which have these identities: such a job is named by what its route says rather than by its place
/// among others, since routes come and go while the program runs, and an event that comes again must not take one's job
/// for another's.
fn names<'a>(jobs: &'a [NewJob], identities: &[Uuid]) -> Vec<(Cow<'a, str>, usize)> {
    let typed = jobs.len() - identities.len();
    let mut names: Vec<(Cow<'a, str>, usize)> = Vec::with_capacity(jobs.len());
    for (place, job) in jobs.iter().enumerate() {
        let identity = place.checked_sub(typed).map(|place| identities[place]);
        let name = match identity {
            None => Cow::Borrowed(job.kind.as_str()),
            Some(identity) => Cow::Owned(format!("{} {identity}", job.kind)),
        };
        let nth = names.iter().filter(|(other, _)| *other == name).count();
        names.push((name, nth));
    }
    names
}

/// The id of the `nth` job of a kind that an event comes to. Routes may be added and reordered; only the order
/// of jobs of one kind within an event matters, and for declared routes not even that.
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
