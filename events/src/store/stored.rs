//! An event as it is stored.

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer, ser::Error};
use serde_json::value::RawValue;
use sqlx::{FromRow, Row, postgres::PgRow};
use uuid::Uuid;

use super::{EventSet, Metadata, StoreError};

/// What is read of an event.
pub(super) const COLUMNS: &str =
    "position, stream, version, id, type, type_version, data::text AS data, metadata::text AS metadata, time";

/// An event of the store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoredEvent {
    /// Its place among all events. Later ones have higher positions; not every number has an event.
    pub position: i64,
    /// Its stream.
    pub stream: String,
    /// Its place in the stream, counted from 1 without gaps.
    pub version: i64,
    /// Its id, the same as on Kafka.
    pub id: Uuid,
    /// Its type: `account.opened`.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Version of the payload's shape.
    pub type_version: u32,
    /// When it happened.
    pub time: DateTime<Utc>,
    #[serde(serialize_with = "raw")]
    metadata: String,
    #[serde(serialize_with = "raw")]
    data: String,
}

impl StoredEvent {
    /// The payload: JSON, as it was written.
    pub fn data(&self) -> &str {
        &self.data
    }

    /// Why it happened, and through whom.
    pub fn metadata(&self) -> Metadata {
        // Written by this module; what somebody else has written there is at least no reason not to read the event.
        serde_json::from_str(&self.metadata).unwrap_or_default()
    }

    /// As an event of a type, or one of an enum of types; `None` if it is none of these.
    pub fn decode<E: EventSet>(&self) -> Result<Option<E>, StoreError> {
        E::decode(self).transpose().map_err(|source| StoreError::Decode {
            id: self.id,
            stream: self.stream.clone(),
            version: self.version,
            source,
        })
    }
}

/// The same for whom a missing payload is no error: events that were not wanted come without it.
impl FromRow<'_, PgRow> for StoredEvent {
    fn from_row(row: &PgRow) -> sqlx::Result<Self> {
        let type_version: i32 = row.try_get("type_version")?;
        Ok(Self {
            position: row.try_get("position")?,
            stream: row.try_get("stream")?,
            version: row.try_get("version")?,
            id: row.try_get("id")?,
            event_type: row.try_get("type")?,
            type_version: u32::try_from(type_version).unwrap_or_default(),
            time: row.try_get("time")?,
            metadata: row.try_get::<Option<_>, _>("metadata")?.unwrap_or_default(),
            data: row.try_get::<Option<_>, _>("data")?.unwrap_or_default(),
        })
    }
}

/// JSON within JSON, as it is.
fn raw<S: Serializer>(json: &str, serializer: S) -> Result<S::Ok, S::Error> {
    let raw: &RawValue = serde_json::from_str(json).map_err(S::Error::custom)?;
    raw.serialize(serializer)
}
