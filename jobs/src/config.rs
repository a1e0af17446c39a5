//! The `[redis]` section: where the queues live.

use std::{fmt, time::Duration};

use serde::{Deserialize, Serialize};

/// How to reach Redis, and under which names the queues are kept.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RedisConfig {
    /// Where Redis is; each form with `rediss` in place of `redis` for TLS:
    ///
    /// - one server: `redis://[user:password@]host[:port][/db]`
    /// - a cluster, by some of its nodes: `redis+cluster://[user:password@]host[:port],…`
    /// - a master, by the sentinels that watch over it and the name they have for it:
    ///   `redis+sentinel://[user:password@]host[:port],…/master-name[/db]`. User and password are Redis'. Those of the
    ///   sentinels, if they have any, are parameters: `?sentinel_username=…&sentinel_password=…`
    ///
    /// The port is 6379 where none is given, a sentinel's 26379.
    pub url: String,
    /// First part of every key, so that several applications can share a server.
    pub prefix: String,
    /// A command without an answer for this long has failed.
    #[serde(with = "humantime_serde")]
    pub response_timeout: Duration,
    /// A job's id is remembered for this long: enqueued again within it, it is dropped as a duplicate.
    #[serde(with = "humantime_serde")]
    pub dedupe_window: Duration,
    /// Arguments of a job that are longer than this, in bytes of JSON, are refused.
    pub max_payload: usize,
}

impl Default for RedisConfig {
    fn default() -> Self {
        Self {
            url: "redis://127.0.0.1:16379/0".into(),
            prefix: "millgate".into(),
            response_timeout: Duration::from_secs(5),
            dedupe_window: Duration::from_hours(24),
            max_payload: 256 << 10,
        }
    }
}

/// Without the URL, which may hold a password.
impl fmt::Debug for RedisConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisConfig")
            .field("prefix", &self.prefix)
            .field("response_timeout", &self.response_timeout)
            .field("dedupe_window", &self.dedupe_window)
            .field("max_payload", &self.max_payload)
            .finish_non_exhaustive()
    }
}
