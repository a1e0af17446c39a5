//! What happened by the minute, by ten, and by the hour.

use std::time::Duration;

use millgate_jobs::{Hand, Histogram, History, JobOptions, Ledger, NewJob, Point, Queue, Seen, Span, Verdict, delay};
use millgate_testkit::{Proxy, RedisSpace, wait_until};

use crate::{
    bench::{Bench, SOON, Work, job, jobs},
    worker::Settings,
};

const MINUTE: Duration = Duration::from_mins(1);
const SPANS: [Span; 3] = [Span::Hour, Span::Day, Span::Week];

/// So many runs of so many milliseconds, after as long a wait.
fn seen(runs: u64, ms: u64) -> Seen {
    let histogram = Histogram::default();
    (0..runs).for_each(|_| histogram.record(Duration::from_millis(ms)));
    Seen { started: runs, waits: histogram.read(), runs: histogram.read(), ..Seen::default() }
}

fn plus(one: &Seen, other: &Seen) -> Seen {
    let mut sum = Seen { started: one.started + other.started, ..*one };
    sum.waits.merge(&other.waits);
    sum.runs.merge(&other.runs);
    sum
}

/// A job that is delayed from now on.
fn later(time: Duration) -> NewJob {
    NewJob::of(&Work { n: 0 }, delay(time)).unwrap()
}

async fn total(queue: &Queue, span: Span) -> Point {
    queue.history(span).await.unwrap().total()
}

#[tokio::test]
async fn what_two_workers_saw_is_added_up_in_every_span() {
    let bench = Bench::new();
    let (mut one, mut two) = (Ledger::of_queue(&bench.queue), Ledger::of_queue(&bench.of_another()));
    one.write(seen(90, 10)).await.unwrap();
    two.write(seen(10, 4_000)).await.unwrap();
    // All that it has seen is said each time; what is new of it counts.
    one.write(seen(90, 10)).await.unwrap();
    one.write(plus(&seen(90, 10), &seen(5, 10))).await.unwrap();
    for span in SPANS {
        let history = bench.queue.history(span).await.unwrap();
        assert_eq!(history.points.len(), span.points());
        let total = history.total();
        assert_eq!((total.started, total.waits.count(), total.runs.count()), (105, 105, 105), "{span:?}");
        let (p50, p99) = (total.runs.p50().unwrap().as_secs_f64(), total.waits.p99().unwrap().as_secs_f64());
        assert!((0.008..0.012).contains(&p50) && (3.2..4.8).contains(&p99), "{p50} {p99}");
        // Neither may have begun a new minute; whichever it was, it is among the last.
        assert_eq!(history.points.iter().rev().take(2).map(|point| point.started).sum::<u64>(), 105);
    }
}

#[tokio::test]
async fn the_queues_own_counts_are_there_by_the_time_at_which_they_grew() {
    let bench = Bench::new();
    let mut ledger = Ledger::of_queue(&bench.queue);
    bench.queue.enqueue(&jobs(3)).await.unwrap();
    bench.queue.enqueue(&[later(10 * MINUTE)]).await.unwrap();
    ledger.write(Seen::default()).await.unwrap();
    let first = total(&bench.queue, Span::Hour).await;
    assert_eq!((first.enqueued, first.waiting, first.delayed, first.done), (4, 3, 1, 0));

    bench.jump(2 * MINUTE);
    let hand = Hand::new(&bench.queue, 60 * MINUTE);
    let claimed = hand.claim(3).await.unwrap();
    let failure = millgate_jobs::Failure::new("smtp_450", "busy");
    let verdicts =
        [Verdict::Done, Verdict::Retry { after: 60 * MINUTE, failure: failure.clone() }, Verdict::Dead { failure }];
    hand.settle(&claimed.into_iter().zip(verdicts).collect::<Vec<_>>()).await.unwrap();
    ledger.write(Seen::default()).await.unwrap();
    let history = bench.queue.history(Span::Hour).await.unwrap();
    let (last, before) = (history.points.last().unwrap(), &history.points[..58]);
    assert_eq!((last.done, last.retried, last.dead, last.failed(), last.enqueued), (1, 1, 1, 2, 0));
    assert_eq!((last.waiting, last.delayed, last.unburied), (0, 2, 1));
    assert_eq!(before.iter().map(|point| point.enqueued).sum::<u64>(), 4);
    assert!(history.rate(|point| point.enqueued) > 0.0 && history.rate_now(|point| point.done) > 0.0);
    for span in SPANS {
        let total = total(&bench.queue, span).await;
        assert_eq!((total.enqueued, total.done, total.failed(), total.waiting), (4, 1, 2, 3), "{span:?}");
    }
}

#[tokio::test]
async fn a_queue_is_looked_at_once_in_a_while_whoever_asks() {
    let bench = Bench::new();
    let (mut one, mut two) = (Ledger::of_queue(&bench.queue), Ledger::of_queue(&bench.queue));
    one.write(Seen::default()).await.unwrap();
    bench.queue.enqueue(&jobs(3)).await.unwrap();
    two.write(Seen::default()).await.unwrap();
    assert_eq!(total(&bench.queue, Span::Hour).await.enqueued, 0);
    bench.jump(Duration::from_secs(5));
    two.write(Seen::default()).await.unwrap();
    one.write(Seen::default()).await.unwrap();
    assert_eq!(total(&bench.queue, Span::Hour).await.enqueued, 3);
    bench.queue.enqueue(&jobs(2)).await.unwrap();
    two.close(Seen::default()).await.unwrap();
    assert_eq!(total(&bench.queue, Span::Hour).await.enqueued, 5, "who ends looks once more");
    bench.jump(MINUTE);
    one.write(Seen::default()).await.unwrap();
    let oldest = total(&bench.queue, Span::Hour).await.oldest_ms;
    assert!((65_000..95_000).contains(&oldest), "{oldest}");
}

#[tokio::test]
async fn each_span_forgets_what_is_older() {
    let bench = Bench::new();
    let mut ledger = Ledger::of_queue(&bench.queue);
    let mut all = Seen::default();
    // One a quarter of an hour, for four hours, and then one after a week.
    for _ in 0..16 {
        all = plus(&all, &seen(1, 1));
        ledger.write(all).await.unwrap();
        bench.jump(15 * MINUTE);
    }
    let started = async |span| total(&bench.queue, span).await.started;
    let hour = started(Span::Hour).await;
    assert!((3..=4).contains(&hour), "{hour}");
    assert_eq!((started(Span::Day).await, started(Span::Week).await), (16, 16));
    let kept = async |part: &str| {
        let key = bench.key(&format!("history:{part}"));
        bench.redis().command::<i64>(&["HLEN", &key]).await
    };
    assert!(kept("minutes").await <= 13, "three hours of it are kept");
    bench.jump(8 * 24 * 60 * MINUTE);
    all = plus(&all, &seen(1, 1));
    ledger.write(all).await.unwrap();
    for span in SPANS {
        assert_eq!(started(span).await, 1, "{span:?}");
    }
    assert_eq!((kept("minutes").await, kept("tens").await), (1, 1));
    assert!(kept("hours").await > 1, "a month of it is kept");
    bench.queue.obliterate().await.unwrap();
    assert_eq!(bench.redis().keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn an_answer_that_is_lost_makes_nothing_count_twice() {
    let bench = Bench::new();
    let proxy = Proxy::to(&bench.redis().address());
    let queue = bench.queue_at(&proxy.address());
    let mut ledger = Ledger::of_queue(&queue);
    ledger.write(seen(1, 1)).await.unwrap();
    proxy.mute();
    ledger.write(seen(3, 1)).await.unwrap_err();
    proxy.restore();
    wait_until("Redis answers again", SOON, async || ledger.write(seen(4, 1)).await.is_ok()).await;
    assert_eq!(total(&bench.queue, Span::Hour).await.started, 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_knows_how_long_its_first_runs_had_waited() {
    let bench = Bench::new();
    let mut worker = bench.worker(Settings::ONE);
    bench.queue.enqueue(&[later(60 * MINUTE), job(2, JobOptions::default().ordered_by("a"))]).await.unwrap();
    let run = worker.next().await;
    assert!(run.job.waited().unwrap() < MINUTE, "{:?}", run.job.waited());
    run.fail(60 * MINUTE);
    bench.until("it is put off", |stats| stats.delayed == 2).await;
    // Not from when it was enqueued, but from when it was due.
    bench.skip(61 * MINUTE).await;
    let mut waited = Vec::new();
    for _ in 0..2 {
        let run = worker.next().await;
        waited.push((run.job.attempt, run.job.waited()));
        run.done();
    }
    waited.sort_unstable();
    let [(1, Some(first)), (2, None)] = waited[..] else { panic!("{waited:?}") };
    assert!((MINUTE..2 * MINUTE).contains(&first), "{first:?}");
}

#[tokio::test]
async fn events_have_a_history_by_group_and_topic() {
    let redis = RedisSpace::fresh("history");
    let queues = redis.queues();
    let (main, crm) = (queues.events("main", "order.created"), queues.events("crm", "order.created"));
    let mut ledger = Ledger::of_events(&main);
    ledger.write(Seen { handed_off: 7, poison: 1, ..Seen::default() }).await.unwrap();
    ledger.write(Seen { handed_off: 9, poison: 1, ..Seen::default() }).await.unwrap();
    let total = main.history(Span::Day).await.unwrap().total();
    assert_eq!((total.handed_off, total.poison), (9, 1));
    assert_eq!(crm.history(Span::Day).await.unwrap().total().handed_off, 0);
    main.obliterate().await.unwrap();
    assert_eq!(redis.keys().await, Vec::<String>::new());
}

#[tokio::test]
async fn histories_of_several_queues_are_one() {
    let bench = Bench::new();
    let other = bench.other("other");
    Ledger::of_queue(&bench.queue).write(seen(3, 1)).await.unwrap();
    Ledger::of_queue(&other).write(seen(4, 1_000)).await.unwrap();
    let mut histories = Vec::new();
    for queue in [&bench.queue, &other] {
        histories.push(queue.history(Span::Day).await.unwrap());
    }
    let merged = History::merge(histories).unwrap();
    assert_eq!((merged.points.len(), merged.total().started), (Span::Day.points(), 7));
    assert!(merged.total().runs.p95().unwrap() > Duration::from_millis(800));
    assert_eq!(History::merge([]), None);
}
