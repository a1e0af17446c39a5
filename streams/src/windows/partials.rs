//! What is stored of windows that are open.

use millgate_events::Holding;
use serde::{Serialize, de::DeserializeOwned};
use sqlx::{FromRow, PgConnection};

use super::{
    cell::Cell,
    fold::{Change, NEVER},
    shape::Shape,
    sink::encode,
};
use crate::StageError;

/// How far a partition is in event time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(super) struct Mark {
    pub(super) watermark: i64,
    pub(super) newest: i64,
}

/// Events by what became of them.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Tally {
    pub(super) events: i64,
    pub(super) late: i64,
    pub(super) ahead: i64,
}

/// A cell as it is stored.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) key: String,
    pub(super) topic: String,
    pub(super) partition: i32,
    pub(super) starts: i64,
    newest: i64,
    events: i64,
    state: String,
}

impl Row {
    pub(super) fn cell<P: DeserializeOwned>(&self, stream: &str) -> Result<Cell<P>, StageError> {
        let partial = serde_json::from_str(&self.state).map_err(|error| {
            StageError::Other(format!(
                "what is stored of the windows of stream {stream} is none of its aggregate's ({error}); if that has changed, give \
                 the stream another name"
            ))
        })?;
        Ok(Cell { start: self.starts, last: self.newest, events: self.events, partial })
    }
}

const NEW_STREAM: &str = "INSERT INTO window_streams (stream, shape, watermark, closed_through) VALUES ($1, $2, $3, $3) \
    ON CONFLICT (stream) DO NOTHING";

const NEW_MARK: &str = "INSERT INTO window_watermarks (stream, topic, partition, watermark, newest) \
    SELECT stream, $2, $3, watermark, $4 FROM window_streams WHERE stream = $1 RETURNING watermark, newest";

/// A partition as it is found.
pub(super) struct Found {
    pub(super) mark: Mark,
    /// Windows of the stream that end here or before are final.
    pub(super) closed: i64,
    pub(super) is_new: bool,
}

/// Reads how far a partition is. One that is new begins where the stream is: what is final stays so.
pub(super) async fn open(
    stream: &str,
    shape: Shape,
    partition: &Holding,
    database: &mut PgConnection,
) -> Result<Found, StageError> {
    let shape = shape.to_string();
    sqlx::query(NEW_STREAM).bind(stream).bind(&shape).bind(NEVER).execute(&mut *database).await?;
    let noted = sqlx::query_as("SELECT shape, closed_through FROM window_streams WHERE stream = $1").bind(stream);
    let (noted, closed): (String, i64) = noted.fetch_one(&mut *database).await?;
    if noted != shape {
        return Err(StageError::Other(format!(
            "stream {stream} has windows that are {noted}, and is told now that they are {shape}: give it another name"
        )));
    }
    let read = "SELECT watermark, newest FROM window_watermarks WHERE stream = $1 AND topic = $2 AND partition = $3";
    let (topic, number) = (&**partition.topic(), partition.partition());
    let mark = sqlx::query_as(read).bind(stream).bind(topic).bind(number).fetch_optional(&mut *database).await?;
    if let Some(mark) = mark {
        return Ok(Found { mark, closed, is_new: false });
    }
    // Nothing is made final between this and the commit.
    let hold =
        sqlx::query_scalar("SELECT closed_through FROM window_streams WHERE stream = $1 FOR UPDATE").bind(stream);
    let closed = hold.fetch_one(&mut *database).await?;
    let new = sqlx::query_as(NEW_MARK).bind(stream).bind(topic).bind(number).bind(NEVER);
    Ok(Found { mark: new.fetch_one(database).await?, closed, is_new: true })
}

/// Moves a partition on from where it is believed to be.
pub(super) async fn advance(
    stream: &str,
    partition: &Holding,
    (from, to): (Mark, Mark),
    tally: Tally,
    database: &mut PgConnection,
) -> Result<(), StageError> {
    let advance = "UPDATE window_watermarks SET watermark = $4, newest = $5, events = events + $6, late = late + $7, \
        ahead = ahead + $8 WHERE stream = $1 AND topic = $2 AND partition = $3 AND watermark = $9 AND newest = $10";
    let advance = sqlx::query(advance).bind(stream).bind(&**partition.topic()).bind(partition.partition());
    let advance = advance.bind(to.watermark).bind(to.newest).bind(tally.events).bind(tally.late).bind(tally.ahead);
    if advance.bind(from.watermark).bind(from.newest).execute(database).await?.rows_affected() == 1 {
        return Ok(());
    }
    Err(StageError::Other(format!(
        "the watermark of stream {stream} in {} partition {} was moved by another process",
        partition.topic(),
        partition.partition()
    )))
}

/// Cells of these keys in a partition that end after a moment, by key.
pub(super) async fn of_partition(
    stream: &str,
    partition: &Holding,
    keys: &[String],
    after: i64,
    database: &mut PgConnection,
) -> Result<Vec<Row>, StageError> {
    let read = "SELECT key, topic, partition, starts, newest, events, state FROM window_partials \
        WHERE stream = $1 AND topic = $2 AND partition = $3 AND key = ANY($4) AND ends > $5 ORDER BY key, starts";
    let read = sqlx::query_as(read).bind(stream).bind(&**partition.topic()).bind(partition.partition());
    Ok(read.bind(keys).bind(after).fetch_all(database).await?)
}

const PUT: &str = "INSERT INTO window_partials (stream, topic, partition, key, starts, ends, newest, events, state) \
    SELECT $1, $2, $3, key, starts, ends, newest, events, state FROM unnest($4::text[], $5::bigint[], $6::bigint[], \
    $7::bigint[], $8::bigint[], $9::text[]) AS n (key, starts, ends, newest, events, state) \
    ON CONFLICT (stream, key, starts, topic, partition) DO UPDATE SET ends = EXCLUDED.ends, newest = EXCLUDED.newest, \
    events = EXCLUDED.events, state = EXCLUDED.state";

const DROP: &str = "DELETE FROM window_partials AS p USING unnest($2::text[], $3::text[], $4::int[], $5::bigint[]) \
    AS n (key, topic, partition, starts) WHERE p.stream = $1 AND p.key = n.key AND p.topic = n.topic \
    AND p.partition = n.partition AND p.starts = n.starts";

/// Cells that are to go.
#[derive(Debug, Default)]
pub(super) struct Gone {
    keys: Vec<String>,
    topics: Vec<String>,
    partitions: Vec<i32>,
    starts: Vec<i64>,
}

impl Gone {
    pub(super) fn push(&mut self, key: &str, topic: &str, partition: i32, start: i64) {
        self.keys.push(key.to_owned());
        self.topics.push(topic.to_owned());
        self.partitions.push(partition);
        self.starts.push(start);
    }

    pub(super) async fn drop(&self, stream: &str, database: &mut PgConnection) -> Result<(), StageError> {
        if !self.keys.is_empty() {
            let drop = sqlx::query(DROP).bind(stream).bind(&self.keys).bind(&self.topics);
            drop.bind(&self.partitions).bind(&self.starts).execute(database).await?;
        }
        Ok(())
    }
}

/// Cells that are to be stored, column by column.
#[derive(Debug, Default)]
pub(super) struct Changes {
    gone: Gone,
    keys: Vec<String>,
    starts: Vec<i64>,
    ends: Vec<i64>,
    newest: Vec<i64>,
    events: Vec<i64>,
    states: Vec<String>,
}

impl Changes {
    pub(super) fn of<P: Serialize>(
        changes: &[Change<'_, P>],
        shape: Shape,
        partition: &Holding,
    ) -> Result<Self, StageError> {
        let mut all = Self::default();
        for Change { key, gone, cells } in changes {
            for &start in *gone {
                all.gone.push(key, partition.topic(), partition.partition(), start);
            }
            for cell in cells {
                all.keys.push((*key).to_owned());
                all.starts.push(cell.start);
                all.ends.push(shape.ends(cell.start, cell.last));
                all.newest.push(cell.last);
                all.events.push(cell.events);
                all.states.push(encode(&cell.partial)?);
            }
        }
        Ok(all)
    }

    /// Two statements at most, however many there are.
    pub(super) async fn store(
        &self,
        stream: &str,
        partition: &Holding,
        database: &mut PgConnection,
    ) -> Result<(), StageError> {
        self.gone.drop(stream, database).await?;
        if self.keys.is_empty() {
            return Ok(());
        }
        let put = sqlx::query(PUT).bind(stream).bind(&**partition.topic()).bind(partition.partition());
        let put = put.bind(&self.keys).bind(&self.starts).bind(&self.ends).bind(&self.newest).bind(&self.events);
        put.bind(&self.states).execute(database).await?;
        Ok(())
    }
}
