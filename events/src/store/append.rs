//! An append, and how it comes into the database.

use std::{fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::{PgConnection, Postgres, postgres::PgArguments, query::QueryScalar};
use uuid::Uuid;

use super::{EventSet, Metadata, StoreError, StreamId};
use crate::{EventMeta, outbox, producer::now};

/// What a stream has to be for an append to be taken in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is.
    Any,
    /// There is none yet.
    NoStream,
    /// Its last event has this version; 0: there is none yet.
    Version(i64),
}

impl Expected {
    fn number(self) -> i64 {
        match self {
            Self::Any => -1,
            Self::NoStream => 0,
            Self::Version(version) => version.max(0),
        }
    }
}

impl fmt::Display for Expected {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Any => f.write_str("any version"),
            Self::NoStream | Self::Version(0) => f.write_str("no events"),
            Self::Version(version) => write!(f, "version {version}"),
        }
    }
}

/// Events of one stream that are to be appended together.
#[derive(Debug)]
pub(super) struct Append {
    pub(super) stream: StreamId,
    pub(super) expected: Expected,
    /// With one it is taken in once.
    pub(super) key: Option<String>,
    pub(super) rows: Vec<Row>,
}

#[derive(Debug)]
pub(super) struct Row {
    id: Uuid,
    event_type: &'static str,
    version: u32,
    /// `None`: it is not published.
    topic: Option<&'static str>,
    time: DateTime<Utc>,
    data: String,
    metadata: String,
    headers: String,
}

impl Append {
    pub(super) fn new<E: EventSet>(
        (source, is_published): (&str, bool),
        stream: StreamId,
        expected: Expected,
        events: &[E],
        metadata: &Metadata,
    ) -> Result<Self, StoreError> {
        let rows = events.iter().map(|event| Row::new(source, is_published, event, metadata));
        Ok(Self { stream, expected, key: metadata.once.clone(), rows: rows.collect::<Result<_, _>>()? })
    }

    /// What became of it, by what the database says.
    pub(super) fn outcome(&self, result: i64) -> Result<i64, StoreError> {
        if result >= 0 {
            return Ok(result);
        }
        Err(StoreError::Conflict { stream: self.stream.to_string(), expected: self.expected, actual: -1 - result })
    }
}

impl Row {
    fn new(source: &str, is_published: bool, event: &impl EventSet, metadata: &Metadata) -> Result<Self, StoreError> {
        let new = event.encode()?;
        let id = Uuid::now_v7();
        let text = id.to_string();
        let meta = EventMeta {
            correlation_id: metadata.correlation_id.clone().unwrap_or_else(|| text.clone()),
            causation_id: metadata.causation_id.clone(),
            id: text,
            source: source.to_owned(),
            event_type: new.event_type.to_owned(),
            version: new.version,
            time: now(),
            subject: Some(new.subject),
            trace: metadata.trace().or_else(crate::TraceParent::fresh),
            trace_state: None,
            baggage: None,
        };
        let mut headers = if is_published { outbox::headers(&meta) } else { String::new() };
        if let (true, Some(user)) = (is_published, &metadata.user) {
            let mut map: Map<String, Value> = serde_json::from_str(&headers).unwrap_or_default();
            map.insert("ce_userid".to_owned(), user.clone().into());
            headers = Value::Object(map).to_string();
        }
        Ok(Self {
            id,
            event_type: new.event_type,
            version: new.version,
            topic: is_published.then_some(new.topic),
            time: meta.time,
            data: new.data,
            metadata: serde_json::to_string(&metadata.of(&meta)).unwrap_or_else(|_| "{}".to_owned()),
            headers,
        })
    }
}

/// Appends of several streams, column by column.
#[derive(Default)]
struct Columns<'a> {
    streams: Vec<&'a str>,
    expected: Vec<i64>,
    counts: Vec<i32>,
    appends: Vec<i32>,
    ids: Vec<Uuid>,
    types: Vec<&'a str>,
    type_versions: Vec<i32>,
    data: Vec<&'a str>,
    metadata: Vec<&'a str>,
    times: Vec<DateTime<Utc>>,
    topics: Vec<Option<&'a str>>,
    categories: Vec<&'a str>,
    keys: Vec<&'a str>,
    headers: Vec<&'a str>,
}

impl<'a> Columns<'a> {
    fn of(appends: impl Iterator<Item = &'a Append>) -> Self {
        let mut columns = Self::default();
        for (number, Append { stream, expected, rows, .. }) in (1..).zip(appends) {
            columns.streams.push(stream.name());
            columns.expected.push(expected.number());
            columns.counts.push(i32::try_from(rows.len()).unwrap_or(i32::MAX));
            for row in rows {
                columns.appends.push(number);
                columns.ids.push(row.id);
                columns.types.push(row.event_type);
                columns.type_versions.push(i32::try_from(row.version).unwrap_or(i32::MAX));
                columns.data.push(&row.data);
                columns.metadata.push(&row.metadata);
                columns.times.push(row.time);
                columns.topics.push(row.topic);
                columns.categories.push(stream.category());
                columns.keys.push(stream.id());
                columns.headers.push(&row.headers);
            }
        }
        columns
    }

    /// The parameters of `store_append`.
    fn bind(&self, statement: &'static str, quietly: bool, patience: Option<Duration>) -> Call<'_> {
        sqlx::query_scalar(statement)
            .bind(&self.streams)
            .bind(&self.expected)
            .bind(&self.counts)
            .bind(quietly)
            .bind(patience.map_or(0, |patience| i32::try_from(patience.as_millis()).unwrap_or(i32::MAX)))
            .bind(&self.appends)
            .bind(&self.ids)
            .bind(&self.types)
            .bind(&self.type_versions)
            .bind(&self.data)
            .bind(&self.metadata)
            .bind(&self.times)
            .bind(&self.topics)
            .bind(&self.categories)
            .bind(&self.keys)
            .bind(&self.headers)
    }
}

/// A call of a function that appends: for each append what [`Append::outcome`] reads.
type Call<'q> = QueryScalar<'q, Postgres, Vec<i64>, PgArguments>;

impl Append {
    /// Takes it in by itself, in one statement, and wakes those who wait for events once that is committed; one that has a key and is
    /// there already comes to what the first one came to.
    pub(super) async fn execute(&self, database: &mut PgConnection) -> Result<i64, StoreError> {
        let results = match &self.key {
            None => execute(database, std::iter::once(self), false, None).await?,
            Some(key) => {
                let append = "SELECT store_append_once($17, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
                let columns = Columns::of(std::iter::once(self));
                columns.bind(append, false, None).bind(key).fetch_one(database).await?
            }
        };
        self.outcome(results.first().copied().unwrap_or_default())
    }
}

/// Takes appends of different streams in, in one statement. With `patience` it gives up for a stream that another transaction has
/// for longer; `quietly` wakes nobody. Gives for each what [`Append::outcome`] reads.
pub(super) async fn execute<'a>(
    database: &mut PgConnection,
    appends: impl Iterator<Item = &'a Append>,
    quietly: bool,
    patience: Option<Duration>,
) -> sqlx::Result<Vec<i64>> {
    let append = "SELECT store_append($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)";
    Columns::of(appends).bind(append, quietly, patience).fetch_one(database).await
}
