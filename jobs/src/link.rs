//! The way to the Redis that has a queue, made anew when it breaks, goes silent, or leads to the wrong place.
//!
//! A queue's keys share a slot, so all it needs is one master. Which one that is may change at any time: a replica is
//! promoted, a slot moves. An error that may mean so makes us ask again before the next command. The command itself is
//! left to its caller, who alone knows whether it may be repeated; and all of them try again.
//!
//! The client's own manager connects again when a connection breaks. One that is silent (a firewall that forgot it, a
//! host that is gone) it keeps, and every command on it would time out until TCP gives up, a quarter of an hour later.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    Client, ConnectionInfo, ErrorKind, RedisError, RedisResult,
    aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection},
};

use crate::{
    QueueError,
    deployment::{Deployment, connect},
    topology::Topology,
};

/// To connect, and to ask who is the master, changes nothing in Redis, and can be given up early.
const PRELUDE: Duration = Duration::from_secs(3);

/// The way to Redis for commands of which each is answered within some time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

struct Shared {
    deployment: Deployment,
    patience: Duration,
    known: Mutex<Known>,
    /// Held by the one who asks for the topology; the others wait for the answer.
    asking: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Known {
    topology: Arc<Topology>,
    /// Whether `topology` may be relied on.
    fresh: bool,
    /// What came of asking the last time, if no topology did.
    failure: Option<RedisError>,
    /// How often was asked.
    asked: u64,
    /// By address.
    lines: HashMap<String, Line>,
    /// How many lines were ever made.
    made: u64,
}

/// A connection that all commands to one master share.
#[derive(Clone)]
struct Line {
    redis: ConnectionManager,
    number: u64,
}

/// A connection to speak on once.
pub(crate) struct Lent {
    pub(crate) redis: ConnectionManager,
    address: String,
    number: u64,
    asked: u64,
}

impl Link {
    /// Connects when first used, on the runtime that does. A command without an answer for `patience` has failed.
    pub(crate) fn new(deployment: &Deployment, patience: Duration) -> Self {
        let deployment = deployment.clone();
        Self(Arc::new(Shared { deployment, patience, known: Mutex::default(), asking: tokio::sync::Mutex::default() }))
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        // Every change is complete before anything can panic.
        self.0.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection for one command, to the master that has `key`; what came of it goes to [`Self::heard`].
    pub(crate) async fn lend(&self, key: &str) -> Result<Lent, QueueError> {
        let (topology, asked) = self.topology().await?;
        Ok(self.lent(master_of(&topology, key)?, asked)?)
    }

    /// One connection to every master.
    pub(crate) async fn lend_all(&self) -> Result<Vec<Lent>, QueueError> {
        let (topology, asked) = self.topology().await?;
        Ok(topology.masters().into_iter().map(|master| self.lent(master, asked)).collect::<RedisResult<_>>()?)
    }

    /// Passes a command's result on; after a silence, or in doubt of the master, the next one goes another way.
    pub(crate) fn heard<T>(&self, lent: &Lent, result: RedisResult<T>) -> Result<T, QueueError> {
        result.map_err(|error| {
            let silent = error.is_timeout();
            let error = QueueError::from(error);
            if matches!(error, QueueError::Unavailable(_)) {
                let mut known = self.known();
                // Of several that were disappointed the first has seen to it.
                if silent && known.lines.get(&lent.address).is_some_and(|line| line.number == lent.number) {
                    known.lines.remove(&lent.address);
                }
                if known.asked == lent.asked {
                    known.fresh = false;
                }
            }
            error
        })
    }

    /// A connection of its own to the master that has `key`, for commands that block.
    pub(crate) async fn dedicated(&self, key: &str, patience: Duration) -> Result<MultiplexedConnection, QueueError> {
        // The one before may have ended because its master did, or was made a replica.
        self.known().fresh = false;
        let (topology, _) = self.topology().await?;
        Ok(connect(master_of(&topology, key)?, PRELUDE.min(self.0.patience), patience).await?)
    }

    async fn topology(&self) -> RedisResult<(Arc<Topology>, u64)> {
        let before = match self.known() {
            known if known.fresh => return Ok((known.topology.clone(), known.asked)),
            known => known.asked,
        };
        let _turn = self.0.asking.lock().await;
        let last = {
            let known = self.known();
            // Somebody has asked while we waited. If each asked in turn, the last would wait for all others.
            match &known.failure {
                _ if known.fresh => return Ok((known.topology.clone(), known.asked)),
                Some(failure) if known.asked != before => return Err(failure.clone()),
                _ => known.topology.clone(),
            }
        };
        let answer = self.0.deployment.ask(&last, PRELUDE.min(self.0.patience)).await;
        let mut known = self.known();
        known.asked += 1;
        match answer {
            Ok(topology) => {
                let addresses: Vec<_> = topology.masters().iter().map(|master| master.addr().to_string()).collect();
                known.lines.retain(|address, _| addresses.contains(address));
                (known.topology, known.fresh, known.failure) = (Arc::new(topology), true, None);
                Ok((known.topology.clone(), known.asked))
            }
            Err(error) => {
                known.failure = Some(error.clone());
                Err(error)
            }
        }
    }

    fn lent(&self, master: &ConnectionInfo, asked: u64) -> RedisResult<Lent> {
        let address = master.addr().to_string();
        let mut known = self.known();
        let line = if let Some(line) = known.lines.get(&address) {
            line.clone()
        } else {
            known.made += 1;
            let line = Line { redis: self.line(master)?, number: known.made };
            known.lines.insert(address.clone(), line.clone());
            line
        };
        Ok(Lent { redis: line.redis, address, number: line.number, asked })
    }

    fn line(&self, master: &ConnectionInfo) -> RedisResult<ConnectionManager> {
        // Quick to give up on one command, tireless in connecting again: callers retry by themselves.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(PRELUDE.min(self.0.patience)))
            .set_response_timeout(Some(self.0.patience))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(1));
        ConnectionManager::new_lazy_with_config(Client::open(master.clone())?, config)
    }
}

fn master_of<'a>(topology: &'a Topology, key: &str) -> RedisResult<&'a ConnectionInfo> {
    let nobody = (ErrorKind::ClusterConnectionNotFound, "no master of the cluster has the queue's slot");
    topology.master_of(key).ok_or_else(|| nobody.into())
}
