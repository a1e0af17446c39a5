//! What bridges count, by consumer group.

use std::{fmt, sync::Arc};

use millgate_bridge::{BridgeCounts, BridgeStats};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet},
};

use super::line::{self, Line};

const COUNTERS: [Line<BridgeCounts>; 10] = [
    ("bridge_events_handed_off", "Events whose jobs are all in their queues.", |counts| counts.handed_off),
    ("bridge_tombstones", "Records without a value among these, which come to no job.", |counts| counts.tombstones),
    ("bridge_events_poison", "Records that went to the dead letters.", |counts| counts.dead),
    ("bridge_jobs_enqueued", "Jobs that are new in their queues.", |counts| counts.jobs),
    ("bridge_jobs_duplicate", "Jobs not taken in again, as their routes ask for.", |counts| counts.duplicates),
    ("bridge_jobs_skipped", "Jobs of records that had been handed off before.", |counts| counts.skipped),
    ("bridge_jobs_cancelled", "Waiting jobs that a cancel took away.", |counts| counts.cancelled),
    ("bridge_rewinds", "Times that events were read again, as Redis had lost them.", |counts| counts.rewinds),
    ("bridge_halts", "Times that it was said that a partition waits for people; twice a minute each.", |counts| {
        counts.halts
    }),
    ("bridge_events_missed", "Records that Kafka had deleted before they were handed off.", |counts| counts.missed),
];

const GAUGES: [Line<BridgeCounts>; 3] = [
    ("bridge_dead_letters_unwritable", "Partitions that wait as a dead letter cannot be written.", |counts| {
        counts.unwritable
    }),
    (
        "bridge_redis_behind",
        "Hand-offs that wait for people, as Redis is behind its watermark: millgate watermarks list.",
        |counts| counts.waiting_for_people,
    ),
    ("bridge_redis_refuses", "Hand-offs that wait for Redis to take their jobs.", |counts| counts.refused),
];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByGroup {
    consumer_group: String,
}

/// The counters of each group's bridge.
#[derive(Debug)]
pub(super) struct OfBridges(pub(super) Vec<(String, Arc<BridgeStats>)>);

impl Collector for OfBridges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = |(group, stats): &(String, Arc<BridgeStats>)| {
            let consumer_group = group.clone();
            (ByGroup { consumer_group }, stats.read())
        };
        let counts: Vec<_> = self.0.iter().map(read).collect();
        line::counters(&mut encoder, &COUNTERS, &counts)?;
        line::gauges(&mut encoder, &GAUGES, &counts)
    }
}
