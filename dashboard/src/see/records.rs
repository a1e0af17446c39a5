//! Records that were read a moment ago: what lies at an offset does not change.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use millgate_events::{Place, Record};

/// So many are kept,
const MOST: usize = 500;
/// of so many bytes together.
const BYTES: usize = 16 * 1024 * 1024;

/// Records by their places, the newest last.
#[derive(Default)]
pub struct Records(Mutex<VecDeque<(Place, Record)>>);

impl Records {
    fn kept(&self) -> MutexGuard<'_, VecDeque<(Place, Record)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The record at a place, if it was read before.
    pub(super) fn get(&self, place: &Place) -> Option<Record> {
        self.kept().iter().find(|(known, _)| known == place).map(|(_, record)| record.clone())
    }

    /// Keeps it for those who look again.
    pub(super) fn put(&self, place: Place, record: Record) {
        let mut kept = self.kept();
        kept.retain(|(known, _)| *known != place);
        kept.push_back((place, record));
        while kept.len() > MOST || kept.iter().map(|(_, record)| size(record)).sum::<usize>() > BYTES {
            kept.pop_front();
        }
    }

    /// Forgets it: another one lies there.
    pub(super) fn forget(&self, place: &Place) {
        self.kept().retain(|(known, _)| known != place);
    }
}

fn size(record: &Record) -> usize {
    record.value.as_deref().map_or(0, <[u8]>::len)
}

#[cfg(test)]
mod tests {
    use millgate_events::Headers;

    use super::*;

    fn record(offset: i64, bytes: usize) -> (Place, Record) {
        let place = Place { topic: "orders".into(), partition: 0, offset };
        let record = Record {
            topic: "orders".into(),
            partition: 0,
            offset,
            timestamp: None,
            key: None,
            value: Some(vec![b'x'; bytes].into()),
            headers: Headers::default(),
        };
        (place, record)
    }

    #[test]
    fn the_oldest_go_when_there_are_too_many_or_they_are_too_large() {
        let records = Records::default();
        let put = |(place, record)| records.put(place, record);
        (0..600).for_each(|offset| put(record(offset, 10)));
        assert!(records.get(&record(99, 0).0).is_none() && records.get(&record(100, 0).0).is_some());
        put(record(1_000, BYTES));
        assert_eq!(records.kept().len(), 1);
        records.forget(&record(1_000, 0).0);
        assert!(records.get(&record(1_000, 0).0).is_none());
    }
}
