//! The names of jobs, kept for a replay that is resumed: what was in the queues when it began is gone from them by then, and done.

use std::{collections::HashSet, time::Duration};

use millgate_jobs::{Cache, QueueError, Queues};
use uuid::Uuid;

/// Names under one key: 320 kB of text.
const A_KEY: usize = 10_000;
/// A replay that nobody resumes for so long loses them.
const LIFETIME: Duration = Duration::from_hours(24 * 30);

/// The place of a replay's names, in Redis.
pub(super) struct Names {
    cache: Cache,
    base: String,
}

impl Names {
    pub(super) fn new(queues: &Queues, replay: &str) -> Self {
        Self { cache: queues.cache(), base: format!("{}:replay:{replay}", queues.prefix()) }
    }

    /// Keeps these, unless some were kept before; gives them and those.
    pub(super) async fn keep(&self, found: HashSet<Uuid>) -> Result<HashSet<Uuid>, QueueError> {
        if let Some(mut kept) = self.read().await? {
            kept.extend(found);
            return Ok(kept);
        }
        let all: Vec<String> = found.iter().map(|name| name.simple().to_string()).collect();
        for (number, names) in all.chunks(A_KEY).enumerate() {
            self.cache.put(&self.part(number), &names.concat(), Some(LIFETIME)).await?;
        }
        // Last: without it there are none.
        self.cache.put(&self.base, &all.len().div_ceil(A_KEY).to_string(), Some(LIFETIME)).await?;
        Ok(found)
    }

    /// Forgets them.
    pub(super) async fn forget(&self) -> Result<(), QueueError> {
        let Some(parts) = self.parts().await? else { return Ok(()) };
        let keys: Vec<String> = (0..parts).map(|number| self.part(number)).chain([self.base.clone()]).collect();
        self.cache.remove(&keys).await.map(drop)
    }

    async fn read(&self) -> Result<Option<HashSet<Uuid>>, QueueError> {
        let Some(parts) = self.parts().await? else { return Ok(None) };
        let mut names = HashSet::new();
        for number in 0..parts {
            let text = self.cache.get(&self.part(number)).await?.unwrap_or_default();
            names.extend(text.as_bytes().chunks(32).filter_map(|name| Uuid::try_parse_ascii(name).ok()));
        }
        Ok(Some(names))
    }

    async fn parts(&self) -> Result<Option<usize>, QueueError> {
        Ok(self.cache.get(&self.base).await?.and_then(|parts| parts.parse().ok()))
    }

    fn part(&self, number: usize) -> String {
        format!("{}:{number}", self.base)
    }
}
