//! Events through routes once more: what is missing, or all of it anew, beside a bridge that goes on as if nothing were.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::BoxFuture;
use millgate_bridge::{Doubling, IntoRoutes, live_positions};
use millgate_events::{
    Chosen, Destination, Event, Logs, Progress, Replay, ReplayError, Selection, Taken, Tally, Values,
};
use millgate_jobs::{Expected, Hand, Job, Portion, Verdict, Watermark};
use millgate_testkit::wait_until;
use tokio_util::sync::CancellationToken;

use crate::{
    bench::{Bench, Confirm, Ordered, Pack, Paid, Remind, SOON, ordered, record, routes},
    losses::{keep, put_back},
};

fn all() -> Selection {
    Selection { topics: vec![Ordered::TOPIC.into()], ..Selection::default() }
}

async fn begun(bench: &Bench) -> Progress {
    let mut spans = Logs::new(&bench.kafka.config(), SOON).spans(&all()).await.unwrap();
    live_positions(&bench.kafka.config(), &mut spans).await.unwrap();
    Progress { spans, note: String::new() }
}

/// As if all that is there had been there for days.
fn later() -> DateTime<Utc> {
    now() + TimeDelta::days(2)
}

#[expect(clippy::disallowed_methods, reason = "Kafka's clock is that of this machine")]
fn now() -> DateTime<Utc> {
    Utc::now()
}

fn into(bench: &Bench, id: &str, doubling: Doubling) -> IntoRoutes {
    let mut into = IntoRoutes::new(id, &bench.kafka.config(), Arc::new(routes()), bench.redis.queues(), later());
    into.doubling = doubling;
    into
}

/// Does something when it has taken so many steps.
struct After<'a> {
    into: &'a mut IntoRoutes,
    steps: usize,
    deed: BoxFuture<'a, ()>,
}

impl Destination for After<'_> {
    async fn begin(&mut self, progress: &mut Progress) -> Result<(), ReplayError> {
        self.into.begin(progress).await
    }

    async fn take(
        &mut self,
        records: &[Chosen],
        progress: &mut Progress,
        tally: &mut Tally,
    ) -> Result<Taken, ReplayError> {
        let taken = self.into.take(records, progress, tally).await?;
        self.steps = self.steps.wrapping_sub(1);
        if self.steps == 0 {
            (&mut self.deed).await;
        }
        Ok(taken)
    }

    async fn end(&mut self, progress: &mut Progress) -> Result<Taken, ReplayError> {
        self.into.end(progress).await
    }
}

async fn run(
    bench: &Bench,
    progress: &mut Progress,
    into: &mut impl Destination,
    stop: &CancellationToken,
) -> (Tally, bool) {
    let (config, values, selection, mut tally) = (bench.kafka.config(), Values::default(), all(), Tally::default());
    let replay = Replay {
        kafka: &config,
        values: &values,
        selection: &selection,
        rate: Some((200, Duration::from_secs(1))),
        strict: false,
        stop: stop.clone(),
        tell: &|_, _| {},
    };
    let ended = replay.run(progress, &mut tally, into, None).await.unwrap();
    (tally, ended)
}

/// The same to its end.
async fn replay(bench: &Bench, mut into: IntoRoutes) -> Tally {
    let (tally, ended) = run(bench, &mut begun(bench).await, &mut into, &CancellationToken::new()).await;
    assert!(ended);
    tally
}

fn figure(tally: &Tally, what: &str) -> u64 {
    tally.figures.get(what).copied().unwrap_or_default()
}

/// A bridge has handed off so many orders, and ended.
async fn handed_off(count: usize) -> Bench {
    let bench = Bench::new(2).await;
    bench.order(0..count).await;
    let bridge = bench.bridge();
    bench.wait_each_once(count).await;
    bench.wait_all_committed().await;
    bridge.stop().await;
    bench
}

/// Has some jobs of a queue done.
async fn done(bench: &Bench, queue: &str, count: usize) {
    let hand = Hand::new(&bench.redis.queues().queue(queue), Duration::from_mins(5));
    let mut left = count;
    while left > 0 {
        let jobs = hand.claim(left).await.unwrap();
        left -= jobs.len();
        let results: Vec<_> = jobs.into_iter().map(|job| (job, Verdict::Done)).collect();
        hand.settle(&results).await.unwrap();
    }
}

/// How many jobs each order has in a queue.
async fn by_order<J: Job>(bench: &Bench) -> BTreeMap<String, usize> {
    let mut counts = BTreeMap::new();
    for order in bench.orders::<J>().await {
        *counts.entry(order).or_default() += 1;
    }
    counts
}

async fn names(bench: &Bench, queue: &str) -> BTreeSet<String> {
    let queue = bench.redis.queues().queue(queue);
    let ids = queue.all(millgate_jobs::JobState::Waiting, None).await.unwrap();
    queue.look(&ids).await.unwrap().into_iter().map(|job| job.id).collect()
}

#[tokio::test]
async fn what_waits_or_may_have_run_is_left_out_and_what_is_missing_is_made() {
    let bench = handed_off(40).await;
    done(&bench, Pack::QUEUE, 15).await;
    // Of today: whether they ran is not known.
    let mut young = into(&bench, "r0", Doubling::Never);
    young.asked_at = now();
    let tally = replay(&bench, young).await;
    assert_eq!((tally.selected, figure(&tally, "jobs of pack")), (40, 0));
    assert_eq!(figure(&tally, "jobs left out, as they may have run within redis.dedupe_window"), 15);
    assert_eq!(figure(&tally, "jobs left out, as they are in their queues"), 105);
    // Of long ago: those that are gone have ended long ago.
    let mut dry = into(&bench, "", Doubling::Never);
    dry.is_dry = true;
    let would = replay(&bench, dry).await;
    let tally = replay(&bench, into(&bench, "r1", Doubling::Never)).await;
    assert_eq!(would, tally, "a dry run counts what is then done");
    assert_eq!((figure(&tally, "jobs of pack"), figure(&tally, "jobs of confirm")), (15, 0));
    bench.wait_each_once(40).await;
    // And once: another replay finds them there, or knows that it made them.
    done(&bench, Pack::QUEUE, 40).await;
    let tally = replay(&bench, into(&bench, "r2", Doubling::Never)).await;
    assert_eq!(figure(&tally, "jobs not taken in, as they were before"), 15);
    assert_eq!(bench.orders::<Pack>().await.len(), 25);
}

#[tokio::test]
async fn what_the_live_bridge_has_not_read_is_left_to_it() {
    let bench = handed_off(10).await;
    bench.order(10..30).await;
    let mut progress = begun(&bench).await;
    let mut into = into(&bench, "r1", Doubling::Never);
    let (tally, _) = run(&bench, &mut progress, &mut into, &CancellationToken::new()).await;
    assert_eq!(figure(&tally, "jobs left to the live bridge"), 60);
    let bridge = bench.bridge();
    bench.wait_each_once(30).await;
    bridge.stop().await;
}

#[tokio::test]
async fn again_each_gets_a_job_of_its_own_and_only_of_the_kinds_that_are_named() {
    let bench = handed_off(30).await;
    let before = names(&bench, Pack::QUEUE).await;
    let mut again = into(&bench, "r1", Doubling::Again);
    again.kinds = BTreeSet::from([Pack::KIND.to_owned()]);
    again.priority = Some(9);
    let tally = replay(&bench, again).await;
    assert_eq!(tally.figures, BTreeMap::from([("jobs of pack".to_owned(), 30)]));
    assert!(by_order::<Pack>(&bench).await.values().all(|count| *count == 2));
    assert!(by_order::<Confirm>(&bench).await.values().all(|count| *count == 1));
    let after = names(&bench, Pack::QUEUE).await;
    assert_eq!((before.len(), after.len()), (30, 60), "under names of their own");
    let queue = bench.redis.queues().queue(Pack::QUEUE);
    let ids = queue.all(millgate_jobs::JobState::Waiting, None).await.unwrap();
    let jobs = queue.look(&ids).await.unwrap();
    assert!(jobs.iter().all(|job| (job.priority == 9) != before.contains(&job.id)));
    // A unique key is one all the same.
    let mut reminders = into(&bench, "r2", Doubling::Again);
    reminders.kinds = BTreeSet::from([Remind::KIND.to_owned()]);
    let tally = replay(&bench, reminders).await;
    assert_eq!(figure(&tally, "jobs not taken in, as another has their unique key"), 30);
}

#[tokio::test]
async fn cut_off_anywhere_it_makes_no_job_twice() {
    let bench = handed_off(150).await;
    let begin = begun(&bench).await;
    // What was noted is always older than what was done: here, from the beginning.
    for steps in 1..4 {
        let stop = CancellationToken::new();
        let mut destination = into(&bench, "r1", Doubling::Again);
        let fired = stop.clone();
        let mut cut = After { into: &mut destination, steps, deed: Box::pin(async move { fired.cancel() }) };
        let (_, ended) = run(&bench, &mut begin.clone(), &mut cut, &stop).await;
        assert!(!ended);
        assert!(by_order::<Pack>(&bench).await.values().all(|count| *count <= 2));
    }
    let mut progress = begin.clone();
    let mut last = into(&bench, "r1", Doubling::Again);
    let (tally, ended) = run(&bench, &mut progress, &mut last, &CancellationToken::new()).await;
    assert!(ended && figure(&tally, "jobs of pack") == 150, "{tally:?}");
    let counts = by_order::<Pack>(&bench).await;
    assert!(counts.len() == 150 && counts.values().all(|count| *count == 2));
    // At the end nothing is left of it in Redis.
    let marks = async || bench.redis.queues().queue(Pack::QUEUE).watermarks().await.unwrap();
    assert!(marks().await.keys().any(|source| source.contains(".replay-r1:")));
    last.clear(&progress).await.unwrap();
    let left = marks().await;
    assert!(left.len() == 2 && left.keys().all(|source| !source.contains("replay")), "{left:?}");
}

#[tokio::test]
async fn what_was_there_when_it_began_and_ran_before_it_was_resumed_is_left_out() {
    let bench = handed_off(40).await;
    let begin = begun(&bench).await;
    let stop = CancellationToken::new();
    let mut destination = into(&bench, "r1", Doubling::Never);
    let fired = stop.clone();
    let mut cut = After { into: &mut destination, steps: 1, deed: Box::pin(async move { fired.cancel() }) };
    let (_, ended) = run(&bench, &mut begin.clone(), &mut cut, &stop).await;
    assert!(!ended);
    done(&bench, Pack::QUEUE, 30).await;
    let mut progress = begin.clone();
    let mut resumed = into(&bench, "r1", Doubling::Never);
    let (tally, ended) = run(&bench, &mut progress, &mut resumed, &CancellationToken::new()).await;
    assert!(ended);
    assert_eq!(bench.orders::<Pack>().await.len(), 10, "{tally:?}");
    // At the end nothing is left of that in Redis.
    let kept = format!("{}:replay:r1", bench.redis.queues().prefix());
    let (cache, keys) = (bench.redis.queues().cache(), [kept.clone(), format!("{kept}:0")]);
    for key in &keys {
        assert!(cache.get(key).await.unwrap().is_some());
    }
    resumed.clear(&progress).await.unwrap();
    for key in &keys {
        assert_eq!(cache.get(key).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_redis_loses_in_the_midst_is_made_again() {
    let bench = handed_off(150).await;
    keep(&bench).await;
    let mut destination = into(&bench, "r1", Doubling::Again);
    let bench_ref = &bench;
    // It forgets the first steps, watermarks and all.
    let mut forgetful = After { into: &mut destination, steps: 2, deed: Box::pin(put_back(bench_ref, "")) };
    let mut progress = begun(&bench).await;
    let (tally, ended) = run(&bench, &mut progress, &mut forgetful, &CancellationToken::new()).await;
    assert!(ended && tally.read_again > 0, "{tally:?}");
    let counts = by_order::<Pack>(&bench).await;
    assert!(counts.len() == 150 && counts.values().all(|count| *count == 2), "{counts:?}");

    // And so at its very end, when nothing more is handed off.
    let mut destination = into(&bench, "r2", Doubling::Again);
    let mut progress = begun(&bench).await;
    run(&bench, &mut progress, &mut destination, &CancellationToken::new()).await;
    let (queue, group) = (bench.redis.queues().queue(Pack::QUEUE), bench.kafka.config().consumer_group);
    let source = format!("{group}.replay-r2:{}/0", bench.kafka.name(Ordered::TOPIC));
    let last = queue.watermarks_of(&[&source]).await.unwrap().remove(0).unwrap().offset;
    let back = Portion { mark: Watermark { offset: last - 3, timestamp: -1 }, jobs: Vec::new() };
    queue.hand_off(&source, Expected::At(last), &[back]).await.unwrap();
    assert_eq!(destination.end(&mut progress).await.unwrap(), Taken::Again);
    let (tally, ended) = run(&bench, &mut progress, &mut destination, &CancellationToken::new()).await;
    assert!(ended && tally.selected <= 3, "only what is missing is read again: {tally:?}");
    assert_eq!(bench.orders::<Pack>().await.len(), 453);
}

#[tokio::test]
async fn a_live_bridge_beside_it_is_undisturbed() {
    let bench = handed_off(60).await;
    let bridge = bench.bridge();
    let mut progress = begun(&bench).await;
    let mut destination = into(&bench, "r1", Doubling::Again);
    let publishing = async {
        for round in 0..10 {
            bench.order(60 + round * 6..66 + round * 6).await;
        }
    };
    let stop = CancellationToken::new();
    let ((tally, ended), ()) = tokio::join!(run(&bench, &mut progress, &mut destination, &stop), publishing);
    assert!(ended && tally.selected == 60, "its end was fixed: {tally:?}");
    wait_until("the live ones have their jobs", SOON, async || by_order::<Pack>(&bench).await.len() == 120).await;
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!((counts.rewinds, counts.halts, counts.jobs), (0, 0, 180));
    let counts = by_order::<Pack>(&bench).await;
    for n in 0..120 {
        assert_eq!(counts[&format!("o-{n}")], if n < 60 { 2 } else { 1 }, "o-{n}");
    }
}

#[tokio::test]
async fn cancels_are_made_again_and_poison_is_counted() {
    let bench = Bench::new(1).await;
    let paid = record(&Paid { order: "a".into() }, 5);
    bench.publish([ordered("a"), ordered("panic"), paid, ordered("b")]).await;
    // Nobody has handed any of it off; the group of it begins at the latest.
    let mut config = bench.kafka.config();
    config.auto_offset_reset = "latest".into();
    let mut spans = Logs::new(&config, SOON).spans(&all()).await.unwrap();
    live_positions(&config, &mut spans).await.unwrap();
    let mut progress = Progress { spans, note: String::new() };
    let mut destination = into(&bench, "r1", Doubling::Again);
    let (tally, _) = run(&bench, &mut progress, &mut destination, &CancellationToken::new()).await;
    assert_eq!((tally.selected, tally.unreadable, figure(&tally, "cancels of remind")), (4, 1, 1));
    assert!(tally.examples[0].contains("there is no such order"), "{:?}", tally.examples);
    assert_eq!(bench.orders::<Remind>().await, ["b"]);
    assert_eq!(bench.orders::<Pack>().await, ["a", "b"]);
}
