//! From what the partitions have to results: early ones of what has changed, and final ones of what the watermark has passed.
//!
//! One process at a time does this for a stream: the row of the stream is its lock.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

use chrono::Utc;
use millgate_events::Event;
use sqlx::PgConnection;

use super::{
    Aggregate, WindowResult,
    cell::{Cell, Whole, windows},
    changed::KEYS,
    fold::Folding,
    partials::{Gone, Row},
    result::moment,
    shape::{Shape, round_up},
    sink::Emission,
    stage::WindowStage,
};
use crate::{StageError, Turn};

/// Windows, and the places of the rows that each is of.
type Wholes<P> = Vec<(Whole<P>, Vec<usize>)>;

/// Results that are too old are removed so often, so many at a time.
const EXPIRE: Duration = Duration::from_mins(1);
const EXPIRED: i64 = 10_000;

const COLUMNS: &str = "SELECT key, topic, partition, starts, newest, events, state FROM window_partials";

/// A stream as a whole.
struct At {
    /// No event before this is waited for.
    watermark: i64,
    closed_through: i64,
}

impl<E: Event, A: Aggregate<E>> WindowStage<E, A> {
    pub(super) async fn turned_once(&self, turn: &Turn<'_>, database: &mut PgConnection) -> Result<bool, StageError> {
        let Some(at) = self.lock(turn, database).await? else { return Ok(false) };
        self.stats.turned(at.watermark, turn.holdings);
        let shown = self.show(&at, turn, database).await?;
        let closed = match self.rules.shape {
            Shape::Aligned { size, every, slice } => self.close_next(&at, (size, every, slice), database).await?,
            Shape::Session { .. } => self.close_sessions(&at, database).await?,
        };
        self.expire(turn, database).await?;
        Ok(shown || closed)
    }

    /// Locks the stream, and moves its watermark to the least of all partitions', if all are known.
    async fn lock(&self, turn: &Turn<'_>, database: &mut PgConnection) -> Result<Option<At>, StageError> {
        let lock = "SELECT watermark, closed_through FROM window_streams WHERE stream = $1 FOR UPDATE";
        let locked: Option<(i64, i64)> = sqlx::query_as(lock).bind(self.name()).fetch_optional(&mut *database).await?;
        let Some((before, closed_through)) = locked else { return Ok(None) };
        let (topics, counts): (Vec<&str>, Vec<i32>) = turn
            .topics
            .iter()
            .map(|(topic, count)| (topic.as_str(), i32::try_from(*count).unwrap_or(i32::MAX)))
            .unzip();
        // A topic that was made anew may have fewer than it had: nobody will be further in those that are gone.
        let least = "SELECT count(*), min(watermark) FROM window_watermarks \
            JOIN unnest($2::text[], $3::int[]) AS topics (topic, partitions) USING (topic) \
            WHERE stream = $1 AND partition < partitions";
        let least = sqlx::query_as(least).bind(self.name()).bind(topics).bind(counts);
        let (known, least): (i64, Option<i64>) = least.fetch_one(&mut *database).await?;
        let all: usize = turn.topics.iter().map(|(_, partitions)| partitions).sum();
        let is_whole = all > 0 && usize::try_from(known).is_ok_and(|known| known >= all);
        let watermark = least.filter(|&least| is_whole && least > before).unwrap_or(before);
        if watermark > before {
            let advance = sqlx::query("UPDATE window_streams SET watermark = $2 WHERE stream = $1");
            advance.bind(self.name()).bind(watermark).execute(database).await?;
        }
        Ok(Some(At { watermark, closed_through }))
    }

    /// What has ended here or before gets its last result.
    fn limit(&self, at: &At) -> i64 {
        at.watermark.saturating_sub(self.rules.lateness)
    }

    /// Gives out what has changed and is still open. Gives whether there is more.
    async fn show(&self, at: &At, turn: &Turn<'_>, database: &mut PgConnection) -> Result<bool, StageError> {
        let page = {
            let mut changed = self.changed();
            if !turn.again {
                changed.begin();
            }
            changed.next()
        };
        if let Some(page) = page {
            let (topic, partition) = &page.place;
            let more = "SELECT DISTINCT key FROM window_partials WHERE stream = $1 AND topic = $2 AND partition = $3 \
                AND key > $4 ORDER BY key LIMIT $5";
            let more = sqlx::query_scalar(more).bind(self.name()).bind(topic).bind(partition).bind(&page.after);
            let more = more.bind(as_limit(KEYS)).fetch_all(&mut *database).await?;
            self.changed().read(&page, more);
        }
        let (wanted, is_more) = {
            let changed = self.changed();
            (changed.showing(), changed.is_more())
        };
        if wanted.is_empty() {
            return Ok(is_more);
        }
        let of_keys = format!("{COLUMNS} WHERE stream = $1 AND key = ANY($2) ORDER BY key");
        let rows = sqlx::query_as(sqlx::AssertSqlSafe(of_keys)).bind(self.name()).bind(&wanted);
        let rows = rows.fetch_all(&mut *database).await?;
        let limit = self.limit(at);
        let mut emission = self.emission(wanted);
        for (key, rows) in by_key(rows) {
            let wholes = self.wholes(&rows)?;
            let open = wholes.iter().map(|(whole, _)| whole).filter(|whole| whole.end > at.closed_through);
            let newest = open.clone().max_by_key(|whole| (whole.last, -whole.start));
            emission.latest.extend(newest.and_then(|whole| self.result(&key, whole, false)));
            let early = open.filter(|whole| whole.end > limit);
            emission.early.extend(early.filter_map(|whole| self.result(&key, whole, false)));
        }
        self.put(&emission, database).await?;
        Ok(is_more)
    }

    /// Closes all windows of the next end that there is, if the watermark has passed it. Gives whether it did.
    async fn close_next(
        &self,
        at: &At,
        (size, every, slice): (i64, i64, i64),
        database: &mut PgConnection,
    ) -> Result<bool, StageError> {
        let first = "SELECT min(ends) FROM window_partials WHERE stream = $1";
        let first: Option<i64> = sqlx::query_scalar(first).bind(self.name()).fetch_one(&mut *database).await?;
        let Some(first) = first else { return Ok(false) };
        let end = (round_up(first - size, every) + size).max(at.closed_through.saturating_add(every));
        if end > self.limit(at) {
            return Ok(false);
        }
        let of_window = format!(
            "{COLUMNS} WHERE stream = $1 AND ends > $2 AND ends <= $3 AND key IN (SELECT DISTINCT key FROM window_partials \
             WHERE stream = $1 AND ends > $2 AND ends <= $3 AND key > $4 ORDER BY key LIMIT $5) ORDER BY key"
        );
        // The empty text is a key, too, and nothing is before it.
        let mut after: Option<String> = None;
        loop {
            let query = if after.is_some() { of_window.clone() } else { of_window.replace("key > $4", "key >= $4") };
            let rows = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(self.name()).bind(end - size).bind(end);
            let rows = rows.bind(after.clone().unwrap_or_default()).bind(as_limit(KEYS));
            let rows: Vec<Row> = rows.fetch_all(&mut *database).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            let keys = by_key(rows);
            let go_on = "SELECT DISTINCT key FROM window_partials WHERE stream = $1 AND key = ANY($2) AND ends > $3";
            let names: Vec<&str> = keys.iter().map(|(key, _)| key.as_str()).collect();
            let go_on = sqlx::query_scalar(go_on).bind(self.name()).bind(names).bind(end);
            let go_on: Vec<String> = go_on.fetch_all(&mut *database).await?;
            let mut emission = self.emission(Vec::new());
            for (key, rows) in &keys {
                let Some(whole) = self.merged(rows, (end - size, end))? else { continue };
                let Some(result) = self.result(key, &whole, true) else { continue };
                if whole.last >= end - every && !go_on.contains(key) {
                    emission.latest.push(result.clone());
                }
                emission.finals.push(result);
            }
            self.stats.closed(emission.finals.len());
            self.put(&emission, database).await?;
        }
        if self.windows.only.is_some() {
            // Given out early, and not chosen in the end.
            let vanish = "DELETE FROM window_results WHERE stream = $1 AND window_end = $2 AND NOT final";
            sqlx::query(vanish).bind(self.name()).bind(moment(end)).execute(&mut *database).await?;
        }
        // Those of which this was the last window.
        let done = sqlx::query("DELETE FROM window_partials WHERE stream = $1 AND ends < $2");
        done.bind(self.name()).bind(end - size + every + slice).execute(&mut *database).await?;
        let close = sqlx::query("UPDATE window_streams SET closed_through = $2 WHERE stream = $1");
        close.bind(self.name()).bind(end).execute(database).await?;
        Ok(true)
    }

    /// Closes the sessions that the watermark has passed, those of some keys in one go.
    async fn close_sessions(&self, at: &At, database: &mut PgConnection) -> Result<bool, StageError> {
        let limit = self.limit(at);
        let of_keys = format!(
            "{COLUMNS} WHERE stream = $1 AND key IN (SELECT DISTINCT key FROM window_partials \
             WHERE stream = $1 AND ends <= $2 AND key > $3 ORDER BY key LIMIT $4) ORDER BY key"
        );
        let mut after: Option<String> = None;
        loop {
            let query = if after.is_some() { of_keys.clone() } else { of_keys.replace("key > $3", "key >= $3") };
            let rows = sqlx::query_as(sqlx::AssertSqlSafe(query)).bind(self.name()).bind(limit);
            let rows = rows.bind(after.clone().unwrap_or_default()).bind(as_limit(KEYS));
            let rows: Vec<Row> = rows.fetch_all(&mut *database).await?;
            let Some(last) = rows.last() else { break };
            after = Some(last.key.clone());
            let (keys, mut gone) = (by_key(rows), Gone::default());
            let mut emission = self.emission(Vec::new());
            for (key, rows) in &keys {
                let wholes = self.wholes(rows)?;
                if wholes.iter().all(|(whole, _)| whole.end > limit) {
                    // Of several partitions, one of which goes on.
                    continue;
                }
                emission.whole.push(key.clone());
                for (place, (whole, cells)) in wholes.iter().enumerate() {
                    if whole.end > limit {
                        if self.allowed().early.is_some() {
                            emission.early.extend(self.result(key, whole, false));
                        }
                        continue;
                    }
                    cells.iter().map(|&cell| &rows[cell]).for_each(|row| {
                        gone.push(key, &row.topic, row.partition, row.starts);
                    });
                    let Some(result) = self.result(key, whole, true) else { continue };
                    if place + 1 == wholes.len() {
                        emission.latest.push(result.clone());
                    }
                    emission.finals.push(result);
                }
            }
            self.stats.closed(emission.finals.len());
            self.put(&emission, database).await?;
            gone.drop(self.name(), database).await?;
        }
        let close =
            sqlx::query("UPDATE window_streams SET closed_through = greatest(closed_through, $2) WHERE stream = $1");
        close.bind(self.name()).bind(limit).execute(database).await?;
        Ok(false)
    }

    /// Removes final results that are older than is asked for: both the windows and what was said of them, as events of long ago may
    /// have been counted just now.
    async fn expire(&self, turn: &Turn<'_>, database: &mut PgConnection) -> Result<(), StageError> {
        let is_due = self.changed().expired.is_none_or(|last| last.elapsed() >= EXPIRE);
        let oldest =
            chrono::Duration::from_std(self.allowed().keep).ok().and_then(|keep| turn.at.checked_sub_signed(keep));
        let (true, Some(oldest)) = (is_due, oldest) else { return Ok(()) };
        let expire = "DELETE FROM window_results WHERE ctid = ANY(ARRAY(SELECT ctid FROM window_results \
            WHERE stream = $1 AND final AND window_end < $2 AND updated_at < $2 LIMIT $3))";
        let expire = sqlx::query(expire).bind(self.name()).bind::<chrono::DateTime<Utc>>(oldest).bind(EXPIRED);
        expire.execute(database).await?;
        self.changed().expired = Some(Instant::now());
        Ok(())
    }

    /// The windows that these rows of one key make, and the rows of each.
    fn wholes(&self, rows: &[Row]) -> Result<Wholes<A::Partial>, StageError> {
        let cells: Vec<_> = rows.iter().map(|row| row.cell(self.name())).collect::<Result<_, _>>()?;
        let folder = self.folder();
        Ok(windows(self.rules.shape, &cells, |into, other| folder.merge(into, other)))
    }

    /// All rows of a key in a window.
    fn merged(&self, rows: &[Row], (start, end): (i64, i64)) -> Result<Option<Whole<A::Partial>>, StageError> {
        let mut cells = rows.iter().map(|row| row.cell(self.name()));
        let Some(mut all) = cells.next().transpose()? else { return Ok(None) };
        let folder = self.folder();
        for cell in cells {
            all.merge(cell?, |into, other| folder.merge(into, other));
        }
        let Cell { last, events, partial, .. } = all;
        Ok(Some(Whole { start, end, last, events, partial }))
    }

    fn result(&self, key: &str, whole: &Whole<A::Partial>, is_final: bool) -> Option<WindowResult<A::Value>> {
        let value = self.windows.aggregate.value(&whole.partial);
        let (start, end) = (moment(whole.start), moment(whole.end));
        let result = WindowResult { key: key.to_owned(), start, end, value, events: whole.events, is_final };
        self.windows.only.as_ref().is_none_or(|only| only(&result)).then_some(result)
    }

    fn emission(&self, keys: Vec<String>) -> Emission<'_, A::Value> {
        // A tumbling or hopping window that was once given out stays, unless somebody chooses among results.
        let may_vanish = matches!(self.rules.shape, Shape::Session { .. }) || self.windows.only.is_some();
        let whole = if may_vanish { keys } else { Vec::new() };
        Emission { stream: self.name(), whole, early: Vec::new(), finals: Vec::new(), latest: Vec::new() }
    }

    async fn put(&self, emission: &Emission<'_, A::Value>, database: &mut PgConnection) -> Result<(), StageError> {
        for sink in &self.windows.sinks {
            sink.put(emission, database).await?;
        }
        Ok(())
    }
}

/// Rows that come by key, each key's together.
fn by_key(rows: Vec<Row>) -> Vec<(String, Vec<Row>)> {
    let (mut keys, mut places) = (Vec::<(String, Vec<Row>)>::new(), HashMap::new());
    for row in rows {
        let place = *places.entry(row.key.clone()).or_insert_with(|| {
            keys.push((row.key.clone(), Vec::new()));
            keys.len() - 1
        });
        keys[place].1.push(row);
    }
    keys
}

fn as_limit(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
