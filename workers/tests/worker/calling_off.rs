//! Running jobs that somebody stops, and what a running job notes of itself.

use std::{sync::Arc, time::Duration};

use millgate_jobs::{Acted, JobId, JobOptions, JobState};
use millgate_workers::{Ctx, Done, Handlers, JobError, Noted, State, WorkerConfig};
use tokio::sync::{Notify, mpsc};

use crate::bench::{Bench, Running, SOON, Work, config, new, time};

/// A worker with a job in hand, whose handler ends as `end` says.
struct InHand {
    bench: Bench,
    worker: Running,
    job: JobId,
    ctx: Ctx,
    /// Notified when the handler's future is gone.
    gone: Arc<Notify>,
}

struct Tell(Arc<Notify>);

impl Drop for Tell {
    fn drop(&mut self) {
        self.0.notify_one();
    }
}

impl InHand {
    async fn new<F>(config: &WorkerConfig, end: impl Fn(Ctx) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Done, JobError>> + Send + 'static,
    {
        let bench = Bench::new();
        bench.enqueue(&[new(&Work { n: 1 }, JobOptions::default().max_attempts(1))]).await;
        let (sender, mut calls) = mpsc::unbounded_channel();
        let gone = Arc::new(Notify::new());
        let tell = gone.clone();
        let mut handlers = Handlers::default();
        handlers.add::<Work>(move |_, ctx: Ctx| {
            let _ = sender.send(ctx.clone());
            let (end, tell) = (end(ctx), Tell(tell.clone()));
            async move {
                let _tell = tell;
                end.await
            }
        });
        let worker = bench.start(&handlers, config);
        let ctx = tokio::time::timeout(SOON, calls.recv()).await.expect("a handler is called").unwrap();
        let job = bench.queue().page(JobState::Active, None, 1, None).await.unwrap().ids[0];
        Self { bench, worker, job, ctx, gone }
    }

    async fn stop_the_job(&self) {
        assert_eq!(self.bench.queue().stop(&[self.job]).await.unwrap(), [Acted::Stopping]);
        tokio::time::timeout(SOON, self.ctx.cancelled.cancelled()).await.expect("the handler is told");
        assert!(self.ctx.is_cancelled());
    }

    /// Done, cancelled and dead jobs in the end.
    async fn books(self) -> (u64, u64, u64) {
        self.bench.until("it has ended", |stats| stats.done() + stats.cancelled() + stats.dead() == 1).await;
        tokio::time::timeout(SOON, self.gone.notified()).await.expect("its future is dropped");
        self.worker.stop().await;
        let stats = self.bench.check().await;
        (stats.done(), stats.cancelled(), stats.dead())
    }
}

#[tokio::test]
async fn a_job_that_is_stopped_may_still_be_done() {
    let finish = async |ctx: Ctx| {
        ctx.cancelled.cancelled().await;
        // It needs a moment to end well.
        tokio::time::sleep(Duration::from_millis(50)).await;
        Ok(Done)
    };
    let in_hand = InHand::new(&WorkerConfig { cancel_grace: SOON, ..config() }, move |ctx| Box::pin(finish(ctx))).await;
    in_hand.stop_the_job().await;
    assert_eq!(in_hand.books().await, (1, 0, 0), "done is done");
}

#[tokio::test]
async fn a_stopped_job_that_gives_up_is_cancelled_and_not_dead() {
    let give_up = |ctx: Ctx| async move {
        ctx.cancelled.cancelled().await;
        Err(JobError::retry("interrupted"))
    };
    let in_hand = InHand::new(&WorkerConfig { cancel_grace: SOON, ..config() }, give_up).await;
    in_hand.stop_the_job().await;
    assert_eq!(in_hand.books().await, (0, 1, 0));
}

#[tokio::test]
async fn a_stopped_job_that_does_not_end_is_cancelled_after_the_grace() {
    let short = WorkerConfig { cancel_grace: Duration::from_millis(100), ..config() };
    let in_hand = InHand::new(&short, |_| std::future::pending()).await;
    in_hand.stop_the_job().await;
    assert_eq!(in_hand.books().await, (0, 1, 0));
}

#[tokio::test]
async fn a_running_job_says_how_far_it_is() {
    let go_on = Arc::new(Notify::new());
    let told = go_on.clone();
    let noting = move |ctx: Ctx| {
        let told = told.clone();
        async move {
            ctx.progress(12.5).await;
            ctx.log("looked").await;
            ctx.log("x".repeat(600)).await;
            ctx.progress(140).await;
            told.notified().await;
            Ok(Done)
        }
    };
    let in_hand = InHand::new(&config(), noting).await;
    let queue = in_hand.bench.queue();
    let view = millgate_testkit::wait_for("it is through", SOON, async || {
        Some(queue.look(&[in_hand.job]).await.unwrap().remove(0)).filter(|view| view.progress == Some(100.0))
    })
    .await;
    let lines: Vec<&str> = view.log.iter().map(|(_, line)| line.as_str()).collect();
    assert_eq!(lines, ["looked", &"x".repeat(500)]);
    assert_eq!(in_hand.ctx.noted(), Noted::default());
    go_on.notify_one();
    assert_eq!(in_hand.books().await, (1, 0, 0));
}

#[tokio::test]
async fn notes_of_a_test_stay_in_memory() {
    let ctx = Ctx::for_test("id", time(), State::new());
    ctx.progress(20).await;
    ctx.clone().log("half way").await;
    ctx.progress(-1).await;
    assert_eq!(ctx.noted(), Noted { progress: Some(0.0), log: vec!["half way".into()] });
    assert!(!ctx.is_cancelled());
    ctx.cancelled.cancel();
    assert!(ctx.is_cancelled());
}
