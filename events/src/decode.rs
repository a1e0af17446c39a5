//! From a record to an event: CloudEvents in binary or structured mode, or plain JSON.

use std::{borrow::Cow, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use serde_json::{Value, error::Category};

use crate::{Event, EventMeta, Record, TraceParent, registry::wire};

/// How the content type of structured mode begins.
const STRUCTURED: &str = "application/cloudevents+json";

/// Why a record cannot become the event it should be.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The value is not JSON.
    #[error("the value is not JSON: {0}")]
    NotJson(serde_json::Error),
    /// The value is in Confluent's wire format, and is read where nobody asks a schema registry.
    #[error("the value is in Confluent's wire format{}, which is not read here", of_schema(*.schema))]
    WireFormat {
        /// The id of its schema, if it has one.
        schema: Option<u32>,
    },
    /// A CloudEvents attribute that must be there is missing or unreadable.
    #[error("CloudEvents attribute {0} is missing or unreadable")]
    Attribute(&'static str),
    /// No route and no declaration knows this type.
    #[error("event type {0} is unknown here")]
    UnknownType(String),
    /// A version newer than this program.
    #[error("event {event_type} has version {version}; this program knows versions up to {known}")]
    UnknownVersion {
        /// The event's type.
        event_type: String,
        /// The version it has.
        version: u32,
        /// The newest version known.
        known: u32,
    },
    /// An older version that could not be lifted.
    #[error("event {event_type} of version {version} could not be upcast: {reason}")]
    Upcast {
        /// The event's type.
        event_type: String,
        /// The version it has.
        version: u32,
        /// What the upcast said.
        reason: String,
    },
    /// JSON of another shape than the type's.
    #[error("event {event_type} has another shape than expected: {source}")]
    Shape {
        /// The event's type.
        event_type: String,
        /// What serde said.
        source: serde_json::Error,
    },
}

impl DecodeError {
    /// A word for dashboards and headers.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotJson(_) => "not_json",
            Self::WireFormat { .. } => "wire_format",
            Self::Attribute(_) => "bad_attribute",
            Self::UnknownType(_) => "unknown_type",
            Self::UnknownVersion { .. } => "unknown_version",
            Self::Upcast { .. } => "upcast_failed",
            Self::Shape { .. } => "bad_shape",
        }
    }
}

fn of_schema(schema: Option<u32>) -> String {
    schema.map_or_else(String::new, |schema| format!(" (schema {schema})"))
}

/// A record whose attributes are read, and whose payload is to be JSON of some shape.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its attributes.
    pub meta: Arc<EventMeta>,
    payload: Payload,
}

#[derive(Debug, Clone)]
enum Payload {
    /// As it came: most events become their type without becoming a tree of values first.
    Text(Bytes),
    /// Attributes were read out of the same JSON.
    Tree(Value),
}

/// The attributes that nearly every reader needs, where they lie: a look that copies nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Glance<'a> {
    /// Its type.
    pub event_type: &'a str,
    /// Version of the payload's shape.
    pub version: u32,
    /// When it happened.
    pub time: DateTime<Utc>,
}

impl Incoming {
    /// Looks at a record of CloudEvents' binary mode, in one pass over its headers. `None`: it is in another mode, for which
    /// [`read`](Self::read) is there.
    pub fn glance(record: &Record) -> Option<Result<Glance<'_>, DecodeError>> {
        let (mut event_type, mut version, mut time, mut structured) = (None, None, None, false);
        for (name, value) in record.headers.iter() {
            let text = || std::str::from_utf8(value?).ok();
            match name {
                "ce_type" => event_type = text(),
                "ce_dataversion" => version = text(),
                "ce_time" => time = text(),
                "content-type" => structured = text().is_some_and(|text| text.starts_with(STRUCTURED)),
                _ => {}
            }
        }
        let event_type = event_type.filter(|name| !name.is_empty() && !structured)?;
        let version = match version.map(str::parse) {
            None => 1,
            Some(Ok(version)) => version,
            Some(Err(_)) => return Some(Err(DecodeError::Attribute("ce_dataversion"))),
        };
        let time = match time.map(parse_time) {
            None => record_time(record),
            Some(Some(time)) => time,
            Some(None) => return Some(Err(DecodeError::Attribute("ce_time"))),
        };
        Some(Ok(Glance { event_type, version, time }))
    }

    /// Reads a record of the topic that is named `topic` (without the prefix).
    ///
    /// `Ok(None)` is a tombstone: a key whose value was deleted, and no event.
    pub fn read(record: &Record, topic: &str) -> Result<Option<Self>, DecodeError> {
        let Some(value) = &record.value else { return Ok(None) };
        let tree = || serde_json::from_slice::<Value>(value).map_err(DecodeError::NotJson);
        let content_type = record.headers.text("content-type").unwrap_or_default();
        let (meta, payload) = if content_type.starts_with(STRUCTURED) {
            let (meta, data) = structured(record, tree()?)?;
            (meta, Payload::Tree(data))
        } else if record.headers.text("ce_specversion").is_some() || record.headers.text("ce_type").is_some() {
            (binary(record)?, Payload::Text(value.clone()))
        } else if wire::is_wire(value) {
            // What its headers say is known without its schema.
            let (meta, _) = plain(record, Value::Null, topic)?;
            (meta, Payload::Text(value.clone()))
        } else {
            let (meta, data) = plain(record, tree()?, topic)?;
            (meta, Payload::Tree(data))
        };
        Ok(Some(Self { meta: Arc::new(meta), payload }))
    }

    /// A payload that came by another way than a record.
    pub fn new(meta: EventMeta, data: Value) -> Self {
        Self { meta: Arc::new(meta), payload: Payload::Tree(data) }
    }

    /// The event, lifted to the version that this program knows.
    pub fn decode<E: Event>(&self) -> Result<E, DecodeError> {
        let shape = |source| DecodeError::Shape { event_type: self.meta.event_type.clone(), source };
        match &self.payload {
            Payload::Text(text) if self.meta.version == E::VERSION => {
                serde_json::from_slice(text).map_err(|error: serde_json::Error| match error.classify() {
                    Category::Data => shape(error),
                    Category::Syntax | Category::Eof | Category::Io => not_json(text, error),
                })
            }
            _ => E::deserialize(self.lift::<E>()?.as_ref()).map_err(shape),
        }
    }

    /// The payload, as it came.
    pub fn data(&self) -> Result<Cow<'_, Value>, DecodeError> {
        Ok(match &self.payload {
            Payload::Text(text) => Cow::Owned(serde_json::from_slice(text).map_err(|error| not_json(text, error))?),
            Payload::Tree(value) => Cow::Borrowed(value),
        })
    }

    /// The payload, lifted to the shape of the version that this program knows. Fields that its type does not know
    /// are there, too.
    pub fn lift<E: Event>(&self) -> Result<Cow<'_, Value>, DecodeError> {
        let version = self.meta.version;
        if version == E::VERSION {
            return self.data();
        }
        let event_type = self.meta.event_type.clone();
        if version > E::VERSION || version == 0 {
            return Err(DecodeError::UnknownVersion { event_type, version, known: E::VERSION });
        }
        let lifted = E::upcast(version, self.data()?.into_owned());
        lifted.map(Cow::Owned).map_err(|reason| DecodeError::Upcast { event_type, version, reason })
    }
}

fn not_json(value: &[u8], error: serde_json::Error) -> DecodeError {
    if wire::is_wire(value) {
        return DecodeError::WireFormat { schema: wire::split(value).map(|(schema, _)| schema) };
    }
    DecodeError::NotJson(error)
}

/// CloudEvents, binary mode: attributes in `ce_` headers.
fn binary(record: &Record) -> Result<EventMeta, DecodeError> {
    let header = |name: &'static str| record.headers.text(name);
    let required = |name: &'static str| {
        header(name).filter(|value| !value.is_empty()).map(str::to_owned).ok_or(DecodeError::Attribute(name))
    };
    let id = required("ce_id")?;
    let meta = EventMeta {
        source: required("ce_source")?,
        event_type: required("ce_type")?,
        version: match header("ce_dataversion") {
            Some(version) => version.parse().map_err(|_| DecodeError::Attribute("ce_dataversion"))?,
            None => 1,
        },
        time: match header("ce_time") {
            Some(time) => parse_time(time).ok_or(DecodeError::Attribute("ce_time"))?,
            None => record_time(record),
        },
        subject: header("ce_subject").map(str::to_owned),
        correlation_id: header("ce_correlationid").map_or_else(|| id.clone(), str::to_owned),
        causation_id: header("ce_causationid").map(str::to_owned),
        trace: header("traceparent").and_then(TraceParent::parse),
        trace_state: header("tracestate").map(str::to_owned),
        baggage: header("baggage").map(str::to_owned),
        id,
    };
    Ok(meta)
}

/// CloudEvents, structured mode: the value is an object of attributes and `data`.
fn structured(record: &Record, mut json: Value) -> Result<(EventMeta, Value), DecodeError> {
    let text = |name: &str| json.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    let required = |name: &'static str| text(name).map(str::to_owned).ok_or(DecodeError::Attribute(name));
    let id = required("id")?;
    let meta = EventMeta {
        source: required("source")?,
        event_type: required("type")?,
        version: version(json.get("dataversion")).ok_or(DecodeError::Attribute("dataversion"))?,
        time: match text("time") {
            Some(time) => parse_time(time).ok_or(DecodeError::Attribute("time"))?,
            None => record_time(record),
        },
        subject: text("subject").map(str::to_owned),
        correlation_id: text("correlationid").map_or_else(|| id.clone(), str::to_owned),
        causation_id: text("causationid").map(str::to_owned),
        trace: record.headers.text("traceparent").or(text("traceparent")).and_then(TraceParent::parse),
        trace_state: record.headers.text("tracestate").or(text("tracestate")).map(str::to_owned),
        baggage: record.headers.text("baggage").map(str::to_owned),
        id,
    };
    let data = json.get_mut("data").map(Value::take).unwrap_or_default();
    Ok((meta, data))
}

/// Plain JSON from a producer that knows no CloudEvents. Headers `event-type`, `event-id`,
/// `event-version` and `correlation-id` are read, else fields of the same names in snake or camel case.
/// An event that does not say its type has its topic's name.
fn plain(record: &Record, data: Value, topic: &str) -> Result<(EventMeta, Value), DecodeError> {
    let field = |snake: &str, camel: &str| data.get(snake).or_else(|| data.get(camel));
    let text = |header: &str, snake: &str, camel: &str| {
        let from_header = record.headers.text(header).map(str::to_owned);
        from_header
            .or_else(|| field(snake, camel).and_then(Value::as_str).map(str::to_owned))
            .filter(|value| !value.is_empty())
    };
    // Some producers write `unknown` where they have no type; that says nothing.
    let event_type = text("event-type", "event_type", "eventType")
        .filter(|name| name != "unknown")
        .unwrap_or_else(|| topic.to_owned());
    // Without an id of its own, its place in the log is what makes it the same event again; and its time, since
    // another record has that place once the topic was deleted and made anew.
    let id = text("event-id", "event_id", "eventId").unwrap_or_else(|| {
        let time = record.timestamp.unwrap_or_default();
        format!("{}/{}/{}@{time}", record.topic, record.partition, record.offset)
    });
    let version = match record.headers.text("event-version") {
        Some(version) => version.parse().map_err(|_| DecodeError::Attribute("event-version"))?,
        None => version(data.get("version")).ok_or(DecodeError::Attribute("version"))?,
    };
    let meta = EventMeta {
        source: text("event-source", "source", "source").unwrap_or_else(|| record.topic.to_string()),
        version,
        time: text("event-time", "timestamp", "occurredAt")
            .and_then(|time| parse_time(&time))
            .unwrap_or_else(|| record_time(record)),
        subject: record.key.as_deref().and_then(|key| std::str::from_utf8(key).ok()).map(str::to_owned),
        correlation_id: text("correlation-id", "correlation_id", "correlationId").unwrap_or_else(|| id.clone()),
        causation_id: text("causation-id", "causation_id", "causationId"),
        trace: record.headers.text("traceparent").and_then(TraceParent::parse),
        trace_state: record.headers.text("tracestate").map(str::to_owned),
        baggage: record.headers.text("baggage").map(str::to_owned),
        event_type,
        id,
    };
    Ok((meta, data))
}

/// A version as a number or as text; 1 where none is given, `None` where it cannot be one.
fn version(value: Option<&Value>) -> Option<u32> {
    match value {
        None | Some(Value::Null) => Some(1),
        Some(Value::Number(number)) => number.as_u64().and_then(|number| u32::try_from(number).ok()),
        Some(Value::String(text)) => text.trim_start_matches('v').split('.').next()?.parse().ok(),
        Some(_) => None,
    }
}

fn parse_time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(Into::into)
}

/// Kafka's own time of the record; the epoch if it has none, since a made-up time would differ at each reading.
fn record_time(record: &Record) -> DateTime<Utc> {
    record.timestamp.and_then(DateTime::from_timestamp_millis).unwrap_or(DateTime::UNIX_EPOCH)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
