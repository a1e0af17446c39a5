//! Where results go.

use std::time::Duration;

use chrono::{DateTime, Utc};
use futures::future::{BoxFuture, try_join_all};
use millgate_events::{Event, EventMeta, Outbox};
use millgate_jobs::Cache;
use serde::Serialize;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{WindowResult, notices::Notices};
use crate::StageError;

/// Ids of events that tell of a result are version 5 UUIDs under this one.
const EVENT_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_7769_6e64_0001);

/// Values that are on their way to Redis at a time.
const AT_ONCE: usize = 128;

/// Results of a turn.
#[derive(Debug)]
pub(super) struct Emission<'a, V> {
    pub(super) stream: &'a str,
    /// Keys whose early results are those of `early`, and no others any more.
    pub(super) whole: Vec<String>,
    pub(super) early: Vec<WindowResult<V>>,
    pub(super) finals: Vec<WindowResult<V>>,
    /// The newest of each key.
    pub(super) latest: Vec<WindowResult<V>>,
}

/// Takes results in, in the transaction in which they become so.
pub(super) trait Sink<V>: Send + Sync {
    fn put<'a>(
        &'a self,
        emission: &'a Emission<'a, V>,
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>>;
}

/// As JSON.
pub(super) fn encode(value: &impl Serialize) -> Result<String, StageError> {
    serde_json::to_string(value).map_err(|error| StageError::Other(format!("a window's value is no JSON: {error}")))
}

/// The table `window_results`.
pub(super) struct TableSink;

#[derive(Default)]
struct Rows {
    keys: Vec<String>,
    starts: Vec<DateTime<Utc>>,
    ends: Vec<DateTime<Utc>>,
    values: Vec<String>,
    events: Vec<i64>,
    finals: Vec<bool>,
}

const SHRINK: &str = "DELETE FROM window_results AS r WHERE stream = $1 AND key = ANY($2) AND NOT final \
    AND NOT EXISTS (SELECT 1 FROM unnest($3::text[], $4::timestamptz[]) AS n (key, start) \
    WHERE n.key = r.key AND n.start = r.window_start)";

/// What is final stays as it is; what is the same is not written again.
const PUT: &str = "INSERT INTO window_results (stream, key, window_start, window_end, value, events, final) \
    SELECT $1, key, window_start, window_end, value::jsonb, events, final FROM unnest($2::text[], $3::timestamptz[], \
    $4::timestamptz[], $5::text[], $6::bigint[], $7::bool[]) AS n (key, window_start, window_end, value, events, final) \
    ON CONFLICT (stream, key, window_start) DO UPDATE SET window_end = EXCLUDED.window_end, value = EXCLUDED.value, \
    events = EXCLUDED.events, final = EXCLUDED.final, updated_at = now() WHERE NOT window_results.final \
    AND (window_results.window_end, window_results.value, window_results.events, window_results.final) \
    IS DISTINCT FROM (EXCLUDED.window_end, EXCLUDED.value, EXCLUDED.events, EXCLUDED.final)";

impl<V: Serialize + Send + Sync> Sink<V> for TableSink {
    fn put<'a>(
        &'a self,
        emission: &'a Emission<'a, V>,
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>> {
        Box::pin(async move {
            let mut rows = Rows::default();
            for result in emission.early.iter().chain(&emission.finals) {
                rows.keys.push(result.key.clone());
                rows.starts.push(result.start);
                rows.ends.push(result.end);
                // PostgreSQL's JSON cannot hold the character 0.
                rows.values.push(encode(&result.value)?.replace("\\u0000", "\\ufffd"));
                rows.events.push(result.events);
                rows.finals.push(result.is_final);
            }
            if !emission.whole.is_empty() {
                let shrink = sqlx::query(SHRINK).bind(emission.stream).bind(&emission.whole);
                shrink.bind(&rows.keys).bind(&rows.starts).execute(&mut *database).await?;
            }
            if !rows.keys.is_empty() {
                let put = sqlx::query(PUT).bind(emission.stream).bind(&rows.keys).bind(&rows.starts).bind(&rows.ends);
                put.bind(&rows.values).bind(&rows.events).bind(&rows.finals).execute(database).await?;
            }
            Ok(())
        })
    }
}

/// Keys of Redis.
pub(super) struct CacheSink {
    pub(super) cache: Cache,
    pub(super) pattern: String,
    pub(super) lifetime: Duration,
}

impl<V: Serialize + Send + Sync> Sink<V> for CacheSink {
    // Before the commit: if that fails all comes again, and to the same. After it, what was not written would never be.
    fn put<'a>(
        &'a self,
        emission: &'a Emission<'a, V>,
        _: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>> {
        Box::pin(async move {
            for some in emission.latest.chunks(AT_ONCE) {
                let put = some.iter().map(async |result| {
                    let (key, text) = (self.pattern.replace("{key}", &result.key), encode(&result.value)?);
                    Ok::<_, StageError>(self.cache.put(&key, &text, Some(self.lifetime)).await?)
                });
                try_join_all(put).await?;
            }
            Ok(())
        })
    }
}

/// Tables of the application's own.
pub(super) struct TransactionSink<F>(pub(super) F);

impl<V, F> Sink<V> for TransactionSink<F>
where
    V: Send + Sync,
    F: for<'a> Fn(&'a mut PgConnection, &'a [WindowResult<V>]) -> BoxFuture<'a, Result<(), StageError>> + Send + Sync,
{
    fn put<'a>(
        &'a self,
        emission: &'a Emission<'a, V>,
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>> {
        Box::pin(
            async move { if emission.finals.is_empty() { Ok(()) } else { (self.0)(database, &emission.finals).await } },
        )
    }
}

/// Events of the application's own.
pub(super) struct PublishSink<F> {
    pub(super) outbox: Outbox,
    pub(super) source: String,
    pub(super) stream: String,
    /// How many events to the same topic the stream has been told to publish before this one.
    pub(super) number: usize,
    /// In milliseconds: of a key one event in so long, at most.
    pub(super) period: Option<i64>,
    pub(super) event: F,
}

impl<V, O, F> Sink<V> for PublishSink<F>
where
    V: Send + Sync,
    O: Event,
    F: Fn(&WindowResult<V>) -> Option<O> + Send + Sync,
{
    fn put<'a>(
        &'a self,
        emission: &'a Emission<'a, V>,
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>> {
        Box::pin(async move {
            let events = emission.finals.iter().filter_map(|result| {
                let start = result.start.timestamp_millis();
                // A stream may tell of one window by several events. The key is last: it may have any characters in it.
                let name = format!("{}\n{}\n{}\n{start}\n{}", self.stream, self.number, O::TYPE, result.key);
                let id = Uuid::new_v5(&EVENT_IDS, name.as_bytes());
                let meta = EventMeta::new::<O>(&self.source, result.end).with_id(id.to_string());
                Some((result, ((self.event)(result)?, meta)))
            });
            let (results, mut events): (Vec<_>, Vec<(O, EventMeta)>) = events.unzip();
            if let (Some(period), false) = (self.period, events.is_empty()) {
                let notices = Notices { stream: &self.stream, event_type: O::TYPE, period };
                let windows: Vec<_> =
                    results.iter().map(|result| (&*result.key, result.end.timestamp_millis())).collect();
                let mut taken = notices.take(&windows, &mut *database).await?.into_iter();
                events.retain(|_| taken.next().unwrap_or_default());
            }
            if events.is_empty() { Ok(()) } else { Ok(self.outbox.append_all_as(database, events).await?) }
        })
    }
}
