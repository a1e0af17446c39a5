//! Records of a log and their jobs, handed off once by a watermark.

use std::time::Duration;

use futures::future::join_all;
use millgate_jobs::{Enqueued, Expected, HandedOff, JobOptions, Portion, Queues, Verdict, Watermark, delay, unique};
use millgate_testkit::{Proxy, RedisCluster, RedisServer, wait_until};

use crate::{
    bench::{Bench, SOON, job},
    worker::Settings,
};

const SOURCE: &str = "group:orders/0";

fn mark(offset: i64) -> Watermark {
    Watermark { offset, timestamp: 1_700_000_000_000 + offset }
}

/// Records of these offsets, of two jobs each: a plain one and one with options.
fn records(offsets: std::ops::Range<i64>) -> Vec<Portion> {
    let jobs = |n: usize| vec![job(2 * n, JobOptions::default()), job(2 * n + 1, delay(Duration::from_secs(1)))];
    offsets.map(|offset| Portion { mark: mark(offset), jobs: jobs(usize::try_from(offset).unwrap()) }).collect()
}

async fn stored(bench: &Bench) -> Option<Watermark> {
    bench.queue.watermarks_of(&[SOURCE]).await.unwrap().pop().unwrap()
}

fn is_done(answer: &HandedOff, jobs: usize) -> bool {
    matches!(answer, HandedOff::Done(results)
        if results.len() == jobs && results.iter().all(|result| matches!(result, Enqueued::New(_))))
}

#[tokio::test]
async fn records_come_in_once_whatever_is_said_of_them_again() {
    let bench = Bench::new();
    let all = records(0..10);
    let first = bench.queue.hand_off(SOURCE, Expected::Unknown, &all[..5]).await.unwrap();
    assert!(is_done(&first, 10), "{first:?}");
    assert_eq!(stored(&bench).await, Some(mark(4)));
    // The same again, by one who knows no better, or believes too little, or too much.
    for expected in [Expected::Unknown, Expected::Nothing, Expected::At(2), Expected::At(9)] {
        let again = bench.queue.hand_off(SOURCE, expected, &all[..4]).await.unwrap();
        assert_eq!(again, HandedOff::Elsewhere(Some(mark(4))), "{expected}");
    }
    assert!(is_done(&bench.queue.hand_off(SOURCE, Expected::At(4), &all[5..]).await.unwrap(), 10));
    assert_eq!(bench.check().await.enqueued(), 20);
    // Sources know nothing of each other, and neither do queues.
    assert!(is_done(&bench.queue.hand_off("group:orders/1", Expected::Nothing, &all[..1]).await.unwrap(), 2));
    let other = bench.other("other");
    assert_eq!(other.hand_off(SOURCE, Expected::At(9), &all[..1]).await.unwrap(), HandedOff::Elsewhere(None));
    assert!(other.watermarks().await.unwrap().is_empty());
    assert_eq!(bench.queue.watermarks().await.unwrap().len(), 2);
    assert_eq!(bench.check().await.enqueued(), 22);
}

#[tokio::test]
async fn records_without_jobs_move_the_watermark() {
    let bench = Bench::new();
    let empty = |offset| [Portion { mark: mark(offset), jobs: Vec::new() }];
    assert_eq!(bench.queue.hand_off(SOURCE, Expected::Nothing, &empty(7)).await.unwrap(), HandedOff::Done(vec![]));
    assert_eq!(bench.queue.hand_off(SOURCE, Expected::At(7), &empty(-1)).await.unwrap(), HandedOff::Done(vec![]));
    assert_eq!(stored(&bench).await, Some(Watermark { offset: -1, ..mark(-1) }));
    assert_eq!(bench.check().await.enqueued(), 0);
}

/// As after a pause that lasted longer than the group's patience: whoever has the partition now is further.
#[tokio::test]
async fn of_many_who_hand_off_the_same_records_each_is_taken_from_one() {
    let bench = Bench::new();
    let all = records(0..200);
    let bridges = (0..8).map(|bridge| {
        let (queue, all) = (bench.of_another(), &all);
        async move {
            let mut expected = None;
            // Each in steps of its own, so that they overlap.
            let step = 7 + bridge * 3;
            loop {
                let from = expected.map_or(0, |offset: i64| usize::try_from(offset + 1).unwrap());
                let some = &all[from..all.len().min(from + step)];
                let Some(last) = some.last() else { return };
                let believed = expected.map_or(Expected::Unknown, Expected::At);
                expected = match queue.hand_off(SOURCE, believed, some).await.unwrap() {
                    HandedOff::Done(_) => Some(last.mark.offset),
                    HandedOff::Elsewhere(stored) => stored.map(|stored| stored.offset),
                };
            }
        }
    });
    join_all(bridges).await;
    let stats = bench.check().await;
    assert_eq!((stats.enqueued(), stats.waiting + stats.delayed), (400, 400));
    assert_eq!(stored(&bench).await, Some(mark(199)));
}

#[tokio::test]
async fn a_lost_answer_doubles_nothing() {
    let bench = Bench::new();
    let all = records(0..400);
    let proxy = Proxy::to(&bench.redis().address());
    let queue = bench.queue_at(&proxy.address());
    // Connected, and the script is known.
    queue.hand_off("other", Expected::Nothing, &[Portion { mark: mark(0), jobs: Vec::new() }]).await.unwrap();
    proxy.mute();
    let lose = async {
        bench.until("the first call arrives", |stats| stats.enqueued() > 0).await;
        // Not `cut`, which this, so soon after, would undo before anybody has seen it.
        proxy.strand();
        proxy.restore();
    };
    let (answer, ()) = tokio::join!(queue.hand_off(SOURCE, Expected::Nothing, &all), lose);
    // The call whose answer was lost says nothing of its jobs; those after it do.
    let HandedOff::Done(results) = answer.unwrap() else { panic!("it was done") };
    assert!(results.len() < 800, "{}", results.len());
    assert_eq!(bench.check().await.enqueued(), 800);
    assert_eq!(stored(&bench).await, Some(mark(399)));
}

#[tokio::test]
async fn many_records_take_several_calls_and_each_record_is_whole() {
    let bench = Bench::new();
    let queue = bench.of_another();
    let all = records(0..2_000);
    let handing = tokio::spawn(async move { queue.hand_off(SOURCE, Expected::Nothing, &all).await.unwrap() });
    let mut seen = 0;
    while !handing.is_finished() {
        // Of one moment: a record's jobs and its mark.
        let script = "return {redis.call('HGET', KEYS[1], ARGV[1]), redis.call('HGET', KEYS[2], 'enqueued:work')}";
        let (marks, counts) = (bench.key("watermarks"), bench.key("counts"));
        let (mark, count): (Option<String>, Option<i64>) =
            bench.redis().command(&["EVAL", script, "2", &marks, &counts, SOURCE]).await;
        if let Some(mark) = mark {
            let mark: Watermark = mark.parse().unwrap();
            assert_eq!(count, Some(2 * (mark.offset + 1)));
            seen += usize::from(mark.offset < 1_999);
        }
    }
    assert!(is_done(&handing.await.unwrap(), 4_000));
    assert!(seen > 0, "it was all one call");
    assert_eq!(bench.check().await.enqueued(), 4_000);
}

#[tokio::test]
async fn plain_jobs_are_put_in_blocks_and_all_run() {
    let bench = Bench::new();
    bench.queue.hand_off(SOURCE, Expected::Nothing, &records(0..80)).await.unwrap();
    let blocks: usize = bench.redis().command(&["HLEN", &bench.key("blocks")]).await;
    assert_eq!(blocks, 1, "jobs with options between them part them not");
    bench.skip(Duration::from_secs(2)).await;
    let worker = bench.worker(Settings::concurrency(20)).answer_all(|_| Verdict::Done);
    bench.until("all are done", |stats| stats.done() == 160).await;
    worker.stop().await;
    bench.check().await;
}

#[tokio::test]
async fn a_unique_key_and_an_id_count_as_ever() {
    let bench = Bench::new();
    let of = |offset, options| vec![Portion { mark: mark(offset), jobs: vec![job(0, options)] }];
    let first = bench.queue.hand_off(SOURCE, Expected::Nothing, &of(0, unique("k"))).await.unwrap();
    let second = bench.queue.hand_off(SOURCE, Expected::At(0), &of(1, unique("k"))).await.unwrap();
    assert!(
        is_done(&first, 1) && matches!(&second, HandedOff::Done(results) if matches!(results[..], [Enqueued::Held(_)]))
    );
    assert_eq!(stored(&bench).await, Some(mark(1)));
    bench.check().await;
}

#[tokio::test]
async fn a_redis_that_is_full_or_a_queue_that_takes_none_keeps_its_watermark() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    let all = records(0..20);
    bench.queue.hand_off(SOURCE, Expected::Nothing, &all[..10]).await.unwrap();
    server.set_maxmemory(1).await;
    assert!(bench.queue.hand_off(SOURCE, Expected::At(9), &all[10..]).await.unwrap_err().is_transient());
    server.set_maxmemory(0).await;
    bench.queue.drain().await.unwrap();
    assert!(bench.queue.hand_off(SOURCE, Expected::At(9), &all[10..]).await.unwrap_err().is_transient());
    bench.queue.resume().await.unwrap();
    assert_eq!(stored(&bench).await, Some(mark(9)));
    assert!(is_done(&bench.queue.hand_off(SOURCE, Expected::At(9), &all[10..]).await.unwrap(), 20));
    assert_eq!(bench.check().await.enqueued(), 40);
}

#[tokio::test]
async fn what_redis_loses_it_loses_with_its_watermark() {
    let server = RedisServer::start().await;
    let bench = Bench::on(&server);
    let all = records(0..30);
    bench.queue.hand_off(SOURCE, Expected::Nothing, &all[..10]).await.unwrap();
    server.synced().await;
    // From now on nothing reaches the file.
    server.command::<()>(&["CONFIG", "SET", "appendonly", "no"]).await;
    bench.queue.hand_off(SOURCE, Expected::At(9), &all[10..20]).await.unwrap();
    server.restart().await;
    let answer = async || bench.queue.hand_off(SOURCE, Expected::At(19), &all[20..]).await;
    wait_until("Redis is back", SOON, async || answer().await.is_ok()).await;
    assert_eq!(answer().await.unwrap(), HandedOff::Elsewhere(Some(mark(9))));
    assert!(is_done(&bench.queue.hand_off(SOURCE, Expected::At(9), &all[10..]).await.unwrap(), 40));
    assert_eq!(bench.check().await.enqueued(), 60);
}

#[tokio::test]
async fn in_a_cluster_each_queue_has_its_own() {
    let cluster = RedisCluster::start().await;
    let queues = Queues::new(&cluster.config("queue")).unwrap();
    let all = records(0..40);
    for n in 0..6 {
        let queue = queues.queue(&format!("q{n}"));
        assert!(is_done(&queue.hand_off(SOURCE, Expected::Nothing, &all[..20 + n]).await.unwrap(), 40 + 2 * n));
    }
    for n in 0..6 {
        let queue = queues.queue(&format!("q{n}"));
        let last = mark(19 + n);
        assert_eq!(queue.watermarks_of(&["other", SOURCE]).await.unwrap(), [None, Some(last)]);
        assert_eq!(queue.hand_off(SOURCE, Expected::At(3), &all).await.unwrap(), HandedOff::Elsewhere(Some(last)));
        assert_eq!(queue.check().await.unwrap(), Vec::<String>::new());
    }
}
