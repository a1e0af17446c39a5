//! Names of a queue's keys.

/// The keys that every script gets, in this order; `lua/keys.lua` names them, `docs/protocol.md` says what each holds.
/// After them comes one list a priority, `wait0` to `wait9`, the answers to producers, and the watermarks.
const PARTS: [&str; 26] = [
    "jobs",
    "past",
    "blocks",
    "rows",
    "delayed",
    "claims",
    "leases",
    "dead",
    "done",
    "stops",
    "seen",
    "unique",
    "cancelled",
    "cancels",
    "counts",
    "settings",
    "seq",
    "beat",
    "wake",
    "lanes",
    "held",
    "fair",
    "tags",
    "index",
    "batches",
    "schedules",
];

/// Every key of one queue, all under one hash tag, so that they share a slot of a Redis Cluster.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    base: String,
    all: Vec<String>,
}

impl Keys {
    pub(crate) fn new(prefix: &str, queue: &str) -> Self {
        let base = format!("{{{prefix}:{queue}}}");
        let parts = PARTS.iter().map(|part| format!("{base}:{part}"));
        let lines = (0..10).map(|priority| format!("{base}:wait{priority}"));
        let all = parts.chain(lines).chain([format!("{base}:answers"), format!("{base}:watermarks")]).collect();
        Self { base, all }
    }

    /// One key by its part.
    pub(crate) fn name(&self, part: &str) -> String {
        format!("{}:{part}", self.base)
    }

    /// All, as scripts want them.
    pub(crate) fn all(&self) -> &[String] {
        &self.all
    }
}
