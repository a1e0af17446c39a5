//! A Redis that is killed, cut off, frozen, full, and one that went back in time.

use std::time::Duration;

use millgate_testkit::{KafkaSpace, Proxy, RedisServer, wait_until};

use crate::{
    rounds,
    world::{PATIENCE, World},
};

/// A Redis of the test's own, at the address of a proxy.
struct Faulty {
    world: World,
    redis: RedisServer,
    proxy: Proxy,
}

impl Faulty {
    async fn new(name: &str) -> Self {
        let redis = RedisServer::start().await;
        let proxy = Proxy::to(&redis.address());
        let mut config = redis.config(name);
        config.url = config.url.replacen(&redis.address(), &proxy.address(), 1);
        let world = World::new(KafkaSpace::fresh(name), &config).await;
        Self { world, redis, proxy }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_with_writes_that_it_had_acknowledged() {
    let Faulty { mut world, redis, proxy: _proxy } = Faulty::new("faults-redis-kill").await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    // What it loses is its last moments, and not the first watermark: then it would have lost everything.
    traffic.more(400).await;
    for round in 0..rounds(2, 15) {
        world.progress().await;
        let loss = redis.kill_with_loss(5_000 * (round % 4 + 1));
        assert!(loss > 0, "something is lost");
        redis.restart().await;
        world.progress().await;
    }
    traffic.stop().await;
    world.settle().await;
    assert!(bridge.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn put_back_to_an_older_state() {
    let Faulty { mut world, redis, proxy: _proxy } = Faulty::new("faults-redis-old").await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    for _ in 0..rounds(1, 5) {
        world.progress().await;
        let snapshot = redis.snapshot().await;
        // Offsets beyond the snapshot are committed meanwhile.
        traffic.more(800).await;
        world.progress().await;
        redis.put_back(&snapshot).await;
        world.progress().await;
    }
    traffic.stop().await;
    let again = world.settle().await;
    assert!(again > 0, "what was done since is done again, as Redis knows nothing of it");
    assert!(bridge.output().contains("went back"), "it is said: {}", bridge.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn put_back_while_no_bridge_runs_and_nothing_new_comes() {
    let Faulty { mut world, redis, proxy: _proxy } = Faulty::new("faults-redis-idle").await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    world.progress().await;
    let snapshot = redis.snapshot().await;
    traffic.more(200).await;
    traffic.stop().await;
    world.handed_off().await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    redis.put_back(&snapshot).await;
    // All is committed, and no event comes that would lead to a hand-off: what is missing is known by the offsets' notes.
    let _bridge = world.bridge();
    world.settle_refilled().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_takes_over_that_was_behind() {
    let Faulty { mut world, redis, proxy } = Faulty::new("faults-redis-replica").await;
    let (replica, link) = (RedisServer::start().await, Proxy::to(&redis.address()));
    let (host, port) = link.address().split_once(':').map(|(host, port)| (host.to_owned(), port.to_owned())).unwrap();
    let bridge = world.bridge();
    let traffic = world.traffic();
    replica.command::<()>(&["REPLICAOF", &host, &port]).await;
    wait_until("the replica follows", PATIENCE, async || {
        replica.info("replication").await.get::<String>("master_link_status").as_deref() == Some("up")
    })
    .await;
    world.progress().await;
    link.cut();
    traffic.more(200).await;
    world.progress().await;
    redis.kill9();
    replica.command::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    proxy.redirect(&replica.address());
    world.progress().await;
    traffic.stop().await;
    world.settle().await;
    assert!(bridge.output().contains("went back"), "it is said: {}", bridge.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn cut_off_silent_and_full() {
    let Faulty { mut world, redis, proxy } = Faulty::new("faults-redis-net").await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    let faults = [
        (Proxy::cut as fn(&Proxy), Duration::from_millis(700)),
        (Proxy::stall, Duration::from_millis(700)),
        // What it is told takes effect, and nobody hears of it.
        (Proxy::mute, Duration::from_secs(4)),
        (Proxy::strand, Duration::ZERO),
    ];
    for _ in 0..rounds(1, 5) {
        for (fault, lasts) in faults {
            world.progress().await;
            fault(&proxy);
            tokio::time::sleep(lasts).await;
            proxy.restore();
            world.progress().await;
        }
        redis.set_maxmemory(redis.used_memory().await).await;
        traffic.more(100).await;
        redis.set_maxmemory(0).await;
    }
    traffic.stop().await;
    world.settle().await;
    assert!(bridge.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn emptied_and_refilled_at_an_operators_word() {
    let Faulty { mut world, redis, proxy: _proxy } = Faulty::new("faults-redis-empty").await;
    let bridge = world.bridge();
    let traffic = world.traffic();
    world.progress().await;
    redis.command::<()>(&["FLUSHALL"]).await;
    let said = bridge.wait_for_line("Redis lost its data", PATIENCE).await;
    assert!(said.contains("millgate watermarks rewind --queue"), "the command to type is said: {said}");
    let before = world.ledger.runs("update-inventory");
    traffic.more(100).await;
    // The worker may still do what it had in hand; nothing new comes.
    assert!(world.ledger.runs("update-inventory") < before + 50);
    for queue in ["email", "inventory"] {
        // What a queue is expected to have is known to others when it was committed for the first time.
        wait_until("the queue is rewound", PATIENCE, async || {
            world.run(&["watermarks", "rewind", "--queue", queue, "--by", "1h"]).await.contains("is rewound")
        })
        .await;
    }
    world.progress().await;
    traffic.stop().await;
    assert!(world.settle().await > 0, "what was done is done again, as Redis knows nothing of it");
}
