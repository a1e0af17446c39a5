//! Acting on jobs: stopping those that run, and all of a kind or state at once.

use std::time::{Duration, Instant};

use millgate_jobs::{Acted, Enqueued, Failure, JobId, JobOptions, JobState, NewJob, Verdict, delay};

use crate::{
    bench::{Bench, Play, SOON, Work, at, job, jobs},
    worker::{Run, Settings},
};

fn keys(entered: &[Enqueued]) -> Vec<JobId> {
    entered.iter().filter_map(Enqueued::id).collect()
}

async fn told(run: &Run) {
    tokio::time::timeout(SOON, run.job.lost.cancelled()).await.expect("it is told");
    assert!(run.job.is_cancelled());
}

#[tokio::test]
async fn a_running_job_is_told_to_stop_and_does_not_run_again() {
    let bench = Bench::new();
    bench.queue.enqueue(&jobs(6)).await.unwrap();
    // Leases are renewed each third of one; word of it comes sooner.
    let mut worker = bench.worker(Settings { concurrency: 5, lease: Duration::from_mins(1) });
    let mut runs = Vec::new();
    for _ in 0..5 {
        runs.push(worker.next().await);
    }
    let stopped: Vec<_> = runs[..4].iter().map(Run::key).collect();
    let said = Instant::now();
    assert_eq!(bench.queue.stop(&stopped).await.unwrap(), [Acted::Stopping; 4]);
    assert!(bench.view(stopped[0]).await.unwrap().stopping);
    for run in &runs[..4] {
        told(run).await;
    }
    assert!(said.elapsed() < Duration::from_secs(15), "it took {:?}", said.elapsed());
    assert!(!runs[4].job.lost.is_cancelled(), "another of the same claim");
    // However it takes it: it is cancelled, or done all the same.
    let mut runs = runs.into_iter();
    let mut end = |verdict| runs.next().unwrap().end(verdict);
    end(Verdict::Cancel { reason: "stopped".into() });
    end(Verdict::Retry { after: Duration::ZERO, failure: Failure::new("stopped", "it was") });
    end(Verdict::HandBack { after: Duration::ZERO });
    end(Verdict::Done);
    end(Verdict::Done);
    worker.next().await.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.cancelled(), stats.done(), stats.waiting), (3, 3, 0));
    assert_eq!(bench.redis().command::<usize>(&["HLEN", &bench.key("stops")]).await, 0);
}

#[tokio::test]
async fn a_job_that_is_told_to_stop_and_whose_worker_dies_does_not_run_again() {
    let bench = Bench::new();
    bench.queue.enqueue(&jobs(1)).await.unwrap();
    let mut worker = bench.worker(Settings::lease(Duration::from_millis(500)));
    let run = worker.next().await;
    assert_eq!(bench.queue.stop(&[run.key()]).await.unwrap(), [Acted::Stopping]);
    worker.kill();
    let mut other = bench.worker(Settings::ONE);
    bench.until("it is cancelled", |stats| stats.cancelled() == 1).await;
    assert!(other.begun().is_none());
    other.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn jobs_in_a_block_are_put_off_brought_back_and_stopped() {
    let bench = Bench::new();
    let keys = keys(&bench.queue.enqueue(&jobs(6)).await.unwrap());
    let hour = bench.queue.now().await.unwrap() + Duration::from_hours(1);
    assert_eq!(bench.queue.reschedule(&[keys[1], keys[3]], Some(hour)).await.unwrap(), [Acted::Well; 2]);
    assert_eq!(bench.queue.reschedule(&[keys[3], keys[0]], None).await.unwrap(), [Acted::Well; 2]);
    assert_eq!(bench.queue.stop(&[keys[5]]).await.unwrap(), [Acted::Well]);
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.delayed, stats.cancelled()), (4, 1, 1));
    let mut worker = bench.worker(Settings::ONE);
    // What was brought back has lost its place.
    for n in [2, 4, 3, 0] {
        let run = worker.next().await;
        assert_eq!((run.n(), run.key()), (n, keys[n]));
        run.done();
    }
    bench.skip(Duration::from_hours(1)).await;
    let run = worker.next().await;
    assert_eq!((run.n(), run.key()), (1, keys[1]));
    run.done();
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 5);
}

#[tokio::test]
async fn all_dead_ones_run_again_and_all_of_a_kind_are_removed() {
    let bench = Bench::new();
    let play = || NewJob::new(&Play, JobOptions::default(), at(0)).unwrap();
    bench.queue.enqueue(&jobs(700)).await.unwrap();
    bench.queue.enqueue(&vec![play(); 600]).await.unwrap();
    let dead = |code: &str| Verdict::Dead { failure: Failure::new(code, "y") };
    let worker = bench.worker(Settings::concurrency(50)).answer_all(move |_| dead("x"));
    bench.until("all are dead", |stats| stats.dead() == 1_300).await;
    worker.stop().await;
    let works = bench.queue.all(JobState::Dead, Some("work")).await.unwrap();
    assert_eq!(works.len(), 700);
    assert_eq!(bench.queue.reschedule(&works, None).await.unwrap(), [Acted::Well; 700]);
    let plays = bench.queue.all(JobState::Dead, None).await.unwrap();
    assert_eq!(bench.queue.remove(&plays).await.unwrap(), 600);
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.unburied, stats.kinds["work"].redriven), (700, 0, 700));
    // Those that wait, too.
    let waiting = bench.queue.all(JobState::Waiting, None).await.unwrap();
    assert_eq!(bench.queue.stop(&waiting).await.unwrap(), [Acted::Well; 700]);
    assert_eq!(bench.check().await.waiting, 0);
    // What they left in line holds nothing up.
    bench.queue.enqueue(&jobs(1)).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.done();
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn jobs_move_to_another_queue_with_all_they_have() {
    let bench = Bench::new();
    let other = bench.other("other");
    let entered = bench.queue.enqueue(&jobs(300)).await.unwrap();
    let mut all = keys(&entered);
    let hour = bench.queue.now().await.unwrap() + Duration::from_hours(1);
    all.push(bench.enter(job(300, JobOptions::default().run_at(hour)).with_id("own")).await);
    let lane = || JobOptions::default().ordered_by("lane").index("color", "red").max_attempts(9);
    for n in 301..303 {
        all.push(bench.enter(job(n, lane())).await);
    }
    let mut before = bench.queue.look(&all).await.unwrap();
    before.sort_by_key(|view| view.id.clone());
    assert_eq!(bench.queue.transfer(&all, &other).await.unwrap(), 303);
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.delayed, stats.held), (0, 0, 0));
    let stats = other.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.delayed, stats.held), (301, 1, 1));
    let mut there = Vec::new();
    for state in JobState::ALL {
        there.extend(other.look(&other.all(state, None).await.unwrap()).await.unwrap());
    }
    there.sort_by_key(|view| view.id.clone());
    for (was, is) in before.iter().zip(&there) {
        assert_eq!((&was.payload, was.state, was.priority, was.time), (&is.payload, is.state, is.priority, is.time));
    }
    assert_eq!(there.last().unwrap().at.unwrap().timestamp_millis(), hour.timestamp_millis());
    assert_eq!(other.find("color", "red", None, 9).await.unwrap().len(), 2);
    // It can be found by the id that it had.
    assert_eq!(other.find("id", all[7].as_str(), None, 9).await.unwrap().len(), 1);
    assert_eq!(other.check().await.unwrap(), Vec::<String>::new());
    other.obliterate().await.unwrap();
}

/// The crash is between the two steps: the jobs are there, and still here.
#[tokio::test]
async fn a_move_that_was_cut_off_is_finished_by_another_and_doubles_nothing() {
    let bench = Bench::new();
    let other = bench.other("other");
    let here = keys(&bench.queue.enqueue(&jobs(3)).await.unwrap());
    let there: Vec<_> = jobs(2).into_iter().zip(&here).map(|(job, key)| job.with_id(key.as_str())).collect();
    other.enqueue(&there).await.unwrap();
    assert_eq!(bench.queue.transfer(&here, &other).await.unwrap(), 3);
    let stats = other.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.kinds["work"].duplicate), (3, 2));
    assert_eq!(other.check().await.unwrap(), Vec::<String>::new());
    assert_eq!(bench.check().await.waiting, 0);
    other.obliterate().await.unwrap();
}

#[tokio::test]
async fn a_dead_job_may_move_and_one_that_runs_may_not() {
    let bench = Bench::new();
    let other = bench.other("other");
    let here = keys(&bench.queue.enqueue(&jobs(2)).await.unwrap());
    let later = bench.enter(NewJob::of(&Work { n: 2 }, delay(Duration::from_mins(1)).unique("k")).unwrap()).await;
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.end(Verdict::Dead { failure: Failure::new("x", "y") });
    let run = worker.next().await;
    assert_eq!(bench.queue.transfer(&[here[0], here[1], later], &other).await.unwrap(), 2);
    assert!(other.find_unique("work", "k").await.unwrap().is_some());
    run.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.unburied, stats.delayed), (1, 0, 0));
    let stats = other.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.delayed), (1, 1));
    other.obliterate().await.unwrap();
}
