//! Records that are read again, whoever reads them: each has its jobs once.

use std::time::Duration;

use millgate_events::Event;
use millgate_jobs::{Expected, Job, Portion, Queues, RedisConfig, Watermark};
use millgate_testkit::{Proxy, RedisCluster, wait_until};

use crate::bench::{Bench, Confirm, Ordered, Pack, Paid, Remind, Running, SOON, config, ordered, orders_in, record};

/// As after a bridge that was killed before it could commit, or a commit that Kafka refused.
#[tokio::test]
async fn a_bridge_that_begins_too_early_passes_over_what_is_done() {
    let bench = Bench::new(1).await;
    bench.order(0..95).await;
    let first = bench.bridge();
    bench.wait_each_once(95).await;
    assert_eq!(first.stop().await.skipped, 0);
    // It knows nothing of what was handed off, or only a part, or all; and batches that overlap what is done.
    for (note, more) in [("", 5), ("1;email=20;stock=7", 8), ("1;email=107;stock=107", 2)] {
        let before = bench.orders::<Pack>().await.len();
        bench.kafka.commit(Ordered::TOPIC, &[(0, 3, note)]).await;
        bench.order(before..before + more).await;
        let bridge = bench.bridge();
        bench.wait_each_once(before + more).await;
        bench.wait_all_committed().await;
        let counts = bridge.stop().await;
        assert_eq!(counts.jobs, 3 * more as u64, "{note}");
        assert_eq!(counts.skipped, 3 * (before as u64 - 3), "{note}");
        assert_eq!((counts.rewinds, counts.halts), (0, 0), "{note}");
    }
}

#[tokio::test]
async fn cancels_and_jobs_with_options_stay_as_they_are() {
    let bench = Bench::new(1).await;
    let paid = |order: &str, seconds| record(&Paid { order: order.into() }, seconds);
    let again = record(&Ordered { order: "b".into() }, 9);
    bench.publish([ordered("a"), ordered("b"), paid("a", 1), paid("b", 1), again, ordered("c"), paid("d", 1)]).await;
    let first = bench.bridge();
    bench.wait_all_committed().await;
    first.stop().await;
    let before = (bench.stats("email").await, bench.stats("stock").await);
    assert_eq!(bench.orders::<Remind>().await, ["b", "c"]);
    // The cancels are made again, and find nothing that is older than they are.
    bench.kafka.commit(Ordered::TOPIC, &[(0, 0, "")]).await;
    bench.publish([ordered("d")]).await;
    let second = bench.bridge();
    bench.wait_all_committed().await;
    let counts = second.stop().await;
    assert_eq!((counts.jobs, counts.cancelled), (3, 0));
    assert_eq!(bench.orders::<Remind>().await, ["b", "c"], "the fourth was cancelled before it came");
    let (email, stock) = (bench.stats("email").await, bench.stats("stock").await);
    assert_eq!(
        (email.waiting, email.delayed, stock.waiting),
        (before.0.waiting + 1, before.0.delayed, before.1.waiting + 1)
    );
}

/// What was done and not answered is not done again.
#[tokio::test]
async fn lost_answers_double_nothing() {
    let bench = Bench::new(2).await;
    let proxy = Proxy::to(&bench.redis.address());
    let way = RedisConfig { response_timeout: Duration::from_millis(500), ..bench.redis.config_at(&proxy.address()) };
    let bridge = Running::start(&bench.kafka.config(), &way, &config());
    // Connected, and the scripts are known.
    bench.order(0..100).await;
    bench.wait_each_once(100).await;
    for round in 1..5 {
        proxy.mute();
        bench.order(round * 100..round * 100 + 100).await;
        let some = round as u64 * 100;
        wait_until("some arrive", SOON, async || bench.enqueued::<Pack>().await > some).await;
        // What is on its way is never answered.
        proxy.strand();
        proxy.restore();
        bench.wait_each_once(round * 100 + 100).await;
    }
    bridge.stop().await;
}

#[tokio::test]
async fn partitions_that_are_added_are_handed_off_and_those_before_go_on() {
    let bench = Bench::new(1).await;
    bench.order(0..10).await;
    let bridge = bench.bridge();
    bench.wait_each_once(10).await;
    let more = millgate_events::TopicChange::AddPartitions { name: Ordered::TOPIC.into(), from: 1, to: 3 };
    bench.kafka.admin().apply(&[more]).await.unwrap();
    wait_until("they are added", SOON, async || bench.kafka.ends(Ordered::TOPIC).await.len() == 3).await;
    for n in 10..40 {
        let event = ordered(format!("o-{n}"));
        let headers: Vec<_> = event.headers.iter().map(|(name, value)| (name, value.unwrap())).collect();
        let headers: Vec<_> =
            headers.iter().map(|(name, value)| (*name, std::str::from_utf8(value).unwrap())).collect();
        bench.kafka.put(Ordered::TOPIC, n % 3, None, event.value.as_deref(), &headers).await;
    }
    bench.wait_each_once(40).await;
    bench.wait_all_committed().await;
    bridge.stop().await;
}

#[tokio::test]
async fn on_a_cluster_queues_of_different_masters_are_each_where_they_are() {
    let cluster = RedisCluster::start().await;
    let bench = Bench::new(1).await;
    let redis = cluster.config("bridge");
    let queues = Queues::new(&redis).unwrap();
    let all_once = async |count: usize| {
        let mut wanted: Vec<_> = (0..count).map(|n| format!("o-{n}")).collect();
        wanted.sort();
        for (queue, kind) in [(Pack::QUEUE, Pack::KIND), (Confirm::QUEUE, Confirm::KIND), (Remind::QUEUE, Remind::KIND)]
        {
            assert_eq!(orders_in(&queues.queue(queue), kind).await, wanted);
        }
    };
    bench.order(0..50).await;
    let first = Running::start(&bench.kafka.config(), &redis, &config());
    bench.wait_all_committed().await;
    first.stop().await;
    all_once(50).await;
    bench.kafka.commit(Ordered::TOPIC, &[(0, 0, "")]).await;
    bench.order(50..60).await;
    let second = Running::start(&bench.kafka.config(), &redis, &config());
    bench.wait_all_committed().await;
    assert_eq!(second.stop().await.jobs, 30);
    all_once(60).await;
    // As a master does that lost the second half of what it had: only its queue is filled again.
    let source = format!("{}:{}/0", bench.kafka.config().consumer_group, bench.kafka.name(Ordered::TOPIC));
    let half = Portion { mark: Watermark { offset: 29, timestamp: -1 }, jobs: Vec::new() };
    queues.queue(Pack::QUEUE).hand_off(&source, Expected::At(59), &[half]).await.unwrap();
    let third = Running::start(&bench.kafka.config(), &redis, &config());
    wait_until("half of one is there again", SOON, async || third.counts().jobs == 30).await;
    third.stop().await;
    assert_eq!(orders_in(&queues.queue(Pack::QUEUE), Pack::KIND).await.len(), 90);
    assert_eq!(orders_in(&queues.queue(Confirm::QUEUE), Confirm::KIND).await.len(), 60);
}
