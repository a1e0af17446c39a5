//! What a running job says of itself: how far it is, and its own log.

use std::time::Duration;

use millgate_jobs::{Failure, JobOptions, JobState, Verdict};

use crate::{
    bench::{Bench, job, jobs},
    worker::Settings,
};

#[tokio::test]
async fn progress_and_log_can_be_looked_at_while_it_runs_and_are_gone_when_it_is_done() {
    let bench = Bench::new();
    // One in a block, and one with a record of its own.
    bench.queue.enqueue(&jobs(2)).await.unwrap();
    bench.enter(job(2, JobOptions::default().index("n", 2))).await;
    let mut worker = bench.worker(Settings::ONE);
    for _ in 0..3 {
        let run = worker.next().await;
        let notes = run.job.notes(&bench.queue);
        notes.progress(12.5).await.unwrap();
        notes.log("fetched").await.unwrap();
        notes.log(&"x".repeat(600)).await.unwrap();
        notes.progress(250.0).await.unwrap();
        let view = bench.view(run.key()).await.unwrap();
        let lines: Vec<_> = view.log.iter().map(|(_, line)| line.len()).collect();
        assert_eq!((view.state, view.progress, lines), (JobState::Active, Some(100.0), vec![7, 500]));
        assert!(view.log[0].0 <= view.log[1].0 && view.log[0].0 >= view.enqueued_at);
        run.done();
    }
    worker.stop().await;
    assert_eq!(bench.redis().command::<usize>(&["HLEN", &bench.key("past")]).await, 0);
    bench.check().await;
}

#[tokio::test]
async fn they_outlast_retries_and_are_kept_in_a_dead_job() {
    let bench = Bench::new();
    let key = bench.enter(job(1, JobOptions::default().max_attempts(3))).await;
    let mut worker = bench.worker(Settings::ONE);
    for attempt in 1..=3 {
        let run = worker.next().await;
        assert_eq!(run.job.attempt, attempt);
        let notes = run.job.notes(&bench.queue);
        notes.progress(f64::from(attempt) * 10.0).await.unwrap();
        // More than are kept.
        for line in 0..10 {
            notes.log(&format!("{attempt}.{line}")).await.unwrap();
        }
        run.end(Verdict::Retry { after: Duration::ZERO, failure: Failure::new("broken", format!("the {attempt}th")) });
    }
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    let view = bench.view(key).await.unwrap();
    assert_eq!((view.state, view.progress, view.attempts, view.log.len()), (JobState::Dead, Some(30.0), 3, 20));
    assert_eq!((view.log[0].1.as_str(), view.log[19].1.as_str()), ("2.0", "3.9"));
    let failures: Vec<_> = view.failures.iter().map(|failure| (failure.attempt, failure.message.as_str())).collect();
    assert_eq!(failures, [(1, "the 1th"), (2, "the 2th"), (3, "the 3th")]);
    worker.stop().await;
    bench.queue.remove(&[key]).await.unwrap();
    assert_eq!(bench.redis().command::<usize>(&["HLEN", &bench.key("past")]).await, 0);
    bench.check().await;
}

#[tokio::test]
async fn a_job_whose_lease_is_lost_writes_nothing_any_more() {
    let bench = Bench::new();
    let key = bench.enter(job(1, JobOptions::default())).await;
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    let notes = run.job.notes(&bench.queue);
    run.done();
    bench.until("it is done", |stats| stats.done() == 1).await;
    notes.log("too late").await.unwrap();
    worker.stop().await;
    assert!(bench.view(key).await.is_none());
    assert_eq!(bench.redis().command::<usize>(&["HLEN", &bench.key("past")]).await, 0);
    bench.check().await;
}
