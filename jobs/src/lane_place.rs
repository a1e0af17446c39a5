//! Where in its lane a job is.

use serde::Serialize;

use crate::{JobId, Queue, QueueError};

/// What a job that is held waits for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LanePlace {
    /// How many of its lane are under way: they wait for a worker, run, or are to be retried first.
    pub under_way: u64,
    /// How many wait in front of it.
    pub ahead: u64,
    /// The last of those.
    pub behind: Option<JobId>,
}

impl Queue {
    /// What a job waits for that is held in this lane.
    pub async fn place_in_lane(&self, lane: &str, id: JobId) -> Result<LanePlace, QueueError> {
        let mut call = self.prepare(&self.queues.scripts.lane);
        call.arg(lane).arg(id.as_str());
        let (under_way, ahead, behind): (u64, u64, String) = self.run(&call).await?;
        Ok(LanePlace { under_way, ahead, behind: behind.parse().ok() })
    }
}
