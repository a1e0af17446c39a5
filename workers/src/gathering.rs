//! Jobs of a kind that wait for each other, to be done at once.

use std::sync::{Arc, OnceLock};

use futures::future::join_all;
use millgate_jobs::ErrorCode;
use tokio::sync::{mpsc, oneshot};
use tokio_util::task::AbortOnDropHandle;
use tracing::{Instrument, info_span};

use crate::{
    Ctx, Done, JobError,
    batch_handler::{ErasedBatch, Size},
    run::panic_message,
};

/// A kind's jobs in one worker, on their way into batches.
pub(crate) struct Gathering {
    kind: &'static str,
    size: Size,
    handler: Arc<dyn ErasedBatch>,
    /// Of the task that gathers them, which begins with the first job and ends with the worker.
    members: OnceLock<mpsc::UnboundedSender<Member>>,
}

/// A job in a batch.
struct Member {
    payload: String,
    ctx: Ctx,
    begin: oneshot::Sender<()>,
    answer: oneshot::Sender<Result<Done, JobError>>,
}

impl Member {
    /// Whether it waits for an answer: one that was stopped, or whose lease is lost, has left.
    fn is_there(&self) -> bool {
        !self.answer.is_closed()
    }
}

/// A job's place in a batch to come. Who drops it leaves the batch.
pub(crate) struct Place {
    /// Answers when the batch begins.
    pub(crate) begun: oneshot::Receiver<()>,
    /// Answers when it is over.
    pub(crate) answer: oneshot::Receiver<Result<Done, JobError>>,
}

impl Gathering {
    pub(crate) fn new(kind: &'static str, size: Size, handler: Arc<dyn ErasedBatch>) -> Self {
        Self { kind, size, handler, members: OnceLock::new() }
    }

    /// Adds a job.
    pub(crate) fn join(&self, payload: String, ctx: Ctx) -> Place {
        let members = self.members.get_or_init(|| {
            let (sender, members) = mpsc::unbounded_channel();
            tokio::spawn(gather(self.kind, self.size, self.handler.clone(), members));
            sender
        });
        let (begin, begun) = oneshot::channel();
        let (sender, answer) = oneshot::channel();
        // Without the task, as when the runtime ends, both ends of the place say so.
        let _ = members.send(Member { payload, ctx, begin, answer: sender });
        Place { begun, answer }
    }
}

async fn gather(
    kind: &'static str,
    size: Size,
    handler: Arc<dyn ErasedBatch>,
    mut members: mpsc::UnboundedReceiver<Member>,
) {
    while let Some(first) = members.recv().await {
        let mut batch = vec![first];
        let complete = async {
            let mut room = size.most - 1;
            while room > 0 && members.recv_many(&mut batch, room).await > 0 {
                batch.retain(Member::is_there);
                room = size.most.saturating_sub(batch.len());
            }
        };
        // Those there are by then will do.
        let _ = tokio::time::timeout(size.wait, complete).await;
        batch.retain(Member::is_there);
        if !batch.is_empty() {
            let span = info_span!("batch", kind, jobs = batch.len());
            tokio::spawn(run(handler.clone(), batch).instrument(span));
        }
    }
}

/// Does a batch, for as long as any of its jobs wants an answer.
async fn run(handler: Arc<dyn ErasedBatch>, batch: Vec<Member>) {
    let (mut jobs, mut answers) = (Vec::with_capacity(batch.len()), Vec::with_capacity(batch.len()));
    for member in batch {
        let _ = member.begin.send(());
        jobs.push((member.payload, member.ctx));
        answers.push(member.answer);
    }
    // A task of its own, as for a single job.
    let task = AbortOnDropHandle::new(tokio::spawn(handler.run(jobs).in_current_span()));
    let outcome = tokio::select! {
        outcome = task => outcome,
        _ = join_all(answers.iter_mut().map(oneshot::Sender::closed)) => return,
    };
    let given = match outcome {
        Ok(given) => given,
        Err(ended) => {
            let error = JobError::of(ErrorCode::Panic, panic_message(ended));
            vec![Err(error); answers.len()]
        }
    };
    for (answer, given) in answers.into_iter().zip(given) {
        // Who has left meanwhile needs none.
        let _ = answer.send(given);
    }
}
