//! What becomes of a job that ran.

use std::time::Duration;

use millgate_jobs::{DeadJob, Failure, JobOptions, NewJob, QueueStats, Verdict};
use millgate_testkit::wait_until;

use crate::{
    bench::{Bench, SOON, job},
    worker::Settings,
};

const HOUR: Duration = Duration::from_hours(1);

/// One job in a queue, and what is to become of its runs, the first to the last.
async fn live_through(options: JobOptions, verdicts: &[Verdict]) -> (Bench, NewJob, QueueStats) {
    let bench = Bench::new();
    let job = job(1, options).with_id("the one");
    bench.queue.enqueue(std::slice::from_ref(&job)).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let mut spent = 0;
    for verdict in verdicts {
        let run = worker.next().await;
        assert_eq!((&run.job.id, run.job.attempt), (&job.id.clone().unwrap(), spent + 1));
        spent += u32::from(!matches!(verdict, Verdict::Snooze { .. } | Verdict::HandBack { .. }));
        run.end(verdict.clone());
    }
    worker.stop().await;
    let stats = bench.check().await;
    (bench, job, stats)
}

fn retry(code: &str) -> Verdict {
    Verdict::Retry { after: Duration::from_millis(1), failure: Failure::new(code, "it broke") }
}

async fn dead_of(bench: &Bench) -> DeadJob {
    let mut dead = bench.queue.claim_dead(9, HOUR).await.unwrap();
    assert_eq!(dead.len(), 1);
    dead.remove(0)
}

#[tokio::test]
async fn a_failed_job_runs_again_until_it_is_done() {
    let (_, _, stats) = live_through(JobOptions::default(), &[retry("a"), retry("b"), Verdict::Done]).await;
    let work = &stats.kinds["work"];
    assert_eq!((work.done, work.retried, work.dead, stats.unburied), (1, 2, 0, 0));
}

#[tokio::test]
async fn a_retry_waits_for_its_pause() {
    let bench = Bench::new();
    bench.queue.enqueue(&[job(1, JobOptions::default())]).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    let failed = bench.redis().now().await;
    run.fail(Duration::from_millis(400));
    let run = worker.next().await;
    let again = bench.redis().now().await;
    assert!(again >= failed + 400, "early by {} ms", failed + 400 - again);
    run.done();
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn after_its_last_attempt_a_job_is_dead_with_its_story() {
    let three = JobOptions::default().max_attempts(3);
    let before = Bench::new().redis().now().await;
    let (bench, job, stats) = live_through(three, &[retry("first"), retry("second"), retry("third")]).await;
    let work = &stats.kinds["work"];
    assert_eq!((work.dead, work.retried, work.done, stats.unburied), (1, 2, 0, 1));
    let dead = dead_of(&bench).await;
    assert_eq!((&dead.id, &*dead.kind, dead.attempts), (&job.id.unwrap(), "work", 3));
    assert_eq!(dead.payload, r#"{"n":1}"#);
    assert_eq!(dead.failure, Failure::new("third", "it broke"));
    let first = dead.first_failed_at.timestamp_millis();
    assert!(before <= first && dead.first_failed_at < dead.failed_at, "{dead:?}");
}

#[tokio::test]
async fn a_hopeless_job_is_dead_at_once() {
    let dead = Verdict::Dead { failure: Failure::new("no_such_user", "gone") };
    let (bench, _, stats) = live_through(JobOptions::default(), &[dead]).await;
    assert_eq!((stats.dead(), stats.kinds["work"].retried), (1, 0));
    let dead = dead_of(&bench).await;
    assert_eq!((&*dead.failure.code, dead.attempts), ("no_such_user", 1));
}

#[tokio::test]
async fn a_dead_job_is_one_callers_until_the_lease_ends_or_it_is_dropped() {
    let dead = Verdict::Dead { failure: Failure::new("x", "y") };
    let (bench, _, _) = live_through(JobOptions::default(), &[dead]).await;
    let short = Duration::from_millis(300);
    let first = bench.queue.claim_dead(9, short).await.unwrap();
    let [DeadJob { key, .. }] = first[..] else { panic!("{first:?}") };
    assert!(bench.queue.claim_dead(9, HOUR).await.unwrap().is_empty(), "it is another's");
    let claimed = async || bench.queue.claim_dead(9, HOUR).await.unwrap().len() == 1;
    wait_until("that one died", SOON, claimed).await;
    assert_eq!(bench.queue.remove(&[key]).await.unwrap(), 1);
    assert_eq!(bench.queue.remove(&[key]).await.unwrap(), 0);
    // What is remembered is that it was there: its count, and its id.
    assert_eq!(bench.check().await.unburied, 0);
    for part in ["jobs", "past"] {
        assert_eq!(bench.redis().command::<usize>(&["HLEN", &bench.key(part)]).await, 0, "{part}");
    }
}

#[tokio::test]
async fn snoozing_and_handing_back_spend_no_attempt() {
    let after = Duration::from_millis(1);
    let snooze = Verdict::Snooze { after };
    let back = Verdict::HandBack { after: Duration::ZERO };
    let verdicts = [snooze.clone(), snooze, back.clone(), Verdict::HandBack { after }, back, Verdict::Done];
    let once = JobOptions::default().max_attempts(1);
    let (_, _, stats) = live_through(once, &verdicts).await;
    let work = &stats.kinds["work"];
    assert_eq!((work.done, work.snoozed, work.handed_back, work.dead), (1, 2, 3, 0));
}

#[tokio::test]
async fn a_job_that_is_no_longer_wanted_is_gone_without_a_dead_letter() {
    let cancel = Verdict::Cancel { reason: "paid".into() };
    let (_, _, stats) = live_through(JobOptions::default(), &[cancel]).await;
    assert_eq!((stats.cancelled(), stats.dead(), stats.unburied), (1, 0, 0));
}

#[tokio::test]
async fn what_cannot_be_read_is_dead_and_holds_nothing_up() {
    let bench = Bench::new();
    let (broken, sound) = (job(1, JobOptions::default()), job(2, JobOptions::default()));
    let entered = bench.queue.enqueue(&[broken]).await.unwrap();
    bench.queue.enqueue(&[sound]).await.unwrap();
    let broken = entered[0].id().unwrap();
    let written: usize = bench.redis().command(&["HSET", &bench.key("jobs"), broken.as_str(), "{torn"]).await;
    assert_eq!(written, 0, "the job's body is replaced");
    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(run.n(), 2);
    run.done();
    worker.stop().await;
    let dead = dead_of(&bench).await;
    assert_eq!((&*dead.failure.code, &*dead.payload), ("undecodable", "{torn"));
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.dead()), (1, 1));
}
