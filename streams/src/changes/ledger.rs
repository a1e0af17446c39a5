//! What is known of rows: how far each is, and perhaps how it looked.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    time::Duration,
};

use serde_json::Value;
use sqlx::{FromRow, PgConnection};

use super::{RowKey, envelope::Row, version::Version};
use crate::StageError;

/// Rows that a truncate is told of at a time.
const PAGE: i64 = 1_000;

/// Shared by batches, exclusive for one that has a truncate: another partition's batch must not bring in an older row beside it.
const SHARE: &str =
    "SELECT pg_advisory_xact_lock_shared(hashtextextended(current_schema() || '/change_rows/' || $1, 0))";
const LOCK: &str = "SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '/change_rows/' || $1, 0))";

const READ: &str = "SELECT key, lsn, snapshot, \"row\", deleted_at IS NOT NULL AS deleted FROM change_rows \
    WHERE stream = $1 AND id = ANY($2) ORDER BY id FOR UPDATE";

const WRITE: &str = "INSERT INTO change_rows (stream, id, key, lsn, snapshot, \"row\", deleted_at) \
    SELECT $1, id, key, lsn, snapshot, \"row\"::jsonb, CASE WHEN deleted THEN now() END \
    FROM unnest($2::bytea[], $3::text[], $4::bigint[], $5::boolean[], $6::text[], $7::boolean[]) \
    AS known (id, key, lsn, snapshot, \"row\", deleted) \
    ON CONFLICT (stream, id) DO UPDATE SET lsn = EXCLUDED.lsn, snapshot = EXCLUDED.snapshot, \"row\" = EXCLUDED.\"row\", \
    deleted_at = EXCLUDED.deleted_at";

/// What is told to be older than the truncate, live or not: the truncate's own place keeps older changes out from then on.
const EMPTY: &str = "DELETE FROM change_rows WHERE (stream, id) IN (SELECT stream, id FROM change_rows \
    WHERE stream = $1 AND key <> '' AND ($2::bigint IS NULL OR lsn IS NULL OR lsn < $2) ORDER BY id LIMIT $3) \
    RETURNING key, lsn, snapshot, \"row\", deleted_at IS NOT NULL AS deleted";

const FORGET: &str = "DELETE FROM change_rows WHERE stream = $1 AND key <> '' \
    AND deleted_at < now() - make_interval(secs => $2)";

/// What is known of a row.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) version: Version,
    /// How it looked last; of one that is gone, if it goes on under another key.
    pub(super) row: Option<Row>,
    pub(super) deleted: bool,
    /// Not written yet.
    pub(super) fresh: bool,
}

/// What is known of the rows that a batch is about.
pub(super) struct Ledger<'a> {
    stream: &'a str,
    remembers_rows: bool,
    known: HashMap<RowKey, Known>,
    /// The last truncate.
    truncated: Option<Version>,
}

#[derive(FromRow)]
struct Read {
    key: String,
    lsn: Option<i64>,
    snapshot: bool,
    row: Option<Value>,
    deleted: bool,
}

impl Read {
    fn known(self) -> Known {
        let row = match self.row {
            Some(Value::Object(row)) => Some(row),
            _ => None,
        };
        let version = Version { lsn: self.lsn, snapshot: self.snapshot };
        Known { version, row, deleted: self.deleted, fresh: false }
    }
}

impl<'a> Ledger<'a> {
    /// One of which nothing is known, and nothing written.
    pub(super) fn blank(stream: &'a str) -> Self {
        Self { stream, remembers_rows: false, known: HashMap::new(), truncated: None }
    }

    /// Keeps others away from the stream's rows: all of them, if it is for a truncate.
    pub(super) async fn lock(&self, truncates: bool, database: &mut PgConnection) -> Result<(), StageError> {
        sqlx::query(if truncates { LOCK } else { SHARE }).bind(self.stream).execute(database).await?;
        Ok(())
    }

    /// Reads what is known of some rows, by their keys in JSON, in place of what was read before.
    pub(super) async fn read(
        &mut self,
        keys: &BTreeSet<String>,
        remembers_rows: bool,
        database: &mut PgConnection,
    ) -> Result<(), StageError> {
        self.remembers_rows = remembers_rows;
        (self.known, self.truncated) = (HashMap::new(), None);
        // That of the table as a whole, too.
        let ids: Vec<_> = keys.iter().map(String::as_str).chain([""]).map(RowKey::digest).collect();
        let rows: Vec<Read> = sqlx::query_as(READ).bind(self.stream).bind(ids).fetch_all(database).await?;
        for row in rows {
            if row.key.is_empty() {
                self.truncated = Some(row.known().version);
            } else {
                self.known.insert(RowKey::parse(&row.key)?, row.known());
            }
        }
        Ok(())
    }

    /// What is known of a row, be it there or gone.
    pub(super) fn get(&self, key: &RowKey) -> Option<&Known> {
        self.known.get(key)
    }

    /// Whether a change is known to be past: what is there counts.
    pub(super) fn is_past(&self, key: Option<&RowKey>, version: Version) -> bool {
        let held = key.and_then(|key| self.known.get(key)).map(|known| known.version);
        held.into_iter().chain(self.truncated).any(|held| version.is_past(held))
    }

    /// Notes how a row is from now on.
    pub(super) fn note(&mut self, key: RowKey, known: Known) {
        self.known.insert(key, known);
    }

    /// Writes what was noted.
    pub(super) async fn write(&mut self, database: &mut PgConnection) -> Result<(), StageError> {
        // In one order for everybody: two that want the same rows do not lock each other out.
        let mut fresh = BTreeMap::new();
        for (key, known) in self.known.iter_mut().filter(|(_, known)| known.fresh) {
            known.fresh = false;
            let key = key.json();
            fresh.insert(RowKey::digest(&key), (key, &*known));
        }
        if fresh.is_empty() {
            return Ok(());
        }
        let count = fresh.len();
        let (mut ids, mut keys, mut lsns) =
            (Vec::with_capacity(count), Vec::with_capacity(count), Vec::with_capacity(count));
        let (mut snapshots, mut rows, mut deleted) = (Vec::new(), Vec::new(), Vec::new());
        for (id, (key, known)) in fresh {
            ids.push(id);
            keys.push(key);
            lsns.push(known.version.lsn);
            snapshots.push(known.version.snapshot);
            let row = known.row.as_ref().filter(|_| self.remembers_rows);
            rows.push(row.map(|row| serde_json::to_string(row).unwrap_or_default()));
            deleted.push(known.deleted);
        }
        let write = sqlx::query(WRITE).bind(self.stream).bind(ids).bind(keys).bind(lsns);
        write.bind(snapshots).bind(rows).bind(deleted).execute(database).await?;
        Ok(())
    }

    /// Forgets some of the rows that a truncate has removed, and gives those that were there; `None` once it has gone through all.
    pub(super) async fn empty(
        &mut self,
        version: Version,
        database: &mut PgConnection,
    ) -> Result<Option<Vec<(RowKey, Option<Row>)>>, StageError> {
        let rows: Vec<Read> =
            sqlx::query_as(EMPTY).bind(self.stream).bind(version.lsn).bind(PAGE).fetch_all(&mut *database).await?;
        if rows.is_empty() {
            return Ok(None);
        }
        let there = rows.into_iter().filter(|row| !row.deleted);
        there.map(|row| Ok((RowKey::parse(&row.key)?, row.known().row))).collect::<Result<_, StageError>>().map(Some)
    }

    /// Notes that the table was emptied.
    pub(super) async fn truncate(&mut self, version: Version, database: &mut PgConnection) -> Result<(), StageError> {
        let write = sqlx::query(WRITE).bind(self.stream).bind([RowKey::digest("")]).bind([""]).bind([version.lsn]);
        write.bind([version.snapshot]).bind([None::<String>]).bind([false]).execute(database).await?;
        Ok(())
    }
}

/// Forgets rows that are gone for so long.
pub(super) async fn forget(stream: &str, gone_for: Duration, database: &mut PgConnection) -> Result<(), StageError> {
    sqlx::query(FORGET).bind(stream).bind(gone_for.as_secs_f64()).execute(database).await?;
    Ok(())
}
