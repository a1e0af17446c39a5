//! A connection to Redis that is replaced when it breaks, and also when it goes silent.
//!
//! The client's own manager connects again when a connection breaks. One that is silent (a firewall that forgot it, a
//! host that is gone) it keeps, and every command on it would time out until TCP gives up, a quarter of an hour later.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use redis::{
    Client, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use tracing::warn;

use crate::QueueError;

/// The way to Redis for commands of which each is answered within some time. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Link(Arc<Shared>);

struct Shared {
    client: Client,
    config: ConnectionManagerConfig,
    current: Mutex<Lent>,
}

/// A connection to speak on once.
#[derive(Clone)]
pub(crate) struct Lent {
    pub(crate) redis: ConnectionManager,
    number: u64,
}

impl Link {
    /// Connects when first used, on the runtime that does. A command without an answer for `patience` has failed.
    pub(crate) fn new(client: &Client, patience: Duration) -> Result<Self, QueueError> {
        // Quick to give up on one command, tireless in connecting again: callers retry by themselves.
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(patience))
            .set_response_timeout(Some(patience))
            .set_number_of_retries(1)
            .set_min_delay(Duration::from_millis(50))
            .set_max_delay(Duration::from_secs(1));
        let redis = connect(client, &config).map_err(QueueError::Url)?;
        let current = Mutex::new(Lent { redis, number: 0 });
        Ok(Self(Arc::new(Shared { client: client.clone(), config, current })))
    }

    fn current(&self) -> MutexGuard<'_, Lent> {
        // The one change is an assignment; nothing can be torn.
        self.0.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection for one command; what came of it goes to [`Self::heard`].
    pub(crate) fn lend(&self) -> Lent {
        self.current().clone()
    }

    /// Passes a command's result on; after a silence the next command gets a new connection.
    pub(crate) fn heard<T>(&self, lent: &Lent, result: Result<T, RedisError>) -> Result<T, QueueError> {
        if let Err(error) = &result
            && error.is_timeout()
        {
            let mut current = self.current();
            // Of several that waited in vain the first has replaced it.
            if current.number == lent.number {
                match connect(&self.0.client, &self.0.config) {
                    Ok(redis) => *current = Lent { redis, number: lent.number + 1 },
                    Err(error) => warn!(%error, "Redis cannot be connected anew"),
                }
            }
        }
        Ok(result?)
    }
}

fn connect(client: &Client, config: &ConnectionManagerConfig) -> Result<ConnectionManager, RedisError> {
    ConnectionManager::new_lazy_with_config(client.clone(), config.clone())
}
