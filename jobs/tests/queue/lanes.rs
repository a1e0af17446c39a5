//! Lanes: jobs of which only some may be under way.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use millgate_jobs::{Acted, Failure, Job, JobOptions, JobState, Lane, NewJob, Verdict};
use millgate_testkit::wait_for;
use serde::{Deserialize, Serialize};

use crate::{
    bench::{Bench, SOON, Work, job},
    worker::{Run, Settings, Worker},
};

const MINUTE: Duration = Duration::from_mins(1);

fn ordered(lane: &str) -> JobOptions {
    JobOptions::default().ordered_by(lane)
}

fn four(bench: &Bench) -> Vec<Worker> {
    (0..4).map(|_| bench.worker(Settings::concurrency(3))).collect()
}

async fn stop(workers: Vec<Worker>) {
    for worker in workers {
        worker.stop().await;
    }
}

#[tokio::test]
async fn an_ordered_lane_runs_one_at_a_time_in_order_across_workers_and_retries() {
    let bench = Bench::new();
    let lanes = ["a", "b", "c"];
    let all: Vec<_> = (0..90).map(|n| job(n, ordered(lanes[n % 3]).max_attempts(2))).collect();
    bench.queue.enqueue(&all).await.unwrap();
    let log = Arc::new(Mutex::new(Vec::new()));
    let workers = four(&bench).into_iter().map(|worker| {
        let log = log.clone();
        worker.answer_all(move |job| {
            let n = serde_json::from_str::<Work>(&job.payload).unwrap().n;
            log.lock().unwrap().push((n, "begun"));
            std::thread::sleep(Duration::from_millis(1));
            let last = job.attempt == 2;
            log.lock().unwrap().push((n, if n.is_multiple_of(7) && !last { "retried" } else { "over" }));
            let failure = || Failure::new("broken", "it broke");
            match n % 7 {
                0 if !last => Verdict::Retry { after: Duration::from_millis(20), failure: failure() },
                // Dead at its last attempt, and the next goes on.
                0 if n.is_multiple_of(2) => Verdict::Retry { after: Duration::ZERO, failure: failure() },
                _ => Verdict::Done,
            }
        })
    });
    let workers: Vec<_> = workers.collect();
    bench.until("all are over", |stats| stats.done() + stats.dead() == 90).await;
    stop(workers).await;
    let log = log.lock().unwrap().clone();
    for lane in 0..3 {
        let story: Vec<_> = log.iter().copied().filter(|(n, _)| n % 3 == lane).collect();
        let wanted = (0..90).filter(|n| n % 3 == lane).flat_map(|n| {
            let once = [(n, "begun"), (n, "over")];
            if n.is_multiple_of(7) { vec![(n, "begun"), (n, "retried"), once[0], once[1]] } else { once.to_vec() }
        });
        assert_eq!(story, wanted.collect::<Vec<_>>());
    }
    let stats = bench.check().await;
    assert_eq!((stats.dead(), stats.held), (7, 0));
}

#[tokio::test]
async fn an_ordered_lane_waits_for_a_retry_that_is_far_off() {
    let bench = Bench::new();
    bench.queue.enqueue(&[job(1, ordered("a")), job(2, ordered("a"))]).await.unwrap();
    let mut workers = four(&bench);
    Worker::next_of(&mut workers).await.fail(MINUTE);
    bench.until("it is put off", |stats| stats.delayed == 1).await;
    // Another one gets nowhere either.
    bench.enter(job(3, ordered("a"))).await;
    bench.enter(job(4, ordered("b"))).await;
    let run = Worker::next_of(&mut workers).await;
    assert_eq!(run.n(), 4);
    run.done();
    assert_eq!(bench.stats().await.held, 2);
    bench.skip(MINUTE).await;
    for n in [1, 2, 3] {
        let run = Worker::next_of(&mut workers).await;
        assert_eq!(run.n(), n);
        run.done();
    }
    stop(workers).await;
    bench.check().await;
}

#[tokio::test]
async fn a_limited_lane_never_has_more_than_so_many() {
    let bench = Bench::new();
    let all: Vec<_> = (0..40).map(|n| job(n, JobOptions::default().at_most(3, "api"))).collect();
    bench.queue.enqueue(&all).await.unwrap();
    let mut workers = four(&bench);
    let mut under_way = Vec::new();
    for _ in 0..40 {
        under_way.push(Worker::next_of(&mut workers).await);
        assert!(under_way.len() <= 3);
        if under_way.len() == 3 {
            assert_eq!(bench.stats().await.active, 3);
            let run = under_way.remove(0);
            match run.n() % 5 {
                0 if run.job.attempt == 1 => run.fail(Duration::ZERO),
                1 => run.end(Verdict::Cancel { reason: "not wanted".into() }),
                _ => run.done(),
            }
        }
    }
    for run in under_way {
        run.done();
    }
    let workers: Vec<_> = workers.into_iter().map(|worker| worker.answer_all(|_| Verdict::Done)).collect();
    bench.until("all are done", |stats| stats.done() + stats.cancelled() == 40).await;
    stop(workers).await;
    assert_eq!(bench.check().await.held, 0);
}

#[tokio::test]
async fn a_retry_frees_its_place_in_a_limited_lane() {
    let bench = Bench::new();
    let all: Vec<_> = (0..3).map(|n| job(n, JobOptions::default().at_most(1, "api"))).collect();
    bench.queue.enqueue(&all).await.unwrap();
    let mut workers = four(&bench);
    Worker::next_of(&mut workers).await.fail(MINUTE);
    let run = Worker::next_of(&mut workers).await;
    assert_eq!(run.n(), 1);
    // It is due while another has the place, and waits behind those that were there.
    bench.skip(MINUTE).await;
    bench.until("it waits", |stats| stats.held == 2).await;
    run.done();
    let mut rest = Vec::new();
    for _ in 0..2 {
        let run = Worker::next_of(&mut workers).await;
        rest.push(run.n());
        run.done();
    }
    rest.sort_unstable();
    assert_eq!(rest, [0, 2]);
    stop(workers).await;
    bench.check().await;
}

#[tokio::test]
async fn a_place_is_freed_by_a_worker_that_died() {
    let bench = Bench::new();
    bench.queue.enqueue(&[job(1, ordered("a")), job(2, ordered("a"))]).await.unwrap();
    let mut dying = bench.worker(Settings::lease(MINUTE));
    assert_eq!(dying.next().await.n(), 1);
    dying.kill();
    let mut workers = four(&bench);
    let run = wait_for("the lease ends", SOON, async || {
        bench.skip(MINUTE).await;
        workers.iter_mut().find_map(Worker::begun)
    })
    .await;
    assert_eq!((run.n(), run.job.attempt, bench.stats().await.held), (1, 2, 1));
    run.done();
    let run = Worker::next_of(&mut workers).await;
    assert_eq!(run.n(), 2);
    run.done();
    stop(workers).await;
    bench.check().await;
}

#[tokio::test]
async fn starts_in_a_spaced_lane_are_an_interval_apart_across_workers() {
    let bench = Bench::new();
    let spaced = || JobOptions::default().spaced(MINUTE, "sms");
    let all: Vec<_> = (0..6).map(|n| NewJob::of(&Work { n }, spaced()).unwrap()).collect();
    bench.queue.enqueue(&all).await.unwrap();
    let mut workers = four(&bench);
    let mut starts = Vec::new();
    let mut under_way = Vec::new();
    while starts.len() < 6 {
        if let Some(run) = workers.iter_mut().find_map(Worker::begun) {
            starts.push(bench.view(run.key()).await.unwrap().at.unwrap());
            // Nobody waits for its end.
            under_way.push(run);
        }
        bench.skip(Duration::from_secs(3)).await;
    }
    for run in under_way {
        run.done();
    }
    stop(workers).await;
    // The workers are asked in turn, not in the order in which they began.
    starts.sort_unstable();
    for pair in starts.windows(2) {
        assert!((pair[1] - pair[0]).to_std().unwrap() >= MINUTE, "{starts:?}");
    }
    // Nothing is left of the lane.
    bench.skip(MINUTE).await;
    bench.enter(job(9, JobOptions::default())).await;
    for (command, part) in [("HLEN", "held"), ("ZCARD", "seen"), ("ZCARD", "lanes")] {
        assert_eq!(bench.redis().command::<usize>(&[command, &bench.key(part)]).await, 0, "{part}");
    }
    assert_eq!(bench.check().await.done(), 6);
}

#[derive(Serialize, Deserialize)]
struct Letter {
    n: usize,
}

impl Job for Letter {
    const KIND: &'static str = "letter";
    const QUEUE: &'static str = Work::QUEUE;
    fn lane(&self) -> Option<Lane> {
        Some(Lane::limited(2, "mail").and_spaced(MINUTE))
    }
}

#[tokio::test]
async fn a_lane_can_be_limited_and_spaced() {
    let bench = Bench::new();
    let all: Vec<_> = (0..6).map(|n| NewJob::of(&Letter { n }, JobOptions::default()).unwrap()).collect();
    bench.queue.enqueue(&all).await.unwrap();
    let mut workers = four(&bench);
    let (mut starts, mut under_way) = (Vec::new(), Vec::new());
    // So long as nobody ends two may start, however much time passes.
    for _ in 0..40 {
        if let Some(run) = workers.iter_mut().find_map(Worker::begun) {
            starts.push(bench.view(run.key()).await.unwrap().at.unwrap());
            under_way.push(run);
        }
        bench.check().await;
        bench.skip(Duration::from_secs(6)).await;
    }
    assert_eq!(under_way.len(), 2);
    while starts.len() < 6 || !under_way.is_empty() {
        under_way.drain(..).for_each(Run::done);
        if let Some(run) = workers.iter_mut().find_map(Worker::begun) {
            starts.push(bench.view(run.key()).await.unwrap().at.unwrap());
            under_way.push(run);
        }
        bench.skip(Duration::from_secs(6)).await;
    }
    stop(workers).await;
    starts.sort_unstable();
    for pair in starts.windows(2) {
        assert!((pair[1] - pair[0]).to_std().unwrap() >= MINUTE, "{starts:?}");
    }
    bench.skip(MINUTE).await;
    bench.enter(job(9, JobOptions::default())).await;
    for (command, part) in [("HLEN", "held"), ("ZCARD", "lanes")] {
        assert_eq!(bench.redis().command::<usize>(&[command, &bench.key(part)]).await, 0, "{part}");
    }
    assert_eq!(bench.check().await.done(), 6);
}

#[tokio::test]
async fn who_leaves_a_lane_lets_the_next_go_on() {
    use JobState::{Delayed, Held, Waiting};

    let bench = Bench::new();
    for (lane, options) in [
        ("ordered", JobOptions::default().ordered_by("ordered")),
        ("limited", JobOptions::default().at_most(1, "limited")),
        ("spaced", JobOptions::default().spaced(MINUTE, "spaced")),
    ] {
        let mut keys = Vec::new();
        for n in 0..5 {
            keys.push(bench.enter(NewJob::of(&Work { n }, options.clone()).unwrap()).await);
        }
        let states = async || {
            let views = bench.queue.look(&keys).await.unwrap();
            views.iter().map(|view| view.state).collect::<Vec<_>>()
        };
        assert_eq!(states().await, [Waiting, Held, Held, Held, Held], "{lane}");
        // Stopped while it waits, and while it is held.
        assert_eq!(bench.queue.stop(&[keys[0], keys[2]]).await.unwrap(), [Acted::Well; 2]);
        assert_eq!(states().await, [Waiting, Held, Held], "{lane}");
        // Removed.
        assert_eq!(bench.queue.remove(&[keys[1]]).await.unwrap(), 1);
        assert_eq!(states().await, [Waiting, Held], "{lane}");
        // Put off: where the order is to be kept, the next waits with it.
        let hour = bench.queue.now().await.unwrap() + Duration::from_hours(1);
        assert_eq!(bench.queue.reschedule(&[keys[3]], Some(hour)).await.unwrap(), [Acted::Well]);
        let next = if lane == "ordered" { Held } else { Waiting };
        assert_eq!(states().await, [Delayed, next], "{lane}");
        assert_eq!(bench.queue.stop(&[keys[3]]).await.unwrap(), [Acted::Well]);
        assert_eq!(states().await, [Waiting], "{lane}");
        assert_eq!(bench.queue.stop(&[keys[4]]).await.unwrap(), [Acted::Well]);
        bench.check().await;
        assert_eq!(bench.redis().command::<usize>(&["HLEN", &bench.key("held")]).await, 0, "{lane}");
    }
}
