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
    /// Where it lay, and with which headers: as a replay into a file writes it.
    pub record: Option<LineRecord>,
}

/// The record that an event was read from.
#[derive(Deserialize)]
pub struct LineRecord {
    /// Names and values: a text, `{"hex": …}` or nothing.
    #[serde(default)]
    pub headers: Vec<(String, Option<HeaderValue>)>,
}

/// A header's value.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum HeaderValue {
    /// As it is.
    Text(String),
    /// What is no text.
    Bytes {
        /// Two digits a byte.
        hex: String,
    },
}

impl HeaderValue {
    fn bytes(self) -> Option<Vec<u8>> {
        match self {
            Self::Text(text) => Some(text.into_bytes()),
            Self::Bytes { hex } => {
                let digits = hex.as_bytes().chunks(2);
                digits.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
            }
        }
    }
}

impl EventLine {
    /// The event as a record: with this key, of this version, published on this topic; by `source`, if it does not say by
    /// whom.
    pub fn record(self, topic: &str, version: u32, key: String, source: &str) -> Result<OutRecord, serde_json::Error> {
        let id = self.id.unwrap_or_else(|| uuid::Uuid::now_v7().to_string());
        let headers = self.record.as_ref().map(|record| record.headers.as_slice()).unwrap_or_default();
        let trace = headers.iter().find_map(|(name, value)| match value {
            Some(HeaderValue::Text(text)) if name == "traceparent" => TraceParent::parse(text),
            _ => None,
        });
        let meta = EventMeta {
            source: self.source.unwrap_or_else(|| source.to_owned()),
            event_type: self.event_type,
            version,
            time: self.time.unwrap_or_else(now),
            subject: Some(key.clone()),
            correlation_id: self.correlation_id.unwrap_or_else(|| id.clone()),
            causation_id: None,
            trace: trace.or_else(TraceParent::fresh),
            trace_state: None,
            baggage: None,
            id,
        };
        let mut headers = meta.to_headers("application/json");
        // What the event does not say itself: the trace, what caused it, and headers of others.
        let own: Vec<String> = headers.iter().map(|(name, _)| name.to_owned()).collect();
        for (name, value) in self.record.map(|record| record.headers).unwrap_or_default() {
            if !own.contains(&name) {
                headers.push_raw(name, value.and_then(HeaderValue::bytes).map(Into::into));
            }
        }
        Ok(OutRecord {
            topic: topic.to_owned(),
            key: Some(key.into()),
            value: Some(serde_json::to_vec(&self.data)?.into()),
            headers,
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "an event that is not given a time happens now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
