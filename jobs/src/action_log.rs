//! What operators did: a Redis stream, in order, of which the newest entries are kept.

use std::collections::HashMap;

use redis::AsyncTypedCommands;
use serde::{Serialize, de::DeserializeOwned};

use crate::{QueueError, Queues};

/// So many entries are kept, about.
const KEPT: usize = 100_000;

/// What operators did, in the Redis that has the queues: `{prefix:actions}:log`, an entry's JSON in its field `e`. Cheap
/// to clone.
#[derive(Clone)]
pub struct ActionLog {
    queues: Queues,
    log: String,
    undone: String,
}

impl Queues {
    /// What operators did to these queues and all around them.
    pub fn action_log(&self) -> ActionLog {
        let base = format!("{{{}:actions}}", self.config.prefix);
        ActionLog { queues: self.clone(), log: format!("{base}:log"), undone: format!("{base}:undone") }
    }
}

impl ActionLog {
    /// Adds an entry, and gives its id.
    pub async fn append(&self, entry: &impl Serialize) -> Result<String, QueueError> {
        let text = serde_json::to_string(entry).map_err(refused)?;
        let mut add = redis::cmd("XADD");
        add.arg(&self.log).arg("MAXLEN").arg("~").arg(KEPT).arg("*").arg("e").arg(text);
        let mut lent = self.queues.link.lend(&self.log).await?;
        let answer = add.query_async(&mut lent.redis).await;
        self.queues.link.heard(&lent, answer)
    }

    /// Up to `most` entries, the newest first, those before `before` if it is given; with their ids.
    pub async fn page<T: DeserializeOwned>(
        &self,
        before: Option<&str>,
        most: usize,
    ) -> Result<Vec<(String, T)>, QueueError> {
        let from = before.map_or("+".to_owned(), |id| format!("({id}"));
        let mut range = redis::cmd("XREVRANGE");
        range.arg(&self.log).arg(from).arg("-").arg("COUNT").arg(most);
        self.entries(&range).await
    }

    /// One entry.
    pub async fn get<T: DeserializeOwned>(&self, id: &str) -> Result<Option<T>, QueueError> {
        let mut range = redis::cmd("XRANGE");
        range.arg(&self.log).arg(id).arg(id);
        Ok(self.entries(&range).await?.pop().map(|(_, entry)| entry))
    }

    /// Notes that an entry is undone, by the name of who does it. Says whether it was not before.
    pub async fn undo(&self, id: &str, who: &str) -> Result<bool, QueueError> {
        let mut lent = self.queues.link.lend(&self.undone).await?;
        let answer = lent.redis.hset_nx(&self.undone, id, who).await;
        self.queues.link.heard(&lent, answer)
    }

    /// Takes that back: it could not be undone after all.
    pub async fn redo(&self, id: &str) -> Result<(), QueueError> {
        let mut lent = self.queues.link.lend(&self.undone).await?;
        let answer = lent.redis.hdel(&self.undone, id).await;
        self.queues.link.heard(&lent, answer).map(drop)
    }

    /// Who has undone which of these entries.
    pub async fn undone(&self, ids: &[&str]) -> Result<HashMap<String, String>, QueueError> {
        if ids.is_empty() {
            return Ok(HashMap::new());
        }
        let mut get = redis::cmd("HMGET");
        get.arg(&self.undone).arg(ids);
        let mut lent = self.queues.link.lend(&self.undone).await?;
        let answer = get.query_async::<Vec<Option<String>>>(&mut lent.redis).await;
        let names = self.queues.link.heard(&lent, answer)?;
        Ok(ids.iter().zip(names).filter_map(|(id, who)| Some(((*id).to_owned(), who?))).collect())
    }

    /// Forgets all of it. For demos.
    pub async fn obliterate(&self) -> Result<(), QueueError> {
        let mut lent = self.queues.link.lend(&self.log).await?;
        let answer = lent.redis.unlink(&[&self.log, &self.undone]).await;
        self.queues.link.heard(&lent, answer).map(drop)
    }

    /// Those that can be read: an older program may have written what this one does not know.
    async fn entries<T: DeserializeOwned>(&self, range: &redis::Cmd) -> Result<Vec<(String, T)>, QueueError> {
        let mut lent = self.queues.link.lend(&self.log).await?;
        let answer = range.query_async::<Vec<(String, HashMap<String, String>)>>(&mut lent.redis).await;
        let entries = self.queues.link.heard(&lent, answer)?;
        Ok(entries
            .into_iter()
            .filter_map(|(id, fields)| Some((id, serde_json::from_str(fields.get("e")?).ok()?)))
            .collect())
    }
}

fn refused(source: serde_json::Error) -> QueueError {
    QueueError::Encode { kind: "action", source: source.into() }
}
