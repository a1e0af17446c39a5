//! A Redis that loses what it has confirmed: as one does that is restarted from an older file, or a replica that lagged.

use std::time::Duration;

use millgate_bridge::{BridgeConfig, Choice, Watermarks, WhenRedisIsEmpty};
use millgate_events::{Event, KafkaConfig};
use millgate_jobs::{Job, RedisConfig};
use millgate_testkit::{RedisServer, wait_until};
use tokio_util::sync::CancellationToken;

use crate::bench::{
    Bench, Confirm, DEAD, Ordered, Pack, Paid, Remind, Running, SOON, config, ordered, orders_in, record, routes,
};

/// Keeps a copy of all queues, or of one.
pub(crate) async fn keep(bench: &Bench) {
    let script = "local base = '{' .. ARGV[1] .. ':'
        local kept = base .. 'kept}'
        for _, key in ipairs(redis.call('KEYS', kept .. '*')) do redis.call('DEL', key) end
        for _, key in ipairs(redis.call('KEYS', base .. '*')) do redis.call('COPY', key, kept .. key) end";
    bench.redis.command::<()>(&["EVAL", script, "0", &bench.redis.config().prefix]).await;
}

/// Puts queues back to what was kept of them, at one blow; `queue` is one, or empty for all.
pub(crate) async fn put_back(bench: &Bench, queue: &str) {
    let script = "local base = '{' .. ARGV[1] .. ':'
        local kept = base .. 'kept}'
        for _, key in ipairs(redis.call('KEYS', base .. ARGV[2] .. '*')) do
          if string.sub(key, 1, #kept) ~= kept then redis.call('DEL', key) end
        end
        for _, key in ipairs(redis.call('KEYS', kept .. base .. ARGV[2] .. '*')) do
          redis.call('COPY', key, string.sub(key, #kept + 1), 'REPLACE')
        end";
    bench.redis.command::<()>(&["EVAL", script, "0", &bench.redis.config().prefix, queue]).await;
}

/// Loses everything.
async fn empty(bench: &Bench) {
    let script = "for _, key in ipairs(redis.call('KEYS', '{' .. ARGV[1] .. ':*')) do redis.call('DEL', key) end";
    bench.redis.command::<()>(&["EVAL", script, "0", &bench.redis.config().prefix]).await;
}

fn watermarks(bench: &Bench) -> Watermarks {
    Watermarks::new(&bench.kafka.config(), &routes(), bench.redis.queues())
}

fn of_queue(queue: &str) -> Choice {
    Choice { queue: Some(queue.into()), topic: None }
}

#[tokio::test]
async fn a_bridge_without_traffic_notices_and_fills_the_queues_again() {
    let bench = Bench::new(3).await;
    let bridge = bench.bridge();
    bench.order(0..100).await;
    bench.wait_each_once(100).await;
    keep(&bench).await;
    bench.order(100..200).await;
    bench.wait_each_once(200).await;
    bench.wait_all_committed().await;
    put_back(&bench, "").await;
    bench.wait_each_once(200).await;
    // And all is as ever.
    bench.order(200..210).await;
    bench.wait_each_once(210).await;
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert!(counts.rewinds > 0);
    assert_eq!(counts.halts, 0);
}

#[tokio::test]
async fn a_bridge_that_was_away_meanwhile_knows_from_the_one_before() {
    let bench = Bench::new(2).await;
    let first = bench.bridge();
    bench.order(0..50).await;
    bench.wait_each_once(50).await;
    keep(&bench).await;
    bench.order(50..100).await;
    bench.wait_each_once(100).await;
    bench.wait_all_committed().await;
    first.stop().await;
    put_back(&bench, "").await;
    let second = bench.bridge();
    bench.wait_each_once(100).await;
    assert!(second.stop().await.rewinds > 0);
}

#[tokio::test]
async fn in_mid_traffic_nothing_is_missing_and_nothing_there_twice() {
    let bench = Bench::new(3).await;
    let bridge = bench.bridge();
    // Each queue has something of each partition; else it would be one that lost all it had.
    bench.order(0..100).await;
    bench.wait_each_once(100).await;
    for round in 1..6 {
        bench.order(round * 100..round * 100 + 50).await;
        keep(&bench).await;
        let before = bridge.counts().handed_off;
        bench.order(round * 100 + 50..round * 100 + 100).await;
        wait_until("some more is handed off", SOON, async || bridge.counts().handed_off > before).await;
        put_back(&bench, "").await;
        bench.wait_each_once(round * 100 + 100).await;
    }
    assert!(bridge.stop().await.rewinds > 0);
}

#[tokio::test]
async fn of_two_queues_only_the_one_that_lost_something_is_filled() {
    let bench = Bench::new(2).await;
    let bridge = bench.bridge();
    bench.order(0..50).await;
    bench.wait_each_once(50).await;
    keep(&bench).await;
    bench.order(50..100).await;
    bench.wait_each_once(100).await;
    bench.wait_all_committed().await;
    let jobs = bridge.counts().jobs;
    put_back(&bench, Pack::QUEUE).await;
    bench.wait_each_once(100).await;
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!(counts.jobs - jobs, 50);
    assert!(counts.skipped >= 2 * 50, "{counts:?}");
}

/// It is not found out by a hand-off, and there is hardly a moment without a batch out.
#[tokio::test]
async fn a_queue_that_gets_nothing_is_filled_again_under_traffic_for_another() {
    let bench = Bench::new(1).await;
    let bridge = bench.bridge();
    bench.order(0..30).await;
    bench.wait_each_once(30).await;
    keep(&bench).await;
    bench.order(30..60).await;
    bench.wait_each_once(60).await;
    let stop = CancellationToken::new();
    let traffic = async {
        let mut count = 0_u64;
        while !stop.is_cancelled() {
            // Cancels of nothing, for the other queue.
            bench.publish((count..count + 100).map(|n| record(&Paid { order: format!("x-{n}") }, 1))).await;
            count += 100;
            wait_until("the bridge keeps up", SOON, async || bridge.counts().handed_off + 500 > count).await;
        }
    };
    let loss = async {
        let before = bridge.counts().handed_off;
        wait_until("traffic goes on", SOON, async || bridge.counts().handed_off > before + 300).await;
        put_back(&bench, Pack::QUEUE).await;
        wait_until("it is filled again", SOON, async || bench.orders::<Pack>().await.len() >= 60).await;
        stop.cancel();
    };
    tokio::join!(traffic, loss);
    bench.wait_all_committed().await;
    bench.wait_each_once(60).await;
    assert_eq!(bridge.stop().await.rewinds, 1);
}

#[tokio::test]
async fn jobs_that_were_done_since_are_done_again_and_others_are_there_once() {
    let bench = Bench::new(1).await;
    let bridge = bench.bridge();
    bench.order(0..30).await;
    bench.wait_each_once(30).await;
    keep(&bench).await;
    bench.order(30..60).await;
    bench.wait_each_once(60).await;
    bench.wait_all_committed().await;
    let queue = bench.redis.queues().queue(Pack::QUEUE);
    let hand = millgate_jobs::Hand::new(&queue, Duration::from_mins(5));
    let taken: Vec<_> =
        hand.claim(40).await.unwrap().into_iter().map(|job| (job, millgate_jobs::Verdict::Done)).collect();
    hand.settle(&taken).await.unwrap();
    assert_eq!(bench.orders::<Pack>().await.len(), 20);
    put_back(&bench, "").await;
    bench.wait_each_once(60).await;
    bridge.stop().await;
}

/// It would else be sent though it was called off.
#[tokio::test]
async fn a_cancel_that_was_lost_is_made_again() {
    let bench = Bench::new(1).await;
    let bridge = bench.bridge();
    bench.publish([ordered("a"), ordered("b")]).await;
    wait_until("both are there", SOON, async || bench.orders::<Remind>().await.len() == 2).await;
    bench.wait_all_committed().await;
    keep(&bench).await;
    bench.publish([record(&Paid { order: "a".into() }, 1)]).await;
    bench.wait_all_committed().await;
    assert_eq!(bench.orders::<Remind>().await, ["b"]);
    put_back(&bench, "").await;
    wait_until("it is cancelled again", SOON, async || bench.orders::<Remind>().await == ["b"]).await;
    bridge.stop().await;
}

#[tokio::test]
async fn poison_is_not_buried_twice() {
    let bench = Bench::new(1).await;
    bench.kafka.create(DEAD, 1).await;
    let bridge = bench.bridge();
    bench.order(0..5).await;
    bench.wait_each_once(5).await;
    keep(&bench).await;
    bench.kafka.put(Ordered::TOPIC, 0, None, Some(b"{broken"), &[]).await;
    bench.order(5..20).await;
    bench.wait_each_once(20).await;
    bench.wait_all_committed().await;
    put_back(&bench, "").await;
    bench.wait_each_once(20).await;
    bench.wait_all_committed().await;
    bridge.stop().await;
    assert_eq!(bench.kafka.records(DEAD, 1).await.len(), 1);
}

#[tokio::test]
async fn a_redis_that_is_empty_is_waited_with_until_somebody_gives_up_what_was_lost() {
    let bench = Bench::new(2).await;
    let bridge = bench.bridge();
    bench.order(0..50).await;
    bench.wait_each_once(50).await;
    bench.wait_all_committed().await;
    empty(&bench).await;
    // Without traffic, too.
    wait_until("it says so", SOON, async || bridge.counts().halts > 0).await;
    bench.order(50..60).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.orders::<Pack>().await, Vec::<String>::new());
    // One that is started anew says it, too.
    bridge.stop().await;
    let bridge = bench.bridge();
    wait_until("it says so", SOON, async || bridge.counts().halts > 0).await;
    assert_eq!(bench.orders::<Pack>().await, Vec::<String>::new());

    let found = watermarks(&bench).list(&Choice::default()).await.unwrap();
    assert!(found.iter().all(|state| state.finding == millgate_bridge::Finding::Empty), "{found:?}");
    assert!(!watermarks(&bench).go_on(&of_queue(Pack::QUEUE)).await.unwrap().is_empty());
    let new: Vec<_> = (50..60).map(|n| format!("o-{n}")).collect();
    wait_until("one queue goes on", SOON, async || bench.orders::<Pack>().await == new).await;
    assert_eq!(bench.orders::<Confirm>().await, Vec::<String>::new());
    watermarks(&bench).go_on(&Choice::default()).await.unwrap();
    wait_until("the other does", SOON, async || bench.orders::<Confirm>().await == new).await;
    bench.wait_all_committed().await;
    bridge.stop().await;
}

#[tokio::test]
async fn or_until_somebody_has_it_filled_again() {
    let bench = Bench::new(2).await;
    let bridge = bench.bridge();
    bench.order(0..50).await;
    bench.wait_each_once(50).await;
    bench.wait_all_committed().await;
    empty(&bench).await;
    wait_until("it says so", SOON, async || bridge.counts().halts > 0).await;
    watermarks(&bench).rewind(&Choice::default(), None).await.unwrap();
    bench.wait_each_once(50).await;
    bench.order(50..60).await;
    bench.wait_each_once(60).await;
    bridge.stop().await;
}

#[tokio::test]
async fn it_can_be_told_beforehand_to_go_on_or_to_go_back() {
    for (policy, there) in [(WhenRedisIsEmpty::GoOn, 40..50), (WhenRedisIsEmpty::Rewind, 0..50)] {
        let bench = Bench::new(1).await;
        let told = BridgeConfig { when_redis_is_empty: policy, ..config() };
        let bridge = Running::start(&bench.kafka.config(), &bench.redis.config(), &told);
        bench.order(0..40).await;
        bench.wait_each_once(40).await;
        bench.wait_all_committed().await;
        empty(&bench).await;
        bench.order(40..50).await;
        let mut wanted: Vec<_> = there.map(|n| format!("o-{n}")).collect();
        wanted.sort();
        wait_until("it goes on", SOON, async || {
            bench.orders::<Pack>().await == wanted && bench.orders::<Remind>().await == wanted
        })
        .await;
        bench.wait_all_committed().await;
        let counts = bridge.stop().await;
        assert_eq!(counts.halts, 0, "{counts:?}");
    }
}

#[tokio::test]
async fn what_kafka_has_not_kept_is_said_and_given_up_by_people_only() {
    let bench = Bench::new(1).await;
    let bridge = bench.bridge();
    bench.order(0..10).await;
    bench.wait_each_once(10).await;
    keep(&bench).await;
    bench.order(10..40).await;
    bench.wait_each_once(40).await;
    bench.wait_all_committed().await;
    bench.kafka.truncate(Ordered::TOPIC, 0, 20).await;
    put_back(&bench, "").await;
    wait_until("it says so", SOON, async || bridge.counts().halts > 0).await;
    bench.order(40..50).await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(bench.orders::<Pack>().await.len(), 10);
    watermarks(&bench).go_on(&Choice::default()).await.unwrap();
    let mut wanted: Vec<_> = (0..10).chain(20..50).map(|n| format!("o-{n}")).collect();
    wanted.sort();
    wait_until("the rest is there", SOON, async || bench.orders::<Confirm>().await == wanted).await;
    wait_until("the rest is there", SOON, async || bench.orders::<Pack>().await == wanted).await;
    bridge.stop().await;
}

#[tokio::test]
async fn what_kafka_deleted_before_it_was_handed_off_is_counted() {
    let bench = Bench::new(1).await;
    bench.order(0..20).await;
    bench.kafka.commit(Ordered::TOPIC, &[(0, 5, "")]).await;
    bench.kafka.truncate(Ordered::TOPIC, 0, 12).await;
    let bridge = bench.bridge();
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!((counts.missed, counts.handed_off), (7, 8));
    let again = bench.bridge();
    bench.order(20..21).await;
    bench.wait_all_committed().await;
    assert_eq!(again.stop().await.missed, 0);
}

/// A sparse queue's watermark may lie far before what Kafka has kept.
#[tokio::test]
async fn going_back_begins_no_earlier_than_kafka_does() {
    let bench = Bench::new(1).await;
    let told = BridgeConfig { when_redis_is_empty: WhenRedisIsEmpty::Rewind, ..config() };
    let kafka = KafkaConfig { auto_offset_reset: "latest".into(), ..bench.kafka.config() };
    bench.order(0..5).await;
    bench.publish((0..30).map(|n| record(&Paid { order: format!("x-{n}") }, 1))).await;
    bench.kafka.commit(Ordered::TOPIC, &[(0, 0, "")]).await;
    let bridge = Running::start(&kafka, &bench.redis.config(), &told);
    bench.wait_all_committed().await;
    // Of the five orders' queue nothing is left to be had; what comes is handed off all the same.
    bench.kafka.truncate(Ordered::TOPIC, 0, 20).await;
    empty(&bench).await;
    bench.order(5..10).await;
    let new: Vec<_> = (5..10).map(|n| format!("o-{n}")).collect();
    wait_until("the new ones are there", SOON, async || bench.orders::<Pack>().await == new).await;
    bench.wait_all_committed().await;
    bridge.stop().await;
}

/// A server that dies before its file is written, and comes back with an older one.
#[tokio::test]
async fn a_server_that_restarts_from_an_older_file_is_filled_again() {
    let server = RedisServer::start().await;
    let bench = Bench::new(2).await;
    let redis = RedisConfig { response_timeout: Duration::from_secs(1), ..server.config("bridge") };
    let bridge = Running::start(&bench.kafka.config(), &redis, &config());
    let queues = server.queues(&redis);
    let packed = async || orders_in(&queues.queue(Pack::QUEUE), Pack::KIND).await;
    bench.order(0..100).await;
    bench.wait_all_committed().await;
    server.synced().await;
    server.command::<()>(&["CONFIG", "SET", "appendonly", "no"]).await;
    bench.order(100..200).await;
    bench.wait_all_committed().await;
    assert_eq!(packed().await.len(), 200);
    server.kill9();
    bench.order(200..250).await;
    server.restart().await;
    let mut wanted: Vec<_> = (0..250).map(|n| format!("o-{n}")).collect();
    wanted.sort();
    wait_until("Redis is back", SOON, async || queues.queue(Pack::QUEUE).stats().await.is_ok()).await;
    wait_until("all is there", SOON, async || packed().await.len() >= 250).await;
    assert_eq!(packed().await, wanted);
    wait_until("all is there", SOON, async || orders_in(&queues.queue(Confirm::QUEUE), Confirm::KIND).await == wanted)
        .await;
    assert!(bridge.stop().await.rewinds > 0);
}
