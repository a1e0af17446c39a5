//! What is shown of the application: to Prometheus, to other processes, and to operators.

use std::sync::Arc;

use millgate_bridge::BridgeStats;
use millgate_dashboard::{ProjectionSite, Site, access::Mask};
use millgate_events::{ProjectionStore, ReplayStore, TrailStore};
use tokio_util::sync::CancellationToken;

use super::Servers;
use crate::{metrics::Metrics, reporter::Reporter};

impl Servers {
    /// What this process has to say to Prometheus; of its bridges by consumer group.
    pub(crate) fn metrics(&self, roles: &[&str], bridges: Vec<(String, Arc<BridgeStats>)>) -> Metrics {
        let queues = self.queue_names().iter().map(|name| self.queues.queue(name)).collect();
        let metrics = Metrics::new(queues, bridges).in_roles(self.application, roles);
        let metrics = match (self.letters.clone(), self.outbox()) {
            (Some(letters), Some(outbox)) => metrics.with_tables(letters, outbox),
            _ => metrics,
        };
        match self.sagas() {
            Some(store) => metrics.with_sagas(self.sagas.stats(), store),
            None => metrics,
        }
    }

    /// What this process says of itself to the others.
    pub(crate) fn reporter(&self, roles: &[&str], stop: &CancellationToken) -> Reporter {
        Reporter::new(&self.queues, self.queue_names(), self.application, roles, stop)
    }

    /// What operators look at and act on.
    pub(crate) fn site(&self) -> Site {
        let kinds = self.handlers.versions().map(|(kind, version)| (kind.to_owned(), version));
        Site {
            application: self.application,
            queues: self.queues.clone(),
            queue_names: self.queue_names(),
            kinds: kinds.collect(),
            job_kinds: self.handlers.kinds().iter().map(|(kind, known)| ((*kind).to_owned(), known.clone())).collect(),
            readers: self.readers.clone(),
            streams: self.stream_readers(),
            orchestrators: self.orchestrators(),
            schedules: self.schedules(),
            events: self.events.clone(),
            letters: self.letters.clone(),
            mask: self.mask(),
            dead_letter_topics: self.dead_letter_topics.names().into_iter().map(str::to_owned).collect(),
            values: self.producer.values().clone(),
            max_payload: self.config.redis.max_payload,
            replays: self.letters.is_some().then(|| ReplayStore::new(self.database.clone())),
            projections: self.letters.is_some().then(|| ProjectionSite {
                known: self.projections.clone(),
                store: ProjectionStore::new(self.database.clone()),
                batch_size: self.config.projections.batch_size,
            }),
            dedupe_window: self.config.redis.dedupe_window,
            audit_logs: self.audit_logs(),
            trail: self.letters.is_some().then(|| TrailStore::new(self.database.clone())),
            sagas: self.sagas(),
            trail_is_kept: self.letters.is_some() && !self.config.trail.keep.is_zero(),
            ..Site::new(self.application, self.queues.clone())
        }
    }

    /// What nobody is shown, by the code and by the configuration.
    pub(crate) fn mask(&self) -> Mask {
        let mask = Mask::of(&self.config.dashboard.mask);
        let mask = self.events.iter().fold(mask, |mask, (name, event)| mask.event(name, event.sensitive));
        self.handlers.kinds().values().fold(mask, |mask, kind| mask.job(kind.name(), kind.sensitive()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use millgate_dashboard::access::HIDDEN;
    use millgate_derive::{Event, Job};
    use millgate_streams::{Resources, windows::Windows};
    use millgate_workers::{Ctx, Done, JobError};
    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use crate::{
        App,
        config::{Config, PostgresConfig},
        servers::Servers,
    };

    #[derive(Serialize, Deserialize, Event)]
    #[event(type = "card.used", key = "order")]
    struct CardUsed {
        order: u64,
        #[event(sensitive)]
        card_number: String,
    }

    #[derive(Serialize, Deserialize, Job)]
    #[job(queue = "cards")]
    struct Charge {
        card_number: String,
        #[job(sensitive)]
        pin: u16,
    }

    async fn charge(_: Charge, _: Ctx) -> Result<Done, JobError> {
        Ok(Done)
    }

    #[tokio::test]
    async fn what_is_marked_as_sensitive_is_shown_to_nobody() {
        let mut config = Config::default();
        config.dashboard.mask = vec!["holder".into()];
        let mask = Servers::new(App::new("cards").event::<CardUsed>().worker(charge), config).unwrap().site().mask;
        let mut event = json!({ "order": 7, "card_number": "4111", "pin": 1, "holder": "Ann" });
        let mut job = event.clone();
        mask.apply_to_event("card.used", &mut event);
        assert_eq!(event, json!({ "order": 7, "card_number": HIDDEN, "pin": 1, "holder": HIDDEN }));
        mask.apply_to_job("charge", Some("card.used"), &mut job);
        assert_eq!(job, json!({ "order": 7, "card_number": HIDDEN, "pin": HIDDEN, "holder": HIDDEN }));
    }

    #[tokio::test]
    async fn there_is_a_database_where_something_is_kept_in_it_or_somebody_named_one() {
        let has_one = |app, config| Servers::new(app, config).unwrap().letters.is_some();
        assert!(!has_one(App::new("cards").event::<CardUsed>().worker(charge), Config::default()));
        let uses = |resources: &Resources| {
            Windows::over::<CardUsed>("uses", resources).tumbling(Duration::from_mins(5)).count().into_table()
        };
        assert!(has_one(App::new("cards").stream(uses), Config::default()));
        assert!(has_one(App::new("cards").audit(|audit| audit), Config::default()));
        let named = PostgresConfig { url: "postgres://db/cards".into(), ..PostgresConfig::default() };
        assert!(has_one(App::new("cards"), Config { postgres: named, ..Config::default() }));
    }
}
