//! Groups: readers of the events beside the main one, each with routes and a pace of its own.

use std::sync::Arc;

use millgate_bridge::{Route, Routes};
use millgate_dashboard::Reader;
use millgate_events::{Event, KafkaConfig};

use millgate_dashboard::EventRegistry;

/// The group that [`App::route`](crate::App::route) adds to.
pub(crate) const MAIN: &str = "main";

/// Makes an event type known to a table of routes.
pub(crate) type Know = fn(&mut Routes);

/// Makes an event type known to those who have only its name.
pub(crate) type Register = fn(&mut EventRegistry);

/// A second reader of the events, with routes of its own. Made by [`App::group`](crate::App::group).
pub struct Group {
    pub(crate) name: &'static str,
    pub(crate) routes: Routes,
    /// What makes its events known to others.
    pub(crate) events: Vec<(&'static str, Know, Register)>,
    pub(crate) publishes: bool,
}

impl Group {
    pub(crate) fn new(name: &'static str) -> Self {
        Self { name, routes: Routes::default(), events: Vec::new(), publishes: false }
    }

    /// Adds a route: when this event happens, do these jobs. Others have their own routes for it.
    #[must_use]
    pub fn route<E: Event>(mut self, route: Route<E>) -> Self {
        self.events.push((E::TOPIC, Routes::know::<E>, EventRegistry::add::<E>));
        self.publishes |= route.publishes();
        self.routes.add(route);
        self
    }

    /// Makes known what else comes on its topics: events that only others have routes for are no poison here.
    pub(crate) fn know(&mut self, events: &[(&'static str, Know)]) {
        let topics: Vec<&str> = self.routes.topics().collect();
        for (_, know) in events.iter().filter(|(topic, _)| topics.contains(topic)) {
            know(&mut self.routes);
        }
    }
}

/// The main group, as bridges run it.
pub(crate) fn main(routes: Arc<Routes>, kafka: &KafkaConfig) -> Reader {
    Reader { name: MAIN, routes, kafka: kafka.clone() }
}

/// The same of another group.
pub(crate) fn reader(group: Group, kafka: &KafkaConfig) -> Reader {
    let consumer_group = format!("{}.{}", kafka.consumer_group, group.name);
    let kafka = KafkaConfig { consumer_group, ..kafka.clone() };
    Reader { name: group.name, routes: Arc::new(group.routes), kafka }
}
