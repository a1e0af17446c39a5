//! Chains: what ties the entries of a partition to each other.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;

use super::entry::to_hex;

/// The end of a chain, with which all of it is proven.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditHead {
    /// The topic, as Kafka names it.
    pub topic: String,
    /// Its partition.
    pub partition: i32,
    /// Which chain of that partition: it counts up when a topic is made anew.
    pub epoch: i32,
    /// Number of the chain's last entry.
    pub number: i64,
    /// The hash of that entry, as hexadecimal digits.
    pub hash: String,
}

/// A chain's row, locked until the transaction ends.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Chain {
    pub(super) id: i32,
    pub(super) topic: String,
    pub(super) record_partition: i32,
    pub(super) epoch: i32,
    pub(super) number: i64,
    pub(super) hash: Vec<u8>,
    pub(super) record_offset: i64,
    /// The time of what is recorded next: now, and never before what is there.
    pub(super) recorded_at: DateTime<Utc>,
}

const COLUMNS: &str = "id, topic, record_partition, epoch, number, hash, record_offset";

impl Chain {
    /// The newest chain of a partition, which is made if there is none.
    pub(super) async fn lock(topic: &str, partition: i32, database: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let lock = format!(
            "SELECT {COLUMNS}, GREATEST(recorded_at, clock_timestamp()) AS recorded_at FROM audit_chains \
             WHERE topic = $1 AND record_partition = $2 ORDER BY epoch DESC LIMIT 1 FOR UPDATE"
        );
        let lock = sqlx::query_as(sqlx::AssertSqlSafe(lock)).bind(topic).bind(partition);
        match lock.fetch_optional(&mut *database).await? {
            Some(chain) => Ok(chain),
            None => Self::begin(topic, partition, 1, database).await,
        }
    }

    /// A new one. That another process has just made it is an error, and the batch comes again.
    async fn begin(topic: &str, partition: i32, epoch: i32, database: &mut PgConnection) -> Result<Self, sqlx::Error> {
        let begin = format!(
            "INSERT INTO audit_chains (topic, record_partition, epoch) VALUES ($1, $2, $3) \
             RETURNING {COLUMNS}, clock_timestamp() AS recorded_at"
        );
        let begin = sqlx::query_as(sqlx::AssertSqlSafe(begin)).bind(topic).bind(partition).bind(epoch);
        begin.fetch_one(database).await
    }

    /// The chain of a topic that was made anew.
    pub(super) async fn anew(&self, database: &mut PgConnection) -> Result<Self, sqlx::Error> {
        Self::begin(&self.topic, self.record_partition, self.epoch + 1, database).await
    }

    /// Writes down where it ends now.
    pub(super) async fn advance(&self, database: &mut PgConnection) -> Result<(), sqlx::Error> {
        let advance =
            "UPDATE audit_chains SET number = $2, hash = $3, record_offset = $4, recorded_at = $5 WHERE id = $1";
        let advance = sqlx::query(advance).bind(self.id).bind(self.number).bind(&self.hash);
        advance.bind(self.record_offset).bind(self.recorded_at).execute(database).await?;
        Ok(())
    }

    pub(super) fn head(&self) -> AuditHead {
        AuditHead {
            topic: self.topic.clone(),
            partition: self.record_partition,
            epoch: self.epoch,
            number: self.number,
            hash: to_hex(&self.hash),
        }
    }
}

/// All chains, in order.
pub(super) async fn all(database: &mut PgConnection) -> Result<Vec<Chain>, sqlx::Error> {
    let all = format!("SELECT {COLUMNS}, recorded_at FROM audit_chains ORDER BY topic, record_partition, epoch");
    sqlx::query_as(sqlx::AssertSqlSafe(all)).fetch_all(database).await
}

/// Where a chain begins since its oldest months are gone: the number and the hash of the last entry that was dropped.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(super) struct Anchor {
    pub(super) number: i64,
    pub(super) hash: Vec<u8>,
}

impl Anchor {
    pub(super) async fn of(chain: i32, database: &mut PgConnection) -> Result<Option<Self>, sqlx::Error> {
        let read = "SELECT number, hash FROM audit_anchors WHERE chain = $1 ORDER BY number DESC LIMIT 1";
        sqlx::query_as(read).bind(chain).fetch_optional(database).await
    }
}
