//! The thread that polls, and everything that must happen on it.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError, mpsc},
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Offset, TopicPartitionList,
    config::RDKafkaLogLevel,
    consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext, Rebalance},
    error::{KafkaError as Client, RDKafkaErrorCode as Code},
    message::Message as _,
};
use tokio::sync::{mpsc as async_mpsc, watch};
use tracing::{debug, error, info, warn};

use super::{
    ConsumerConfig,
    assignment::{Assignment, Pressure},
    batch::Batch,
    holding::{Holdings, Order},
};
use crate::{
    KafkaError, Record,
    complaints::{self, Complaints},
    metrics,
};

/// While batches are out, orders must be seen soon; the client has no way to wake a poll.
const BUSY_POLL: Duration = Duration::from_millis(2);
const IDLE_POLL: Duration = Duration::from_millis(50);
/// How long Kafka may take to say what was committed.
const NOTES: Duration = Duration::from_secs(5);
/// On close: how long the last offsets may take to be committed.
const LAST_COMMITS: Duration = Duration::from_secs(2);
/// Records taken before batches are given out.
const INTAKE: usize = 500;

type Kafka = BaseConsumer<Group>;
type Offsets = Vec<((Arc<str>, i32), i64, Arc<str>)>;

/// What the client calls back into, always on the polling thread.
struct Group {
    assignment: Mutex<Assignment>,
    orders: Mutex<mpsc::Receiver<Order>>,
    drain_timeout: Duration,
    complaints: Complaints,
    name: Arc<str>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Only the polling thread locks; after a panic on it nobody is left to see a torn state.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Group {
    fn obey(&self, order: Order) {
        match order {
            Order::Settled(place, next, note) => lock(&self.assignment).settled(&place, next, note),
            Order::Abandoned(place, first) => lock(&self.assignment).abandoned(&place, first),
            Order::Rewind(place, offset, answer) => {
                // Who asked may not want to know any more.
                let _ = answer.send(lock(&self.assignment).rewind(&place, offset));
            }
        }
    }

    fn obey_all(&self) {
        while let Ok(order) = { lock(&self.orders).try_recv() } {
            self.obey(order);
        }
    }

    /// Waits for an order, at most so long.
    fn obey_next(&self, wait: Duration) {
        let order = { lock(&self.orders).recv_timeout(wait) };
        if let Ok(order) = order {
            self.obey(order);
        }
    }

    /// Waits until none of these partitions has a batch out, at most the drain timeout.
    fn drain(&self, names: &[(Arc<str>, i32)]) {
        let deadline = Instant::now() + self.drain_timeout;
        while lock(&self.assignment).any_out(names) {
            let left = deadline.saturating_duration_since(Instant::now());
            let order = { lock(&self.orders).recv_timeout(left) };
            let Ok(order) = order else {
                warn!("a hand-off is not done within the drain timeout; its events will come again");
                return;
            };
            self.obey(order);
        }
    }

    fn assign(&self, list: &TopicPartitionList) {
        let mut assignment = lock(&self.assignment);
        for partition in list.elements() {
            assignment.assign(partition.topic(), partition.partition());
        }
        info!(partitions = list.count(), "partitions assigned");
    }

    /// Stops intake, waits for what is out, commits; then the partitions are another's.
    fn revoke(&self, kafka: &Kafka, list: &TopicPartitionList) {
        let mut names = Vec::with_capacity(list.count());
        for partition in list.elements() {
            let mut assignment = lock(&self.assignment);
            assignment.stop(partition.topic(), partition.partition());
            names.push((assignment.topic(partition.topic()), partition.partition()));
        }
        // Lost means that another may have them already: then a commit would undo its progress.
        let lost = kafka.assignment_lost();
        if !lost {
            self.drain(&names);
            self.commit(kafka);
        }
        for (topic, partition) in &names {
            lock(&self.assignment).revoke(topic, *partition);
            metrics().set_paused((topic, *partition), &self.name, None);
        }
        // The client remembers a pause across assignments; should the partitions come back, nobody would end it. Now,
        // not then: the client drops an order that one of its own overtakes, and while it waits for this callback it
        // neither starts nor pauses a partition.
        if let Err(error) = kafka.resume(list) {
            debug!(%error, "partitions that are another's now cannot be resumed");
        }
        info!(partitions = names.len(), lost, "partitions revoked");
    }

    /// Commits what is done, and remembers it. True if nothing is left to be committed.
    fn commit(&self, kafka: &Kafka) -> bool {
        let offsets: Offsets = lock(&self.assignment).to_commit();
        if offsets.is_empty() {
            return true;
        }
        let mut list = TopicPartitionList::with_capacity(offsets.len());
        for ((topic, partition), next, note) in &offsets {
            let mut element = list.add_partition(topic, *partition);
            if let Err(problem) = element.set_offset(Offset::Offset(*next)) {
                error!(%topic, partition, next, %problem, "offset cannot be committed");
                return false;
            }
            element.set_metadata(note);
        }
        match kafka.commit(&list, CommitMode::Sync) {
            Ok(()) => lock(&self.assignment).committed(&offsets),
            // The group moved on, or the broker is away. What is not committed is read again,
            // and recognised; so this costs work, never correctness.
            Err(error) => {
                debug!(%error, "offsets not committed this time");
                return false;
            }
        }
        true
    }
}

impl ClientContext for Group {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        complaints::log(level, facility, message);
    }

    fn error(&self, error: Client, reason: &str) {
        self.complaints.hear(&error, reason);
    }
}

impl ConsumerContext for Group {
    fn pre_rebalance(&self, kafka: &Kafka, rebalance: &Rebalance<'_>) {
        if let Rebalance::Assign(list) | Rebalance::Revoke(list) = rebalance
            && list.count() > 0
        {
            metrics().rebalanced(&self.name);
        }
        match rebalance {
            // Cooperative rebalancing calls with empty lists, too.
            Rebalance::Assign(list) if list.count() > 0 => self.assign(list),
            Rebalance::Revoke(list) if list.count() > 0 => self.revoke(kafka, list),
            Rebalance::Assign(_) | Rebalance::Revoke(_) => {}
            Rebalance::Error(error) => warn!(%error, "rebalance"),
        }
    }
}

/// The consumer's thread before it runs.
pub(super) struct PollThread {
    kafka: Kafka,
    batches: async_mpsc::UnboundedSender<Batch>,
    orders: mpsc::Sender<Order>,
    holdings: Holdings,
    config: ConsumerConfig,
    last_commit: Instant,
    polled: watch::Sender<Instant>,
}

impl PollThread {
    pub(super) fn new(
        config: ConsumerConfig,
        batches: async_mpsc::UnboundedSender<Batch>,
        orders: mpsc::Sender<Order>,
        order_receiver: mpsc::Receiver<Order>,
        holdings: Holdings,
        polled: watch::Sender<Instant>,
    ) -> Result<Self, KafkaError> {
        let group = Group {
            assignment: Mutex::default(),
            orders: Mutex::new(order_receiver),
            drain_timeout: config.drain_timeout,
            complaints: Complaints::default(),
            name: config.kafka.consumer_group.as_str().into(),
        };
        let settings = config.kafka.consumer();
        let kafka: Kafka =
            settings.create_with_context(group).map_err(|error| KafkaError::Config(error.to_string()))?;
        let topics: Vec<String> = config.topics.iter().map(|topic| config.kafka.topic(topic)).collect();
        let names: Vec<&str> = topics.iter().map(String::as_str).collect();
        kafka.subscribe(&names)?;
        Ok(Self { kafka, batches, orders, holdings, config, last_commit: Instant::now(), polled })
    }

    /// Polls until nobody takes batches any more, or until an error that no retry mends.
    pub(super) fn run(mut self) -> Option<KafkaError> {
        let group = self.kafka.context().clone();
        let mut wait = false;
        let end = loop {
            group.obey_all();
            self.polled.send_replace(Instant::now());
            // Its consumer was closed, or dropped: a member that gives nothing out would hold its partitions for ever.
            if self.batches.is_closed() {
                break None;
            }
            self.read_notes();
            self.seek_back();
            if wait {
                group.obey_next(BUSY_POLL);
            } else if let Err(error) = self.take_in() {
                error!(%error, "the consumer ends");
                break Some(error);
            }
            let ready = lock(&group.assignment).next_batches(self.config.batch_size, &self.orders);
            for batch in ready {
                let topic = batch.token.holding.topic();
                metrics().consumed(topic, &group.name, batch.records.len());
                // Nobody takes it any more: the batch is dropped, which gives it back.
                let _ = self.batches.send(batch);
            }
            wait = self.press();
            if self.last_commit.elapsed() >= self.config.commit_interval {
                group.commit(&self.kafka);
                self.last_commit = Instant::now();
            }
        };
        let names = lock(&group.assignment).names();
        for (topic, partition) in &names {
            lock(&group.assignment).stop(topic, *partition);
        }
        group.drain(&names);
        // While the group rebalances it takes no commits, and it does so until each member has polled.
        let deadline = Instant::now() + LAST_COMMITS;
        while !group.commit(&self.kafka) && Instant::now() < deadline {
            drop(self.kafka.poll(IDLE_POLL));
        }
        // Leaving takes partitions away once more, and what was waited for in vain would be waited for again.
        let names = lock(&group.assignment).names();
        for (topic, partition) in &names {
            lock(&group.assignment).revoke(topic, *partition);
        }
        self.kafka.unsubscribe();
        end
    }

    /// Polls once for as long as sensible, then takes what is there already.
    fn take_in(&mut self) -> Result<(), KafkaError> {
        let group = self.kafka.context().clone();
        let mut wait = if lock(&group.assignment).busy() { BUSY_POLL } else { IDLE_POLL };
        for _ in 0..INTAKE {
            match self.kafka.poll(wait) {
                None => break,
                Some(Ok(message)) => {
                    let mut assignment = lock(&group.assignment);
                    let topic = assignment.topic(message.topic());
                    assignment.push(Record::of(&message, topic));
                }
                Some(Err(error)) => {
                    let end = self.judge(error);
                    match end {
                        None => break,
                        Some(end) => return Err(end),
                    }
                }
            }
            wait = Duration::ZERO;
        }
        Ok(())
    }

    /// An error from a poll: most pass by themselves, and are said at most every few seconds.
    fn judge(&mut self, error: Client) -> Option<KafkaError> {
        if let Some((code, reason)) = self.kafka.client().fatal_error() {
            return Some(KafkaError::Config(format!("fatal: {code}: {reason}")));
        }
        if error.rdkafka_error_code() == Some(Code::AutoOffsetReset) {
            return Some(KafkaError::NoOffset {
                group: self.config.kafka.consumer_group.clone(),
                partition: error.to_string(),
            });
        }
        if matches!(
            error.rdkafka_error_code(),
            Some(Code::TopicAuthorizationFailed | Code::GroupAuthorizationFailed | Code::SaslAuthenticationFailed)
        ) {
            return Some(KafkaError::Client(error));
        }
        self.kafka.context().complaints.hear(&error, "poll");
        None
    }

    /// Pauses partitions that hold too much, resumes those that do not any more. Gives whether to take nothing in now.
    fn press(&self) -> bool {
        let pressure = lock(&self.kafka.context().assignment).pressure(self.config.buffer_bytes, Instant::now());
        let Pressure { wait, pause, resume } = pressure;
        let list = |names: &[(Arc<str>, i32)]| {
            let mut list = TopicPartitionList::new();
            for (topic, partition) in names {
                list.add_partition(topic, *partition);
            }
            list
        };
        let group = &self.kafka.context().name;
        for (topic, partition) in &pause {
            metrics().set_paused((topic, *partition), group, Some(true));
        }
        for (topic, partition) in &resume {
            metrics().set_paused((topic, *partition), group, Some(false));
        }
        for (names, result) in [
            (&pause, (!pause.is_empty()).then(|| self.kafka.pause(&list(&pause)))),
            (&resume, (!resume.is_empty()).then(|| self.kafka.resume(&list(&resume)))),
        ] {
            if let Some(Err(error)) = result {
                warn!(%error, partitions = names.len(), "cannot pause or resume");
            }
        }
        wait
    }

    /// Asks Kafka what was committed with the offsets of partitions that became ours.
    fn read_notes(&self) {
        let group = self.kafka.context();
        let names = lock(&group.assignment).without_note();
        if names.is_empty() {
            return;
        }
        let mut list = TopicPartitionList::with_capacity(names.len());
        for (topic, partition) in &names {
            list.add_partition(topic, *partition);
        }
        match self.kafka.committed_offsets(list, NOTES) {
            Ok(committed) => {
                for element in committed.elements() {
                    if let Err(error) = element.error() {
                        group.complaints.hear(&error, "reading what was committed");
                        continue;
                    }
                    let mut assignment = lock(&group.assignment);
                    let name = (assignment.topic(element.topic()), element.partition());
                    let offset = if let Offset::Offset(offset) = element.offset() { Some(offset) } else { None };
                    if let Some(holding) = assignment.noted(&name, offset, element.metadata(), &self.orders) {
                        self.holdings.add(holding);
                    }
                }
            }
            Err(error) => group.complaints.hear(&error, "reading what was committed"),
        }
    }

    /// Reads again from the start of batches that were given back.
    fn seek_back(&self) {
        let group = self.kafka.context();
        let rewinds = lock(&group.assignment).rewinds();
        for (name, offset) in rewinds {
            let (topic, partition) = (&name.0, name.1);
            match self.kafka.seek(topic, partition, Offset::Offset(offset), Duration::from_secs(5)) {
                Ok(()) => {
                    warn!(%topic, partition, offset, "reading again from here");
                    lock(&group.assignment).rewound(&name);
                }
                Err(error) => group.complaints.hear(&error, "seeking back"),
            }
        }
    }
}
