//! What waits in the application's tables, for Prometheus: dead letters and the outbox.

use std::{sync::atomic::AtomicU64, time::Duration};

use millgate_events::{Backlog, DeadLetterStore, LetterKind, OpenLetters, OutboxStore, StuckCounts};
use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use tokio::{sync::Mutex, time::Instant};

use super::{Whole, age};

/// Prometheus may ask as often as it likes: the database is asked once in so long.
const EVERY: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByKind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByState {
    state: &'static str,
}

type Seconds = Gauge<f64, AtomicU64>;

/// The tables, and what was last found in them.
pub(crate) struct Stored {
    letters: DeadLetterStore,
    outbox: OutboxStore,
    asked: Mutex<Option<Instant>>,
    open: Family<ByKind, Gauge>,
    open_oldest: Family<ByKind, Seconds>,
    waiting: Family<Whole, Gauge>,
    waiting_oldest: Family<Whole, Seconds>,
    stuck: Family<ByState, Gauge>,
}

impl Stored {
    /// Names what is there to be read.
    pub(crate) fn new(letters: DeadLetterStore, outbox: OutboxStore, registry: &mut Registry) -> Self {
        let stored = Self {
            letters,
            outbox,
            asked: Mutex::default(),
            open: Family::default(),
            open_oldest: Family::default(),
            waiting: Family::default(),
            waiting_oldest: Family::default(),
            stuck: Family::default(),
        };
        registry.register(
            "millgate_dead_letters",
            "Dead letters that nothing was done about: every process says the same",
            stored.open.clone(),
        );
        registry.register(
            "millgate_dead_letters_oldest_seconds",
            "How long ago the first of them died",
            stored.open_oldest.clone(),
        );
        registry.register(
            "millgate_outbox_waiting",
            "Events that are in the outbox and not yet on Kafka: every process says the same",
            stored.waiting.clone(),
        );
        registry.register(
            "millgate_outbox_oldest_seconds",
            "How long the first of them has waited",
            stored.waiting_oldest.clone(),
        );
        registry.register(
            "millgate_outbox_stuck_keys",
            "Keys whose first event Kafka refuses: it is tried again, or dead and waits for somebody's word",
            stored.stuck.clone(),
        );
        stored
    }

    /// Asks, unless that was done a moment ago. What is not known is left out: an old figure would look like a new one.
    pub(crate) async fn ask(&self, patience: Duration) {
        let mut asked = self.asked.lock().await;
        if asked.is_some_and(|asked| asked.elapsed() < EVERY) {
            return;
        }
        let letters = async { tokio::time::timeout(patience, self.letters.open()).await.ok()?.ok() };
        let outbox = async {
            let both = async { tokio::try_join!(self.outbox.backlog(), self.outbox.stuck_counts()) };
            tokio::time::timeout(patience, both).await.ok()?.ok()
        };
        let (letters, outbox) = tokio::join!(letters, outbox);
        // Whatever could not be asked is asked again the next time.
        *asked = (letters.is_some() && outbox.is_some()).then(Instant::now);
        self.set_letters(letters.as_deref());
        self.set_outbox(outbox.as_ref());
    }

    fn set_letters(&self, found: Option<&[OpenLetters]>) {
        for kind in [LetterKind::Event, LetterKind::Job] {
            let labels = ByKind { kind: kind.as_str() };
            let Some(found) = found else {
                self.open.remove(&labels);
                self.open_oldest.remove(&labels);
                continue;
            };
            let of_kind = found.iter().find(|letters| letters.kind == kind);
            self.open.get_or_create(&labels).set(of_kind.map_or(0, |letters| letters.letters));
            let oldest = of_kind.and_then(|letters| letters.oldest);
            self.open_oldest.get_or_create(&labels).set(oldest.map_or(0.0, age));
        }
    }

    fn set_outbox(&self, found: Option<&(Backlog, StuckCounts)>) {
        let state = |state| ByState { state };
        let Some((Backlog { waiting, oldest }, StuckCounts { retrying, dead })) = found else {
            self.waiting.clear();
            self.waiting_oldest.clear();
            self.stuck.clear();
            return;
        };
        self.waiting.get_or_create(&Whole {}).set(*waiting);
        self.waiting_oldest.get_or_create(&Whole {}).set(oldest.map_or(0.0, age));
        self.stuck.get_or_create(&state("retrying")).set(*retrying);
        self.stuck.get_or_create(&state("dead")).set(*dead);
    }
}
