//! The way to Redis, shared by all queues.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, InfoDict,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};

use crate::{Queue, QueueError, RedisConfig, script::Scripts};

/// All queues of one Redis. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Queues {
    pub(crate) client: Client,
    pub(crate) redis: ConnectionManager,
    pub(crate) config: RedisConfig,
    pub(crate) scripts: Scripts,
}

/// What a Redis server says of itself.
#[derive(Debug, Clone)]
pub struct RedisInfo {
    /// Its version: `7.0.15`.
    pub version: String,
    /// What it does when memory is full. Only `noeviction` keeps jobs safe.
    pub maxmemory_policy: String,
    /// Whether writes go to an append-only file.
    pub append_only: bool,
}

impl Queues {
    /// Connects when first used, and again whenever the connection breaks.
    pub fn new(config: &RedisConfig) -> Result<Self, QueueError> {
        let client = Client::open(config.url.as_str()).map_err(QueueError::Url)?;
        let redis =
            ConnectionManager::new_lazy_with_config(client.clone(), manager(config)).map_err(QueueError::Url)?;
        Ok(Self { client, redis, config: config.clone(), scripts: Scripts::new() })
    }

    /// The queue of that name.
    pub fn queue(&self, name: &str) -> Queue {
        Queue::new(self.clone(), name)
    }

    /// Asks the server who it is.
    pub async fn info(&self) -> Result<RedisInfo, QueueError> {
        let mut redis = self.redis.clone();
        let info: InfoDict = redis::cmd("INFO").query_async(&mut redis).await?;
        let text = |name: &str| info.get::<String>(name).unwrap_or_default();
        Ok(RedisInfo {
            version: text("redis_version"),
            maxmemory_policy: text("maxmemory_policy"),
            append_only: text("aof_enabled") == "1",
        })
    }

    /// A connection of its own for a command that blocks, whose answer may take `longest`.
    pub(crate) async fn blocking(&self, longest: Duration) -> Result<MultiplexedConnection, QueueError> {
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.config.response_timeout))
            // Shorter than the pop, it would kill the pop.
            .set_response_timeout(Some(longest + self.config.response_timeout));
        Ok(self.client.get_multiplexed_async_connection_with_config(&config).await?)
    }

    /// A connection of its own for another runtime.
    pub(crate) fn separate(&self) -> Result<ConnectionManager, QueueError> {
        ConnectionManager::new_lazy_with_config(self.client.clone(), manager(&self.config)).map_err(QueueError::Url)
    }
}

/// Quick to give up on one command, tireless in connecting again: callers retry by themselves.
fn manager(config: &RedisConfig) -> ConnectionManagerConfig {
    ConnectionManagerConfig::new()
        .set_connection_timeout(Some(config.response_timeout))
        .set_response_timeout(Some(config.response_timeout))
        .set_number_of_retries(1)
        .set_min_delay(Duration::from_millis(50))
        .set_max_delay(Duration::from_secs(1))
}
