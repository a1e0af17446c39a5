//! What an operator says of a queue: how much it holds, how many run, and whether any do.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_jobs::{JobOptions, Limits, NewJob, QueueError, Rate, Verdict, delay, priority};

use crate::{
    bench::{Bench, Work, job, jobs},
    worker::{Run, Settings, Worker},
};

const MINUTE: Duration = Duration::from_mins(1);

fn three(bench: &Bench) -> Vec<Worker> {
    (0..3).map(|_| bench.worker(Settings::concurrency(10))).collect()
}

async fn stop(workers: Vec<Worker>) {
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn a_full_queue_says_so_and_takes_jobs_again_when_some_are_done() {
    let bench = Bench::new();
    bench.queue.limit(&Limits { max_jobs: Some(3), ..Limits::default() }).await.unwrap();
    // Waiting, delayed and held ones count.
    bench.enter(job(0, JobOptions::default().ordered_by("a"))).await;
    bench.enter(job(1, JobOptions::default().ordered_by("a"))).await;
    bench.enter(NewJob::of(&Work { n: 2 }, delay(MINUTE)).unwrap()).await;
    for refused in [
        bench.queue.push(job(3, JobOptions::default())).await.map(drop),
        bench.queue.enqueue(&jobs(2)).await.map(drop),
        bench.queue.enqueue_batch(jobs(2), &job(9, JobOptions::default())).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(error.is_transient());
        let text = error.to_string();
        assert!(text.contains("the queue holds 3 jobs, and 3 are its limit") && text.contains("max_jobs"), "{text}");
    }
    let error = bench.queue.enqueue(&jobs(1)).await.unwrap_err();
    assert!(matches!(error, QueueError::QueueFull(_)), "{error:?}");
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert!(bench.queue.push(job(3, JobOptions::default())).await.is_err(), "one that runs is there as well");
    run.done();
    bench.until("it is done", |stats| stats.done() == 1).await;
    bench.enter(job(3, JobOptions::default())).await;
    drop(worker);
    assert_eq!(bench.check().await.enqueued(), 4);
}

#[tokio::test]
async fn a_queue_that_is_drained_takes_nothing_and_finishes_what_it_has() {
    let bench = Bench::new();
    let chain = job(0, JobOptions::default()).then(job(1, JobOptions::default()));
    bench.queue.enqueue(&[chain, job(2, JobOptions::default())]).await.unwrap();
    bench.queue.drain().await.unwrap();
    let error = bench.queue.push(job(3, JobOptions::default())).await.unwrap_err();
    assert!(matches!(error, QueueError::Draining(_)) && error.is_transient(), "{error}");
    let worker = bench.worker(Settings::ONE).answer_all(|_| Verdict::Done);
    // What follows from its own jobs belongs to them.
    bench.until("all are done", |stats| stats.done() == 3 && stats.draining).await;
    worker.stop().await;
    bench.queue.resume().await.unwrap();
    bench.enter(job(3, JobOptions::default())).await;
    assert!(!bench.check().await.draining);
}

#[tokio::test]
async fn nothing_starts_in_a_pause_and_idle_workers_wake_when_it_ends() {
    let bench = Bench::new();
    bench.enter(job(0, JobOptions::default())).await;
    let mut workers = three(&bench);
    let run = Worker::next_of(&mut workers).await;
    bench.queue.pause().await.unwrap();
    bench.queue.enqueue(&jobs(5)).await.unwrap();
    bench.enter(NewJob::of(&Work { n: 6 }, delay(Duration::from_millis(1))).unwrap()).await;
    // That it was moved into line shows that somebody has looked.
    bench.until("one comes due", |stats| stats.waiting == 6 && stats.delayed == 0).await;
    run.done();
    bench.until("what ran may finish", |stats| stats.done() == 1 && stats.active == 0).await;
    let stats = bench.stats().await;
    assert!(stats.paused && workers.iter_mut().all(|worker| worker.begun().is_none()));
    assert_eq!(bench.check().await.waiting, 6);
    bench.queue.resume().await.unwrap();
    for _ in 0..6 {
        Worker::next_of(&mut workers).await.done();
    }
    stop(workers).await;
    assert!(!bench.check().await.paused);
}

#[tokio::test]
async fn no_more_run_at_a_time_than_the_limit_says_however_many_workers() {
    let bench = Bench::new();
    bench.queue.limit(&Limits { concurrency: Some(4), ..Limits::default() }).await.unwrap();
    // In a block, and with records of their own.
    let single = (20..40).map(|n| job(n, JobOptions::default().index("n", n)));
    bench.queue.enqueue(&jobs(20).into_iter().chain(single).collect::<Vec<_>>()).await.unwrap();
    let mut workers = three(&bench);
    let mut under_way: Vec<Run> = Vec::new();
    for _ in 0..40 {
        under_way.push(Worker::next_of(&mut workers).await);
        assert!(under_way.len() <= 4);
        if under_way.len() == 4 {
            assert_eq!(bench.stats().await.active, 4);
            under_way.remove(0).done();
        }
    }
    under_way.into_iter().for_each(Run::done);
    stop(workers).await;
    assert_eq!(bench.check().await.done(), 40);
}

#[tokio::test]
async fn no_stretch_of_time_has_more_starts_than_the_rate_says_however_many_workers() {
    const SKIP: Duration = Duration::from_secs(25);
    let bench = Bench::new();
    let per = Duration::from_mins(16);
    bench.queue.limit(&Limits { rate: Some(Rate { jobs: 10, per }), ..Limits::default() }).await.unwrap();
    // Some at once, and then one after the other.
    bench.queue.enqueue(&jobs(6)).await.unwrap();
    let mut workers = three(&bench);
    let mut starts: Vec<DateTime<Utc>> = Vec::new();
    let mut entered = 6;
    while starts.len() < 45 {
        if entered < 45 {
            bench.enter(job(entered, JobOptions::default())).await;
            entered += 1;
        }
        for run in workers.iter_mut().filter_map(Worker::begun).collect::<Vec<_>>() {
            starts.push(bench.view(run.key()).await.unwrap().at.unwrap());
            run.done();
        }
        bench.skip(SKIP).await;
    }
    stop(workers).await;
    starts.sort_unstable();
    // When a job started is told by its token, which is later than the claim by a skip of the clock where one came between
    // that claim's making and its turn: no token is older than another call's.
    let least = per.saturating_sub(SKIP);
    for some in starts.windows(11) {
        assert!((some[10] - some[0]).to_std().unwrap() >= least, "eleven within {:?}: {starts:?}", some[10] - some[0]);
    }
    // And it is made use of: 45 starts need four times that long, and hardly any more.
    let took = (starts[44] - starts[0]).to_std().unwrap();
    assert!(took < per * 9 / 2, "{took:?}");
    assert_eq!(bench.check().await.done(), 45);
}

#[tokio::test]
async fn a_rate_lets_its_jobs_start_at_once_and_the_rest_by_itself() {
    let bench = Bench::new();
    let rate = Some(Rate { jobs: 5, per: Duration::from_millis(700) });
    bench.queue.limit(&Limits { rate, ..Limits::default() }).await.unwrap();
    bench.queue.enqueue(&jobs(12)).await.unwrap();
    let before = bench.redis().now().await;
    let workers: Vec<_> = three(&bench).into_iter().map(|worker| worker.answer_all(|_| Verdict::Done)).collect();
    bench.until("all are done", |stats| stats.done() == 12).await;
    let took = bench.redis().now().await - before;
    assert!(took >= 1_400, "twelve took {took} ms");
    stop(workers).await;
    bench.check().await;
}

#[tokio::test]
async fn the_lowest_priority_is_put_off_and_not_kept_for_ever() {
    let bench = Bench::new();
    let mut worker = bench.worker(Settings::ONE);
    let mut next = async || {
        let run = worker.next().await;
        let n = run.n();
        run.done();
        n
    };
    bench.queue.enqueue(&[job(900, priority(9)), job(0, priority(0))]).await.unwrap();
    let mut put_off_by = 0;
    // There is always another that is more urgent.
    for n in 1.. {
        bench.enter(job(n, priority(0))).await;
        bench.skip(MINUTE).await;
        if next().await == 900 {
            break;
        }
        put_off_by = n;
    }
    assert!((8..=12).contains(&put_off_by), "nine steps are nine minutes, and it was put off by {put_off_by}");
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn how_long_the_lowest_is_put_off_can_be_said() {
    let bench = Bench::new();
    bench.queue.limit(&Limits { ageing: Some(Duration::ZERO), ..Limits::default() }).await.unwrap();
    bench.enter(job(9, priority(9))).await;
    bench.skip(Duration::from_millis(1)).await;
    bench.enter(job(0, priority(0))).await;
    let mut worker = bench.worker(Settings::ONE);
    for n in [9, 0] {
        let run = worker.next().await;
        assert_eq!(run.n(), n, "by age alone");
        run.done();
    }
    worker.stop().await;
    let limits = bench.check().await.limits;
    assert_eq!(limits, Limits { ageing: Some(Duration::ZERO), ..Limits::default() });
}
