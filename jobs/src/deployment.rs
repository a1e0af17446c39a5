//! How Redis is deployed: one server, a cluster, or a master that sentinels watch over.

use std::time::Duration;

use futures::{
    FutureExt,
    future::{BoxFuture, select_ok},
};
use redis::{AsyncConnectionConfig, Client, ConnectionInfo, RedisResult, aio::MultiplexedConnection};

use crate::{cluster, sentinel, topology::Topology};

/// Where to ask who the masters are.
#[derive(Clone)]
pub(crate) enum Deployment {
    /// Nobody needs to be asked.
    Server(ConnectionInfo),
    /// Nodes of a cluster, any of which knows.
    Cluster(Vec<ConnectionInfo>),
    /// Sentinels, any of which knows.
    Sentinel {
        sentinels: Vec<ConnectionInfo>,
        /// What they call the master.
        name: String,
        /// How to get into the master, wherever it is.
        like: ConnectionInfo,
    },
}

impl Deployment {
    /// Asks everybody at once, and believes the first who has an answer; so one that is silent delays nothing. `known`
    /// was the answer last time: a cluster's nodes may all have changed since its URL was written.
    pub(crate) async fn ask(&self, known: &Topology, patience: Duration) -> RedisResult<Topology> {
        match self {
            Self::Server(server) => Ok(Topology::single(server.clone())),
            Self::Cluster(nodes) => {
                let nodes = nodes.iter().chain(known.masters());
                first(nodes.map(|node| cluster::ask(node, patience).boxed())).await
            }
            Self::Sentinel { sentinels, name, like } => {
                first(sentinels.iter().map(|sentinel| sentinel::ask(sentinel, name, like, patience).boxed())).await
            }
        }
    }
}

async fn first(questions: impl Iterator<Item = BoxFuture<'_, RedisResult<Topology>>>) -> RedisResult<Topology> {
    Ok(select_ok(questions).await?.0)
}

/// A connection that takes up to `patience` to be made, and of which each command may take up to `longest`.
pub(crate) async fn connect(
    server: &ConnectionInfo,
    patience: Duration,
    longest: Duration,
) -> RedisResult<MultiplexedConnection> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(patience)).set_response_timeout(Some(longest));
    Client::open(server.clone())?.get_multiplexed_async_connection_with_config(&config).await
}
