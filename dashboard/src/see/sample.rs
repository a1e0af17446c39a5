//! Events as people write them, as records that the bridge could have found.

use anyhow::Context;
use millgate_events::{Headers, OutRecord, Record, Value};
use serde::Deserialize;
use serde_json::Map;

use super::EventLine;
use crate::EventRegistry;

/// An event of a text, and its line there.
pub(super) struct Sample {
    pub(super) line: usize,
    /// Its topic is without the prefix.
    pub(super) record: Record,
}

/// A record, as tools that read topics print it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRecord {
    topic: String,
    /// JSON, or a text of it.
    value: Value,
    #[serde(default)]
    headers: Map<String, Value>,
    key: Option<String>,
    #[serde(default)]
    partition: i32,
    #[serde(default)]
    offset: i64,
    timestamp: Option<i64>,
}

/// All events of a text: JSON values, one a line or over several.
pub(super) fn read(text: &str, events: &EventRegistry, source: &str) -> anyhow::Result<Vec<Sample>> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<Value>();
    let mut samples = Vec::new();
    loop {
        let start = values.byte_offset();
        let Some(value) = values.next() else { return Ok(samples) };
        let blank = text[start..].len() - text[start..].trim_start().len();
        let line = 1 + text[..start + blank].matches('\n').count();
        let record = value.map_err(anyhow::Error::from).and_then(|value| record(value, events, source));
        samples.push(Sample { line, record: record.with_context(|| format!("line {line}"))? });
    }
}

fn record(value: Value, events: &EventRegistry, source: &str) -> anyhow::Result<Record> {
    if value.get("topic").is_some() {
        return Ok(of_written(serde_json::from_value(value)?));
    }
    let line: EventLine = serde_json::from_value(value)?;
    // What is unknown or broken is for the routes to say.
    let known = events.find(&line.event_type);
    let topic = known.map_or(line.event_type.as_str(), |known| known.topic).to_owned();
    let version = line.version.or(known.map(|known| known.version)).unwrap_or(1);
    let own_key = || (known?.key)(&line.data).ok();
    let key = line.key.clone().or_else(own_key).unwrap_or_default();
    let OutRecord { topic, key, value, headers } = line.record(&topic, version, key, source)?;
    Ok(Record { topic: topic.into(), partition: 0, offset: 0, timestamp: None, key, value, headers })
}

fn of_written(written: WrittenRecord) -> Record {
    let mut headers = Headers::new();
    for (name, value) in written.headers {
        match value {
            Value::String(text) => headers.push(name, text),
            Value::Null => headers.push_raw(name, None),
            other => headers.push(name, other.to_string()),
        }
    }
    let value = match written.value {
        Value::Null => None,
        Value::String(text) => Some(text.into()),
        other => Some(other.to_string().into()),
    };
    Record {
        topic: written.topic.into(),
        partition: written.partition,
        offset: written.offset,
        timestamp: written.timestamp,
        key: written.key.map(Into::into),
        value,
        headers,
    }
}
