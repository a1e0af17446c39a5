//! Of which keys something was told a short while ago: what goes out once in a period.

use std::collections::HashMap;

use sqlx::PgConnection;

use crate::StageError;

/// Keys that were told of, of one stream and type of event.
pub(super) struct Notices<'a> {
    pub(super) stream: &'a str,
    pub(super) event_type: &'a str,
    /// In milliseconds.
    pub(super) period: i64,
}

impl Notices<'_> {
    /// Which of these are to be told of, keys and ends of their windows, by a key's order of time: those of which nothing was told
    /// within the period before. They are noted in the same transaction.
    pub(super) async fn take(
        &self,
        windows: &[(&str, i64)],
        database: &mut PgConnection,
    ) -> Result<Vec<bool>, StageError> {
        let keys: Vec<&str> = windows.iter().map(|(key, _)| *key).collect();
        let known = "SELECT key, told FROM window_notices WHERE stream = $1 AND type = $2 AND key = ANY($3)";
        let known = sqlx::query_as(known).bind(self.stream).bind(self.event_type).bind(keys);
        let known: Vec<(String, i64)> = known.fetch_all(&mut *database).await?;
        let mut told: HashMap<String, i64> = known.into_iter().collect();
        let mut taken = Vec::with_capacity(windows.len());
        let mut new: HashMap<&str, i64> = HashMap::new();
        for (key, end) in windows {
            let is_new = told.get(*key).is_none_or(|last| last.saturating_add(self.period) <= *end);
            if is_new {
                told.insert((*key).to_owned(), *end);
                new.insert(key, *end);
            }
            taken.push(is_new);
        }
        let (keys, ends): (Vec<&str>, Vec<i64>) = new.into_iter().unzip();
        if keys.is_empty() {
            return Ok(taken);
        }
        // All that becomes final from now on ends behind what was closed before: older ones keep nobody back.
        let forget = "DELETE FROM window_notices WHERE stream = $1 AND type = $2 AND told <= $3 + \
            (SELECT greatest(s.closed_through, 0) FROM window_streams AS s WHERE s.stream = $1)";
        let forget = sqlx::query(forget).bind(self.stream).bind(self.event_type).bind(-self.period);
        forget.execute(&mut *database).await?;
        let note = "INSERT INTO window_notices (stream, type, key, told) \
            SELECT $1, $2, n.key, n.told FROM unnest($3::text[], $4::bigint[]) AS n (key, told) \
            ON CONFLICT (stream, type, key) DO UPDATE SET told = EXCLUDED.told";
        let note = sqlx::query(note).bind(self.stream).bind(self.event_type).bind(keys).bind(ends);
        note.execute(database).await?;
        Ok(taken)
    }
}
