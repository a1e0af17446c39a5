//! Reading what one has written: waiting until a projection has an event.

use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::{Projection, ProjectionStore};
use crate::store::{EventStore, StoreError, StreamId};

/// First pause between two looks, then doubled.
const PAUSE: Duration = Duration::from_millis(2);
const LONGEST_PAUSE: Duration = Duration::from_millis(50);

impl EventStore {
    /// Waits until the rows of a projection have a stream up to a version, which `append` gave: whoever asks them then sees what they
    /// have written. If they do not have it in time, it is [`StoreError::Behind`]: they come later.
    pub async fn wait_for<P: Projection>(
        &self,
        stream: &StreamId,
        version: i64,
        timeout: Duration,
    ) -> Result<(), StoreError> {
        let position = "SELECT max(position) FROM store_events WHERE stream = $1 AND version <= $2";
        let position = sqlx::query_scalar(position).bind(stream.name()).bind(version);
        let position: Option<i64> = position.fetch_one(&self.database).await?;
        let projections = ProjectionStore::new(self.database.clone());
        projections.wait_for(P::NAME, position.unwrap_or_default(), timeout).await
    }
}

impl ProjectionStore {
    /// Waits until everything up to a position is in the tables that are read of a projection.
    pub async fn wait_for(&self, name: &str, position: i64, timeout: Duration) -> Result<(), StoreError> {
        let (until, mut pause) = (Instant::now() + timeout, PAUSE);
        loop {
            let at = "SELECT position, error FROM store_projections WHERE name = $1 AND state = 'live'";
            let at: Option<(i64, Option<String>)> =
                sqlx::query_as(at).bind(name).fetch_optional(&self.database).await?;
            let (at, problem) = at.unwrap_or_else(|| (0, Some("it has no tables yet".to_owned())));
            if at >= position {
                return Ok(());
            }
            if Instant::now() >= until {
                let problem =
                    problem.unwrap_or_else(|| "it is behind, or `millgate projections run` runs nowhere".into());
                return Err(StoreError::Behind { name: name.to_owned(), position, at, problem });
            }
            sleep(pause.min(until - Instant::now())).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}
