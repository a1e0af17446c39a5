//! Batches: one job that follows many.

use std::time::Duration;

use millgate_jobs::{BatchOutcome, Enqueued, Failure, JobOptions, NewJob, Verdict, unique};

use crate::{
    bench::{Bench, Play, Work, at, job, jobs},
    worker::{Run, Settings},
};

fn callback() -> NewJob {
    NewJob::new(&Play, JobOptions::default().max_attempts(7), at(0)).unwrap()
}

fn outcome(id: &str, total: u32, dead: u32, cancelled: u32) -> BatchOutcome {
    BatchOutcome { id: id.to_owned(), total, dead, cancelled }
}

fn is_callback(run: &Run) -> bool {
    &*run.job.kind == "play"
}

async fn no_batch_is_left(bench: &Bench) {
    assert_eq!(bench.redis().command::<usize>(&["HLEN", &bench.key("batches")]).await, 0);
}

#[tokio::test]
async fn the_callback_comes_once_when_all_are_done_however_they_got_there() {
    let bench = Bench::new();
    let id = bench.queue.enqueue_batch(jobs(5), &callback()).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    for turn in 0..7 {
        let run = worker.next().await;
        assert!(!is_callback(&run));
        // Two fail first, and are run again behind the others.
        if turn < 2 { run.fail(Duration::ZERO) } else { run.done() }
    }
    let run = worker.next().await;
    assert!(is_callback(&run));
    assert_eq!(run.job.batch, Some(outcome(&id, 5, 0, 0)));
    // It is a job like any other.
    assert_eq!((run.job.max_attempts, run.job.time), (7, at(0)));
    run.fail(Duration::ZERO);
    let run = worker.next().await;
    assert_eq!((run.job.batch.clone(), run.job.attempt), (Some(outcome(&id, 5, 0, 0)), 2));
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.enqueued()), (6, 6));
    no_batch_is_left(&bench).await;
}

#[tokio::test]
async fn the_callback_comes_at_the_first_dead_one_and_not_again() {
    let bench = Bench::new();
    let id = bench.queue.enqueue_batch(jobs(3), &callback()).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let dead = || Verdict::Dead { failure: Failure::new("x", "y") };
    worker.next().await.end(dead());
    worker.next().await.end(dead());
    worker.next().await.done();
    let run = worker.next().await;
    assert_eq!(run.job.batch, Some(outcome(&id, 3, 1, 0)));
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.dead(), stats.kinds["play"].enqueued), (2, 2, 1));
    no_batch_is_left(&bench).await;
}

#[tokio::test]
async fn a_dead_one_that_runs_again_is_of_its_batch_again() {
    let bench = Bench::new();
    bench.queue.enqueue_batch(jobs(2), &callback()).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    let key = run.key();
    run.end(Verdict::Dead { failure: Failure::new("x", "y") });
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    bench.queue.reschedule(&[key], None).await.unwrap();
    for _ in 0..3 {
        worker.next().await.done();
    }
    worker.stop().await;
    assert_eq!(bench.check().await.kinds["play"].done, 1);
    no_batch_is_left(&bench).await;
}

#[tokio::test]
async fn cancelled_ones_count_as_over() {
    let bench = Bench::new();
    let keyed = (0..4).map(|n| NewJob::of(&Work { n }, unique(n)).unwrap());
    let id = bench.queue.enqueue_batch(keyed.collect(), &callback()).await.unwrap();
    let first = bench.queue.find_unique("work", "0").await.unwrap().unwrap();
    bench.queue.stop(&[first]).await.unwrap();
    let second = bench.queue.find_unique("work", "1").await.unwrap().unwrap();
    assert_eq!(bench.queue.remove(&[second]).await.unwrap(), 1);
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.end(Verdict::Cancel { reason: "paid".into() });
    worker.next().await.done();
    let run = worker.next().await;
    assert_eq!(run.job.batch, Some(outcome(&id, 4, 0, 3)));
    run.done();
    worker.stop().await;
    bench.check().await;
    no_batch_is_left(&bench).await;
}

#[tokio::test]
async fn those_that_are_not_taken_in_count_as_over() {
    let bench = Bench::new();
    bench.enter(job(0, unique("a"))).await;
    bench.enter(job(1, JobOptions::default()).with_id("b")).await;
    let members = vec![job(2, unique("a")), job(3, JobOptions::default()).with_id("b"), job(4, JobOptions::default())];
    let id = bench.queue.enqueue_batch(members, &callback()).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    for n in [0, 1, 4] {
        let run = worker.next().await;
        assert_eq!(run.n(), n);
        run.done();
    }
    let run = worker.next().await;
    assert_eq!(run.job.batch, Some(outcome(&id, 3, 0, 0)));
    run.done();
    // None of them is.
    bench.enter(job(5, unique("a"))).await;
    let id = bench.queue.enqueue_batch(vec![job(6, unique("a"))], &callback()).await.unwrap();
    assert_eq!(worker.next().await.n(), 5);
    drop(worker);
    let waiting = bench.queue.page(millgate_jobs::JobState::Waiting, None, 10, None).await.unwrap().ids;
    let view = bench.view(waiting[0]).await.unwrap();
    assert_eq!((&*view.kind, id.len()), ("play", 32));
    bench.check().await;
    no_batch_is_left(&bench).await;
}

#[tokio::test]
async fn an_empty_batch_is_over_at_once() {
    let bench = Bench::new();
    let id = bench.queue.enqueue_batch(Vec::new(), &callback()).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(run.job.batch, Some(outcome(&id, 0, 0, 0)));
    run.done();
    worker.stop().await;
    bench.check().await;
    no_batch_is_left(&bench).await;
}

#[tokio::test]
async fn a_batch_survives_its_worker() {
    let bench = Bench::new();
    let id = bench.queue.enqueue_batch(jobs(20), &callback()).await.unwrap();
    let mut dying = bench.worker(Settings { concurrency: 20, lease: Duration::from_millis(500) });
    let mut runs = Vec::new();
    for _ in 0..20 {
        runs.push(dying.next().await);
    }
    runs.drain(..10).for_each(Run::done);
    bench.until("half of them are done", |stats| stats.done() == 10).await;
    dying.kill();
    let mut worker = bench.worker(Settings::ONE);
    for _ in 0..10 {
        let run = worker.next().await;
        assert!(!is_callback(&run) && run.job.attempt == 2);
        run.done();
    }
    let run = worker.next().await;
    assert_eq!(run.job.batch, Some(outcome(&id, 20, 0, 0)));
    run.done();
    worker.stop().await;
    assert_eq!(bench.check().await.kinds["work"].rescued, 10);
    no_batch_is_left(&bench).await;
}

#[tokio::test]
async fn a_batch_is_taken_whole_or_not_at_all() {
    let bench = Bench::new();
    let error = bench.queue.enqueue_batch(jobs(1_001), &callback()).await.unwrap_err();
    assert!(error.to_string().contains("1001 jobs, and 1000 is the most"), "{error}");
    bench.queue.enqueue_batch(jobs(1_000), &callback()).await.unwrap();
    assert_eq!(bench.check().await.waiting, 1_000);
    assert!(matches!(bench.queue.push(job(1, JobOptions::default())).await.unwrap(), Enqueued::New(_)));
}
