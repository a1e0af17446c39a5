//! Debezium's envelope, as JSON without or with a schema around it.

use chrono::DateTime;
use millgate_events::Record;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Op, RowKey, Source};

/// Columns by name.
pub(super) type Row = Map<String, Value>;

/// What a record tells.
#[derive(Debug, PartialEq)]
pub(super) enum Told {
    /// Nothing more than the delete before it.
    Tombstone,
    /// A message that somebody wrote into the source's log.
    Message,
    /// A change.
    Change(Box<Envelope>),
}

/// A change, in JSON.
#[derive(Debug, PartialEq)]
pub(super) struct Envelope {
    pub(super) op: Op,
    /// `None` if the table has no primary key.
    pub(super) key: Option<RowKey>,
    pub(super) before: Option<Row>,
    pub(super) after: Option<Row>,
    pub(super) source: Source,
    /// The row had this key before, and was deleted under it in the same change.
    pub(super) moved_from: Option<RowKey>,
    /// It was deleted because it goes on under another key.
    pub(super) moves: bool,
}

/// Why a record tells nothing.
#[derive(Debug, thiserror::Error)]
pub(super) enum NotTold {
    #[error("the {0} is not JSON: {1}")]
    NotJson(&'static str, serde_json::Error),
    #[error("this is no change of Debezium's: {0}")]
    NoEnvelope(String),
}

impl NotTold {
    /// A word for dead letters.
    pub(super) fn code(&self) -> &'static str {
        match self {
            Self::NotJson(..) => "not_json",
            Self::NoEnvelope(_) => "no_envelope",
        }
    }
}

#[derive(Deserialize)]
struct Written {
    op: String,
    #[serde(default)]
    before: Option<Row>,
    #[serde(default)]
    after: Option<Row>,
    #[serde(default)]
    source: WrittenSource,
}

#[derive(Default, Deserialize)]
struct WrittenSource {
    #[serde(default)]
    connector: String,
    #[serde(default)]
    db: String,
    #[serde(default)]
    schema: Option<String>,
    #[serde(default)]
    table: Option<String>,
    #[serde(default)]
    lsn: Value,
    #[serde(default)]
    ts_ms: Option<i64>,
    #[serde(default, rename = "txId")]
    tx_id: Value,
}

/// Reads a record.
pub(super) fn read(record: &Record) -> Result<Told, NotTold> {
    let Some(value) = &record.value else { return Ok(Told::Tombstone) };
    let value = serde_json::from_slice(value).map_err(|error| NotTold::NotJson("value", error))?;
    let mut fields = object(value)?;
    if !fields.contains_key("op") && fields.contains_key("schema") {
        match fields.remove("payload") {
            // A converter that wraps everything wraps nothing, too.
            Some(Value::Null) => return Ok(Told::Tombstone),
            Some(payload) => fields = object(payload)?,
            None => {}
        }
    }
    if !fields.contains_key("op") {
        let known: Vec<&str> = fields.keys().map(String::as_str).take(8).collect();
        let hint = "is it flattened by ExtractNewRecordState? That transform has to go";
        return Err(NotTold::NoEnvelope(format!("it has no `op`, but {}; {hint}", known.join(", "))));
    }
    let written =
        Written::deserialize(Value::Object(fields)).map_err(|error| NotTold::NoEnvelope(error.to_string()))?;
    let op = match written.op.as_str() {
        "c" => Op::Create,
        "u" => Op::Update,
        "d" => Op::Delete,
        "r" => Op::Read,
        "t" => Op::Truncate,
        "m" => return Ok(Told::Message),
        other => return Err(NotTold::NoEnvelope(format!("its op is `{other}`"))),
    };
    if written.after.is_none() && matches!(op, Op::Create | Op::Update | Op::Read) {
        return Err(NotTold::NoEnvelope(format!("its op is `{}`, and it has no `after`", written.op)));
    }
    let key = match &record.key {
        Some(key) if op != Op::Truncate => Some(read_key(key)?),
        _ => None,
    };
    // Of a converter for headers that does not write JSON nothing is expected.
    let moved_from = record.headers.text("__debezium.oldkey").and_then(|key| read_key(key.as_bytes()).ok());
    let moves = record.headers.text("__debezium.newkey").is_some();
    let WrittenSource { connector, db, schema, table, lsn, ts_ms, tx_id } = written.source;
    let source = Source {
        connector,
        db,
        schema: schema.unwrap_or_default(),
        table: table.unwrap_or_default(),
        lsn: lsn.as_i64(),
        tx_id: tx_id.as_i64(),
        committed_at: ts_ms.or(record.timestamp).and_then(DateTime::from_timestamp_millis),
    };
    let (before, after) = (written.before, written.after);
    Ok(Told::Change(Box::new(Envelope { op, key, before, after, source, moved_from, moves })))
}

fn object(value: Value) -> Result<Row, NotTold> {
    match value {
        Value::Object(fields) => Ok(fields),
        _ => Err(NotTold::NoEnvelope("it is no JSON object".into())),
    }
}

/// A key, with a schema around it or without.
fn read_key(key: &[u8]) -> Result<RowKey, NotTold> {
    let key = serde_json::from_slice(key).map_err(|error| NotTold::NotJson("key", error))?;
    let Value::Object(mut columns) = key else {
        return Err(NotTold::NoEnvelope("its key is no JSON object".into()));
    };
    // A table may have columns of these names; a schema says of itself that it is one.
    let is_wrapped = columns.len() == 2 && columns.get("schema").is_some_and(|schema| schema["type"] == "struct");
    if !is_wrapped {
        return Ok(RowKey::of(columns));
    }
    match columns.remove("payload") {
        Some(Value::Object(columns)) => Ok(RowKey::of(columns)),
        _ => Err(NotTold::NoEnvelope("its key has a schema, and no object under it".into())),
    }
}

#[cfg(test)]
#[path = "envelope_tests.rs"]
mod tests;
