//! A worker by hand: for runtimes other than apalis, and for tests.

use std::{collections::HashSet, time::Duration};

use crate::{
    Claimed, Queue, QueueError, Verdict,
    blocks::Blocks,
    lease::{Hold, InHand},
    settle::Settlement,
};

/// Takes jobs under leases and says what became of them, one call at a time. Nothing happens in between: whoever has
/// one [renews](Self::renew) in time. Dropped, it is a worker that died: its jobs run again when their leases are over.
pub struct Hand {
    queue: Queue,
    lease: Duration,
    runs: InHand,
}

impl Hand {
    /// A worker on a queue, whose leases last `lease`.
    pub fn new(queue: &Queue, lease: Duration) -> Self {
        Self { queue: queue.clone(), lease, runs: InHand::new(0) }
    }

    /// Leases out up to `most` jobs. Those that cannot be read are dead by that, and not among them.
    pub async fn claim(&self, most: usize) -> Result<Vec<Claimed>, QueueError> {
        let claim = self.queue.claim(&self.queue.queues.link, &mut Blocks::default(), most, self.lease).await?;
        self.runs.take(claim.jobs.iter().map(|job| &job.hold));
        if !claim.unreadable.is_empty() {
            let dead = |(hold, failure)| Settlement { run: 0, hold, verdict: Verdict::Dead { failure } };
            let mut dead: Vec<_> = claim.unreadable.into_iter().map(dead).collect();
            self.queue.settle(&mut dead).await?;
        }
        Ok(claim.jobs)
    }

    /// Says what became of jobs. Gives how many results did not count, as the leases were lost, or others had been said
    /// before. After an error it is not known whether they did: the same call again does no harm.
    pub async fn settle(&self, results: &[(Claimed, Verdict)]) -> Result<usize, QueueError> {
        let settled = |(job, verdict): &(Claimed, Verdict)| Settlement {
            run: self.runs.number(&job.hold),
            hold: job.hold.clone(),
            verdict: verdict.clone(),
        };
        let mut settlements: Vec<_> = results.iter().map(settled).collect();
        let late = self.queue.settle(&mut settlements).await?;
        self.runs.release(settlements.into_iter().map(|settlement| settlement.run));
        Ok(late)
    }

    /// Makes all leases last their time anew. Jobs whose leases are lost or that are to stop learn it by
    /// [`Claimed::lost`].
    pub async fn renew(&self) -> Result<(), QueueError> {
        let (lost, stopped) = self.queue.renew(&self.queue.queues.link, &self.runs.tokens(), self.lease).await?;
        self.runs.lose(&lost.iter().map(String::as_str).collect::<HashSet<_>>());
        self.runs.stop(&stopped);
        Ok(())
    }
}

impl InHand {
    /// The number of a job's run; 0 if it is over.
    fn number(&self, hold: &Hold) -> u64 {
        let mut open = self.open().into_iter();
        open.find(|(_, open)| open.id() == hold.id() && open.token() == hold.token()).map_or(0, |(number, _)| number)
    }
}
