//! A test's own keys in the shared Redis.

use std::{thread, time::Duration};

use millgate_jobs::{Queues, RedisConfig};
use redis::{AsyncConnectionConfig, Client, FromRedisValue, aio::MultiplexedConnection};

use crate::{address, logs, unique};

const PATIENCE: Duration = Duration::from_mins(1);

/// Keys under a prefix that nobody else uses, removed with this value.
#[derive(Debug)]
pub struct RedisSpace {
    config: RedisConfig,
}

impl RedisSpace {
    /// A prefix that begins with `name`, on the shared server.
    ///
    /// # Panics
    /// If the server does not answer.
    pub fn fresh(name: &str) -> Self {
        logs();
        let config = RedisConfig { url: address::redis_url(), prefix: unique(name), ..RedisConfig::default() };
        Self { config }
    }

    /// How to get there.
    pub fn config(&self) -> RedisConfig {
        self.config.clone()
    }

    /// The same by way of another address: a [`Proxy`](crate::Proxy)'s.
    pub fn config_at(&self, address: &str) -> RedisConfig {
        let url = self.config.url.replacen(&self.address(), address, 1);
        RedisConfig { url, ..self.config() }
    }

    /// `host:port` of the server, for a [`Proxy`](crate::Proxy).
    pub fn address(&self) -> String {
        address::host_and_port(&self.config.url).to_owned()
    }

    /// Its queues, on a connection of their own.
    pub fn queues(&self) -> Queues {
        Queues::new(&self.config).unwrap()
    }

    /// The server's clock, in milliseconds since 1970.
    pub async fn now(&self) -> i64 {
        now(&self.config).await
    }

    /// Sends a command, and gives the answer.
    ///
    /// # Panics
    /// If it is an error.
    pub async fn command<T: FromRedisValue>(&self, words: &[&str]) -> T {
        command(&self.config, words).await
    }

    /// Every key of this space.
    pub async fn keys(&self) -> Vec<String> {
        self.command(&["KEYS", &format!("{{{}:*", self.config.prefix)]).await
    }
}

pub(crate) async fn connect(config: &RedisConfig) -> MultiplexedConnection {
    let client = Client::open(config.url.as_str()).unwrap();
    // What the client has for a default is shorter than the pauses of a machine that is busy with tests.
    let settings =
        AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(Some(PATIENCE));
    let connection = client.get_multiplexed_async_connection_with_config(&settings).await;
    connection.unwrap_or_else(|error| panic!("{}: {error}", config.url))
}

pub(crate) async fn command<T: FromRedisValue>(config: &RedisConfig, words: &[&str]) -> T {
    let mut connection = connect(config).await;
    let mut command = redis::cmd(words[0]);
    let answer = command.arg(&words[1..]).query_async(&mut connection).await;
    answer.unwrap_or_else(|error| panic!("{words:?}: {error}"))
}

pub(crate) async fn now(config: &RedisConfig) -> i64 {
    let (seconds, micros): (i64, i64) = command(config, &["TIME"]).await;
    seconds * 1000 + micros / 1000
}

impl Drop for RedisSpace {
    fn drop(&mut self) {
        // Of a test that failed, what lies in Redis is worth a look.
        if !thread::panicking() {
            // A server that has gone has nothing to be cleaned.
            let _ = remove(&self.config);
        }
    }
}

fn remove(config: &RedisConfig) -> redis::RedisResult<()> {
    let client = Client::open(config.url.as_str())?;
    let mut connection = client.get_connection_with_timeout(PATIENCE)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    let pattern = format!("{{{}:*", config.prefix);
    let mut cursor = 0_u64;
    loop {
        let (next, keys): (u64, Vec<String>) =
            redis::cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(1000).query(&mut connection)?;
        if !keys.is_empty() {
            redis::cmd("UNLINK").arg(keys).exec(&mut connection)?;
        }
        cursor = next;
        if cursor == 0 {
            return Ok(());
        }
    }
}
