//! Commands to aggregates: loaded, decided, appended; anew if somebody else was faster.

use std::{fmt, marker::PhantomData, time::Duration};

use tokio::time::sleep;
use uuid::Uuid;

use super::{Aggregate, EventStore, Expected, Loaded, Metadata, StoreError, StreamId, snapshot};

/// A command that meets more conflicts is given up.
const TRIES: u32 = 50;
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(20);

/// Takes commands for aggregates of one kind. Cheap to clone.
pub struct Commands<A> {
    store: EventStore,
    kind: PhantomData<fn() -> A>,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CommandError<R> {
    /// The aggregate has refused it.
    #[error("refused: {0}")]
    Refused(R),
    /// The store cannot be used, or others were faster every time.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl<A> Clone for Commands<A> {
    fn clone(&self) -> Self {
        Self { store: self.store.clone(), kind: PhantomData }
    }
}

impl<A: Aggregate> fmt::Debug for Commands<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("category", &A::CATEGORY).finish_non_exhaustive()
    }
}

impl<A: Aggregate> Commands<A> {
    /// For aggregates in that store.
    pub fn new(store: EventStore) -> Self {
        Self { store, kind: PhantomData }
    }

    /// The aggregate as it is now.
    pub async fn load(&self, id: &str) -> Result<Loaded<A>, StoreError> {
        snapshot::load(&self.store.database, &StreamId::new(A::CATEGORY, id)?).await
    }

    /// Does what a command asks for, and gives the aggregate as it is then. Its events are there all together, or not at all.
    pub async fn execute(&self, id: &str, command: &A::Command) -> Result<Loaded<A>, CommandError<A::Refusal>> {
        self.execute_as(id, command, &Metadata::default()).await
    }

    /// The same, noting through whom and why. With [`Metadata::once`] a command that was done under that key is not decided again: it
    /// gives the aggregate as it is now.
    pub async fn execute_as(
        &self,
        id: &str,
        command: &A::Command,
        metadata: &Metadata,
    ) -> Result<Loaded<A>, CommandError<A::Refusal>> {
        let stream = StreamId::new(A::CATEGORY, id)?;
        let mut tries = 0;
        loop {
            let mut loaded: Loaded<A> = snapshot::load(&self.store.database, &stream).await?;
            if let Some(key) = &metadata.once {
                match self.store.appended(&stream, key).await? {
                    Some(version) if version <= loaded.version => return Ok(loaded),
                    // Done since the state was read.
                    Some(_) => continue,
                    None => {}
                }
            }
            let events = loaded.state.handle(command).map_err(CommandError::Refused)?;
            if !events.is_empty() {
                tries += 1;
                let expected = Expected::Version(loaded.version);
                match self.store.append(&stream, expected, &events, metadata).await {
                    // They may be those of somebody who did the same meanwhile.
                    Ok(_) if metadata.once.is_some() => {
                        loaded = snapshot::load(&self.store.database, &stream).await?;
                        snapshot::keep(&self.store.database, &stream, &mut loaded).await;
                        return Ok(loaded);
                    }
                    Ok(version) => loaded.version = version,
                    Err(StoreError::Conflict { .. }) if tries < TRIES => {
                        sleep(pause(tries)).await;
                        continue;
                    }
                    Err(error) => return Err(error.into()),
                }
                for event in &events {
                    loaded.state.apply(event);
                }
            }
            snapshot::keep(&self.store.database, &stream, &mut loaded).await;
            return Ok(loaded);
        }
    }
}

/// None at first, then longer ones of random length, so that those who met do not meet again.
fn pause(tries: u32) -> Duration {
    let longest = (Duration::from_millis(1) * 2_u32.pow((tries - 1).min(5))).min(LONGEST_PAUSE);
    let share = u32::from(Uuid::new_v4().as_bytes()[0]);
    if tries == 1 { Duration::ZERO } else { longest * share / 255 }
}
