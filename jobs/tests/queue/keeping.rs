//! What is kept of jobs that came to their end, and what is left of them.

use std::time::Duration;

use millgate_jobs::{Failure, JobOptions, JobState, Limits, Verdict, unique};

use crate::{
    bench::{Bench, job, jobs},
    worker::Settings,
};

const HOUR: Duration = Duration::from_hours(1);

async fn do_all(bench: &Bench, total: u64) {
    let worker = bench.worker(Settings::concurrency(50)).answer_all(|_| Verdict::Done);
    bench.until("all are done", |stats| stats.done() == total).await;
    worker.stop().await;
}

#[tokio::test]
async fn nothing_is_left_of_done_jobs() {
    let bench = Bench::new();
    bench.queue.enqueue(&jobs(9_600)).await.unwrap();
    let options = [
        unique("k"),
        JobOptions::default().ordered_by("l"),
        JobOptions::default().at_most(2, "m"),
        JobOptions::default().tenant("t", 3),
        JobOptions::default().index("field", "value"),
        JobOptions::default().delay(Duration::from_millis(1)),
    ];
    let special: Vec<_> = (0..400).map(|n| job(n, options[n % options.len()].clone())).collect();
    let taken = bench.queue.enqueue(&special).await.unwrap();
    let held = taken.iter().filter(|result| matches!(result, millgate_jobs::Enqueued::Held(_))).count();
    do_all(&bench, 10_000 - held as u64).await;
    bench.check().await;
    // What happened, the last id, who spoke last, a word to wake somebody, the last answer to the one who enqueued.
    let of_the_queue = ["counts", "seq", "beat", "wake", "answers"];
    for key in bench.redis().keys().await {
        assert!(of_the_queue.iter().any(|part| key.contains(&format!(":{part}"))), "{key} is left");
    }
}

#[tokio::test]
async fn ids_are_all_that_is_left_of_jobs_with_an_id_and_those_for_the_window_only() {
    let bench = Bench::new();
    let named: Vec<_> = (0..1_000).map(|n| job(n, JobOptions::default()).with_id(n.to_string())).collect();
    bench.queue.enqueue(&named).await.unwrap();
    do_all(&bench, 1_000).await;
    let seen = bench.key("seen");
    assert_eq!(bench.redis().command::<usize>(&["ZCARD", &seen]).await, 1_000);
    bench.skip(Duration::from_hours(25)).await;
    // Whoever enqueues cleans up.
    for n in 1_001..1_004 {
        bench.enter(job(n, JobOptions::default())).await;
    }
    assert_eq!(bench.redis().command::<usize>(&["EXISTS", &seen]).await, 0);
    bench.check().await;
}

#[tokio::test]
async fn as_many_done_jobs_are_kept_as_was_said() {
    let bench = Bench::new();
    let keep = async |most| bench.queue.limit(&Limits { keep_done: most, ..Limits::default() }).await.unwrap();
    keep(Some(100)).await;
    bench.queue.enqueue(&jobs(250)).await.unwrap();
    for n in 250..300 {
        bench.enter(job(n, JobOptions::default().index("n", n)).with_id(n.to_string())).await;
    }
    do_all(&bench, 300).await;
    assert_eq!(bench.check().await.kept, 100);
    let last = bench.queue.find("n", "299", None, 9).await.unwrap();
    let view = bench.view(last[0]).await.unwrap();
    assert_eq!((view.state, &*view.id, &*view.payload), (JobState::Done, "299", r#"{"n":299}"#));
    assert!(view.at.unwrap() >= view.enqueued_at);
    assert_eq!(bench.queue.all(JobState::Done, None).await.unwrap().len(), 100);
    // By hand.
    assert_eq!(bench.queue.remove(&last).await.unwrap(), 1);
    assert_eq!(bench.check().await.kept, 99);
    // Fewer, and none: the next to be done shows.
    for (most, kept) in [(Some(10), 10), (None, 0)] {
        keep(most).await;
        let done = bench.stats().await.done();
        bench.enter(job(1, JobOptions::default())).await;
        do_all(&bench, done + 1).await;
        assert_eq!(bench.check().await.kept, kept);
    }
}

#[tokio::test]
async fn done_jobs_are_kept_for_as_long_as_was_said() {
    let bench = Bench::new();
    bench.queue.limit(&Limits { keep_done_for: Some(HOUR), ..Limits::default() }).await.unwrap();
    bench.queue.enqueue(&jobs(300)).await.unwrap();
    do_all(&bench, 300).await;
    bench.skip(HOUR / 2).await;
    bench.queue.enqueue(&jobs(7)).await.unwrap();
    do_all(&bench, 307).await;
    assert_eq!(bench.check().await.kept, 307);
    bench.skip(HOUR / 2).await;
    bench.queue.enqueue(&jobs(1)).await.unwrap();
    do_all(&bench, 308).await;
    assert_eq!(bench.check().await.kept, 8);
}

#[tokio::test]
async fn dead_jobs_stay_unless_a_policy_says_otherwise_and_it_warns_first() {
    let bench = Bench::new();
    let die = async |jobs: usize, total: u64| {
        let new: Vec<_> = (0..jobs).map(|n| job(n, JobOptions::default().index("n", n))).collect();
        bench.queue.enqueue(&new).await.unwrap();
        let dead = || Verdict::Dead { failure: Failure::new("x", "y") };
        let worker = bench.worker(Settings::concurrency(50)).answer_all(move |_| dead());
        bench.until("all are dead", |stats| stats.dead() == total).await;
        worker.stop().await;
    };
    die(500, 500).await;
    bench.skip(24 * 365 * HOUR).await;
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (0, 0), "there is no policy");
    assert_eq!(bench.check().await.unburied, 500);

    // By number: 500 of 520 are nearly too many.
    bench.queue.limit(&Limits { dead_keep: Some(520), ..Limits::default() }).await.unwrap();
    assert_eq!(bench.queue.prune_dead(false).await.unwrap(), (0, 32));
    bench.queue.limit(&Limits { dead_keep: Some(100), ..Limits::default() }).await.unwrap();
    assert_eq!(bench.queue.prune_dead(false).await.unwrap(), (0, 410));
    // In steps.
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (200, 210));
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (200, 10));
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (0, 10));
    let stats = bench.check().await;
    assert_eq!((stats.unburied, stats.kinds["work"].pruned), (100, 400));

    // By age: those are a year old, and these are new.
    die(30, 530).await;
    bench.queue.limit(&Limits { dead_keep_for: Some(10 * HOUR), ..Limits::default() }).await.unwrap();
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (100, 0));
    bench.skip(HOUR * 19 / 2).await;
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (0, 30));
    bench.skip(HOUR).await;
    assert_eq!(bench.queue.prune_dead(true).await.unwrap(), (30, 0));
    assert_eq!(bench.check().await.unburied, 0);
}
