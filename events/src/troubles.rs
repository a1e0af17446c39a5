//! What keeps partitions waiting now, for those who look.

use std::{
    collections::BTreeMap,
    fmt::Display,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use crate::{Holding, Holdings};

/// A partition that waits, and why.
#[derive(Debug, Clone)]
pub struct Waiting {
    /// Its topic, as Kafka names it.
    pub topic: Arc<str>,
    /// Its number.
    pub partition: i32,
    /// Since when.
    pub since: Instant,
    /// What keeps it waiting, and what to do about it.
    pub text: String,
}

/// What keeps a consumer's partitions waiting, at any time. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Troubles {
    /// By topic, partition, and where its records are to go.
    now: Arc<Mutex<BTreeMap<Name, (Instant, String)>>>,
    holdings: Holdings,
}

type Name = (Arc<str>, i32, String);

impl Troubles {
    /// Of the partitions that are a consumer's own.
    pub fn new(holdings: Holdings) -> Self {
        Self { now: Arc::default(), holdings }
    }

    /// Those of this moment, the oldest first.
    pub fn list(&self) -> Vec<Waiting> {
        let ours: Vec<Holding> = self.holdings.list();
        let is_ours = |topic: &Arc<str>, partition: i32| {
            ours.iter().any(|holding| holding.topic() == topic && holding.partition() == partition)
        };
        let mut now = self.now();
        // A partition that was taken away is another's to speak of.
        now.retain(|(topic, partition, _), _| is_ours(topic, *partition));
        let waiting = now.iter().map(|((topic, partition, _), (since, text))| Waiting {
            topic: topic.clone(),
            partition: *partition,
            since: *since,
            text: text.clone(),
        });
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort_by_key(|waiting| waiting.since);
        waiting
    }

    /// A place to say what keeps a partition's records from going to `target`.
    pub fn of<'a>(&'a self, holding: &Holding, target: &str) -> Spot<'a> {
        let name = (holding.topic().clone(), holding.partition(), target.to_owned());
        Spot { troubles: self, name }
    }

    fn now(&self) -> MutexGuard<'_, BTreeMap<Name, (Instant, String)>> {
        // Every change is complete before anything can panic.
        self.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What may keep one partition waiting for one target.
#[derive(Debug)]
pub struct Spot<'a> {
    troubles: &'a Troubles,
    name: Name,
}

impl Spot<'_> {
    /// It waits, for this. Since when it does stays, whatever more is said.
    pub fn waits(&self, text: impl Display) {
        let mut now = self.troubles.now();
        let entry = now.entry(self.name.clone()).or_insert_with(|| (Instant::now(), String::new()));
        entry.1 = text.to_string();
    }

    /// It goes on.
    pub fn goes_on(&self) {
        self.troubles.now().remove(&self.name);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_ours_is_not_told() {
        let troubles = Troubles::new(Holdings::default());
        let name = (Arc::from("order.created"), 3, "email".to_owned());
        let spot = Spot { troubles: &troubles, name };
        spot.waits("no memory");
        let since = troubles.now().values().next().unwrap().0;
        spot.waits("no answer");
        assert_eq!(troubles.now().values().next().unwrap(), &(since, "no answer".to_owned()));
        assert!(troubles.list().is_empty(), "it was taken away");
        spot.waits("no answer");
        spot.goes_on();
        assert!(troubles.now().is_empty());
    }
}
