//! What this process says of itself to whoever looks, and what it is told: both by way of Redis.
//!
//! Work does not wait for it. While Redis is away nothing is said, and what was counted meanwhile is told later.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::join_all;
use millgate_bridge::{Bridge, BridgeStats, TopicCounts};
use millgate_dashboard::Reader;
use millgate_events::{Holdings, Troubles, Waiting};
use millgate_jobs::{
    BridgedGroup, Hands, Ledger, Order, Process, Processes, QueueError, Queues, Seen, Trouble, WorkedQueue,
};
use millgate_streams::{StreamRunner, StreamStats};
use millgate_workers::{Tally, Worker};
use tokio::{task::JoinSet, time::MissedTickBehavior};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info};

use crate::health::Health;

/// Between two reports.
const EVERY: Duration = Duration::from_secs(2);
/// So many things that are wrong are told one by one.
const MOST_TROUBLES: usize = 20;
/// What is not well for no longer than this is about to be: a process that starts has heard of no server yet.
const SETTLES: Duration = Duration::from_secs(10);
/// How long a process that ends may still take to say so.
const LAST_WORDS: Duration = Duration::from_secs(2);

/// Says what a process does.
pub(crate) struct Reporter {
    queues: Queues,
    queue_names: Vec<String>,
    processes: Processes,
    /// What never changes, and what was last said of the rest.
    process: Process,
    began: Instant,
    clock: Option<Clock>,
    worked: Vec<Worked>,
    bridged: Vec<Bridged>,
    folded: Vec<Folded>,
    health: Option<Arc<Health>>,
    /// What is wrong by its health, and since when.
    unwell: HashMap<String, Instant>,
    stop: CancellationToken,
}

/// The clock of Redis: a moment by it, and by ours.
#[derive(Clone, Copy)]
struct Clock {
    there: DateTime<Utc>,
    here: Instant,
}

/// A queue that is worked on.
struct Worked {
    name: String,
    hands: Hands,
    tally: Tally,
    /// When it was last reported, and how busy it had been by then.
    last: (Instant, Duration),
}

/// A group that is handed off for.
struct Bridged {
    /// As the application names it.
    name: &'static str,
    group: String,
    holdings: Holdings,
    stats: Arc<BridgeStats>,
    troubles: Troubles,
}

/// A stream that is folded into tables.
struct Folded {
    stream: String,
    group: String,
    holdings: Holdings,
    stats: Arc<StreamStats>,
    troubles: Troubles,
}

/// A process that reports, until this is ended.
pub(crate) struct Reporting {
    ending: CancellationToken,
    tasks: JoinSet<()>,
}

impl Reporter {
    /// Of a process with these roles, which ends when `stop` fires.
    pub(crate) fn new(
        queues: &Queues,
        queue_names: Vec<String>,
        application: &str,
        roles: &[&str],
        stop: &CancellationToken,
    ) -> Self {
        let id = uuid::Uuid::new_v4().simple().to_string()[..8].to_owned();
        let process = Process {
            id,
            roles: roles.iter().map(|&role| role.to_owned()).collect(),
            application: application.to_owned(),
            host: gethostname::gethostname().to_string_lossy().into_owned(),
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: DateTime::UNIX_EPOCH,
            reported_at: DateTime::UNIX_EPOCH,
            quiet: false,
            order: None,
            queues: Vec::new(),
            kinds: BTreeMap::new(),
            groups: Vec::new(),
            troubles: Vec::new(),
            more_troubles: 0,
        };
        Self {
            queues: queues.clone(),
            queue_names,
            processes: queues.processes(),
            process,
            began: Instant::now(),
            clock: None,
            worked: Vec::new(),
            bridged: Vec::new(),
            folded: Vec::new(),
            health: None,
            unwell: HashMap::new(),
            stop: stop.clone(),
        }
    }

    /// It works on queues, and can do jobs of these kinds.
    pub(crate) fn of_worker<'a>(&mut self, worker: &Worker, kinds: impl Iterator<Item = (&'a str, u32)>) {
        self.process.kinds.extend(kinds.map(|(kind, version)| (kind.to_owned(), version)));
        let worked = worker.hands().into_iter().zip(worker.tallies()).map(|((name, hands), (_, tally))| Worked {
            name,
            hands,
            tally,
            last: (Instant::now(), Duration::ZERO),
        });
        self.worked.extend(worked);
    }

    /// It hands off for a group.
    pub(crate) fn of_bridge(&mut self, bridge: &Bridge, reader: &Reader) {
        self.bridged.push(Bridged {
            name: reader.name,
            group: reader.kafka.consumer_group.clone(),
            holdings: bridge.holdings(),
            stats: bridge.stats(),
            troubles: bridge.troubles(),
        });
    }

    /// It folds a stream.
    pub(crate) fn of_stream(&mut self, runner: &StreamRunner) {
        self.folded.push(Folded {
            stream: runner.name().to_owned(),
            group: runner.group().to_owned(),
            holdings: runner.holdings(),
            stats: runner.stats(),
            troubles: runner.troubles(),
        });
    }

    /// Reports from now on; also what is wrong by its health.
    pub(crate) fn start(mut self, health: Option<Arc<Health>>) -> Reporting {
        self.health = health;
        let ending = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(self.books().keep(ending.clone()));
        tasks.spawn(self.run(ending.clone()));
        Reporting { ending, tasks }
    }

    async fn run(mut self, ending: CancellationToken) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while ending.run_until_cancelled(ticks.tick()).await.is_some() {
            if let Some(Err(error)) = ending.run_until_cancelled(self.report()).await {
                debug!(%error, "Redis is not told what this process does");
                // Another server may have another clock.
                self.clock = None;
            }
        }
        let _ = tokio::time::timeout(LAST_WORDS, self.processes.leave(&self.process.id)).await;
    }

    async fn report(&mut self) -> Result<(), QueueError> {
        let clock = match self.clock {
            Some(clock) => clock,
            None => *self.clock.insert(Clock { there: self.processes.now().await?, here: Instant::now() }),
        };
        self.look(clock);
        let order = self.processes.report(&self.process).await?;
        if order == self.process.order {
            return Ok(());
        }
        self.process.order = order;
        if let Some(order) = order {
            info!(?order, "an operator gave this process an order");
            self.process.quiet = order == Order::Quiet;
            self.worked.iter().for_each(|worked| worked.hands.quiet(order == Order::Quiet));
            if order == Order::Stop {
                self.stop.cancel();
            }
            // Whoever gave it looks whether it is followed.
            self.processes.report(&self.process).await?;
        }
        Ok(())
    }

    /// Puts into words what is so now.
    fn look(&mut self, clock: Clock) {
        let now = Instant::now();
        self.process.started_at = clock.at(self.began);
        self.process.queues = self.worked.iter_mut().map(|worked| worked.look(clock, now)).collect();
        let folded = self.folded.iter().map(Folded::look);
        self.process.groups = self.bridged.iter().map(Bridged::look).chain(folded).collect();
        let waiting = self.bridged.iter().map(|bridged| (&bridged.group, &bridged.troubles));
        let waiting = waiting.chain(self.folded.iter().map(|folded| (&folded.group, &folded.troubles)));
        let told = |(group, troubles): (&String, &Troubles)| {
            let group = group.clone();
            troubles.list().into_iter().map(move |waiting| clock.trouble(&group, waiting))
        };
        let mut troubles: Vec<Trouble> = waiting.flat_map(told).collect();
        let unwell = self.health.as_ref().map(|health| health.wrong()).unwrap_or_default();
        self.unwell.retain(|part, _| unwell.iter().any(|(wrong, _)| wrong == part));
        for (part, detail) in unwell {
            let text = format!("{part}: {detail}");
            let began = *self.unwell.entry(part).or_insert(now);
            if now - began < SETTLES {
                continue;
            }
            let since = clock.at(began);
            troubles.push(Trouble { topic: None, partition: None, group: None, since, text });
        }
        troubles.sort_by_key(|trouble| trouble.since);
        self.process.more_troubles = troubles.len().saturating_sub(MOST_TROUBLES);
        troubles.truncate(MOST_TROUBLES);
        self.process.troubles = troubles;
    }

    /// What goes into the histories.
    fn books(&self) -> Books {
        let tally = |name: &String| {
            let worked = self.worked.iter().find(|worked| worked.name == *name)?;
            Some(worked.tally.clone())
        };
        let queues = self.queue_names.iter().map(|name| (Ledger::of_queue(&self.queues.queue(name)), tally(name)));
        Books {
            queues: queues.collect(),
            groups: self.bridged.iter().map(|bridged| (bridged.name, bridged.stats.clone())).collect(),
            topics: BTreeMap::new(),
            all: self.queues.clone(),
        }
    }
}

impl Clock {
    fn at(self, time: Instant) -> DateTime<Utc> {
        let span = |time: Duration| TimeDelta::from_std(time).unwrap_or_default();
        match time.checked_duration_since(self.here) {
            Some(later) => self.there + span(later),
            None => self.there - span(self.here.saturating_duration_since(time)),
        }
    }

    fn trouble(self, group: &str, waiting: Waiting) -> Trouble {
        Trouble {
            topic: Some(waiting.topic.to_string()),
            partition: Some(waiting.partition),
            group: Some(group.to_owned()),
            since: self.at(waiting.since),
            text: waiting.text,
        }
    }
}

impl Worked {
    #[expect(clippy::cast_precision_loss, reason = "nobody has so many places")]
    fn look(&mut self, clock: Clock, now: Instant) -> WorkedQueue {
        let (busy, concurrency) = (self.tally.busy(), self.hands.places());
        let (then, before) = std::mem::replace(&mut self.last, (now, busy));
        let could = (now - then).as_secs_f64() * concurrency as f64;
        let was = busy.saturating_sub(before).as_secs_f64();
        WorkedQueue {
            name: self.name.clone(),
            concurrency,
            in_hand: self.tally.running(),
            // To a thousandth.
            utilisation: if could > 0.0 { (was / could * 1e3).round().clamp(0.0, 1e3) / 1e3 } else { 0.0 },
            last_fetch: self.hands.asked().map(|asked| clock.at(asked)),
        }
    }
}

impl Bridged {
    fn look(&self) -> BridgedGroup {
        let (partitions, handed_off) = (partitions(&self.holdings), self.stats.read().handed_off);
        BridgedGroup { group: self.group.clone(), partitions, handed_off, stream: None }
    }
}

impl Folded {
    fn look(&self) -> BridgedGroup {
        let (partitions, handed_off) = (partitions(&self.holdings), self.stats.read().taken);
        BridgedGroup { group: self.group.clone(), partitions, handed_off, stream: Some(self.stream.clone()) }
    }
}

/// Numbers of the partitions that are ours, by topic.
fn partitions(holdings: &Holdings) -> BTreeMap<String, Vec<i32>> {
    let mut partitions: BTreeMap<String, Vec<i32>> = BTreeMap::new();
    for holding in holdings.list() {
        partitions.entry(holding.topic().to_string()).or_default().push(holding.partition());
    }
    for numbers in partitions.values_mut() {
        numbers.sort_unstable();
    }
    partitions
}

/// The histories of the application's queues, and of the topics that are handed off here.
struct Books {
    queues: Vec<(Ledger, Option<Tally>)>,
    groups: Vec<(&'static str, Arc<BridgeStats>)>,
    topics: BTreeMap<(&'static str, String), Ledger>,
    all: Queues,
}

impl Books {
    /// Writes once in a while, and at the end what is left.
    async fn keep(mut self, ending: CancellationToken) {
        let mut ticks = tokio::time::interval(Ledger::EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while ending.run_until_cancelled(ticks.tick()).await.is_some() {
            let _ = ending.run_until_cancelled(self.write()).await;
        }
        let _ = tokio::time::timeout(LAST_WORDS, self.close()).await;
    }

    async fn write(&mut self) {
        let seen = self.seen();
        for name in seen.keys() {
            let ledger = || Ledger::of_events(&self.all.events(name.0, &name.1));
            self.topics.entry(name.clone()).or_insert_with(ledger);
        }
        let of_topics = self.topics.iter_mut().map(|(name, ledger)| (ledger, seen.get(name).copied()));
        let of_queues = self.queues.iter_mut().map(|(ledger, tally)| (ledger, tally.as_ref().map(Tally::seen)));
        let all = of_queues.chain(of_topics).map(|(ledger, seen)| ledger.write(seen.unwrap_or_default()));
        say(join_all(all).await);
    }

    async fn close(mut self) {
        self.write().await;
        let queues = self.queues.into_iter().map(|(ledger, tally)| {
            let seen = tally.as_ref().map(Tally::seen);
            ledger.close(seen.unwrap_or_default())
        });
        say(join_all(queues).await);
    }

    /// What became of the events, by group and topic.
    fn seen(&self) -> BTreeMap<(&'static str, String), Seen> {
        let of_group = |(group, stats): &(&'static str, Arc<BridgeStats>)| {
            let group = *group;
            stats.topics().into_iter().map(move |(topic, TopicCounts { handed_off, poison })| {
                ((group, topic), Seen { handed_off, poison, ..Seen::default() })
            })
        };
        self.groups.iter().flat_map(of_group).collect()
    }
}

/// What is not written now is written later.
fn say(written: Vec<Result<(), QueueError>>) {
    if let Some(error) = written.into_iter().find_map(Result::err) {
        debug!(%error, "the history is not written; what is missing is written later");
    }
}

impl Reporting {
    /// Says that the process ends, as far as Redis is there to hear it.
    pub(crate) async fn end(mut self) {
        self.ending.cancel();
        while self.tasks.join_next().await.is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering::SeqCst};

    use millgate_dashboard::{Follower, see};
    use millgate_events::{Holding, Record};
    use millgate_streams::{Stage, StageError, Stream, StreamConfig};
    use millgate_testkit::{Database, KafkaSpace, RedisSpace, wait_for};
    use sqlx::PgConnection;

    use super::*;

    const SOON: Duration = Duration::from_mins(1);

    /// Takes nothing until it is told to.
    struct Gate(Arc<AtomicBool>);

    impl Stage for Gate {
        type State = ();

        async fn open(&self, _: &Holding, _: &mut PgConnection) -> Result<(), StageError> {
            Ok(())
        }

        async fn take(&self, (): &mut (), _: &[Record], _: &mut PgConnection) -> Result<(), StageError> {
            if self.0.load(SeqCst) { Ok(()) } else { Err(StageError::Other("the gate is shut".into())) }
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_stream_says_what_it_holds_how_far_it_is_and_what_keeps_it() {
        let (kafka, redis, database) =
            (KafkaSpace::fresh("told"), RedisSpace::fresh("told"), Database::fresh(None).await);
        millgate_streams::migrate(database.pool()).await.unwrap();
        kafka.create("numbers", 1).await;
        for _ in 0..3 {
            kafka.put("numbers", 0, None, Some(b"1"), &[]).await;
        }
        let open = Arc::new(AtomicBool::new(false));
        let stream = Stream::new("gate", ["numbers"], Gate(open.clone()));
        let of_stream = stream.kafka(&kafka.config());
        let seen = Follower { name: "gate".into(), topics: vec!["numbers".into()], kafka: of_stream.clone() };
        let pool = database.pool().clone();
        let runner = StreamRunner::start(stream, &kafka.config(), &StreamConfig::default(), pool).unwrap();
        let (queues, stop) = (redis.queues(), CancellationToken::new());
        let mut reporter = Reporter::new(&queues, Vec::new(), "told", &["streams"], &stop);
        reporter.of_stream(&runner);
        let reporting = reporter.start(None);
        let running = tokio::spawn(runner.run(stop.clone()));

        let processes = queues.processes();
        let process = wait_for("it says what keeps it", SOON, async || {
            let [process] = processes.list().await.unwrap().try_into().ok()?;
            let process: Process = process;
            (!process.troubles.is_empty()).then_some(process)
        });
        let process = process.await;
        let partitions = BTreeMap::from([(kafka.name("numbers"), vec![0])]);
        let group = of_stream.consumer_group.clone();
        let held = BridgedGroup { group, partitions, handed_off: 0, stream: Some("gate".into()) };
        assert_eq!(process.groups, std::slice::from_ref(&held));
        assert!(process.troubles[0].text.contains("the gate is shut"), "{:?}", process.troubles);
        assert_eq!(process.troubles[0].partition, Some(0));
        assert_eq!(process.troubles[0].group, Some(of_stream.consumer_group.clone()));
        assert_eq!(see::stream_group(&seen).await.unwrap().lag, 3);

        open.store(true, SeqCst);
        wait_for("it says that it goes on", SOON, async || {
            let [process] = processes.list().await.unwrap().try_into().ok()?;
            let process: Process = process;
            let all = BridgedGroup { handed_off: 3, ..held.clone() };
            (process.troubles.is_empty() && process.groups == [all]).then_some(())
        })
        .await;
        wait_for("there is no lag", SOON, async || (see::stream_group(&seen).await.unwrap().lag == 0).then_some(()))
            .await;
        stop.cancel();
        running.await.unwrap().unwrap();
        reporting.end().await;
        assert!(processes.list().await.unwrap().is_empty());
    }
}
