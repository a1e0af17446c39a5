//! The trail as it is read: stories, found by whatever is known of them.

use std::{collections::BTreeSet, fmt, time::Duration};

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{FromRow, PgPool, types::Json};
use tokio::time::timeout;

use super::{TrailError, note::JobNote};

const PATIENCE: Duration = Duration::from_secs(10);
/// Stories of one key, events of these, and runs of those: more would not be read.
const STORIES: i64 = 20;
const EVENTS: i64 = 500;
const RUNS: i64 = 2_000;

const EVENT: &str = "handed_off_at, consumer_group, event_id, event_source, event_type, version, event_time, correlation_id, \
    causation_id, trace_id, key, topic, record_partition, record_offset, jobs::jsonb AS jobs, problem";
const RUN: &str = "began_at, took_us, queue, kind, job_id, job_key, attempt, worker, verdict, code, message, \
    log::jsonb AS log, event_id, correlation_id";

/// By what a story is found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", content = "text", rename_all = "lowercase")]
pub enum Wanted {
    /// An event's id.
    Event(String),
    /// A correlation id.
    Correlation(String),
    /// An event's subject or key: the order's id, say.
    Key(String),
    /// A trace's id.
    Trace(String),
    /// A job's id.
    Job(String),
    /// Any of these.
    Any(String),
}

impl Wanted {
    /// What is looked for.
    pub fn text(&self) -> &str {
        let (Self::Event(text)
        | Self::Correlation(text)
        | Self::Key(text)
        | Self::Trace(text)
        | Self::Job(text)
        | Self::Any(text)) = self;
        text
    }

    /// Columns of `trail_events` and of `trail_runs` in which it may stand.
    fn columns(&self) -> (&'static [&'static str], &'static [&'static str]) {
        match self {
            Self::Event(_) => (&["event_id"], &["event_id"]),
            Self::Correlation(_) => (&["correlation_id"], &["correlation_id"]),
            Self::Key(_) => (&["key"], &[]),
            Self::Trace(_) => (&["trace_id"], &[]),
            Self::Job(_) => (&[], &["job_id"]),
            Self::Any(_) => {
                (&["event_id", "correlation_id", "key", "trace_id"], &["event_id", "correlation_id", "job_id"])
            }
        }
    }
}

impl fmt::Display for Wanted {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Event(_) => "event id",
            Self::Correlation(_) => "correlation id",
            Self::Key(_) => "key",
            Self::Trace(_) => "trace id",
            Self::Job(_) => "job id",
            Self::Any(_) => "id",
        };
        write!(out, "{what} {}", self.text())
    }
}

/// An event that was handed off.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow)]
pub struct PastEvent {
    /// When its jobs were in their queues.
    pub handed_off_at: DateTime<Utc>,
    /// By which group.
    pub consumer_group: String,
    /// Its id.
    pub event_id: String,
    /// Its source.
    pub event_source: String,
    /// Its type.
    pub event_type: String,
    /// Version of its shape.
    pub version: i32,
    /// When it happened.
    pub event_time: DateTime<Utc>,
    /// Shared by everything that one request set off.
    pub correlation_id: String,
    /// What caused it.
    pub causation_id: Option<String>,
    /// Its trace.
    pub trace_id: Option<String>,
    /// Its subject, or else its key.
    pub key: Option<String>,
    /// Its topic, as Kafka names it.
    pub topic: String,
    /// Its partition.
    #[sqlx(rename = "record_partition")]
    pub partition: i32,
    /// Its offset.
    #[sqlx(rename = "record_offset")]
    pub offset: i64,
    /// What it came to.
    pub jobs: Json<Vec<JobNote>>,
    /// Of poison: why, in a word.
    pub problem: Option<String>,
}

/// A run of a job.
#[derive(Debug, Clone, PartialEq, Serialize, FromRow)]
pub struct PastRun {
    /// When it began.
    pub began_at: DateTime<Utc>,
    /// How long it took, in microseconds; `None`: nobody said that it ended.
    pub took_us: Option<i64>,
    /// The job's queue.
    pub queue: String,
    /// Its kind.
    pub kind: String,
    /// Its id.
    pub job_id: String,
    /// What its queue called it.
    pub job_key: String,
    /// Which run it was, from 1.
    pub attempt: i32,
    /// Host and process.
    pub worker: String,
    /// How it ended, in a word.
    pub verdict: Option<String>,
    /// What went wrong, in a word.
    pub code: Option<String>,
    /// What went wrong.
    pub message: Option<String>,
    /// Its log: milliseconds since 1970, line.
    pub log: Option<Json<Vec<(i64, String)>>>,
    /// The event that the job goes back to.
    pub event_id: Option<String>,
    /// Shared by everything that one request set off.
    pub correlation_id: Option<String>,
}

/// Notes that could not be kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct Gap {
    /// When the first was lost.
    pub began_at: DateTime<Utc>,
    /// When the last was.
    pub ended_at: DateTime<Utc>,
    /// By whom: host and process.
    pub worker: String,
    /// How many.
    pub notes: i64,
}

/// All that the trail has of one or more stories.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Story {
    /// Events in the order in which they were handed off; once for each group.
    pub events: Vec<PastEvent>,
    /// Runs in the order in which they began; each once.
    pub runs: Vec<PastRun>,
}

/// Reads the trail. Cheap to clone.
#[derive(Clone)]
pub struct TrailStore {
    database: PgPool,
}

impl TrailStore {
    /// The tables in the schema that this pool's connections are in.
    pub fn new(database: PgPool) -> Self {
        Self { database }
    }

    /// Everything that one request set off, found by any part of it; of a key, the newest of its stories.
    pub async fn story(&self, wanted: &Wanted) -> Result<Story, TrailError> {
        self.within(async {
            let (of_events, of_runs) = wanted.columns();
            let mut stories = BTreeSet::new();
            for column in of_events {
                let select = format!(
                    "SELECT correlation_id FROM trail_events WHERE {column} = $1 ORDER BY handed_off_at DESC LIMIT $2"
                );
                stories.extend(self.correlations(&select, wanted.text()).await?);
            }
            let mut runs = Vec::new();
            for column in of_runs {
                let select = format!("SELECT {RUN} FROM trail_runs WHERE {column} = $1 ORDER BY began_at LIMIT $2");
                let query = sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(wanted.text()).bind(RUNS);
                runs.extend(query.fetch_all(&self.database).await?);
            }
            stories.extend(runs.iter().filter_map(|run: &PastRun| run.correlation_id.clone()));
            let story = self.of_correlations(&stories.into_iter().collect::<Vec<_>>(), runs).await?;
            Ok(story)
        })
        .await
    }

    async fn correlations(&self, select: &str, text: &str) -> sqlx::Result<Vec<String>> {
        // The name of a column, and nothing of anybody's, was put into it.
        let select = sqlx::query_scalar(sqlx::AssertSqlSafe(select.to_owned())).bind(text).bind(STORIES);
        select.fetch_all(&self.database).await
    }

    /// Everything of these correlation ids.
    async fn of_correlations(&self, correlations: &[String], mut runs: Vec<PastRun>) -> sqlx::Result<Story> {
        if correlations.is_empty() {
            return Ok(Story { events: Vec::new(), runs: settled(runs) });
        }
        let select = format!(
            "SELECT {EVENT} FROM trail_events WHERE correlation_id = ANY($1) ORDER BY handed_off_at, event_time LIMIT $2"
        );
        let select = sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(correlations).bind(EVENTS);
        let mut events: Vec<PastEvent> = select.fetch_all(&self.database).await?;
        // A batch whose answer was lost is written twice.
        events.dedup();
        let select = format!("SELECT {RUN} FROM trail_runs WHERE correlation_id = ANY($1) ORDER BY began_at LIMIT $2");
        let select = sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(correlations).bind(RUNS);
        runs.extend(select.fetch_all(&self.database).await?);
        Ok(Story { events, runs: settled(runs) })
    }

    /// Events that were handed off last, the newest first, before `before` if it is given, of one type if one is named.
    pub async fn recent(
        &self,
        before: Option<DateTime<Utc>>,
        event_type: Option<&str>,
        most: i64,
    ) -> Result<Vec<PastEvent>, TrailError> {
        let select = format!(
            "SELECT {EVENT} FROM trail_events WHERE ($1::timestamptz IS NULL OR handed_off_at < $1) \
             AND ($2::text IS NULL OR event_type = $2) ORDER BY handed_off_at DESC LIMIT $3"
        );
        let select = sqlx::query_as(sqlx::AssertSqlSafe(select)).bind(before).bind(event_type).bind(most);
        self.within(select.fetch_all(&self.database)).await
    }

    /// Notes that could not be kept, of any process, between these times.
    pub async fn gaps(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> Result<Vec<Gap>, TrailError> {
        let select = "SELECT began_at, ended_at, worker, notes FROM trail_gaps WHERE ended_at >= $1 AND began_at <= $2 \
            ORDER BY began_at LIMIT 100";
        self.within(sqlx::query_as(select).bind(from).bind(until).fetch_all(&self.database)).await
    }

    async fn within<T>(&self, work: impl Future<Output = sqlx::Result<T>>) -> Result<T, TrailError> {
        Ok(timeout(PATIENCE, work).await.map_err(|_| TrailError::Silent(PATIENCE))??)
    }
}

/// Each run once, by what was said of it last; in the order in which they began.
fn settled(mut runs: Vec<PastRun>) -> Vec<PastRun> {
    let identity = |run: &PastRun| (run.began_at, run.job_key.clone(), run.queue.clone(), run.attempt);
    // Of one run, that which says how it ended comes first.
    runs.sort_by_key(|run| (identity(run), run.verdict.is_none()));
    runs.dedup_by_key(|run| identity(run));
    runs
}
