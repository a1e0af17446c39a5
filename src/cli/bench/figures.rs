//! What was measured.

use std::fmt;

use serde_json::{Map, Value, json};

use super::median::Percentiles;

/// Every figure that can be measured: its name in JSON, what people read, and its unit. `docs/bench.md` defines them.
const LINES: [(&str, &str, &str); 46] = [
    ("fold_per_s", "fold, records in memory, with its transactions", "events/s"),
    ("windows_per_s", "from Kafka to the windows' tables", "events/s"),
    ("windows_cpu_us", "processor time of an event", "µs"),
    ("recorded_per_s", "from Kafka into the audit log", "events/s"),
    ("verified_per_s", "verified", "entries/s"),
    ("bytes_per_entry", "an entry with its indexes", "bytes"),
    ("slowest_page_p95_ms", "the slowest page, p95", "ms"),
    ("redis_percent_1_viewers", "what 1 viewer takes of Redis", "%"),
    ("redis_percent_3_viewers", "what 3 viewers take of Redis", "%"),
    ("redis_percent_10_viewers", "what 10 viewers take of Redis", "%"),
    ("append_1_per_s", "append, 1 writer", "appends/s"),
    ("append_8_per_s", "append, 8 writers of one process", "appends/s"),
    ("append_8_apart_per_s", "append, 8 writers that share no commits", "appends/s"),
    ("load_full_ms", "load an aggregate from all its events", "ms"),
    ("load_snapshot_ms", "load it from its snapshot", "ms"),
    ("projection_events_per_s", "projection, an upsert for each event", "events/s"),
    ("mails_per_s", "mail, from the queue to the mail server", "mails/s"),
    ("mail_cpu_us", "processor time of the worker, a mail", "µs"),
    ("connections", "connections that it made", ""),
    ("handoff_per_s", "hand-off, 1 bridge process", "events/s"),
    ("handoff_cpu_us_per_event", "processor time of the bridge, an event", "µs"),
    ("rss_mb", "most memory of the bridge", "MiB"),
    ("events_per_s", "from Kafka to done", "events/s"),
    ("cpu_s_per_100k_events", "processor time for 100,000 events", "s"),
    ("latency_ms", "published to started, at 200 events/s", "ms"),
    ("bare_per_s", "drain, without span and layers", "jobs/s"),
    ("layered_per_s", "drain, with span and layers", "jobs/s"),
    ("bare_us", "processor time of a bare job", "µs"),
    ("layered_us", "processor time of a job in layers", "µs"),
    ("overhead_us", "what span and layers add to a job", "µs"),
    ("enqueue_each_per_s", "enqueue, one job a call, 16 callers", "jobs/s"),
    ("enqueue_bulk_per_s", "enqueue, all jobs in one call", "jobs/s"),
    ("drain_1p_per_s", "drain, 1 worker process", "jobs/s"),
    ("drain_2p_per_s", "drain, 2 worker processes", "jobs/s"),
    ("drain_at_1m_per_s", "drain, 1 worker process, a million waiting", "jobs/s"),
    ("raw_enqueue_bulk_per_s", "raw list: enqueue", "texts/s"),
    ("raw_drain_per_s", "raw list: drain, 1 worker", "texts/s"),
    ("ratio_to_raw", "drain, 1 worker process / raw list", ""),
    ("cpu_s_per_100k_jobs", "processor time for 100,000 jobs", "s"),
    ("pickup_ms", "pickup at 200 jobs/s", "ms"),
    ("pickup_half_load_ms", "pickup at half the drain rate", "ms"),
    ("delayed_lateness_ms", "lateness of delayed jobs", "ms"),
    ("delayed_rush_s", "many due at once: until all have started", "s"),
    ("recovery_s", "killed worker: until its jobs run again", "s"),
    ("bytes_per_waiting_job", "memory of a waiting job", "bytes"),
    ("idle_commands_per_s", "an idle worker process", "commands/s"),
];

/// Figures by name. Those that were not asked for are missing.
#[derive(Debug, Default)]
pub(super) struct Figures(Map<String, Value>);

impl Figures {
    pub(super) fn set(&mut self, name: &str, value: f64) {
        self.0.insert(name.to_owned(), json!(rounded(value)));
    }

    pub(super) fn get(&self, name: &str) -> Option<f64> {
        self.0.get(name)?.as_f64()
    }

    pub(super) fn set_percentiles(&mut self, name: &str, Percentiles { p50, p95, p99 }: Percentiles) {
        self.note(name, json!({ "p50": rounded(p50), "p95": rounded(p95), "p99": rounded(p99) }));
    }

    /// The parts of such a figure, for people.
    pub(super) fn percentiles(&self, name: &str) -> Option<String> {
        let parts = self.0.get(name)?.as_object()?;
        Some(parts.iter().map(|(part, value)| format!("{part} {value}")).collect::<Vec<_>>().join("  "))
    }

    /// Sets what is no single number.
    pub(super) fn note(&mut self, name: &str, value: Value) {
        self.0.insert(name.to_owned(), value);
    }

    pub(super) fn to_json(&self) -> String {
        Value::from(self.0.clone()).to_string()
    }
}

/// To a thousandth: what is beyond is noise.
pub(super) fn rounded(value: f64) -> f64 {
    (value * 1000.0).round() / 1000.0
}

/// A line each, the unit behind it.
impl fmt::Display for Figures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, label, unit) in LINES {
            match self.0.get(name) {
                Some(Value::Object(_)) => {
                    let parts = self.percentiles(name).unwrap_or_default();
                    writeln!(f, "{label:<44}{parts} {unit}")?;
                }
                Some(value) => {
                    let value = value.as_f64().unwrap_or_default();
                    let digits = if value < 1.0 { 3 } else { usize::from(value < 100.0) };
                    writeln!(f, "{label:<44}{value:>10.digits$} {unit}")?;
                }
                None => {}
            }
        }
        Ok(())
    }
}
