//! What the walk has found, and what was found on the way to it, each in a few steps.

use std::time::Duration;

use chrono::DateTime;
use millgate_jobs::{
    Acted, Cancel, Claimed, Enqueued, Failure, Hand, JobId, JobOptions, Limits, NewJob, Queue, Queues, Rate, Unique,
    Verdict, delay, unique,
};
use millgate_testkit::RedisSpace;
use redis::FromRedisValue;

use crate::{
    claims::number,
    spec::{Play, Work},
};

const MINUTE: Duration = Duration::from_mins(1);

struct Place {
    space: RedisSpace,
    queues: Queues,
    queue: Queue,
    hand: Hand,
}

fn place() -> Place {
    let space = RedisSpace::fresh("model");
    let queues = space.queues();
    let queue = queues.queue("main");
    Place { hand: Hand::new(&queue, MINUTE), space, queues, queue }
}

fn job(n: usize, options: JobOptions) -> NewJob {
    NewJob::of(&Work { n }, options).unwrap()
}

fn plain(n: usize) -> NewJob {
    job(n, JobOptions::default())
}

fn broken() -> Failure {
    Failure::new("broken", "it broke")
}

impl Place {
    async fn enqueue(&self, job: NewJob) -> Enqueued {
        self.queue.enqueue(&[job]).await.unwrap()[0]
    }

    async fn id(&self, job: NewJob) -> JobId {
        self.enqueue(job).await.id().unwrap()
    }

    async fn claim(&self) -> Vec<Claimed> {
        self.hand.claim(100).await.unwrap()
    }

    /// The numbers of the jobs that a claim brings.
    async fn next(&self) -> Vec<usize> {
        self.claim().await.iter().map(number).collect()
    }

    async fn end(&self, jobs: Vec<Claimed>, verdict: Verdict) -> usize {
        let told: Vec<_> = jobs.into_iter().map(|job| (job, verdict.clone())).collect();
        self.hand.settle(&told).await.unwrap()
    }

    async fn do_all(&self) -> Vec<usize> {
        let jobs = self.claim().await;
        let numbers = jobs.iter().map(number).collect();
        if !jobs.is_empty() {
            assert_eq!(self.end(jobs, Verdict::Done).await, 0);
        }
        numbers
    }

    async fn command<T: FromRedisValue>(&self, command: &str, part: &str, words: &[&str]) -> T {
        let key = format!("{{{}:main}}:{part}", self.space.config().prefix);
        let words: Vec<&str> = [command, &key].into_iter().chain(words.iter().copied()).collect();
        self.space.command(&words).await
    }

    async fn check(&self) {
        assert_eq!(self.queue.check().await.unwrap(), Vec::<String>::new());
        assert!(self.queue.stats().await.unwrap().adds_up());
    }
}

#[tokio::test]
async fn a_batch_comes_in_and_sets_off_what_follows_it() {
    let place = place();
    place.queue.enqueue_batch(vec![plain(1), plain(2)], &plain(3)).await.unwrap();
    assert_eq!(place.do_all().await, [1, 2]);
    let callback = place.claim().await;
    assert_eq!((number(&callback[0]), callback[0].batch.as_ref().unwrap().total), (3, 2));
    place.check().await;
}

#[tokio::test]
async fn a_job_of_a_spaced_lane_that_is_cancelled_lets_the_next_go() {
    let place = place();
    let spaced = |n| job(n, JobOptions::default().spaced(MINUTE, "lane"));
    let first = place.id(spaced(1)).await;
    place.enqueue(spaced(2)).await;
    assert_eq!(place.queue.stop(&[first]).await.unwrap(), [Acted::Well]);
    place.check().await;
    assert_eq!(place.next().await, [2]);
}

#[tokio::test]
async fn a_lane_that_moves_on_wakes_a_worker() {
    let place = place();
    let ordered = |n| job(n, JobOptions::default().ordered_by("lane"));
    place.queue.enqueue(&[ordered(1), ordered(2)]).await.unwrap();
    let jobs = place.claim().await;
    place.command::<usize>("DEL", "wake", &[]).await;
    place.end(jobs, Verdict::Done).await;
    assert_eq!(place.command::<usize>("LLEN", "wake", &[]).await, 1);
}

#[tokio::test]
async fn a_broken_record_that_had_options_holds_nothing_up() {
    let place = place();
    let lane = || delay(MINUTE).ordered_by("lane");
    for (n, torn) in ["{torn", "+{torn\nwork\n{}", "+{\"l\":7,\"c\":\"x\",\"u\":{}}\nwork\n{}"].into_iter().enumerate()
    {
        let id = place.id(job(n, lane())).await;
        place.command::<usize>("HSET", "jobs", &[id.as_str(), torn]).await;
    }
    place.enqueue(plain(9)).await;
    place.queues.pass(MINUTE * 2);
    let jobs = place.claim().await;
    assert!(jobs.iter().any(|job| &*job.kind == "work" && job.payload == "{\"n\":9}"), "{jobs:?}");
    assert_eq!(place.end(jobs, Verdict::Done).await, 0);
    assert_eq!(place.queue.stats().await.unwrap().active, 0);
}

#[tokio::test]
async fn an_id_counts_beside_a_key_to_be_dropped_by() {
    let place = place();
    let event = || job(1, JobOptions::default().once("k", MINUTE)).with_id("event");
    assert!(matches!(place.enqueue(event()).await, Enqueued::New(_)));
    place.do_all().await;
    place.queues.pass(MINUTE * 2);
    // The window of the key is over, and it is the same event still.
    assert_eq!(place.enqueue(event()).await, Enqueued::Duplicate);
    let other = || job(2, JobOptions::default().once("k", MINUTE)).with_id("other");
    assert!(matches!(place.enqueue(other()).await, Enqueued::New(_)));
}

#[tokio::test]
async fn a_job_about_now_is_not_cancelled_by_what_was_before() {
    let place = place();
    let past = place.queue.now().await.unwrap() - chrono::Duration::seconds(1);
    let cancel = |time| Cancel { kind: "work".into(), unique: "k".into(), time };
    place.queue.cancel(&[cancel(past)]).await.unwrap();
    assert!(matches!(place.enqueue(job(1, unique("k"))).await, Enqueued::New(_)));
    let older = NewJob::new(&Work { n: 2 }, unique("k"), DateTime::UNIX_EPOCH).unwrap();
    assert_eq!(place.enqueue(older).await, Enqueued::Cancelled);
    // One that waits is reached by any, as the clock of the canceller may differ.
    assert_eq!(place.queue.cancel(&[cancel(past)]).await.unwrap(), 1);
    place.check().await;
}

#[tokio::test]
async fn a_job_that_is_done_although_it_was_to_stop_can_be_kept() {
    let place = place();
    place.queue.limit(&Limits { keep_done: Some(5), ..Limits::default() }).await.unwrap();
    let id = place.id(plain(1)).await;
    let jobs = place.claim().await;
    assert_eq!(place.queue.stop(&[id]).await.unwrap(), [Acted::Stopping]);
    place.end(jobs, Verdict::Done).await;
    place.check().await;
    // Once none are to be kept those that were are let go.
    place.queue.limit(&Limits::default()).await.unwrap();
    place.enqueue(plain(2)).await;
    place.do_all().await;
    assert_eq!(place.queue.stats().await.unwrap().kept, 0);
}

#[tokio::test]
async fn a_job_that_was_to_stop_is_cancelled_also_when_it_fails_for_the_last_time() {
    let place = place();
    let id = place.id(job(1, JobOptions::default().max_attempts(1))).await;
    let jobs = place.claim().await;
    place.queue.stop(&[id]).await.unwrap();
    place.end(jobs, Verdict::Retry { after: MINUTE, failure: broken() }).await;
    let stats = place.queue.stats().await.unwrap();
    assert_eq!((stats.cancelled(), stats.dead(), stats.kinds["work"].retried), (1, 0, 0));
}

#[tokio::test]
async fn a_rate_that_was_low_does_not_hold_back_a_higher_one() {
    let place = place();
    let rate = |jobs, per| Limits { rate: Some(Rate { jobs, per }), ..Limits::default() };
    place.queue.limit(&rate(1, Duration::from_hours(1))).await.unwrap();
    place.queue.enqueue(&[plain(1), plain(2), plain(3)]).await.unwrap();
    assert_eq!(place.next().await, [1]);
    place.queue.limit(&rate(10, Duration::from_secs(1))).await.unwrap();
    assert_eq!(place.next().await, [2, 3], "an hour has not passed");
}

#[tokio::test]
async fn what_follows_a_job_comes_in_by_the_same_door() {
    let place = place();
    place.enqueue(job(1, unique("k"))).await;
    let chain = NewJob::of(&Play { n: 2 }, JobOptions::default()).unwrap().then(job(3, unique("k"))).then(plain(4));
    place.enqueue(chain).await;
    let jobs = place.claim().await;
    let (work, play): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| &*job.kind == "work");
    place.end(play, Verdict::Done).await;
    assert_eq!(place.next().await, [] as [usize; 0], "its key is held");
    place.end(work, Verdict::Done).await;
    place.check().await;
}

#[tokio::test]
async fn a_key_whose_window_is_over_is_nobodys() {
    let place = place();
    let windowed = || Unique::key("k").for_window(MINUTE).replacing();
    place.enqueue(job(1, delay(MINUTE * 5).unique_by(windowed()))).await;
    place.queues.pass(MINUTE * 2);
    assert!(matches!(place.enqueue(job(2, JobOptions::default().unique_by(windowed()))).await, Enqueued::New(_)));
    place.queues.pass(MINUTE * 5);
    // One after the other, as both have the key.
    assert_eq!([place.do_all().await.len(), place.do_all().await.len()], [1, 1], "the first was not replaced");
    place.check().await;
}

#[tokio::test]
async fn what_is_told_twice_takes_nothing_else_with_it() {
    let place = place();
    place.queue.enqueue(&(0..10).map(plain).collect::<Vec<_>>()).await.unwrap();
    let jobs = place.claim().await;
    let told = [5, 5, 6].map(|at: usize| (jobs[at].clone(), Verdict::Done));
    assert_eq!(place.hand.settle(&told).await.unwrap(), 1);
    assert_eq!(place.end(jobs, Verdict::Done).await, 2);
    let stats = place.queue.stats().await.unwrap();
    assert_eq!((stats.done(), stats.active, stats.kinds["work"].late), (10, 0, 3));
    place.check().await;
}

#[tokio::test]
async fn a_tenant_of_the_last_priority_that_had_millions_of_jobs_is_served() {
    let place = place();
    let theirs = |n| job(n, JobOptions::default().tenant("t", 1).priority(9));
    // A million jobs, since it last had none, at a million a job.
    place.command::<usize>("HSET", "tags", &["9 t", "1000000000000"]).await;
    place.queue.enqueue(&[theirs(1), theirs(2)]).await.unwrap();
    assert_eq!(place.do_all().await, [1, 2]);
}

#[tokio::test]
async fn a_claim_passes_what_was_taken_out_of_line_in_bounded_steps() {
    let place = place();
    let tagged = |n| job(n, JobOptions::default().index("tag", "x"));
    let all: Vec<_> = (0..3_000).map(tagged).collect();
    let entered = place.queue.enqueue(&all).await.unwrap();
    let ids: Vec<_> = entered.iter().filter_map(Enqueued::id).collect();
    place.queue.stop(&ids).await.unwrap();
    place.enqueue(plain(7)).await;
    let mut claims = 1;
    while place.next().await.is_empty() {
        claims += 1;
        assert!(claims < 10);
    }
    assert_eq!(claims, 4, "a thousand a call");
    place.check().await;
}
