//! What there is to be seen at one moment.

use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use futures::future::{join_all, try_join_all};
use millgate_dashboard::{Reader, Site};
use millgate_events::{KafkaError, Logs};
use millgate_jobs::{History, Point, Process, QueueError, QueueStats, Span, Trouble};
use serde::Serialize;

/// For one question to Kafka.
const PATIENCE: Duration = Duration::from_secs(5);

/// All of it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Snapshot {
    /// By the clock of Redis.
    pub(super) now: DateTime<Utc>,
    pub(super) queues: Vec<QueueRow>,
    pub(super) processes: Vec<Process>,
    pub(super) groups: Vec<GroupRow>,
    /// What is wrong, with who says so, if it is a process; the oldest first.
    pub(super) wrong: Vec<(Option<String>, Trouble)>,
}

/// A queue.
#[derive(Debug, Clone, Serialize)]
pub(super) struct QueueRow {
    pub(super) name: String,
    pub(super) waiting: u64,
    pub(super) delayed: u64,
    pub(super) active: u64,
    pub(super) dead: u64,
    pub(super) paused: bool,
    pub(super) draining: bool,
    /// For how long the oldest waiting job has waited.
    pub(super) oldest: Option<Duration>,
    /// Jobs a second that are done, and runs that fail.
    pub(super) done_per_second: f64,
    pub(super) failed_per_second: f64,
    /// Of how long runs take, in the last hour.
    pub(super) p95: Option<Duration>,
    /// Jobs done in each minute of the last hour.
    pub(super) last_hour: Vec<u64>,
    /// Jobs that were done and runs that failed since the queue began.
    #[serde(skip)]
    pub(super) totals: (u64, u64),
}

/// How far a consumer group is.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(super) struct GroupRow {
    /// As the application names it.
    pub(super) name: String,
    /// As Kafka does.
    pub(super) group: String,
    /// Events that are not known to be handed off.
    pub(super) behind: u64,
    /// When the oldest of them came.
    pub(super) since: Option<DateTime<Utc>>,
    /// Events a second that are handed off.
    pub(super) events_per_second: f64,
    /// Why nothing is known of how far it is behind.
    pub(super) unknown: Option<String>,
}

impl Snapshot {
    /// Looks at what Redis has. `groups` takes longer to find out, and is found out beside it.
    pub(super) async fn take(site: &Site, groups: &[GroupRow]) -> Result<Self, QueueError> {
        let registry = site.queues.processes();
        let (processes, now) = (registry.list().await?, registry.now().await?);
        let queues = try_join_all(site.queue_names.iter().map(|name| QueueRow::of(site, name, now))).await?;
        let mut wrong: Vec<_> = processes
            .iter()
            .flat_map(|process| process.troubles.iter().map(|trouble| (Some(process.id.clone()), trouble.clone())))
            .collect();
        wrong.extend(queues.iter().filter_map(|queue| Some((None, nobody_works_on(queue, &processes, now)?))));
        for group in groups {
            if let Some(text) = &group.unknown {
                let text = format!("how far group {} is behind is not known: {text}", group.name);
                wrong.push((None, Trouble { topic: None, partition: None, group: None, since: now, text }));
            }
        }
        wrong.sort_by_key(|(_, trouble)| trouble.since);
        Ok(Self { now, queues, processes, groups: groups.to_vec(), wrong })
    }
}

/// Whether jobs wait, and no process works on their queue.
fn nobody_works_on(queue: &QueueRow, processes: &[Process], now: DateTime<Utc>) -> Option<Trouble> {
    let works = |process: &Process| process.queues.iter().any(|worked| worked.name == queue.name);
    if queue.waiting == 0 || queue.paused || processes.iter().any(works) {
        return None;
    }
    let name = &queue.name;
    let text = format!("no process works on queue {name}, where jobs wait; `millgate worker --queues {name}` does");
    Some(Trouble { topic: None, partition: None, group: None, since: now - queue.oldest.unwrap_or_default(), text })
}

impl QueueRow {
    async fn of(site: &Site, name: &str, now: DateTime<Utc>) -> Result<Self, QueueError> {
        let queue = site.queues.queue(name);
        let (stats, history) = (queue.stats().await?, queue.history(Span::Hour).await?);
        let failed = stats.kinds.values().map(|kind| kind.retried + kind.dead).sum();
        let QueueStats { waiting, delayed, active, unburied, paused, draining, oldest, .. } = stats;
        Ok(Self {
            name: name.to_owned(),
            waiting,
            delayed,
            active,
            dead: unburied,
            paused,
            draining,
            oldest: oldest.map(|oldest| (now - oldest).to_std().unwrap_or_default()),
            done_per_second: history.rate_now(|point| point.done),
            failed_per_second: history.rate_now(Point::failed),
            p95: history.total().runs.p95(),
            last_hour: history.points.iter().map(|point| point.done).collect(),
            totals: (stats.done(), failed),
        })
    }
}

/// Asks Kafka how far the groups are.
pub(super) async fn groups(site: &Site) -> Vec<GroupRow> {
    join_all(site.readers.iter().map(|reader| GroupRow::of(site, reader))).await
}

impl GroupRow {
    async fn of(site: &Site, reader: &Reader) -> Self {
        let histories = reader.routes.topics().map(|topic| {
            let events = site.queues.events(reader.name, topic);
            async move { events.history(Span::Hour).await.ok() }
        });
        let history = History::merge(join_all(histories).await.into_iter().flatten());
        let mut row = Self {
            name: reader.name.to_owned(),
            group: reader.kafka.consumer_group.clone(),
            behind: 0,
            since: None,
            events_per_second: history.map_or(0.0, |history| history.rate_now(|point| point.handed_off)),
            unknown: None,
        };
        match lags(reader).await {
            Ok((behind, since)) => (row.behind, row.since) = (behind, since),
            Err(error) => row.unknown = Some(error.to_string()),
        }
        row
    }
}

/// How much a group is behind in all partitions, and since when.
async fn lags(reader: &Reader) -> Result<(u64, Option<DateTime<Utc>>), KafkaError> {
    let logs = Logs::new(&reader.kafka, PATIENCE);
    let committed = try_join_all(reader.routes.topics().map(|topic| logs.committed(topic))).await?;
    let partitions = committed.into_iter().flatten().map(|at| (at.topic.into(), at.partition)).collect();
    let lags = logs.lags(partitions).await?;
    let since = lags.iter().filter_map(|lag| lag.first).min();
    Ok((lags.iter().map(|lag| lag.records).sum(), since.map(|since| since.trunc_subsecs(0))))
}
