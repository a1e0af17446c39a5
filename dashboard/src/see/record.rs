//! A record of Kafka, opened.

use chrono::{DateTime, Utc};
use millgate_events::{Claims, EventMeta, Incoming, Place, Record, Value, Values, readable};
use serde::Serialize;

use super::payload;

/// What may be shown of JSON, given the event's type or the job's kind.
pub type Mask<'a> = &'a (dyn Fn(&str, Value) -> Value + Send + Sync);

/// Shows everything.
pub fn unmasked(_: &str, value: Value) -> Value {
    value
}

/// A record as one looks at it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RecordView {
    /// Where it lies.
    #[serde(flatten)]
    pub place: Place,
    /// Kafka's time of it.
    pub timestamp: Option<DateTime<Utc>>,
    /// Its key.
    pub key: Option<Value>,
    /// The event's type, if it is one.
    pub event_type: Option<String>,
    /// The event's id, if it is one.
    pub event_id: Option<String>,
    /// Why it is no event that can be read.
    pub problem: Option<String>,
    /// Its headers, in order.
    pub headers: Vec<(String, Value)>,
    /// Its value: JSON where it is that, else text, else `{"hex": …}`; nothing for a tombstone.
    pub payload: Option<Value>,
    /// Bytes of the value.
    pub bytes: usize,
    /// Whether the value lay in the claim store.
    pub was_claimed: bool,
    /// The name of its value in the claim store, where it was left there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub claim: Option<String>,
}

/// A record with its value, wherever that lay.
pub(crate) struct Opened {
    pub(crate) view: RecordView,
    pub(crate) meta: Option<EventMeta>,
    pub(crate) record: Record,
}

impl Opened {
    /// Redeems a claim; one that cannot be redeemed is shown as it is, and why.
    pub(crate) async fn of(record: Record, topic_prefix: &str, values: &Values, mask: Mask<'_>) -> Self {
        let (was_claimed, mut problem, mut record) = (Claims::is_claim(&record), None, record);
        if Values::is_closed(&record) {
            match values.open(&record).await {
                Ok(Ok(whole)) => record = whole.record,
                Ok(Err(bad)) => problem = Some(bad.to_string()),
                Err(away) => problem = Some(away.to_string()),
            }
        }
        let opened = Self::read(record, topic_prefix, mask);
        let problem = problem.or(opened.view.problem);
        Self { view: RecordView { problem, was_claimed, ..opened.view }, ..opened }
    }

    /// Fetches nothing: a value in the claim store is left there.
    pub(crate) fn read(record: Record, topic_prefix: &str, mask: Mask<'_>) -> Self {
        let topic = record.topic.strip_prefix(topic_prefix).unwrap_or(&record.topic).to_owned();
        let (meta, problem) = match Incoming::read(&record, &topic) {
            Ok(incoming) => (incoming.map(|incoming| EventMeta::clone(&incoming.meta)), None),
            Err(error) => (None, Some(error.to_string())),
        };
        let claim = record.headers.text("ce_dataref").filter(|_| Claims::is_claim(&record)).map(str::to_owned);
        let event_type = meta.as_ref().map_or(topic.as_str(), |meta| &meta.event_type);
        let value = record.value.as_deref().filter(|_| claim.is_none());
        let payload = value.map(|value| payload(event_type, value, mask));
        let view = RecordView {
            place: Place { topic: record.topic.to_string(), partition: record.partition, offset: record.offset },
            timestamp: record.timestamp.and_then(DateTime::from_timestamp_millis),
            key: record.key.as_deref().map(readable),
            event_type: meta.as_ref().map(|meta| meta.event_type.clone()),
            event_id: meta.as_ref().map(|meta| meta.id.clone()),
            problem,
            headers: record
                .headers
                .iter()
                .map(|(name, value)| (name.to_owned(), value.map_or(Value::Null, |value| readable(value))))
                .collect(),
            payload,
            bytes: record.value.as_deref().map_or(0, <[u8]>::len),
            was_claimed: false,
            claim,
        };
        Self { view, meta, record }
    }
}

impl RecordView {
    /// Opens a record: a value in the claim store is fetched, JSON is masked.
    pub async fn of(record: Record, topic_prefix: &str, values: &Values, mask: Mask<'_>) -> Self {
        Opened::of(record, topic_prefix, values, mask).await.view
    }
}
