//! The `[postgres]` section: where the application's tables live.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::secret;

/// How to reach the database.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct PostgresConfig {
    /// `postgres://[user[:password]@]host[:port]/database`.
    pub url: String,
    /// Schema that holds the tables; created if it is missing.
    pub schema: String,
    /// Connections kept open at most, per process.
    pub pool_size: u32,
    /// Not connected within this time, an attempt has failed.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
}

impl Default for PostgresConfig {
    fn default() -> Self {
        Self {
            url: "postgres://millgate:millgate@127.0.0.1:15432/millgate".into(),
            schema: "public".into(),
            pool_size: 16,
            connect_timeout: Duration::from_secs(5),
        }
    }
}

/// Written by hand: the URL holds a password.
impl fmt::Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("url", &secret::hide_in_text(&self.url))
            .field("schema", &self.schema)
            .field("pool_size", &self.pool_size)
            .field("connect_timeout", &self.connect_timeout)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_hides_the_password() {
        let config = PostgresConfig {
            url: "postgres://shop:hunter2@db/shop".into(),
            ..PostgresConfig::default()
        };
        let shown = format!("{config:?}");
        assert!(!shown.contains("hunter2"), "{shown}");
        assert!(shown.contains("postgres://shop:***@db/shop"), "{shown}");
    }
}
