//! Values that are read from Redis, and are true elsewhere.

use std::sync::LazyLock;

use redis::{AsyncTypedCommands, Script};
use serde::{Serialize, de::DeserializeOwned};

use crate::{QueueError, Queues};

static PUT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("lua/read_model.lua")));

/// What a database says, for those who read it often: JSON by key in the Redis hash `{prefix:model:name}:values`.
///
/// Each value has a version, and an older one never replaces a newer one: so it does not matter in which order, how
/// often, or by whom they are written. Cheap to clone.
#[derive(Clone)]
pub struct ReadModel {
    queues: Queues,
    values: String,
    versions: String,
}

impl Queues {
    /// The read model of that name, in the Redis that has the queues.
    pub fn read_model(&self, name: &str) -> ReadModel {
        let base = format!("{{{}:model:{name}}}", self.config.prefix);
        let (values, versions) = (format!("{base}:values"), format!("{base}:versions"));
        ReadModel { queues: self.clone(), values, versions }
    }
}

impl ReadModel {
    /// Takes a value over if its version is higher than the one that is there. Says whether it was.
    pub async fn put<T: Serialize>(&self, key: &str, version: i64, value: &T) -> Result<bool, QueueError> {
        let refused = |source: serde_json::Error| QueueError::Encode { kind: "read-model", source: source.into() };
        let value = serde_json::to_string(value).map_err(refused)?;
        let mut call = PUT.prepare_invoke();
        call.key(&self.values).key(&self.versions).arg(key).arg(version).arg(value);
        let mut lent = self.queues.link.lend(&self.values).await?;
        let answer = call.invoke_async(&mut lent.redis).await;
        self.queues.link.heard(&lent, answer)
    }

    /// The value of a key, if there is one.
    pub async fn get<T: DeserializeOwned>(&self, key: &str) -> Result<Option<T>, QueueError> {
        let mut lent = self.queues.link.lend(&self.values).await?;
        let answer = lent.redis.hget(&self.values, key).await;
        let Some(text) = self.queues.link.heard(&lent, answer)? else { return Ok(None) };
        serde_json::from_str(&text).map(Some).map_err(|_| QueueError::strange_answer("a read model", &text))
    }

    /// Removes all of it.
    pub async fn remove(&self) -> Result<(), QueueError> {
        let mut lent = self.queues.link.lend(&self.values).await?;
        let answer = lent.redis.unlink(&[&self.values, &self.versions]).await;
        self.queues.link.heard(&lent, answer).map(drop)
    }
}
