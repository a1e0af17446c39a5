//! Events that are written in the transaction that they tell of, and published once it has committed.

mod batch;
mod config;
mod error;
mod relay;
mod row;
mod store;
mod table;

use std::sync::Arc;

use serde_json::{Map, Value};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::{Event, EventMeta, KafkaError, producer::now};

pub use config::RelayConfig;
pub use error::OutboxError;
pub use relay::{Relay, RelayStats};
pub use store::{Backlog, OutboxStore, StuckCounts, StuckKey};

/// Takes events into the table `outbox`, from which `millgate relay` publishes them. Cheap to clone.
///
/// What is appended in a transaction is published if it commits, and is gone if it does not.
#[derive(Debug, Clone)]
pub struct Outbox {
    source: Arc<str>,
}

impl Outbox {
    /// For the service named `source`.
    pub fn new(source: &str) -> Self {
        Self { source: source.into() }
    }

    /// Attributes for a new event that happens now.
    pub fn meta<E: Event>(&self) -> EventMeta {
        EventMeta::new::<E>(&self.source, now())
    }

    /// The service, which is the `source` of its events.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// Attributes for a new event that happens now, of a type that is not known when the program is built.
    pub fn meta_named(&self, event_type: &str) -> EventMeta {
        let id = Uuid::now_v7().to_string();
        EventMeta {
            correlation_id: id.clone(),
            id,
            source: self.source.to_string(),
            event_type: event_type.to_owned(),
            version: 1,
            time: now(),
            subject: None,
            causation_id: None,
            trace: crate::TraceParent::fresh(),
            trace_state: None,
            baggage: None,
        }
    }

    /// Appends events of types that are not known when the program is built, in their order.
    pub async fn append_named(
        &self,
        database: &mut PgConnection,
        events: Vec<(NamedEvent<'_>, EventMeta)>,
    ) -> Result<(), OutboxError> {
        if events.is_empty() {
            return Ok(());
        }
        let mut rows = Rows::default();
        for (event, meta) in events {
            rows.push_row(event, meta);
        }
        rows.insert(database).await
    }

    /// Appends an event: `outbox.append(&mut transaction, &event)`.
    pub async fn append<E: Event>(&self, database: &mut PgConnection, event: &E) -> Result<(), OutboxError> {
        self.append_as(database, event, self.meta::<E>()).await
    }

    /// The same, with attributes of the caller's choice.
    pub async fn append_as<E: Event>(
        &self,
        database: &mut PgConnection,
        event: &E,
        meta: EventMeta,
    ) -> Result<(), OutboxError> {
        let mut rows = Rows::default();
        rows.push(event, meta)?;
        rows.insert(database).await
    }

    /// Appends many in one statement, in their order.
    pub async fn append_all<E: Event>(&self, database: &mut PgConnection, events: &[E]) -> Result<(), OutboxError> {
        let mut rows = Rows::default();
        events.iter().try_for_each(|event| rows.push(event, self.meta::<E>()))?;
        rows.insert(database).await
    }
}

/// An event without a type of its own in the program.
#[derive(Debug, Clone)]
pub struct NamedEvent<'a> {
    /// Its topic, without the prefix.
    pub topic: &'a str,
    /// The entity it is about, which orders it.
    pub key: &'a str,
    /// Its payload, as JSON.
    pub payload: String,
}

/// New rows, column by column.
#[derive(Default)]
struct Rows {
    ids: Vec<Uuid>,
    aggregate_types: Vec<String>,
    types: Vec<String>,
    topics: Vec<String>,
    keys: Vec<String>,
    payloads: Vec<String>,
    headers: Vec<String>,
}

impl Rows {
    fn push<E: Event>(&mut self, event: &E, meta: EventMeta) -> Result<(), OutboxError> {
        let encode = |source| KafkaError::Encode { event_type: E::TYPE, source };
        let payload = serde_json::to_string(event).map_err(encode)?;
        self.push_row(NamedEvent { topic: E::TOPIC, key: &event.key(), payload }, meta);
        Ok(())
    }

    fn push_row(&mut self, event: NamedEvent<'_>, mut meta: EventMeta) {
        meta.subject.get_or_insert_with(|| event.key.to_owned());
        let headers = headers(&meta);
        // An id of the caller's own may be any text; the header has it as it is.
        self.ids.push(meta.id.parse().unwrap_or_else(|_| Uuid::now_v7()));
        self.aggregate_types.push(meta.event_type.split('.').next().unwrap_or_default().to_owned());
        self.types.push(meta.event_type);
        self.topics.push(event.topic.to_owned());
        self.keys.push(event.key.to_owned());
        self.payloads.push(event.payload);
        self.headers.push(headers);
    }

    async fn insert(&self, database: &mut PgConnection) -> Result<(), OutboxError> {
        let insert = "INSERT INTO outbox (id, aggregatetype, aggregateid, type, topic, payload, headers) \
            SELECT id, aggregatetype, aggregateid, type, topic, payload::json, headers::json \
            FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::text[]) \
            AS new (id, aggregatetype, aggregateid, type, topic, payload, headers)";
        sqlx::query(insert)
            .bind(&self.ids)
            .bind(&self.aggregate_types)
            .bind(&self.keys)
            .bind(&self.types)
            .bind(&self.topics)
            .bind(&self.payloads)
            .bind(&self.headers)
            .execute(database)
            .await?;
        Ok(())
    }
}

/// The headers of an event's record, as the outbox has them.
pub(crate) fn headers(meta: &EventMeta) -> String {
    let headers = meta.to_headers("application/json");
    let headers: Map<String, Value> = headers
        .iter()
        .filter_map(|(name, value)| {
            Some((name.to_owned(), String::from_utf8(value?.to_vec()).unwrap_or_default().into()))
        })
        .collect();
    Value::Object(headers).to_string()
}
