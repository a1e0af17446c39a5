//! The way to Redis, shared by all queues.

use std::time::Duration;

use redis::{AsyncConnectionConfig, Client, InfoDict, aio::MultiplexedConnection};

use crate::{
    Queue, QueueError, RedisConfig, clock_shift::ClockShift, link::Link, producer::Producer, script::Scripts,
    sender::Senders,
};

/// All queues of one Redis. Cheap to clone; all clones share one connection.
#[derive(Clone)]
pub struct Queues {
    pub(crate) client: Client,
    pub(crate) link: Link,
    pub(crate) config: RedisConfig,
    pub(crate) scripts: Scripts,
    pub(crate) producer: Producer,
    pub(crate) senders: Senders,
    pub(crate) clock_shift: ClockShift,
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
        let link = Link::new(&client, config.response_timeout)?;
        Ok(Self {
            client,
            link,
            config: config.clone(),
            scripts: Scripts::new(),
            producer: Producer::new(),
            senders: Senders::default(),
            clock_shift: ClockShift::default(),
        })
    }

    /// The queue of that name.
    pub fn queue(&self, name: &str) -> Queue {
        Queue::new(self.clone(), name)
    }

    /// Puts the queues' clock forward, for this handle and its clones: what is due by then becomes due, and leases end.
    /// For tests, which need not wait then. All that work on a queue must share the handle.
    pub fn pass(&self, time: Duration) {
        self.clock_shift.forward(time);
    }

    /// Asks the server who it is.
    pub async fn info(&self) -> Result<RedisInfo, QueueError> {
        let mut lent = self.link.lend();
        let answer = redis::cmd("INFO").query_async::<InfoDict>(&mut lent.redis).await;
        let info = self.link.heard(&lent, answer)?;
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

    /// A connection of its own, for another runtime or another patience.
    pub(crate) fn separate(&self, patience: Duration) -> Result<Link, QueueError> {
        Link::new(&self.client, patience)
    }
}
