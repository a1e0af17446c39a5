//! Many callers that enqueue one job each share a call.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
};

use futures::stream::{FuturesUnordered, StreamExt};
use tokio::sync::{mpsc, oneshot};

use crate::{
    Enqueued, NewJob, Queue, QueueError,
    enqueue::{Call, STEP},
};

/// Calls on their way at a time: while one is answered the next is filled.
const CALLS: usize = 2;

/// From so many pushes on that come at once there are two calls.
const SPLIT: usize = 8;

/// One job, and who waits to hear of it.
type Push = (NewJob, oneshot::Sender<Result<Enqueued, QueueError>>);

/// Each queue's line of jobs that wait for the next call. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Senders(Arc<Mutex<HashMap<String, mpsc::UnboundedSender<Push>>>>);

impl Queue {
    /// Puts one job in. Calls at the same time share one round trip, so that many callers are as fast as a batch.
    pub async fn push(&self, job: NewJob) -> Result<Enqueued, QueueError> {
        self.accept(std::slice::from_ref(&job))?;
        let (answer, answered) = oneshot::channel();
        self.hand_to_sender((job, answer));
        answered.await.unwrap_or(Err(QueueError::Stopped))
    }

    fn hand_to_sender(&self, push: Push) {
        let mut senders = self.queues.senders.0.lock().unwrap_or_else(PoisonError::into_inner);
        let push = match senders.get(self.name()) {
            None => push,
            Some(sender) => match sender.send(push) {
                Ok(()) => return,
                // The runtime that it ran on is gone.
                Err(push) => push.0,
            },
        };
        let (sender, pushes) = mpsc::unbounded_channel();
        // Its other end is right here.
        let _ = sender.send(push);
        senders.insert(self.name().to_owned(), sender);
        // Without the senders: it ends when all who could send are gone, and must not be one of them.
        let mut queue = self.clone();
        queue.queues.senders = Senders::default();
        tokio::spawn(send_all(queue, pushes));
    }
}

async fn send_all(queue: Queue, mut pushes: mpsc::UnboundedReceiver<Push>) {
    // In this task, not in tasks of their own: each hand-over to another thread costs as much as a call.
    let mut calls = FuturesUnordered::new();
    let mut step = Vec::with_capacity(STEP);
    loop {
        if step.is_empty() || calls.len() == CALLS {
            tokio::select! {
                Some(()) = calls.next() => continue,
                many = pushes.recv_many(&mut step, STEP), if calls.len() < CALLS => {
                    if many == 0 {
                        break;
                    }
                    // Callers who were answered together may be about to push their next.
                    tokio::task::yield_now().await;
                    while step.len() < STEP
                        && let Ok(push) = pushes.try_recv()
                    {
                        step.push(push);
                    }
                }
            }
        }
        // With all in one call Redis would wait while its callers make their next jobs, and they while it works.
        let rest = if calls.is_empty() && step.len() >= SPLIT { step.split_off(step.len() / 2) } else { Vec::new() };
        let (jobs, waiting): (Vec<_>, Vec<_>) = std::mem::replace(&mut step, rest).into_iter().unzip();
        calls.push(send(&queue, jobs, waiting));
    }
    while calls.next().await.is_some() {}
}

async fn send(queue: &Queue, jobs: Vec<NewJob>, waiting: Vec<oneshot::Sender<Result<Enqueued, QueueError>>>) {
    let mut waiting = waiting.into_iter();
    let mut rest = &jobs[..];
    while !rest.is_empty() {
        let mut call = Call::default();
        let taken = call.fill(rest, queue.queues.config.dedupe_window);
        let mut results = Vec::with_capacity(taken);
        // Who has stopped waiting does not listen.
        match queue.send(&call, &mut results).await {
            Ok(()) => {
                for (result, answer) in results.into_iter().zip(waiting.by_ref().take(taken)) {
                    let _ = answer.send(Ok(result));
                }
            }
            Err(error) => {
                for answer in waiting.by_ref().take(taken) {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
        rest = &rest[taken..];
    }
}
