//! Moving jobs from one queue to another.

use crate::{Enqueued, JobId, JobState, KeptJob, Queue, QueueError, look::STEP};

impl Queue {
    /// Moves jobs that wait, are delayed, held or dead to another queue, with all their options; there they begin anew.
    /// Gives how many were moved.
    ///
    /// They are put in there and then removed here. Between the two a job is in both queues; the same call again mends
    /// that, as each has an id there (the one that it has here), by which it is recognised, also if it is done meanwhile:
    /// within the dedupe window. A job of a batch leaves it, as if it were cancelled. One whose unique key another job has
    /// there, or was cancelled there, stays here.
    pub async fn transfer(&self, ids: &[JobId], to: &Self) -> Result<usize, QueueError> {
        let mut moved = 0;
        for ids in ids.chunks(STEP) {
            let found = self.look_up(ids).await?;
            let may_move = |state| !matches!(state, JobState::Active | JobState::Done);
            let found = found.into_iter().filter(|found| may_move(found.view.state));
            let jobs: Vec<KeptJob> = found.map(|found| KeptJob::of(found).anew()).collect();
            if jobs.is_empty() {
                continue;
            }
            let entered = to.take_in(&jobs, true, |job| format!("{} from {}", job.key, self.name())).await?;
            let is_there = |entered: &Enqueued| matches!(entered, Enqueued::New(_) | Enqueued::Duplicate);
            let there: Vec<JobId> =
                jobs.iter().zip(&entered).filter(|(_, entered)| is_there(entered)).map(|(job, _)| job.key).collect();
            moved += self.remove(&there).await?;
        }
        Ok(moved)
    }
}
