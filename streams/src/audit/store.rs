//! The audit log, for those who look.

use sqlx::{Connection, PgPool, QueryBuilder};

use super::{
    AuditFilter, AuditHead, AuditLog,
    chain::{self, Chain},
    entry::COLUMNS,
};
use crate::StreamError;

/// The audit log of this pool's schema.
#[derive(Debug, Clone)]
pub struct AuditLogs {
    pub(super) database: PgPool,
}

impl AuditLogs {
    /// The one in this pool's schema.
    pub fn new(database: PgPool) -> Self {
        Self { database }
    }

    /// Entries that a filter lets through, at most `most`: what happened last comes first.
    pub async fn search(&self, filter: &AuditFilter, most: u32) -> Result<Vec<AuditLog>, StreamError> {
        let mut query = QueryBuilder::new(format!("SELECT {COLUMNS} FROM audit_logs WHERE TRUE"));
        filter.push_where(&mut query);
        query.push(" ORDER BY occurred_at DESC, chain DESC, number DESC LIMIT ").push_bind(i64::from(most));
        Ok(query.build_query_as().fetch_all(&self.database).await?)
    }

    /// One entry.
    pub async fn get(&self, chain: i32, number: i64) -> Result<Option<AuditLog>, StreamError> {
        let read = format!("SELECT {COLUMNS} FROM audit_logs WHERE chain = $1 AND number = $2");
        let read = sqlx::query_as(sqlx::AssertSqlSafe(read)).bind(chain).bind(number);
        Ok(read.fetch_optional(&self.database).await?)
    }

    /// Where each chain ends.
    pub async fn heads(&self) -> Result<Vec<AuditHead>, StreamError> {
        let mut connection = self.database.acquire().await?;
        let mut transaction = connection.begin().await?;
        Ok(chain::all(&mut transaction).await?.iter().map(Chain::head).collect())
    }

    /// The database's clock.
    pub async fn now(&self) -> Result<chrono::DateTime<chrono::Utc>, StreamError> {
        Ok(sqlx::query_scalar("SELECT now()").fetch_one(&self.database).await?)
    }
}
