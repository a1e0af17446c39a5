//! One queue.

use std::{sync::Arc, time::Duration};

use chrono::{DateTime, Utc};
use redis::{FromRedisValue, Script, ScriptInvocation};

use crate::{
    QueueError, QueueStats, Queues,
    enqueue::STEP,
    history::HistoryKeys,
    keys::Keys,
    link::Link,
    new_job::{millis, unique_key},
};

/// One queue. Cheap to clone.
#[derive(Clone)]
pub struct Queue {
    pub(crate) queues: Queues,
    name: Arc<str>,
    keys: Arc<Keys>,
}

/// A wish to cancel what waits under a unique key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cancel {
    /// The kind of job.
    pub kind: String,
    /// Its unique key.
    pub unique: String,
    /// When it stopped being wanted: jobs about anything later stay.
    pub time: DateTime<Utc>,
}

impl Queue {
    pub(crate) fn new(queues: Queues, name: &str) -> Self {
        let keys = Arc::new(Keys::new(&queues.config.prefix, name));
        Self { queues, name: name.into(), keys }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn shared_name(&self) -> Arc<str> {
        self.name.clone()
    }

    pub(crate) fn key(&self, part: &str) -> String {
        self.keys.name(part)
    }

    /// A call of a script on this queue; its own arguments follow.
    pub(crate) fn prepare<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        for key in self.keys.all() {
            call.key(key.as_str());
        }
        call.arg(self.queues.clock_shift.millis());
        call
    }

    pub(crate) async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, QueueError> {
        self.run_on(&self.queues.link, call).await
    }

    pub(crate) async fn run_on<T: FromRedisValue>(
        &self,
        link: &Link,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, QueueError> {
        let mut lent = link.lend(&self.key("wake")).await?;
        let answer = call.invoke_async(&mut lent.redis).await;
        link.heard(&lent, answer)
    }

    /// Cancels what waits under unique keys. Gives how many waiting jobs that took away.
    ///
    /// Order does not matter: a job that arrives after its cancel, and is about something older, is cancelled too.
    pub async fn cancel(&self, cancels: &[Cancel]) -> Result<usize, QueueError> {
        let mut taken = 0;
        for cancels in cancels.chunks(STEP / 4) {
            let mut call = self.prepare(&self.queues.scripts.cancel);
            call.arg(millis(self.queues.config.dedupe_window));
            for cancel in cancels {
                call.arg(unique_key(&cancel.kind, &cancel.unique)).arg(cancel.time.timestamp_millis());
            }
            taken += self.run::<Vec<usize>>(&call).await?.iter().sum::<usize>();
        }
        Ok(taken)
    }

    /// Removes the queue with everything in it, counts and history included. For demos and tests.
    pub async fn obliterate(&self) -> Result<(), QueueError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(self.keys.all()).arg(HistoryKeys::of_queue(self).all());
        let link = &self.queues.link;
        let mut lent = link.lend(&self.key("wake")).await?;
        let answer = unlink.query_async(&mut lent.redis).await;
        link.heard(&lent, answer)
    }

    /// Counts of what happened and of what is there.
    pub async fn stats(&self) -> Result<QueueStats, QueueError> {
        let call = self.prepare(&self.queues.scripts.stats);
        Ok(QueueStats::read(self.run(&call).await?))
    }

    /// Looks at the whole queue at one moment and says what is wrong with it: a job in two states or in none, a lease
    /// without its jobs, a count that is off. Nothing, if all is well.
    ///
    /// Redis does nothing else meanwhile: for seconds where some hundred thousand jobs have records of their own.
    pub async fn check(&self) -> Result<Vec<String>, QueueError> {
        let call = self.prepare(&self.queues.scripts.check);
        self.run(&call).await
    }

    /// A moment of this queue's own clock, which is that of Redis.
    pub async fn now(&self) -> Result<DateTime<Utc>, QueueError> {
        let link = &self.queues.link;
        let mut lent = link.lend(&self.key("wake")).await?;
        let answer = redis::cmd("TIME").query_async::<(i64, i64)>(&mut lent.redis).await;
        let (seconds, micros) = link.heard(&lent, answer)?;
        Ok(crate::new_job::from_millis(seconds * 1_000 + micros / 1_000 + self.queues.clock_shift.millis()))
    }

    pub(crate) fn patience(&self, lease: Duration) -> Duration {
        lease.max(self.queues.config.response_timeout)
    }
}
