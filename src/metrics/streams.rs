//! What streams count: all of them, those of changes, and those of windows.

use std::{fmt, sync::Arc};

use chrono::DateTime;
use millgate_streams::{
    StreamCounts, StreamStats,
    changes::ChangeStats,
    windows::{WindowCounts, WindowStats},
};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{MetricType, counter::ConstCounter, gauge::ConstGauge},
};

use super::{
    age,
    line::{self, Line},
};

const OF_ALL: [Line<StreamCounts>; 4] = [
    ("stream_records", "Records that are in the stream's tables.", |counts| counts.taken),
    ("stream_records_skipped", "Records that came again, and were in the tables already.", |counts| counts.skipped),
    ("stream_batches", "Batches that were taken, each in a transaction.", |counts| counts.batches),
    ("stream_failures", "Tries to take a batch that failed.", |counts| counts.failures),
];

const OF_WINDOWS: [Line<WindowCounts>; 3] = [
    ("windows_late", "Events that came after their windows were closed.", |counts| counts.late),
    ("windows_ahead", "Events that claim to happen more than an hour from now.", |counts| counts.ahead),
    ("windows_closed", "Results that were made final by this process.", |counts| counts.finals),
];

const OPEN: [Line<WindowCounts>; 1] = [("windows_open", "Slices and sessions in memory.", |counts| counts.open)];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByStream {
    stream: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ByOutcome {
    stream: String,
    outcome: &'static str,
}

/// The counters of each stream.
#[derive(Debug)]
pub(super) struct OfStreams(pub(super) Vec<(String, Arc<StreamStats>)>);

impl Collector for OfStreams {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = |(stream, stats): &(String, Arc<StreamStats>)| (ByStream { stream: stream.clone() }, stats.read());
        let counts: Vec<_> = self.0.iter().map(read).collect();
        line::counters(&mut encoder, &OF_ALL, &counts)
    }
}

/// What became of the changes of each stream.
#[derive(Debug)]
pub(super) struct OfChanges(pub(super) Vec<(String, Arc<ChangeStats>)>);

impl Collector for OfChanges {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let help = "Records with changes of tables, by what became of them.";
        let mut family = encoder.encode_descriptor("millgate_stream_changes", help, None, MetricType::Counter)?;
        for (stream, stats) in &self.0 {
            let counts = stats.read();
            for (outcome, count) in [
                ("applied", counts.applied),
                ("past", counts.past),
                ("tombstone", counts.tombstones),
                ("message", counts.messages),
                ("put_aside", counts.put_aside),
            ] {
                let label = ByOutcome { stream: stream.clone(), outcome };
                ConstCounter::new(count).encode(family.encode_family(&label)?)?;
            }
        }
        Ok(())
    }
}

/// What is counted of each stream of windows.
#[derive(Debug)]
pub(super) struct OfWindows(pub(super) Vec<(String, Arc<WindowStats>)>);

impl Collector for OfWindows {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let read = |(stream, stats): &(String, Arc<WindowStats>)| (ByStream { stream: stream.clone() }, stats.read());
        let counts: Vec<_> = self.0.iter().map(read).collect();
        line::counters(&mut encoder, &OF_WINDOWS, &counts)?;
        line::gauges(&mut encoder, &OPEN, &counts)?;
        let (name, help) = ("millgate_windows_watermark_lag_seconds", "How far the watermark is behind the clock.");
        let mut lag = encoder.encode_descriptor(name, help, None, MetricType::Gauge)?;
        for (stream, counts) in &counts {
            let Some(watermark) = counts.watermark.and_then(DateTime::from_timestamp_millis) else { continue };
            ConstGauge::new(age(watermark)).encode(lag.encode_family(stream)?)?;
        }
        Ok(())
    }
}
