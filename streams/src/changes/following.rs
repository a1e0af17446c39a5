//! The stage that follows a table.

use std::time::{Duration, Instant};

use chrono::{DateTime, Utc};
use futures::future::try_join_all;
use millgate_events::{DeadLetter, Holding, OutboxError, Record};
use serde::de::DeserializeOwned;
use serde_json::Value;
use sqlx::PgConnection;
use tracing::warn;

use super::{
    Change, ChangeCounts, Changes, Op, Publisher, RowKey, Source,
    envelope::{self, Envelope, Row, Told},
    ledger::{self, Known, Ledger},
    outcome::Outcome,
    unavailable::is_unavailable,
    version::Version,
};
use crate::{Resources, Stage, StageError};

/// How often rows that are gone for long are forgotten, by each partition.
const TIDY_EVERY: Duration = Duration::from_mins(10);

/// Changes, on their way to what is to come of them.
pub(super) struct Following<T> {
    stream: String,
    group: String,
    changes: Changes<T>,
    resources: Resources,
}

/// A record that is no change of this table, and why.
struct PutAside<'a> {
    record: &'a Record,
    code: &'static str,
    message: String,
}

/// What a batch is put together in.
struct Batch<'a, T> {
    ledger: Ledger<'a>,
    outcome: Outcome<T>,
    put_aside: Vec<PutAside<'a>>,
    counts: ChangeCounts,
}

impl<T> Following<T> {
    pub(super) fn new(stream: &str, changes: Changes<T>, resources: &Resources) -> Self {
        let group = format!("{}.{stream}", resources.consumer_group);
        Self { stream: stream.to_owned(), group, changes, resources: resources.clone() }
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Stage for Following<T> {
    /// When rows were last forgotten.
    type State = Option<Instant>;

    async fn open(&self, _: &Holding, _: &mut PgConnection) -> Result<Self::State, StageError> {
        Ok(None)
    }

    async fn take(
        &self,
        tidied: &mut Self::State,
        records: &[Record],
        database: &mut PgConnection,
    ) -> Result<(), StageError> {
        let mut batch = Batch {
            ledger: Ledger::blank(&self.stream),
            outcome: Outcome::default(),
            put_aside: Vec::new(),
            counts: ChangeCounts::default(),
        };
        let told = batch.read(records);
        if self.changes.keeps_account() {
            let truncates = told.iter().any(|(_, told)| told.op == Op::Truncate);
            batch.ledger.lock(truncates, database).await?;
            self.read_ledger(&mut batch, &told, database).await?;
        }
        for (number, (record, envelope)) in told.iter().enumerate() {
            if envelope.op == Op::Truncate {
                if self.truncate(&mut batch, record, envelope, database).await? && self.changes.keeps_account() {
                    self.read_ledger(&mut batch, &told[number..], database).await?;
                }
            } else {
                self.change(&mut batch, record, envelope);
            }
        }
        self.finish(batch, database).await?;
        if self.changes.keeps_account() && tidied.is_none_or(|before| before.elapsed() > TIDY_EVERY) {
            ledger::forget(&self.stream, self.changes.forget_after, database).await?;
            *tidied = Some(Instant::now());
        }
        Ok(())
    }
}

impl<'a, T> Batch<'a, T> {
    /// Sorts out what tells of no change.
    fn read(&mut self, records: &'a [Record]) -> Vec<(&'a Record, Box<Envelope>)> {
        let mut told = Vec::with_capacity(records.len());
        for record in records {
            match envelope::read(record) {
                Ok(Told::Change(envelope)) => told.push((record, envelope)),
                Ok(Told::Tombstone) => self.counts.tombstones += 1,
                Ok(Told::Message) => self.counts.messages += 1,
                Err(why) => self.put_aside(record, why.code(), why.to_string()),
            }
        }
        told
    }

    fn put_aside(&mut self, record: &'a Record, code: &'static str, message: String) {
        self.counts.put_aside += 1;
        self.put_aside.push(PutAside { record, code, message });
    }
}

impl<T: DeserializeOwned + Send + Sync + 'static> Following<T> {
    async fn read_ledger<'a>(
        &self,
        batch: &mut Batch<'a, T>,
        told: &[(&'a Record, Box<Envelope>)],
        database: &mut PgConnection,
    ) -> Result<(), StageError> {
        let keys = told.iter().flat_map(|(_, envelope)| envelope.key.iter().chain(&envelope.moved_from));
        let keys = keys.map(RowKey::json).collect();
        batch.ledger.read(&keys, self.changes.remembers, database).await
    }

    /// Takes the change of a row, unless it is past, or cannot be one.
    fn change<'a>(&self, batch: &mut Batch<'a, T>, record: &'a Record, envelope: &Envelope) {
        let version = Version { lsn: envelope.source.lsn, snapshot: envelope.op == Op::Read };
        let key = envelope.key.as_ref();
        if key.is_none() && self.changes.keeps_account() {
            let message = "it has no key, so its row cannot be told from others: give the table a primary key, or Debezium \
                message.key.columns";
            batch.put_aside(record, "no_key", message.to_owned());
            return;
        }
        if batch.ledger.is_past(key, version) {
            batch.counts.past += 1;
            return;
        }
        let known = key.and_then(|key| batch.ledger.get(key)).cloned();
        let mut row = envelope.after.clone();
        let told = envelope.before.as_ref().filter(|_| self.changes.full);
        let moved = envelope.moved_from.as_ref().and_then(|key| batch.ledger.get(key));
        let from = [told, remembered(known.as_ref()), moved.and_then(|moved| moved.row.as_ref())];
        let unchanged = row.as_mut().map(|row| fill(row, &from)).unwrap_or_default();
        let typed = match self.typed(record, envelope, row.as_ref(), known.as_ref(), unchanged) {
            Ok(change) => change,
            Err((code, message)) => {
                batch.put_aside(record, code, message);
                return;
            }
        };
        if let Err(error) = self.tell(batch, &typed) {
            batch.put_aside(record, "bad_event", error.to_string());
            return;
        }
        batch.counts.applied += 1;
        if let Some(key) = key.filter(|_| self.changes.keeps_account()) {
            let deleted = row.is_none();
            // Of a row that goes on under another key the long values are not sent again.
            let row = row.or_else(|| known.and_then(|known| known.row).filter(|_| envelope.moves));
            batch.ledger.note(key.clone(), Known { version, row, deleted, fresh: true });
            if self.changes.sink.is_some() {
                batch.outcome.row(key.clone(), typed);
            }
        }
    }

    /// Makes it a change of `T`; otherwise gives a word and a sentence.
    fn typed(
        &self,
        record: &Record,
        envelope: &Envelope,
        after: Option<&Row>,
        known: Option<&Known>,
        unchanged: Vec<String>,
    ) -> Result<Change<T>, (&'static str, String)> {
        if self.changes.keeps_account() && after.is_some_and(|row| row.values().any(has_zero)) {
            return Err((
                "bad_shape",
                "a text of the row has the character zero, which PostgreSQL cannot store".into(),
            ));
        }
        let after = after.map(read_row).transpose().map_err(|error| {
            if unchanged.is_empty() {
                return ("bad_shape", format!("the row is not of the expected type: {error}"));
            }
            let columns = unchanged.join(", ");
            let message = format!(
                "the row is not of the expected type: {error}; PostgreSQL did not send {columns}, which did not change: make \
                 them optional, or have the stream remember rows, or set REPLICA IDENTITY FULL on the table"
            );
            ("unavailable_value", message)
        })?;
        let before = self.before(envelope, known)?;
        Ok(Change {
            op: envelope.op,
            key: envelope.key.clone(),
            before,
            after,
            unchanged,
            source: envelope.source.clone(),
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
        })
    }

    /// The row as it was, if somebody knows.
    fn before(&self, envelope: &Envelope, known: Option<&Known>) -> Result<Option<T>, (&'static str, String)> {
        if !self.changes.full || envelope.op == Op::Read {
            return Ok(known.filter(|known| !known.deleted).and_then(|known| self.remembered(known.row.as_ref()?)));
        }
        if envelope.before.is_none() && envelope.op != Op::Create {
            let Source { schema, table, .. } = &envelope.source;
            let message =
                format!("it does not tell what the row was: ALTER TABLE {schema}.{table} REPLICA IDENTITY FULL");
            return Err(("no_before", message));
        }
        let before = envelope.before.as_ref().map(read_row).transpose();
        before.map_err(|error| ("bad_shape", format!("the row as it was is not of the expected type: {error}")))
    }

    /// A row as it was, unless its table had another shape then.
    fn remembered(&self, row: &Row) -> Option<T> {
        match read_row(row) {
            Ok(row) => Some(row),
            Err(error) => {
                warn!(stream = self.stream, %error, "a remembered row is not of the type that rows are now; its keys in caches \
                    are not known");
                None
            }
        }
    }

    /// Asks those who make something of a change.
    fn tell(&self, batch: &mut Batch<'_, T>, change: &Change<T>) -> Result<(), OutboxError> {
        self.changes.keys.iter().for_each(|keys| keys(change, &mut batch.outcome.keys));
        let publisher = Publisher { service: self.resources.producer.source(), stream: &self.stream };
        for publish in &self.changes.publish {
            publish(change, &publisher, &mut batch.outcome.events)?;
        }
        Ok(())
    }

    /// Takes what was told of before out of everything that is kept; all of that is written then. Nothing if it is past.
    async fn truncate<'a>(
        &self,
        batch: &mut Batch<'a, T>,
        record: &'a Record,
        envelope: &Envelope,
        database: &mut PgConnection,
    ) -> Result<bool, StageError> {
        let version = Version { lsn: envelope.source.lsn, snapshot: false };
        if batch.ledger.is_past(None, version) {
            batch.counts.past += 1;
            return Ok(false);
        }
        let of = |key, before| Change {
            op: Op::Truncate,
            key,
            before,
            after: None,
            unchanged: Vec::new(),
            source: envelope.source.clone(),
            topic: record.topic.clone(),
            partition: record.partition,
            offset: record.offset,
        };
        if self.changes.keeps_account() {
            self.write_rows(batch, database).await?;
            while let Some(rows) = batch.ledger.empty(version, database).await? {
                for (key, row) in &rows {
                    let before = row.as_ref().and_then(|row| self.remembered(row));
                    let change = of(Some(key.clone()), before);
                    self.changes.keys.iter().for_each(|keys| keys(&change, &mut batch.outcome.keys));
                }
                let keys: Vec<RowKey> = rows.into_iter().map(|(key, _)| key).collect();
                if let (Some(sink), false) = (&self.changes.sink, keys.is_empty()) {
                    sink.delete(&keys, database).await?;
                }
            }
            batch.ledger.truncate(version, database).await?;
        }
        self.tell(batch, &of(None, None))?;
        batch.counts.applied += 1;
        Ok(true)
    }

    async fn write_rows(&self, batch: &mut Batch<'_, T>, database: &mut PgConnection) -> Result<(), StageError> {
        batch.ledger.write(database).await?;
        match &self.changes.sink {
            Some(sink) => batch.outcome.write(sink.as_ref(), database).await,
            None => Ok(()),
        }
    }

    /// Writes everything; what is not in the transaction last, when nothing is left to fail but its commit.
    async fn finish(&self, mut batch: Batch<'_, T>, database: &mut PgConnection) -> Result<(), StageError> {
        self.write_rows(&mut batch, database).await?;
        batch.outcome.events.insert(database).await?;
        let now = now();
        for PutAside { record, code, message } in &batch.put_aside {
            let letter = DeadLetter::of_event(record, &self.group, code, message, now);
            self.resources.dead_letters.write(&letter).await?;
        }
        let (keys, cache) = (Vec::from_iter(batch.outcome.keys), &self.resources.cache);
        match self.changes.hold_off {
            _ if keys.is_empty() => {}
            Some(time) => {
                try_join_all(keys.iter().map(|key| cache.put(key, "", Some(time)))).await?;
            }
            None => {
                cache.remove(&keys).await?;
            }
        }
        self.changes.stats.count(batch.counts);
        Ok(())
    }
}

#[expect(clippy::disallowed_methods, reason = "a record is put aside when that is done")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn read_row<T: DeserializeOwned>(row: &Row) -> Result<T, serde_json::Error> {
    T::deserialize(Value::Object(row.clone()))
}

fn remembered(known: Option<&Known>) -> Option<&Row> {
    known.filter(|known| !known.deleted)?.row.as_ref()
}

/// Puts in what PostgreSQL did not send: from the row as it was, told if that is to be believed, or known, also under another key.
/// Gives the columns that nobody knows, which are taken out.
fn fill(row: &mut Row, before: &[Option<&Row>]) -> Vec<String> {
    let absent: Vec<String> =
        row.iter().filter(|(_, value)| is_unavailable(value)).map(|(column, _)| column.clone()).collect();
    let mut unchanged = Vec::new();
    for column in absent {
        let value = before.iter().flatten().find_map(|row| row.get(&column).filter(|value| !is_unavailable(value)));
        if let Some(value) = value.cloned() {
            row.insert(column, value);
        } else {
            row.remove(&column);
            unchanged.push(column);
        }
    }
    unchanged
}

fn has_zero(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_zero),
        Value::Object(fields) => fields.values().any(has_zero),
        _ => false,
    }
}
