//! The way to Redis, shared by all queues.

use std::time::Duration;

use redis::{ErrorKind, InfoDict, aio::MultiplexedConnection};

use crate::{
    Queue, QueueError, RedisConfig, clock_shift::ClockShift, deployment::Deployment, link::Link, producer::Producer,
    script::Scripts, sender::Senders, url,
};

/// All queues of one Redis. Cheap to clone; all clones share one connection to each master.
#[derive(Clone)]
pub struct Queues {
    deployment: Deployment,
    pub(crate) link: Link,
    pub(crate) config: RedisConfig,
    pub(crate) scripts: Scripts,
    pub(crate) producer: Producer,
    pub(crate) senders: Senders,
    pub(crate) clock_shift: ClockShift,
}

/// What Redis says of itself; of the masters of a cluster, what is worst.
#[derive(Debug, Clone)]
pub struct RedisInfo {
    /// Masters that share the queues: 1, or those of a cluster.
    pub masters: usize,
    /// Its version: `7.0.15`.
    pub version: String,
    /// What it does when memory is full. Only `noeviction` keeps jobs safe.
    pub maxmemory_policy: String,
    /// Whether writes go to an append-only file.
    pub append_only: bool,
}

impl Queues {
    /// Connects when first used, and again whenever the connection breaks or another server becomes the master.
    pub fn new(config: &RedisConfig) -> Result<Self, QueueError> {
        let deployment = url::read(&config.url).map_err(QueueError::Url)?;
        let link = Link::new(&deployment, config.response_timeout);
        Ok(Self {
            deployment,
            link,
            config: config.clone(),
            scripts: Scripts::new(),
            producer: Producer::new(),
            senders: Senders::default(),
            clock_shift: ClockShift::default(),
        })
    }

    /// What every key of millgate's own begins with.
    pub fn prefix(&self) -> &str {
        &self.config.prefix
    }

    /// The queue of that name.
    pub fn queue(&self, name: &str) -> Queue {
        Queue::new(self.clone(), name)
    }

    /// Puts the queues' clock forward, for this handle and its clones: what is due by then becomes due, and leases end.
    /// For tests, which need not wait then. All that work on a queue must share the handle, or be
    /// [made of it](Self::reconnected).
    pub fn pass(&self, time: Duration) {
        self.clock_shift.forward(time);
    }

    /// The same queues on connections of their own: for another runtime, since a connection lives on the one that first
    /// used it.
    #[must_use]
    pub fn reconnected(&self) -> Self {
        Self {
            link: Link::new(&self.deployment, self.config.response_timeout),
            producer: Producer::new(),
            senders: Senders::default(),
            ..self.clone()
        }
    }

    /// Asks every master who it is.
    pub async fn info(&self) -> Result<RedisInfo, QueueError> {
        let mut infos = Vec::new();
        for mut lent in self.link.lend_all().await? {
            let answer = redis::cmd("INFO").query_async::<InfoDict>(&mut lent.redis).await;
            infos.push(self.link.heard(&lent, answer)?);
        }
        let texts =
            |name: &str| infos.iter().map(|info| info.get::<String>(name).unwrap_or_default()).collect::<Vec<_>>();
        let mode = texts("redis_mode").concat();
        if let (Deployment::Server(_), "cluster" | "sentinel") = (&self.deployment, mode.as_str()) {
            let error = (ErrorKind::InvalidClientConfig, "it names one server, whose mode is another", mode);
            return Err(QueueError::Url(error.into()));
        }
        let policies = texts("maxmemory_policy");
        let worst = policies.iter().find(|policy| *policy != "noeviction").or(policies.first());
        Ok(RedisInfo {
            masters: infos.len(),
            version: texts("redis_version").into_iter().next().unwrap_or_default(),
            maxmemory_policy: worst.cloned().unwrap_or_default(),
            append_only: texts("aof_enabled").iter().all(|enabled| enabled == "1"),
        })
    }

    /// A connection of its own for a command that blocks on `key`, whose answer may take `longest`.
    pub(crate) async fn blocking(&self, key: &str, longest: Duration) -> Result<MultiplexedConnection, QueueError> {
        // A patience shorter than the pop would kill the pop.
        self.link.dedicated(key, longest + self.config.response_timeout).await
    }

    /// A connection of its own, for another runtime or another patience.
    pub(crate) fn separate(&self, patience: Duration) -> Link {
        Link::new(&self.deployment, patience)
    }
}
