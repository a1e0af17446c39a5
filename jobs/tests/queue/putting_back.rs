//! Jobs that were removed, or moved, come back as they were.

use std::time::Duration;

use millgate_jobs::{
    Between, Cancel, Enqueued, Failure, Hand, Job, JobId, JobKind, JobOptions, JobState, LanePlace, NewJob, QueueError,
    Verdict,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::bench::{Bench, Work, job, jobs};

const DAY: Duration = Duration::from_hours(24);

/// Runs the job that is next, with that end.
async fn end(hand: &Hand, verdict: Verdict) -> JobId {
    let job = hand.claim(1).await.unwrap().pop().unwrap();
    let key = job.key();
    hand.settle(&[(job, verdict)]).await.unwrap();
    key
}

fn failure() -> Failure {
    Failure::new("busy", "later")
}

#[tokio::test]
async fn what_was_removed_comes_back_in_every_state_that_it_had() {
    let bench = Bench::new();
    let hand = Hand::new(&bench.queue, DAY);
    // One that failed, one that is dead, both from the middle of nowhere; then a block, and jobs with options.
    bench.queue.enqueue(&jobs(2)).await.unwrap();
    let delayed = end(&hand, Verdict::Retry { after: DAY, failure: failure() }).await;
    let dead = end(&hand, Verdict::Dead { failure: failure() }).await;
    let block: Vec<JobId> = bench.queue.enqueue(&jobs(3)).await.unwrap().iter().filter_map(Enqueued::id).collect();
    let lane = || JobOptions::default().ordered_by("lane").index("color", "red");
    let first = bench.enter(job(10, lane())).await;
    let held = bench.enter(job(11, lane()).with_id("own")).await;
    let all = [vec![delayed, dead, first, held], block].concat();
    let mut before = bench.queue.look(&all).await.unwrap();
    assert_eq!(before.len(), 7);

    let kept = bench.queue.keep(&all).await.unwrap();
    // They lie in the audit meanwhile.
    let kept: Vec<_> = serde_json::from_str(&serde_json::to_string(&kept).unwrap()).unwrap();
    assert_eq!(bench.queue.remove_each(&all).await.unwrap(), [true; 7]);
    assert_eq!(bench.queue.remove_each(&[dead]).await.unwrap(), [false]);
    bench.check().await;
    assert!(bench.queue.look(&all).await.unwrap().is_empty());

    let back = bench.queue.put_back(&kept).await.unwrap();
    let back: Vec<JobId> = back.iter().map(|entered| entered.id().unwrap()).collect();
    let mut after = bench.queue.look(&back).await.unwrap();
    before.sort_by_key(|job| job.id.clone());
    after.sort_by_key(|job| job.id.clone());
    for (was, is) in before.iter().zip(&after) {
        assert_eq!((&was.id, was.state, &was.payload, was.priority), (&is.id, is.state, &is.payload, is.priority));
        assert_eq!((was.attempts, was.failures.len(), &was.lane), (is.attempts, is.failures.len(), &is.lane));
        assert_eq!(was.time.timestamp_millis(), is.time.timestamp_millis());
        if was.state == JobState::Delayed {
            assert_eq!(was.at, is.at);
        }
        assert_eq!(bench.queue.find("id", &was.id, None, 9).await.unwrap(), [is.key]);
    }
    assert_eq!(bench.queue.find("color", "red", None, 9).await.unwrap().len(), 2);
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.delayed, stats.held, stats.unburied), (4, 1, 1, 1));

    // A second time changes nothing, nor does it when they are gone again: by then they had their turn.
    assert_eq!(bench.queue.put_back(&kept).await.unwrap(), [Enqueued::Duplicate; 7]);
    bench.queue.remove(&back).await.unwrap();
    assert_eq!(bench.queue.put_back(&kept).await.unwrap(), [Enqueued::Duplicate; 7]);
    bench.check().await;
}

#[tokio::test]
async fn what_is_not_wanted_any_more_does_not_come_back() {
    let bench = Bench::new();
    let by_key = |key: &str| job(1, JobOptions::default().unique(key));
    let keys = [bench.enter(by_key("taken")).await, bench.enter(by_key("cancelled")).await];
    let kept = bench.queue.keep(&keys).await.unwrap();
    bench.queue.stop(&keys).await.unwrap();
    let other = bench.enter(by_key("taken")).await;
    let cancel = Cancel { kind: Work::KIND.into(), unique: "cancelled".into(), time: bench.queue.now().await.unwrap() };
    bench.queue.cancel(&[cancel]).await.unwrap();
    assert_eq!(bench.queue.put_back(&kept).await.unwrap(), [Enqueued::Held(other), Enqueued::Cancelled]);
    assert_eq!(bench.check().await.waiting, 1);
}

#[tokio::test]
async fn jobs_move_there_and_back_and_there_again() {
    let bench = Bench::new();
    let other = bench.other("other");
    let tomorrow = bench.queue.now().await.unwrap() + DAY;
    bench.enter(job(1, JobOptions::default().run_at(tomorrow)).with_id("own")).await;
    bench.enter(job(2, JobOptions::default())).await;
    let mut queues = [&bench.queue, &other];
    for _ in 0..4 {
        let [from, to] = queues;
        let mut here = from.all(JobState::Delayed, None).await.unwrap();
        here.extend(from.all(JobState::Waiting, None).await.unwrap());
        assert_eq!(from.transfer(&here, to).await.unwrap(), 2);
        assert_eq!(to.find("id", "own", None, 9).await.unwrap().len(), 1);
        queues.swap(0, 1);
    }
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.delayed), (1, 1));
    assert_eq!(other.check().await.unwrap(), Vec::<String>::new());

    // Where another has its key it stays, and so it does where the other queue takes none.
    let unique = || JobOptions::default().unique("k");
    let here = bench.enter(job(3, unique())).await;
    other.enqueue(&[job(4, unique())]).await.unwrap();
    assert_eq!(bench.queue.transfer(&[here], &other).await.unwrap(), 0);
    assert_eq!(bench.state(here).await, Some(JobState::Waiting));
    other.drain().await.unwrap();
    let refused = bench.queue.transfer(&[here], &other).await.unwrap_err();
    assert!(matches!(refused, QueueError::Draining(_)), "{refused}");
    assert_eq!(bench.check().await.waiting, 2);
    other.obliterate().await.unwrap();
}

#[derive(Serialize, Deserialize)]
struct Ship {
    order: u64,
}

impl Job for Ship {
    const KIND: &'static str = "ship";
    const QUEUE: &'static str = "main";
    fn index(&self) -> Vec<(&'static str, String)> {
        vec![("order", self.order.to_string())]
    }
}

#[tokio::test]
async fn an_edited_job_runs_with_its_new_arguments_and_is_found_by_them() {
    let bench = Bench::new();
    let kind = JobKind::of::<Ship>();
    let ship = NewJob::of(&Ship { order: 7 }, JobOptions::default().index("color", "red")).unwrap();
    let hand = Hand::new(&bench.queue, DAY);
    let dead = bench.enter(ship).await;
    end(&hand, Verdict::Dead { failure: failure() }).await;
    // Of a block, which waits; and a job that is delayed.
    let block = bench.queue.enqueue(&jobs(3)).await.unwrap();
    let waiting = block[1].id().unwrap();
    let tomorrow = bench.queue.now().await.unwrap() + DAY;
    let delayed = bench.enter(job(10, JobOptions::default().run_at(tomorrow))).await;

    let refused = bench.queue.edit(dead, &json!({ "order": "x" }), Some(&kind)).await.unwrap_err();
    assert!(matches!(refused, QueueError::Arguments { .. }), "{refused}");
    assert_eq!(bench.state(dead).await, Some(JobState::Dead));
    bench.queue.edit(dead, &json!({ "order": 8 }), Some(&kind)).await.unwrap();
    for id in [waiting, delayed] {
        bench.queue.edit(id, &json!({ "n": 99 }), None).await.unwrap();
        let view = bench.view(id).await.unwrap();
        assert_eq!((view.state, view.payload.as_str()), (JobState::Waiting, r#"{"n":99}"#));
    }
    assert_eq!(bench.queue.find("order", "8", None, 9).await.unwrap(), [dead]);
    assert!(bench.queue.find("order", "7", None, 9).await.unwrap().is_empty());
    assert_eq!(bench.queue.find("color", "red", None, 9).await.unwrap(), [dead]);
    assert_eq!(bench.view(dead).await.unwrap().attempts, 0);
    bench.check().await;

    let mut ran = Vec::new();
    while let Some(job) = hand.claim(1).await.unwrap().pop() {
        ran.push(job.payload.clone());
        hand.settle(&[(job, Verdict::Done)]).await.unwrap();
    }
    ran.sort();
    assert_eq!(ran, [r#"{"n":0}"#, r#"{"n":2}"#, r#"{"n":99}"#, r#"{"n":99}"#, r#"{"order":8}"#]);
    bench.check().await;
}

#[tokio::test]
async fn a_held_job_knows_its_place_and_delayed_ones_are_found_by_when_they_run() {
    let bench = Bench::new();
    let lane = || JobOptions::default().ordered_by("lane");
    let mut ids = Vec::new();
    for n in 0..3 {
        ids.push(bench.enter(job(n, lane())).await);
    }
    let place = async |id| bench.queue.place_in_lane("lane", id).await.unwrap();
    assert_eq!(place(ids[1]).await, LanePlace { under_way: 1, ahead: 0, behind: None });
    assert_eq!(place(ids[2]).await, LanePlace { under_way: 1, ahead: 1, behind: Some(ids[1]) });

    let now = bench.queue.now().await.unwrap();
    let mut due = Vec::new();
    for hours in 1..6 {
        due.push(bench.enter(job(hours, JobOptions::default().run_at(now + Duration::from_hours(hours as u64)))).await);
    }
    let within = async |since: Option<u64>, until: Option<u64>| {
        let at = |hours: Option<u64>| hours.map(|hours| now + Duration::from_hours(hours));
        let (mut ids, mut from) = (Vec::new(), None);
        loop {
            let span = Between { since: at(since), until: at(until) };
            let page = bench.queue.page_within(JobState::Delayed, span, from.as_deref(), 2, None).await.unwrap();
            ids.extend(page.ids);
            from = page.next;
            if from.is_none() {
                return ids;
            }
        }
    };
    assert_eq!(within(Some(2), Some(4)).await, due[1..4]);
    assert_eq!(within(None, Some(1)).await, due[..1]);
    assert_eq!(within(Some(5), None).await, due[4..]);
    assert!(within(Some(6), None).await.is_empty());
}
