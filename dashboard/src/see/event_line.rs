//! Events as people write them: `{"type": "order.created", "data": {…}}`.

use chrono::{DateTime, Utc};
use millgate_events::{EventMeta, OutRecord, TraceParent, Value};
use serde::Deserialize;

/// One event. What may be left out has a value of its own then.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EventLine {
    /// Its type.
    #[serde(rename = "type")]
    pub event_type: String,
    /// Its payload.
    pub data: Value,
    /// Its id; a new one if none is given.
    pub id: Option<String>,
    /// Who published it.
    pub source: Option<String>,
    /// When it happened; now if it does not say.
    pub time: Option<DateTime<Utc>>,
    /// The version of its payload.
    pub version: Option<u32>,
    /// What set it off.
    pub correlation_id: Option<String>,
    /// Its key.
    pub key: Option<String>,
}

impl EventLine {
    /// The event as a record: with this key, of this version, published on this topic; by `source`, if it does not say by
    /// whom.
    pub fn record(self, topic: &str, version: u32, key: String, source: &str) -> Result<OutRecord, serde_json::Error> {
        let id = self.id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let meta = EventMeta {
            source: self.source.unwrap_or_else(|| source.to_owned()),
            event_type: self.event_type,
            version,
            time: self.time.unwrap_or_else(now),
            subject: Some(key.clone()),
            correlation_id: self.correlation_id.unwrap_or_else(|| id.clone()),
            causation_id: None,
            trace: TraceParent::fresh(),
            trace_state: None,
            baggage: None,
            id,
        };
        Ok(OutRecord {
            topic: topic.to_owned(),
            key: Some(key.into()),
            value: Some(serde_json::to_vec(&self.data)?.into()),
            headers: meta.to_headers("application/json"),
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "an event that is not given a time happens now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
