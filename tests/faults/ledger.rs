//! What was published, and what was done: written down as it happens, and compared at the end.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard},
};

/// The kinds of jobs that an order comes to.
pub(crate) const KINDS: [&str; 3] = ["update-inventory", "send-confirmation-email", "reminder-email"];

#[derive(Debug, Default)]
struct Entries {
    published: BTreeSet<String>,
    /// Nobody knows whether Kafka has them.
    uncertain: BTreeSet<String>,
    /// How often each kind was done for each order.
    runs: BTreeMap<(&'static str, String), usize>,
}

/// The history of a test.
#[derive(Debug, Default)]
pub(crate) struct Ledger(Mutex<Entries>);

impl Ledger {
    fn entries(&self) -> MutexGuard<'_, Entries> {
        self.0.lock().unwrap()
    }

    pub(crate) fn published(&self, order: String) {
        self.entries().published.insert(order);
    }

    pub(crate) fn uncertain(&self, order: String) {
        self.entries().uncertain.insert(order);
    }

    pub(crate) fn ran(&self, kind: &'static str, order: String) {
        *self.entries().runs.entry((kind, order)).or_default() += 1;
    }

    /// How many orders are known to be on Kafka.
    pub(crate) fn orders(&self) -> usize {
        self.entries().published.len()
    }

    /// How many runs there were of a kind.
    pub(crate) fn runs(&self, kind: &str) -> usize {
        self.entries().runs.iter().filter(|((its, _), _)| *its == kind).map(|(_, runs)| runs).sum()
    }

    /// Every order was done; gives how many runs there were more than one for each. Orders of which nobody knows
    /// whether they were published are done wholly or not at all.
    pub(crate) fn check(&self) -> usize {
        let entries = self.entries();
        let runs =
            |kind: &'static str, order: &String| entries.runs.get(&(kind, order.clone())).copied().unwrap_or_default();
        let mut again = 0;
        for order in &entries.published {
            for kind in KINDS {
                let runs = runs(kind, order);
                assert!(runs > 0, "{kind} of {order} is lost");
                again += runs - 1;
            }
        }
        for order in &entries.uncertain {
            let runs = KINDS.map(|kind| runs(kind, order));
            assert!(runs.iter().all(|runs| *runs > 0) || runs == [0; 3], "{order} is done by half: {runs:?}");
            again += runs.iter().map(|runs| runs.saturating_sub(1)).sum::<usize>();
        }
        for (kind, order) in entries.runs.keys() {
            let known = entries.published.contains(order) || entries.uncertain.contains(order);
            assert!(known, "{kind} was done for {order}, which nobody published");
        }
        again
    }

    /// Orders that were published, of whatever certainty, and that have come to jobs.
    pub(crate) fn done_orders(&self) -> usize {
        let entries = self.entries();
        entries.runs.keys().map(|(_, order)| order).collect::<BTreeSet<_>>().len()
    }
}
