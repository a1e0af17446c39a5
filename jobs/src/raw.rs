//! Redis without the queue: the fastest way to pass texts through it, and what the server says it spends.
//!
//! For `millgate bench`, which shows the one as the limit of the other.

use std::time::Duration;

use futures::{StreamExt, TryStreamExt, stream};
use redis::{AsyncConnectionConfig, Client, InfoDict, Script, aio::MultiplexedConnection};

use crate::{QueueError, RedisConfig};

/// Texts in one RPUSH, and in one fetch.
const STEP: usize = 500;
/// Calls on their way at a time: one being answered while the other is being looked at.
const AHEAD: usize = 2;
/// A whole pipeline may be waiting behind a write to the append-only file.
const PATIENCE: Duration = Duration::from_mins(1);

/// Forgets what was in hand and takes the next texts there, in one step.
const FETCH: &str = "
redis.call('DEL', KEYS[2])
local texts = redis.call('LPOP', KEYS[1], ARGV[1])
if not texts then return {} end
redis.call('RPUSH', KEYS[2], unpack(texts))
return texts
";

/// A list of texts and a list of those in hand, for one worker. It loses nothing when the worker dies, and has nothing
/// else: no attempts, no delays, no ids, no second worker.
pub struct RawQueue {
    redis: MultiplexedConnection,
    waiting: String,
    in_hand: [String; AHEAD],
    fetch: Script,
}

impl RawQueue {
    /// Connects. Its keys are of the configuration's prefix.
    pub async fn open(config: &RedisConfig) -> Result<Self, QueueError> {
        let key = |part: &str| format!("{{{}:raw}}:{part}", config.prefix);
        Ok(Self {
            redis: connect(config).await?,
            waiting: key("waiting"),
            in_hand: [key("in-hand:0"), key("in-hand:1")],
            fetch: Script::new(FETCH),
        })
    }

    /// Puts texts in, and returns when all are confirmed.
    pub async fn push(&self, texts: &[String]) -> Result<(), QueueError> {
        let pushes = texts.chunks(STEP).map(async |texts| {
            let mut redis = self.redis.clone();
            redis::cmd("RPUSH").arg(&self.waiting).arg(texts).exec_async(&mut redis).await
        });
        Ok(stream::iter(pushes).buffered(AHEAD).try_collect().await?)
    }

    /// Takes everything out, and returns when all is acknowledged. Gives how many texts there were.
    pub async fn drain(&self) -> Result<usize, QueueError> {
        // A call acknowledges what the last one on the same list has brought, which has been seen by then.
        let fetches = self.in_hand.iter().cycle().map(async |in_hand| {
            let mut redis = self.redis.clone();
            let mut fetch = self.fetch.key(&self.waiting);
            fetch.key(in_hand).arg(STEP).invoke_async::<Vec<Vec<u8>>>(&mut redis).await
        });
        let mut batches = std::pin::pin!(stream::iter(fetches).buffered(AHEAD));
        let (mut count, mut empty) = (0, 0);
        while empty < AHEAD {
            let texts = batches.try_next().await?.unwrap_or_default();
            empty = if texts.is_empty() { empty + 1 } else { 0 };
            count += texts.len();
        }
        Ok(count)
    }

    /// Removes it with everything in it.
    pub async fn remove(&self) -> Result<(), QueueError> {
        let mut unlink = redis::cmd("UNLINK");
        unlink.arg(&self.waiting).arg(&self.in_hand);
        Ok(unlink.exec_async(&mut self.redis.clone()).await?)
    }
}

/// A server whose own figures are asked for.
pub struct Server(MultiplexedConnection);

/// What a server says of its work, since it started.
#[derive(Debug, Clone, Copy)]
pub struct Spent {
    /// Bytes in use for data: without the buffers of clients and of the append-only file.
    pub memory: u64,
    /// Processor time of all its threads.
    pub cpu: Duration,
    /// Commands, also those that scripts call.
    pub commands: u64,
    /// Values that are unlinked and still to be freed.
    pub unfreed: u64,
}

impl Server {
    /// Connects.
    pub async fn open(config: &RedisConfig) -> Result<Self, QueueError> {
        Ok(Self(connect(config).await?))
    }

    /// Asks it; that is one command.
    pub async fn spent(&self) -> Result<Spent, QueueError> {
        let info: InfoDict = redis::cmd("INFO").query_async(&mut self.0.clone()).await?;
        let count = |name: &str| info.get::<u64>(name).unwrap_or_default();
        let seconds = |name: &str| Duration::from_secs_f64(info.get::<f64>(name).unwrap_or_default().max(0.0));
        let buffers = count("mem_clients_normal") + count("mem_aof_buffer");
        Ok(Spent {
            memory: count("used_memory").saturating_sub(buffers),
            cpu: seconds("used_cpu_user") + seconds("used_cpu_sys"),
            commands: count("total_commands_processed"),
            unfreed: count("lazyfree_pending_objects"),
        })
    }
}

async fn connect(config: &RedisConfig) -> Result<MultiplexedConnection, QueueError> {
    let client = Client::open(config.url.as_str()).map_err(QueueError::Url)?;
    let settings = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(config.response_timeout))
        .set_response_timeout(Some(PATIENCE));
    Ok(client.get_multiplexed_async_connection_with_config(&settings).await?)
}
