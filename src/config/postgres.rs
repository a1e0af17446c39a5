//! The `[postgres]` section: where the application's tables live.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// How to reach the database.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://[user[:password]@]host[:port]/database`.
    pub url: String,
    /// Schema that holds the tables; created if it is missing.
    pub schema: String,
    /// Connections kept open at most, per process. Dead letters have up to 4 more, for whoever writes one may hold one of these.
    pub pool_size: u32,
    /// Not connected within this time, an attempt has failed.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Dead letters that were redriven or discarded are kept for so long. Zero: for ever.
    #[serde(with = "humantime_serde")]
    pub dead_letter_retention: Duration,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: "postgres://millgate:millgate@127.0.0.1:15432/millgate".into(),
            schema: "public".into(),
            pool_size: 16,
            connect_timeout: Duration::from_secs(5),
            dead_letter_retention: Duration::from_hours(90 * 24),
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .field("connect_timeout", &self.connect_timeout)
            .field("dead_letter_retention", &self.dead_letter_retention)
            .finish_non_exhaustive()
    }
}
