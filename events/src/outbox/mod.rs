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
pub use store::{Backlog, OutboxStore, StuckKey};

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

    /// The same, each with attributes of the caller's choice.
    pub async fn append_all_as<E: Event>(
        &self,
        database: &mut PgConnection,
        events: impl IntoIterator<Item = (E, EventMeta)>,
    ) -> Result<(), OutboxError> {
        let mut rows = Rows::default();
        events.into_iter().try_for_each(|(event, meta)| rows.push(&event, meta))?;
        rows.insert(database).await
    }
}

/// New rows, column by column.
#[derive(Default)]
struct Rows {
    ids: Vec<Uuid>,
    aggregate_types: Vec<&'static str>,
    types: Vec<&'static str>,
    topics: Vec<&'static str>,
    keys: Vec<String>,
    payloads: Vec<String>,
    headers: Vec<String>,
}

impl Rows {
    fn push<E: Event>(&mut self, event: &E, mut meta: EventMeta) -> Result<(), OutboxError> {
        let encode = |source| KafkaError::Encode { event_type: E::TYPE, source };
        let key = event.key();
        meta.subject.get_or_insert_with(|| key.clone());
        let headers = meta.to_headers("application/json");
        let headers: Map<String, Value> = headers
            .iter()
            .filter_map(|(name, value)| {
                Some((name.to_owned(), String::from_utf8(value?.to_vec()).unwrap_or_default().into()))
            })
            .collect();
        // An id of the caller's own may be any text; the header has it as it is.
        self.ids.push(meta.id.parse().unwrap_or_else(|_| Uuid::now_v7()));
        self.aggregate_types.push(E::TYPE.split('.').next().unwrap_or(E::TYPE));
        self.types.push(E::TYPE);
        self.topics.push(E::TOPIC);
        self.keys.push(key);
        self.payloads.push(serde_json::to_string(event).map_err(encode)?);
        self.headers.push(Value::Object(headers).to_string());
        Ok(())
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
