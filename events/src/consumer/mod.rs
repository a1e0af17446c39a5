//! Taking events off Kafka, in batches, one batch per partition at a time.
//!
//! A thread of its own polls a `BaseConsumer` (the stream consumer and split queues of rust-rdkafka lose
//! wake-ups: its issues 638, 651, 840) and sorts records by partition. A partition's next batch is given
//! out only when the one before is settled, so an offset is committed only when everything below it is done.
//! With an offset goes a note, a text of the caller's own, which the next one to have the partition gets to read.
//! Backpressure pauses partitions; polling never stops, so the group's membership never lapses.

mod assignment;
mod batch;
mod holding;
mod poll_thread;

use std::{
    sync::mpsc,
    time::{Duration, Instant},
};

use tokio::sync::{mpsc as async_mpsc, oneshot, watch};

pub use self::{
    batch::{Batch, BatchToken},
    holding::{Holding, Holdings},
};
use crate::{KafkaConfig, KafkaError};

/// What a consumer needs beyond the way to Kafka.
#[derive(Debug, Clone)]
pub struct ConsumerConfig {
    /// Brokers, group, timeouts.
    pub kafka: KafkaConfig,
    /// Topics, without the prefix.
    pub topics: Vec<String>,
    /// Most records in a batch.
    pub batch_size: usize,
    /// Bytes that a partition may hold in memory before it is paused.
    pub buffer_bytes: usize,
    /// Offsets are committed at most this often.
    pub commit_interval: Duration,
    /// When a partition is taken away, or on close: how long its batch may still take.
    pub drain_timeout: Duration,
}

/// A member of a consumer group. Dropped without a [`close`](Self::close) it leaves, too, in its own time.
pub struct Consumer {
    batches: async_mpsc::UnboundedReceiver<Batch>,
    holdings: Holdings,
    polled: watch::Receiver<Instant>,
    closed: oneshot::Receiver<Option<KafkaError>>,
    drain_timeout: Duration,
}

impl Consumer {
    /// Joins the group, in the background; brokers need not be up yet.
    pub fn start(config: ConsumerConfig) -> Result<Self, KafkaError> {
        // Unbounded, yet never longer than the partitions assigned: one batch each.
        let (batch_sender, batches) = async_mpsc::unbounded_channel();
        let (orders, order_receiver) = mpsc::channel();
        let (closed_sender, closed) = oneshot::channel();
        let drain_timeout = config.drain_timeout;
        let holdings = Holdings::default();
        let (polling, polled) = watch::channel(Instant::now());
        let thread =
            poll_thread::PollThread::new(config, batch_sender, orders, order_receiver, holdings.clone(), polling)?;
        std::thread::Builder::new()
            .name("millgate-kafka".into())
            .spawn(move || {
                let end = thread.run();
                let _ = closed_sender.send(end);
            })
            .map_err(|error| KafkaError::Config(format!("no thread for the consumer: {error}")))?;
        Ok(Self { batches, holdings, polled, closed, drain_timeout })
    }

    /// The next batch of any partition that has none out; `None` after a fatal error or a close.
    pub async fn next(&mut self) -> Option<Batch> {
        self.batches.recv().await
    }

    /// The partitions that are ours, at any time.
    pub fn holdings(&self) -> Holdings {
        self.holdings.clone()
    }

    /// When it last polled, from now on. That nobody says so any more means that it has ended.
    pub fn polled(&self) -> watch::Receiver<Instant> {
        self.polled.clone()
    }

    /// Stops intake, waits for the batches that are out, commits, leaves the group.
    ///
    /// Takes at most the drain timeout and a few seconds. The error is the one that ended the consumer, if any.
    pub async fn close(self) -> Result<(), KafkaError> {
        // This is what tells the thread; and batches that nobody took are given back at once, so that it need not wait
        // for them.
        drop(self.batches);
        match tokio::time::timeout(self.drain_timeout + Duration::from_secs(5), self.closed).await {
            Ok(Ok(None)) => Ok(()),
            Ok(Ok(Some(error))) => Err(error),
            Ok(Err(_)) => Err(KafkaError::Closed),
            Err(_) => Err(KafkaError::SlowClose),
        }
    }
}
