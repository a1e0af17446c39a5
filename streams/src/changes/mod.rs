//! Changes of a database's tables, as Debezium tells them.
//!
//! [`Changes`] follow one table: they empty caches, keep tables of one's own ([`Sink`]), and publish events. A [`Change`] is what
//! was done to a row.

mod change;
mod envelope;
mod following;
mod ledger;
mod outcome;
mod row_key;
mod sink;
mod stats;
mod unavailable;
mod version;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use chrono::DateTime;
use millgate_events::{Event, EventMeta, OutboxError, OutboxRows};
use serde::de::DeserializeOwned;
use uuid::Uuid;

pub use change::{Change, Op, Source};
pub use row_key::RowKey;
pub use sink::{Current, Sink};
pub use stats::{ChangeCounts, ChangeStats};

use crate::{Resources, Stream};
use following::Following;
use sink::Write;

/// Ids of events are version 5 UUIDs under this one.
const EVENT_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_6368_616e_0001);

/// Rows that are gone are known for so long: longer than Debezium may send again what it sent before.
const FORGET_AFTER: Duration = Duration::from_hours(7 * 24);

type Keys<T> = Box<dyn Fn(&Change<T>, &mut BTreeSet<String>) + Send + Sync>;
type Publish<T> = Box<dyn Fn(&Change<T>, &Publisher<'_>, &mut OutboxRows) -> Result<(), OutboxError> + Send + Sync>;

/// Who publishes events.
struct Publisher<'a> {
    service: &'a str,
    stream: &'a str,
}

/// What is to come of the changes of a table. `T` has its columns as fields; `serde_json::Value` takes any.
pub struct Changes<T> {
    topic: String,
    full: bool,
    remembers: bool,
    forget_after: Duration,
    hold_off: Option<Duration>,
    keys: Vec<Keys<T>>,
    sink: Option<Box<dyn Write<T>>>,
    publish: Vec<Publish<T>>,
    /// Topics of those events.
    published: Vec<&'static str>,
    stats: Arc<ChangeStats>,
}

impl<T: DeserializeOwned + Send + Sync + 'static> Changes<T> {
    /// Those on a topic of Debezium's (without `kafka.topic_prefix`), which are of one table: `dbserver1.public.users`.
    pub fn of(topic: &str) -> Self {
        Self {
            topic: topic.to_owned(),
            full: false,
            remembers: false,
            forget_after: FORGET_AFTER,
            hold_off: None,
            keys: Vec::new(),
            sink: None,
            publish: Vec::new(),
            published: Vec::new(),
            stats: Arc::default(),
        }
    }

    /// The table has `REPLICA IDENTITY FULL`, so that [`Change::before`] is what the row was.
    ///
    /// Without it PostgreSQL sends no more than the key, and Debezium makes up the rest (texts are empty, numbers 0). One cannot
    /// tell that from a row. So nothing of it is believed unless this is said.
    #[must_use]
    pub fn replica_identity_full(self) -> Self {
        Self { full: true, ..self }
    }

    /// Keeps each row as it was last in the table `change_rows`. Then [`Change::before`] is known, whatever the table's replica
    /// identity, and long values that PostgreSQL does not send again are there. It is a read model, too.
    #[must_use]
    pub fn remember_rows(self) -> Self {
        Self { remembers: true, ..self }
    }

    /// For how long the key of a row that is gone is kept, so that an older change does not bring it back; 7 days if not said.
    #[must_use]
    pub fn forget_after(self, gone_for: Duration) -> Self {
        Self { forget_after: gone_for, ..self }
    }

    /// Removes these keys from Redis whenever a row changes, as they are given: name those of the row as it was, and as it is
    /// ([`Change::rows`]).
    ///
    /// Of a truncate it is asked once for the table ([`Change::key`] is `None`) and, if the stream keeps account of rows (it
    /// has a sink, publishes, or remembers rows), for each row that was there.
    #[must_use]
    pub fn invalidate<K, I>(mut self, keys: K) -> Self
    where
        K: Fn(&Change<T>) -> I + Send + Sync + 'static,
        I: IntoIterator<Item = String>,
    {
        self.keys.push(Box::new(move |change, all| all.extend(keys(change))));
        self
    }

    /// Does not remove keys, but leaves an empty text under them for so long. Who finds that asks the database, and keeps the
    /// answer to himself; who fills a cache does it only where nothing is
    /// ([`Cache::put_new`](millgate_jobs::Cache::put_new)). So nobody fills it with what he read before the change, if he read
    /// it no longer ago than this.
    #[must_use]
    pub fn hold_off(self, time: Duration) -> Self {
        Self { hold_off: Some(time), ..self }
    }

    /// Has a table of one's own follow.
    #[must_use]
    pub fn sink(self, sink: impl Sink<T>) -> Self {
        Self { sink: Some(Box::new(sink)), ..self }
    }

    /// Publishes what this makes of each change, by the outbox. Its id follows from the change's.
    ///
    /// Events of one transaction of the source have one correlation id. Their cause is the change.
    #[must_use]
    pub fn publish<E: Event>(mut self, event: impl Fn(&Change<T>) -> Option<E> + Send + Sync + 'static) -> Self {
        let number = self.publish.len();
        self.published.push(E::TOPIC);
        self.publish.push(Box::new(move |change, publisher, rows| {
            let Some(event) = event(change) else { return Ok(()) };
            rows.push(&event, meta::<E, T>(change, publisher, number))
        }));
        self
    }

    /// Its counts, which go on while it runs.
    pub fn stats(&self) -> Arc<ChangeStats> {
        self.stats.clone()
    }

    /// The stream that does it, under a name.
    pub fn stream(self, name: &str, resources: &Resources) -> Stream {
        let (topic, stats, published) = (self.topic.clone(), self.stats.clone(), self.published.clone());
        let stream = Stream::new(name, [topic], Following::new(name, self, resources)).writes(published);
        Stream { changes: Some(stats), ..stream }
    }

    /// Whether it keeps account of rows.
    fn keeps_account(&self) -> bool {
        self.remembers || self.sink.is_some() || !self.publish.is_empty()
    }
}

fn meta<E: Event, T>(change: &Change<T>, publisher: &Publisher<'_>, number: usize) -> EventMeta {
    let name = format!("{}\n{number}\n{}\n{}", publisher.stream, E::TYPE, change.id());
    let time = change.source.committed_at.unwrap_or(DateTime::UNIX_EPOCH);
    let id = Uuid::new_v5(&EVENT_IDS, name.as_bytes()).to_string();
    let mut meta = EventMeta::new::<E>(publisher.service, time).with_id(id);
    meta.causation_id = Some(change.id());
    // The rows of a snapshot have one transaction, and nothing else in common.
    if let (Some(transaction), false) = (change.source.tx_id, change.op == Op::Read) {
        meta.correlation_id = format!("{}/{transaction}", change.source.db);
    }
    meta
}
