//! What is noted of replays: so that one that was cut off can go on, and all can be listed.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use serde::{Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256};
use sqlx::{Connection, FromRow, PgConnection, PgPool};
use tokio::time::timeout;

use super::{Progress, ReplayError, Span, Tally};

/// A statement is there in milliseconds.
const PATIENCE: Duration = Duration::from_secs(15);

/// What became of a replay, as far as it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ReplayStatus {
    /// Some process is at it.
    Running,
    /// The process that was at it is gone.
    CutOff,
    /// Somebody stopped it.
    Stopped,
    /// It could not go on.
    Failed,
    /// It came to its end.
    Done,
}

impl ReplayStatus {
    /// A word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::CutOff => "cut-off",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
            Self::Done => "done",
        }
    }
}

impl FromStr for ReplayStatus {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let all = [Self::Running, Self::CutOff, Self::Stopped, Self::Failed, Self::Done];
        all.into_iter().find(|status| status.as_str() == text).ok_or(())
    }
}

/// A replay, as it is noted. `W` is what was wanted.
#[derive(Debug, Clone, Serialize)]
pub struct PastReplay<W> {
    /// Its id.
    pub id: String,
    /// When it was asked for.
    pub asked_at: DateTime<Utc>,
    /// Who asked for it.
    pub asked_by: String,
    /// Why.
    pub why: String,
    /// What was asked for.
    pub wanted: W,
    /// What became of it.
    pub status: ReplayStatus,
    /// What was counted.
    pub tally: Tally,
    /// Why it could not go on.
    pub problem: Option<String>,
    /// When it last got on.
    pub moved_at: DateTime<Utc>,
    /// How far it is.
    #[serde(skip)]
    pub progress: Progress,
}

/// The tables of replays.
#[derive(Debug, Clone)]
pub struct ReplayStore {
    database: PgPool,
}

#[derive(FromRow)]
struct Row {
    id: String,
    asked_at: DateTime<Utc>,
    asked_by: String,
    why: String,
    wanted: String,
    status: String,
    tally: String,
    note: String,
    problem: Option<String>,
    moved_at: DateTime<Utc>,
}

type SpanRow = (String, i32, i64, i64, i64, String);

const COLUMNS: &str = "SELECT id, asked_at, asked_by, why, wanted, status, tally, note, problem, moved_at FROM replays";

impl ReplayStore {
    /// Those that `millgate migrate` creates.
    pub fn new(database: PgPool) -> Self {
        Self { database }
    }

    /// Notes a replay that nobody has begun yet.
    pub async fn add(
        &self,
        id: &str,
        (by, why): (&str, &str),
        wanted: &impl Serialize,
        progress: &Progress,
    ) -> Result<(), ReplayError> {
        let wanted = serde_json::to_string(wanted).map_err(|error| garbled(id, &error))?;
        let mut transaction = self.database.begin().await?;
        let insert = "INSERT INTO replays \
            (id, asked_at, asked_by, why, wanted, status, stop_asked, tally, note, moved_at) \
            VALUES ($1, now(), $2, $3, $4, 'stopped', FALSE, '{}', $5, now())";
        let insert = sqlx::query(insert).bind(id).bind(by).bind(why).bind(wanted).bind(&progress.note);
        insert.execute(&mut *transaction).await?;
        for span in &progress.spans {
            let insert = "INSERT INTO replay_partitions \
                (replay, topic, record_partition, from_offset, next_offset, until_offset, note) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let insert = sqlx::query(insert).bind(id).bind(&*span.topic).bind(span.partition).bind(span.from);
            insert.bind(span.next).bind(span.until).bind(&span.note).execute(&mut *transaction).await?;
        }
        Ok(transaction.commit().await?)
    }

    /// The newest ones, at most so many.
    pub async fn list<W: DeserializeOwned>(&self, most: u32) -> Result<Vec<PastReplay<W>>, ReplayError> {
        let query = format!("{COLUMNS} ORDER BY asked_at DESC LIMIT $1");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(i64::from(most));
        let rows: Vec<Row> = query.fetch_all(&self.database).await?;
        let mut past = Vec::with_capacity(rows.len());
        for row in rows {
            past.push(self.past(row).await?);
        }
        Ok(past)
    }

    /// One of them.
    pub async fn get<W: DeserializeOwned>(&self, id: &str) -> Result<PastReplay<W>, ReplayError> {
        let query = format!("{COLUMNS} WHERE id = $1");
        let row: Option<Row> =
            sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(id).fetch_optional(&self.database).await?;
        self.past(row.ok_or_else(|| ReplayError::Unknown(id.to_owned()))?).await
    }

    /// Asks whoever is at it to stop; it may be resumed. Says whether somebody is.
    pub async fn ask_to_stop(&self, id: &str) -> Result<bool, ReplayError> {
        // Before it is asked: it may have stopped by the time that the answer to that is here.
        let is_held = self.is_held(id).await?;
        let update = "UPDATE replays SET stop_asked = TRUE WHERE id = $1";
        if sqlx::query(update).bind(id).execute(&self.database).await?.rows_affected() == 0 {
            return Err(ReplayError::Unknown(id.to_owned()));
        }
        Ok(is_held)
    }

    /// Takes it over, with how far it is: nobody else can, until this is dropped or the process ends.
    pub async fn open<W: DeserializeOwned>(&self, id: &str) -> Result<(ReplayRun, PastReplay<W>), ReplayError> {
        let mut connection = PgConnection::connect_with(&self.database.connect_options()).await?;
        let lock = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)").bind(self.lock(id));
        if !lock.fetch_one(&mut connection).await? {
            return Err(ReplayError::Runs(id.to_owned()));
        }
        let past = self.get::<W>(id).await?;
        if past.status == ReplayStatus::Done {
            return Err(ReplayError::Done(id.to_owned()));
        }
        let run = "UPDATE replays SET status = 'running', stop_asked = FALSE, problem = NULL WHERE id = $1";
        sqlx::query(run).bind(id).execute(&mut connection).await?;
        Ok((ReplayRun { connection, id: id.to_owned() }, past))
    }

    /// By the schema, too: installations may share a database.
    fn lock(&self, id: &str) -> i64 {
        let options = self.database.connect_options();
        let name = format!("millgate replay {id} of {}", options.get_options().unwrap_or_default());
        Sha256::digest(name).iter().take(8).fold(0_i64, |key, byte| (key << 8) | i64::from(*byte))
    }

    async fn is_held(&self, id: &str) -> Result<bool, ReplayError> {
        let held = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted AND objsubid = 1 \
            AND ((classid::bigint << 32) | objid::bigint) = $1";
        let held: i64 = sqlx::query_scalar(held).bind(self.lock(id)).fetch_one(&self.database).await?;
        Ok(held > 0)
    }

    async fn past<W: DeserializeOwned>(&self, row: Row) -> Result<PastReplay<W>, ReplayError> {
        let query = "SELECT topic, record_partition, from_offset, next_offset, until_offset, note \
            FROM replay_partitions WHERE replay = $1 ORDER BY topic, record_partition";
        let spans: Vec<SpanRow> = sqlx::query_as(query).bind(&row.id).fetch_all(&self.database).await?;
        let spans = spans.into_iter().map(|(topic, partition, from, next, until, note)| {
            let topic = topic.into();
            Span { topic, partition, from, next, until, note }
        });
        let status = row.status.parse().map_err(|()| garbled(&row.id, &format!("status {}", row.status)))?;
        let is_running = status != ReplayStatus::Running || self.is_held(&row.id).await?;
        Ok(PastReplay {
            asked_at: row.asked_at,
            asked_by: row.asked_by,
            why: row.why,
            wanted: serde_json::from_str(&row.wanted).map_err(|error| garbled(&row.id, &error))?,
            status: if is_running { status } else { ReplayStatus::CutOff },
            tally: serde_json::from_str(&row.tally).map_err(|error| garbled(&row.id, &error))?,
            problem: row.problem,
            moved_at: row.moved_at,
            progress: Progress { spans: spans.collect(), note: row.note },
            id: row.id,
        })
    }
}

fn garbled(id: &str, reason: &impl ToString) -> ReplayError {
    ReplayError::Garbled { id: id.to_owned(), reason: reason.to_string() }
}

/// A replay that is this process' own. Its notes are written on the connection that has its lock: who lost that writes none.
pub struct ReplayRun {
    connection: PgConnection,
    id: String,
}

impl ReplayRun {
    /// Its id.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Notes how far it is. Says whether somebody wants it to stop.
    pub async fn save(&mut self, progress: &Progress, tally: &Tally) -> Result<bool, ReplayError> {
        self.note(progress, tally, "running", None).await
    }

    /// Whether somebody wants it to stop.
    pub async fn is_to_stop(&mut self) -> Result<bool, ReplayError> {
        let read = sqlx::query_scalar("SELECT stop_asked FROM replays WHERE id = $1").bind(&self.id);
        let asked = timeout(PATIENCE, read.fetch_one(&mut self.connection)).await;
        Ok(asked.map_err(|_| ReplayError::Silent(PATIENCE))??)
    }

    /// Notes that it has come to its end.
    pub async fn done(&mut self, progress: &Progress, tally: &Tally) -> Result<(), ReplayError> {
        self.note(progress, tally, "done", None).await.map(drop)
    }

    /// Notes that it was stopped, or could not go on.
    pub async fn stopped(
        &mut self,
        progress: &Progress,
        tally: &Tally,
        problem: Option<&str>,
    ) -> Result<(), ReplayError> {
        let status = if problem.is_some() { "failed" } else { "stopped" };
        self.note(progress, tally, status, problem).await.map(drop)
    }

    async fn note(
        &mut self,
        progress: &Progress,
        tally: &Tally,
        status: &str,
        problem: Option<&str>,
    ) -> Result<bool, ReplayError> {
        let text = serde_json::to_string(tally).map_err(|error| garbled(&self.id, &error))?;
        let work = async {
            let mut transaction = self.connection.begin().await?;
            for span in &progress.spans {
                let update = "UPDATE replay_partitions SET next_offset = $4, note = $5 WHERE replay = $1 AND topic = $2 \
                    AND record_partition = $3 AND (next_offset <> $4 OR note <> $5)";
                let update = sqlx::query(update).bind(&self.id).bind(&*span.topic).bind(span.partition);
                update.bind(span.next).bind(&span.note).execute(&mut *transaction).await?;
            }
            let update = "UPDATE replays SET tally = $2, note = $3, status = $4, problem = $5, moved_at = now() \
                WHERE id = $1 RETURNING stop_asked";
            let update = sqlx::query_scalar(update).bind(&self.id).bind(text).bind(&progress.note);
            let stop = update.bind(status).bind(problem).fetch_one(&mut *transaction).await?;
            transaction.commit().await?;
            Ok::<bool, sqlx::Error>(stop)
        };
        // A connection that went silent would be waited for as long as the system believes in it.
        Ok(timeout(PATIENCE, work).await.map_err(|_| ReplayError::Silent(PATIENCE))??)
    }
}
