//! Bridges, and the routes that they follow.

use millgate_bridge::{Bridge, Watermarks};
use millgate_dashboard::Reader;
use tokio_util::sync::CancellationToken;

use super::Servers;
use crate::route_file::RouteFile;

impl Servers {
    /// The bridge of a group, which joins its consumer group at once. Refuses routes to jobs that no handler of this
    /// application does: they would wait for ever.
    pub(crate) fn bridge(&self, reader: &Reader) -> anyhow::Result<Bridge> {
        let unhandled = reader.routes.unhandled(|kind| self.handlers.handles(kind));
        let kinds: Vec<String> = unhandled.iter().map(|(kind, queue)| format!("{kind} (queue {queue})")).collect();
        anyhow::ensure!(
            kinds.is_empty(),
            "routes make jobs that no handler does: {}; add App::worker(…) for each",
            kinds.join(", ")
        );
        let (routes, queues) = (reader.routes.clone(), self.queues.clone());
        let values = self.producer.values().clone();
        let letters = self.dead_letters.clone();
        let bridge = Bridge::start(&reader.kafka, &self.config.bridge, routes, queues, letters, values)?;
        Ok(bridge.with_trail(self.trail().clone()))
    }

    /// Follows the routes that the configuration file declares, until `stop` fires; at once done if there is none.
    pub(crate) fn follow_routes(&self, stop: CancellationToken) -> impl Future<Output = ()> + Send + use<> {
        let (routes, handlers) = (&self.routes, &self.handlers);
        let file = self.declared.clone();
        let file = file.map(|(path, written)| RouteFile::new(path, written, routes.clone(), handlers.clone()));
        async move {
            if let Some(file) = file {
                file.follow(stop).await;
            }
        }
    }

    /// How far each of a group's queues is.
    pub(crate) fn watermarks(&self, reader: &Reader) -> Watermarks {
        Watermarks::new(&reader.kafka, &reader.routes, self.queues.clone())
    }
}
