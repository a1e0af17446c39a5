//! The books: every event and every job, and what became of it.

use std::{
    collections::BTreeMap,
    fmt,
    sync::{Arc, atomic::Ordering},
};

use millgate_bridge::{BridgeCounts, BridgeStats, saga::SagaStatus};
use millgate_events::RelayStats;
use millgate_jobs::QueueStats;

use super::{DeadLetterView, Mails};
use crate::servers::Servers;

/// Looks at all servers.
pub(super) struct Observer<'a> {
    pub(super) servers: &'a Servers,
    pub(super) bridge: Arc<BridgeStats>,
    pub(super) relay: Option<Arc<RelayStats>>,
    pub(super) mails: Mails,
    pub(super) dead_letters: &'a DeadLetterView,
}

/// The books at one moment.
pub(super) struct Balance {
    published: Option<u64>,
    /// Events that jobs wrote to the outbox: those on Kafka, and those on their way.
    relayed: u64,
    in_outbox: u64,
    bridge: BridgeCounts,
    queues: BTreeMap<String, QueueStats>,
    mails: Option<u64>,
    dead_letters: u64,
    sagas: Option<SagaBooks>,
    report: Vec<String>,
}

/// Sagas that should have begun, and how those are that have.
struct SagaBooks {
    wanted: u64,
    counts: BTreeMap<String, i64>,
}

impl SagaBooks {
    fn are(&self, status: SagaStatus) -> u64 {
        self.counts.get(status.as_str()).map_or(0, |count| count.unsigned_abs())
    }

    /// All that should have begun have, and have ended.
    fn have_ended(&self) -> bool {
        let ended = self.are(SagaStatus::Completed) + self.are(SagaStatus::Compensated);
        ended == self.wanted && self.counts.values().map(|count| count.unsigned_abs()).sum::<u64>() == ended
    }
}

/// One sum, and whether it holds.
pub(super) struct Check {
    what: String,
    pub(super) holds: bool,
}

impl fmt::Display for Check {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}  {}", if self.holds { "ok  " } else { "FAIL" }, self.what)
    }
}

impl Observer<'_> {
    pub(super) async fn look(&self, published: Option<u64>) -> anyhow::Result<Balance> {
        // In this order: what the relay has counted at the end came before the bridge was asked, or the books are not settled.
        let bridge = self.bridge.read();
        let mut queues = BTreeMap::new();
        for name in self.servers.queue_names() {
            let stats = self.servers.queues.queue(&name).stats().await?;
            queues.insert(name, stats);
        }
        let report = match &self.servers.report {
            Some(report) => report(self.servers.database.clone()).await.unwrap_or_else(|error| vec![error.to_string()]),
            None => Vec::new(),
        };
        let sagas = match self.servers.sagas() {
            Some(store) => {
                let prefix = &self.servers.config.kafka.topic_prefix;
                let starts = store.definitions().start_topics();
                let topics = self.bridge.topics().into_iter();
                let of_starts =
                    topics.filter(|(topic, _)| starts.contains(topic.strip_prefix(prefix.as_str()).unwrap_or(topic)));
                let wanted = of_starts.map(|(_, counts)| counts.handed_off).sum();
                Some(SagaBooks { wanted, counts: store.counts().await? })
            }
            None => None,
        };
        let in_outbox = match self.servers.outbox() {
            Some(outbox) => outbox.backlog().await?.waiting.unsigned_abs(),
            None => 0,
        };
        Ok(Balance {
            published,
            relayed: self.relay.as_ref().map_or(0, |relay| relay.published()),
            in_outbox,
            bridge,
            queues,
            mails: self.mails.as_ref().map(|count| count.load(Ordering::Relaxed)),
            dead_letters: self.dead_letters.count(),
            sagas,
            report,
        })
    }
}

impl Balance {
    fn sum(&self, part: impl Fn(&QueueStats) -> u64) -> u64 {
        self.queues.values().map(part).sum()
    }

    fn dead(&self) -> u64 {
        self.bridge.dead + self.sum(QueueStats::dead)
    }

    /// Everything published has arrived, and no job has anything left to do.
    pub(super) fn is_settled(&self) -> bool {
        self.published.is_some_and(|published| self.bridge.handed_off + self.bridge.dead >= published + self.relayed)
            && self.in_outbox == 0
            && self.sagas.as_ref().is_none_or(SagaBooks::have_ended)
            && self.sum(|queue| queue.waiting + queue.delayed + queue.active + queue.unburied) == 0
            && self.dead_letters >= self.dead()
    }

    /// For the screen.
    pub(super) fn lines(&self) -> Vec<String> {
        let published = self.published.map_or_else(|| "…".to_owned(), |count| count.to_string());
        let BridgeCounts { handed_off, dead, .. } = self.bridge;
        let (relayed, in_outbox) = (self.relayed, self.in_outbox);
        let mut lines = vec![format!("events     published {published} · handed off {handed_off} · dead {dead}")];
        lines.push(format!("outbox     {relayed} published · {in_outbox} waiting"));
        for (queue, stats) in &self.queues {
            lines.push(format!(
                "{queue:<10} waiting {} · delayed {} · active {}",
                stats.waiting, stats.delayed, stats.active
            ));
            for (kind, counts) in &stats.kinds {
                lines.push(format!(
                    "           {kind:<24} {:>3} done of {:>3} · {} retries · {} cancelled · {} dead",
                    counts.done, counts.enqueued, counts.retried, counts.cancelled, counts.dead
                ));
            }
        }
        if let Some(mails) = self.mails {
            lines.push(format!("mails      {mails} arrived"));
        }
        lines.push(format!("dead       {} letters on the topic", self.dead_letters));
        if let Some(sagas) = &self.sagas {
            let parts = SagaStatus::ALL.map(|status| format!("{} {status}", sagas.are(status)));
            lines.push(format!("sagas      {}", parts.join(" · ")));
        }
        lines.extend(self.report.iter().cloned());
        lines
    }

    /// The sums that must hold at the end.
    pub(super) fn checks(&self) -> Vec<Check> {
        let published = self.published.unwrap_or_default();
        let relayed = self.relayed;
        let BridgeCounts { handed_off, dead, .. } = self.bridge;
        let mut checks = vec![Check {
            what: format!(
                "events: {published} published + {relayed} of the outbox = {handed_off} handed off + {dead} dead"
            ),
            holds: published + relayed == handed_off + dead,
        }];
        let waiting = self.sum(|queue| queue.waiting + queue.delayed + queue.active);
        let (enqueued, done) = (self.sum(QueueStats::enqueued), self.sum(QueueStats::done));
        let (cancelled, jobs_dead) = (self.sum(QueueStats::cancelled), self.sum(QueueStats::dead));
        checks.push(Check {
            what: format!(
                "jobs:   {enqueued} enqueued = {done} done + {cancelled} cancelled + {waiting} waiting + {jobs_dead} dead"
            ),
            holds: enqueued == done + cancelled + waiting + jobs_dead && waiting == 0,
        });
        checks.push(Check {
            what: format!("dead:   {} letters on the topic = {dead} events + {jobs_dead} jobs", self.dead_letters),
            holds: self.dead_letters == dead + jobs_dead,
        });
        if let Some(sagas) = &self.sagas {
            let (completed, back) = (sagas.are(SagaStatus::Completed), sagas.are(SagaStatus::Compensated));
            checks.push(Check {
                what: format!("sagas:  {} begun = {completed} completed + {back} compensated", sagas.wanted),
                holds: sagas.have_ended(),
            });
        }
        if let (Some(mails), Some(email)) = (self.mails, self.queues.get("email")) {
            checks.push(Check {
                what: format!("mails:  {mails} arrived = {} email jobs done", email.done()),
                holds: mails == email.done(),
            });
        }
        checks
    }
}
