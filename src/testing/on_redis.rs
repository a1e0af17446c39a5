//! Jobs on a real Redis, under a prefix of their own.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_jobs::{Cancel, Claimed, Hand, Job, JobState, NewJob, QueueError, Queues, RedisConfig, Verdict};

use super::job::{EnqueuedJob, read};

/// Longer than any test lets pass while a job runs.
const LEASE: Duration = Duration::from_hours(24);

pub(super) struct OnRedis {
    config: RedisConfig,
    queues: Queues,
    names: Vec<String>,
    hands: Vec<Hand>,
}

fn well<T>(answer: Result<T, QueueError>) -> T {
    answer.unwrap_or_else(|error| panic!("{error}"))
}

impl OnRedis {
    pub(super) fn new(url: &str, names: Vec<String>, handled: &[&str]) -> Self {
        let prefix = format!("millgate-test-{}", uuid::Uuid::new_v4().simple());
        let config = RedisConfig { url: url.to_owned(), prefix, ..RedisConfig::default() };
        let queues = well(Queues::new(&config));
        let hands = handled.iter().map(|name| Hand::new(&queues.queue(name), LEASE)).collect();
        Self { config, queues, names, hands }
    }

    pub(super) fn prefix(&self) -> &str {
        &self.config.prefix
    }

    pub(super) async fn now(&self) -> DateTime<Utc> {
        // All queues of a handle have one clock; a test's queues are on one server.
        well(self.queues.queue("").now().await)
    }

    pub(super) fn pass(&self, time: Duration) {
        self.queues.pass(time);
    }

    pub(super) async fn enqueue(&self, job: NewJob) {
        well(self.queues.queue(&job.queue).enqueue(&[job]).await);
    }

    pub(super) async fn cancel(&self, queue: &str, cancel: Cancel) {
        well(self.queues.queue(queue).cancel(&[cancel]).await);
    }

    /// A job that is due in a queue that has handlers, and whose hand it is in.
    pub(super) async fn take(&self) -> Option<(&Hand, Claimed)> {
        for hand in &self.hands {
            if let Some(job) = well(hand.claim(1).await).pop() {
                return Some((hand, job));
            }
        }
        None
    }

    /// Says what became of a job that was taken.
    pub(super) async fn settle(hand: &Hand, job: Claimed, verdict: Verdict) {
        well(hand.settle(&[(job, verdict)]).await);
    }

    pub(super) async fn all<J: Job>(&self) -> Vec<EnqueuedJob<J>> {
        let queue = self.queues.queue(J::QUEUE);
        let now = self.now().await;
        let mut views = Vec::new();
        for state in [JobState::Waiting, JobState::Delayed, JobState::Held] {
            let mut from = None;
            loop {
                let page = well(queue.page(state, from.as_deref(), 200, Some(J::KIND)).await);
                views.extend(well(queue.look(&page.ids).await));
                from = page.next;
                if from.is_none() {
                    break;
                }
            }
        }
        views.sort_by_key(|view| view.key);
        let enqueued = views.into_iter().map(|view| EnqueuedJob {
            args: read(&view.payload),
            id: view.id,
            priority: view.priority,
            run_at: view.at.filter(|at| *at > now),
            unique: view.unique,
            attempts: view.attempts,
        });
        enqueued.collect()
    }
}

/// Removes the queues, on a thread and a connection of its own: the test's runtime may be ending.
impl Drop for OnRedis {
    fn drop(&mut self) {
        let (config, names) = (self.config.clone(), std::mem::take(&mut self.names));
        let remove = move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().ok()?;
            let queues = Queues::new(&config).ok()?;
            runtime.block_on(async {
                for name in names {
                    // A Redis that is away has nothing to be removed.
                    let _ = queues.queue(&name).obliterate().await;
                }
            });
            Some(())
        };
        let _ = std::thread::spawn(remove).join();
    }
}
