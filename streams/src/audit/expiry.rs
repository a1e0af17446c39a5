//! What is old goes, by whole months, and the chains stay provable.

use std::time::Duration;

use chrono::{DateTime, Utc};
use serde::Serialize;
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{AuditLogs, month::Month};
use crate::StreamError;

/// A month that was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DroppedMonth {
    /// Its table: `audit_logs_2026_03`.
    pub table: String,
    /// Entries that were in it.
    pub entries: i64,
}

impl AuditLogs {
    /// Drops the months that ended longer ago than `keep` at a time, the oldest first, each in a transaction of its own: where it ends in each chain
    /// is kept as an anchor. Or only says which there are. Needs the rights of the tables' owner.
    pub async fn expire(
        &self,
        keep: Duration,
        now: DateTime<Utc>,
        is_dry_run: bool,
    ) -> Result<Vec<DroppedMonth>, StreamError> {
        // Longer than there is time keeps all.
        let before = chrono::Duration::from_std(keep).ok().and_then(|keep| now.checked_sub_signed(keep));
        let mut dropped = Vec::new();
        for (table, month) in self.months().await? {
            if month.end().zip(before).is_some_and(|(end, before)| end <= before) {
                let mut connection = self.database.acquire().await?;
                let mut transaction = connection.begin().await?;
                dropped.push(drop_month(table, month, &mut transaction).await?);
                if is_dry_run {
                    transaction.rollback().await?;
                    // What is before the next one is still there.
                    continue;
                }
                transaction.commit().await?;
            }
        }
        Ok(dropped)
    }

    /// The table's partitions, in order.
    async fn months(&self) -> Result<Vec<(String, Month)>, StreamError> {
        let read = "SELECT c.relname::text FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid \
            WHERE i.inhparent = 'audit_logs'::regclass ORDER BY 1";
        let tables: Vec<String> = sqlx::query_scalar(read).fetch_all(&self.database).await?;
        let mut months: Vec<_> =
            tables.into_iter().filter_map(|table| Month::of_table(&table).map(|month| (table, month))).collect();
        months.sort_by_key(|(_, month)| *month);
        Ok(months)
    }
}

/// Anchors first: who writes has a chain locked before the table, so here it is the same.
async fn drop_month(table: String, month: Month, database: &mut PgConnection) -> Result<DroppedMonth, StreamError> {
    // The name is one of ours: letters, digits and underscores.
    let anchor = format!(
        "INSERT INTO audit_anchors (chain, number, hash, month) SELECT c.id, l.number, l.hash, $1 FROM audit_chains AS c \
         CROSS JOIN LATERAL (SELECT number, hash FROM {table} WHERE chain = c.id ORDER BY number DESC LIMIT 1) AS l"
    );
    sqlx::query(AssertSqlSafe(anchor)).bind(month.first()).execute(&mut *database).await?;
    let entries: i64 =
        sqlx::query_scalar(AssertSqlSafe(format!("SELECT count(*) FROM {table}"))).fetch_one(&mut *database).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("DROP TABLE {table}"))).execute(database).await?;
    Ok(DroppedMonth { table, entries })
}
