//! Connections that are kept for the next mail.
//!
//! Not lettre's pool: that one takes a connection back even if the mail on it was given up half-way, by a timeout or
//! a lost lease. The answer to that mail is then read as the answer to the next, which counts as sent whatever the
//! server thinks of it.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use millgate_events::client_span;
use tokio::sync::Semaphore;
use tracing::Instrument;

use super::{MailError, connection::Connection, server::Server};

/// Servers close connections that are silent for some minutes; we do so first.
const MOST_IDLE: Duration = Duration::from_mins(1);

/// At most so many connections to one server.
pub(super) struct Connections {
    server: Arc<Server>,
    permits: Semaphore,
    /// Those nobody uses, the last used last.
    parked: Mutex<Vec<Connection>>,
}

impl Connections {
    pub(super) fn new(server: Server, size: u32) -> Self {
        // None at all would be a mailer that waits for ever.
        let size = usize::try_from(size).unwrap_or(usize::MAX).clamp(1, Semaphore::MAX_PERMITS);
        Self { server: Arc::new(server), permits: Semaphore::new(size), parked: Mutex::default() }
    }

    /// Does `work` on a connection that is free, or on a new one.
    pub(super) async fn run(
        &self,
        work: impl AsyncFnOnce(&mut Connection) -> Result<(), MailError>,
    ) -> Result<(), MailError> {
        // An error would mean that the semaphore is closed, and nobody closes it.
        let _permit = self.permits.acquire().await;
        let mut connection = self.take().await?;
        let result = work(&mut connection).instrument(client_span("smtp", "send")).await;
        // Kept only if the server has answered all that it was asked; any other is closed here, or wherever this
        // future is dropped.
        if result.as_ref().map_or_else(MailError::is_answer, |()| true) {
            self.lock().push(connection);
        }
        result
    }

    /// A new connection that is not kept.
    pub(super) async fn open(&self) -> Result<Connection, MailError> {
        Connection::open(self.server.clone()).await
    }

    async fn take(&self) -> Result<Connection, MailError> {
        let last = {
            let mut parked = self.lock();
            parked.retain(|connection| connection.idle() < MOST_IDLE);
            parked.pop()
        };
        if let Some(mut connection) = last {
            if connection.is_ready().await {
                return Ok(connection);
            }
            // The others have been idle for longer. Asking each would cost a timeout each if the server is gone.
            self.lock().clear();
        }
        self.open().await
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        // Nothing that holds the lock can panic half-way.
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
