//! Names of a queue's keys.

/// Every key of one queue, all under one hash tag, so that they share a slot of a Redis Cluster.
#[derive(Debug, Clone)]
pub(crate) struct Keys {
    base: String,
}

impl Keys {
    pub(crate) fn new(prefix: &str, queue: &str) -> Self {
        Self { base: format!("{{{prefix}:{queue}}}") }
    }

    /// One of: `jobs` (hash id → body), `run` (hash id → state), `wait`, `delayed`, `active`, `dead`
    /// (sorted sets of ids: by priority and age, by time due, by lease end, by next burial), `seen`
    /// (sorted set of ids by when they are forgotten), `unique` (hash key → id), `cancelled` (sorted set of
    /// unique keys by the time up to which they are cancelled), `cancels` (the same by when that is forgotten),
    /// `counts` (hash), `seq` (number), `wake` (list), `schedules` (hash name → schedule).
    pub(crate) fn name(&self, part: &str) -> String {
        format!("{}:{part}", self.base)
    }
}
