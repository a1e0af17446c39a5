//! What the changes of a batch come to.

use std::collections::{BTreeSet, HashMap};

use millgate_events::OutboxRows;
use sqlx::PgConnection;

use super::{Change, Current, RowKey, sink::Write};
use crate::StageError;

/// Gathered, to be done in a few strokes.
pub(super) struct Outcome<T> {
    /// Keys of caches.
    pub(super) keys: BTreeSet<String>,
    /// Events.
    pub(super) events: OutboxRows,
    /// How rows are in the end; `None` if they are gone.
    rows: HashMap<RowKey, Option<Change<T>>>,
}

impl<T> Default for Outcome<T> {
    fn default() -> Self {
        Self { keys: BTreeSet::new(), events: OutboxRows::default(), rows: HashMap::new() }
    }
}

impl<T> Outcome<T> {
    /// Notes how a row is from now on.
    pub(super) fn row(&mut self, key: RowKey, change: Change<T>) {
        let there = change.after.is_some().then_some(change);
        self.rows.insert(key, there);
    }

    /// Has the sink write what was noted so far.
    pub(super) async fn write(&mut self, sink: &dyn Write<T>, database: &mut PgConnection) -> Result<(), StageError> {
        let (mut gone, mut there) = (Vec::new(), Vec::new());
        for (key, change) in self.rows.drain() {
            match change {
                Some(change) => there.push((key, change)),
                None => gone.push(key),
            }
        }
        // What is deleted makes room: a name that is unique may have gone to another row.
        if !gone.is_empty() {
            sink.delete(&gone, database).await?;
        }
        let current = there.iter().filter_map(|(key, change)| {
            change.after.as_ref().map(|row| Current { key, row, unchanged: &change.unchanged })
        });
        let current: Vec<_> = current.collect();
        if current.is_empty() { Ok(()) } else { sink.upsert(&current, database).await }
    }
}
