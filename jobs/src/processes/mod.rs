//! The processes that run: each says so every other second, and is told on that occasion what to do.

mod process;

use std::{sync::LazyLock, time::Duration};

use chrono::{DateTime, Utc};
use redis::{AsyncTypedCommands, FromRedisValue, Script, ScriptInvocation};

pub use process::{BridgedGroup, Order, Process, Trouble, WorkedQueue};

use crate::{
    QueueError, Queues,
    new_job::{from_millis, millis},
};

/// A process that has said nothing for so long is no more.
const FORGOTTEN: Duration = Duration::from_secs(30);

static REPORT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/report.lua")));
static LIST: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/processes.lua")));
static ORDER: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("../lua/order.lua")));

/// The processes that work on the queues of one Redis, under `{prefix:processes}`. Cheap to clone.
#[derive(Clone)]
pub struct Processes {
    queues: Queues,
    seen: String,
    all: String,
    orders: String,
}

impl Queues {
    /// The processes that work on these queues, and all around them.
    pub fn processes(&self) -> Processes {
        let base = format!("{{{}:processes}}", self.config.prefix);
        let key = |part: &str| format!("{base}:{part}");
        Processes { queues: self.clone(), seen: key("seen"), all: key("all"), orders: key("orders") }
    }
}

impl Processes {
    /// Says that a process is there, and what it does. Gives the order that it has, every time.
    pub async fn report(&self, process: &Process) -> Result<Option<Order>, QueueError> {
        let text = serde_json::to_string(process)
            .map_err(|source| QueueError::Encode { kind: "process", source: source.into() })?;
        let mut call = self.prepare(&REPORT);
        call.arg(&process.id).arg(text).arg(millis(FORGOTTEN));
        let order: Option<String> = self.run(&call).await?;
        Ok(order.as_deref().and_then(Order::read))
    }

    /// All that are there, those that started first first. What another version says, and this one cannot read, is left
    /// out.
    pub async fn list(&self) -> Result<Vec<Process>, QueueError> {
        let mut call = self.prepare(&LIST);
        call.arg(millis(FORGOTTEN));
        let answer: Vec<(String, String, String)> = self.run(&call).await?;
        let read = |(report, at, order): (String, String, String)| {
            let process: Process = serde_json::from_str(&report).ok()?;
            Some(Process { reported_at: from_millis(at.parse().ok()?), order: Order::read(&order), ..process })
        };
        let mut processes: Vec<_> = answer.into_iter().filter_map(read).collect();
        processes.sort_by(|a, b| (a.started_at, &a.id).cmp(&(b.started_at, &b.id)));
        Ok(processes)
    }

    /// Tells a process what to do, as soon as it reports: within some seconds.
    pub async fn order(&self, id: &str, order: Order) -> Result<(), QueueError> {
        let mut call = self.prepare(&ORDER);
        call.arg(id).arg(order.word()).arg(millis(FORGOTTEN));
        if self.run(&call).await? { Ok(()) } else { Err(QueueError::NoProcess(id.to_owned())) }
    }

    /// A process ends.
    pub async fn leave(&self, id: &str) -> Result<(), QueueError> {
        let mut lent = self.queues.link.lend(&self.seen).await?;
        let redis = &mut lent.redis;
        // What is in no `seen` is nobody's: the order is that in which it may be cut off.
        let left = async {
            redis.zrem(&self.seen, id).await?;
            redis.hdel(&self.all, id).await?;
            redis.hdel(&self.orders, id).await
        };
        let answer = left.await;
        self.queues.link.heard(&lent, answer).map(drop)
    }

    /// The clock of Redis.
    pub async fn now(&self) -> Result<DateTime<Utc>, QueueError> {
        let mut lent = self.queues.link.lend(&self.seen).await?;
        let answer = redis::cmd("TIME").query_async::<(i64, i64)>(&mut lent.redis).await;
        let (seconds, micros) = self.queues.link.heard(&lent, answer)?;
        Ok(from_millis(seconds * 1_000 + micros / 1_000 + self.queues.clock_shift.millis()))
    }

    /// Forgets all of them. For demos.
    pub async fn obliterate(&self) -> Result<(), QueueError> {
        let mut lent = self.queues.link.lend(&self.seen).await?;
        let answer = lent.redis.unlink(&[&self.seen, &self.all, &self.orders]).await;
        self.queues.link.heard(&lent, answer).map(drop)
    }

    fn prepare<'a>(&self, script: &'a Script) -> ScriptInvocation<'a> {
        let mut call = script.prepare_invoke();
        call.key(&self.seen).key(&self.all).key(&self.orders).arg(self.queues.clock_shift.millis());
        call
    }

    async fn run<T: FromRedisValue>(&self, call: &ScriptInvocation<'_>) -> Result<T, QueueError> {
        let mut lent = self.queues.link.lend(&self.seen).await?;
        let answer = call.invoke_async(&mut lent.redis).await;
        self.queues.link.heard(&lent, answer)
    }
}
