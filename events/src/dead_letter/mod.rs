//! Dead letters: what could not be used, with its whole story, on a topic and in a table.

mod action;
mod cause;
mod error;
mod filter;
mod fingerprint;
mod letter;
mod redriving;
mod stats;
mod status;
mod store;
mod stored;
mod topics;

pub use action::{Action, PastAction};
pub use cause::{LetterCause, Trend};
pub use error::DeadLetterError;
pub use filter::LetterFilter;
pub use letter::{Attempt, DEAD_LETTER_HEADERS, DeadLetter, Origin};
pub use redriving::Claim;
pub use stats::{LetterGroup, LetterStats, OpenLetters};
pub use status::{LetterKind, LetterStatus};
pub use store::{DeadLetterStore, Position};
pub use stored::{StoredLetter, readable};
pub use topics::DeadLetterTopics;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use uuid::Uuid;

use crate::{KafkaError, Producer, Values};
use letter::HEADER_LIMIT;

/// Writes dead letters to their topic and then, if there is one, to their table.
#[derive(Clone)]
pub struct DeadLetters {
    producer: Producer,
    topics: DeadLetterTopics,
    store: Option<DeadLetterStore>,
    /// What is on the topic and not in the table yet.
    published: Arc<Mutex<HashSet<Uuid>>>,
}

/// Some megabytes. Letters beyond that may be published again.
const REMEMBERED: usize = 100_000;

impl DeadLetters {
    /// A writer to `topics` (without the prefix).
    pub fn new(producer: Producer, topics: impl Into<DeadLetterTopics>) -> Self {
        // A letter has the bytes that could not be used, and not the promise of them.
        let producer = producer.with_values(Values::default());
        Self { producer, topics: topics.into(), store: None, published: Arc::default() }
    }

    /// The same with a table.
    #[must_use]
    pub fn stored_in(self, store: Option<DeadLetterStore>) -> Self {
        Self { store, ..self }
    }

    /// Writes one, and waits for the acks. Whatever it is about may be let go after `Ok`, and not before.
    ///
    /// First on the topic and then in the table. What is on the topic and could not be stored is not published again
    /// by this writer: while the database is away, each new try would leave another copy there.
    pub async fn write(&self, letter: &DeadLetter<'_>) -> Result<(), DeadLetterError> {
        let stored = StoredLetter::of(letter, self.producer.topic_prefix());
        if !self.published().contains(&stored.id) {
            self.publish(letter, self.topics.topic_of(stored.domain())).await?;
        }
        let Some(store) = &self.store else { return Ok(()) };
        if let Err(error) = store.put(&stored).await {
            let mut published = self.published();
            if published.len() < REMEMBERED {
                published.insert(stored.id);
            }
            return Err(error);
        }
        self.published().remove(&stored.id);
        Ok(())
    }

    fn published(&self) -> MutexGuard<'_, HashSet<Uuid>> {
        // Every change is one step; none can leave it torn.
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A record that with our headers is too large for the topic leaves its value where it is, on its own topic: held
    /// back, it would hold up its partition for ever.
    async fn publish(&self, letter: &DeadLetter<'_>, topic: &str) -> Result<(), KafkaError> {
        let mut record = letter.to_record(topic);
        let published = match (self.producer.publish_as_is(record.clone()).await, &letter.origin) {
            (Err(KafkaError::TooLarge { bytes, .. }), Origin::Event { .. }) => {
                record.value = None;
                // A key this long would be the next thing in the way.
                record.key = record.key.filter(|key| key.len() <= HEADER_LIMIT);
                record.headers.push("x-dlq-value-left-behind", bytes.to_string());
                self.producer.publish_as_is(record).await
            }
            (result, _) => result,
        };
        published.map(drop)
    }
}
