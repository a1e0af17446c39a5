//! Keys of the application's own in the Redis of the queues: caches, and what lives for a while.

use std::time::Duration;

use futures::future::try_join_all;
use redis::{AsyncTypedCommands, SetExpiry, SetOptions};

use crate::{QueueError, Queues};

/// Plain keys in that Redis, under the names that they are given: no prefix is put before them, so that caches that others fill
/// can be emptied. Cheap to clone.
#[derive(Clone)]
pub struct Cache {
    queues: Queues,
}

impl Queues {
    /// Plain keys in the Redis that has the queues.
    pub fn cache(&self) -> Cache {
        Cache { queues: self.clone() }
    }
}

impl Cache {
    /// Keeps a text under a key, for `lifetime`, or for ever.
    pub async fn put(&self, key: &str, text: &str, lifetime: Option<Duration>) -> Result<(), QueueError> {
        let options = SetOptions::default();
        let options = match lifetime {
            // A lifetime of nothing is refused by Redis.
            Some(lifetime) => {
                let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1);
                options.with_expiration(SetExpiry::PX(millis))
            }
            None => options,
        };
        let mut lent = self.queues.link.lend(key).await?;
        let answer = lent.redis.set_options(key, text, options).await;
        self.queues.link.heard(&lent, answer).map(drop)
    }

    /// The same if nothing is under the key yet; says whether it was so.
    pub async fn put_new(&self, key: &str, text: &str, lifetime: Duration) -> Result<bool, QueueError> {
        let millis = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1);
        let mut lent = self.queues.link.lend(key).await?;
        let mut put = redis::cmd("SET");
        put.arg(key).arg(text).arg("NX").arg("PX").arg(millis);
        let answer = put.query_async::<Option<String>>(&mut lent.redis).await;
        Ok(self.queues.link.heard(&lent, answer)?.is_some())
    }

    /// What is kept under a key.
    pub async fn get(&self, key: &str) -> Result<Option<String>, QueueError> {
        let mut lent = self.queues.link.lend(key).await?;
        let answer = lent.redis.get(key).await;
        self.queues.link.heard(&lent, answer)
    }

    /// For how long a key will still be there; `None` if there is none, or for ever.
    pub async fn lifetime(&self, key: &str) -> Result<Option<Duration>, QueueError> {
        let mut lent = self.queues.link.lend(key).await?;
        let answer = redis::cmd("PTTL").arg(key).query_async::<i64>(&mut lent.redis).await;
        Ok(u64::try_from(self.queues.link.heard(&lent, answer)?).ok().map(Duration::from_millis))
    }

    /// Removes keys, all at once on their way; gives how many there were.
    pub async fn remove<K: AsRef<str>>(&self, keys: &[K]) -> Result<usize, QueueError> {
        // One connection carries them all: this is a pipeline, and each goes to the node that has it.
        let removed = keys.iter().map(async |key| {
            let key = key.as_ref();
            let mut lent = self.queues.link.lend(key).await?;
            let answer = lent.redis.unlink(key).await;
            self.queues.link.heard(&lent, answer)
        });
        Ok(try_join_all(removed).await?.into_iter().sum())
    }
}
