//! The queue on a Redis Cluster, whose masters die and whose slots move.

use std::{collections::HashSet, time::Duration};

use millgate_jobs::{Enqueued, Queues, RedisConfig, Verdict};
use millgate_testkit::{RedisCluster, RedisServer, wait_for, wait_until};

use crate::{
    bench::{Bench, SOON, jobs, named},
    faults::{JOBS, all_done, workers},
    worker::{Settings, Worker},
};

/// The master of the queue's keys.
async fn master<'a>(cluster: &'a RedisCluster, bench: &Bench) -> &'a RedisServer {
    let key = bench.key("wake");
    wait_for("the slot has a master", SOON, async || cluster.master_of(&key).await).await
}

/// Waits until another than `old` is the master.
async fn another_master(cluster: &RedisCluster, bench: &Bench, old: &RedisServer) {
    wait_until("another master", SOON, async || master(cluster, bench).await.port() != old.port()).await;
}

#[tokio::test]
async fn queues_spread_over_the_shards() {
    let cluster = RedisCluster::start().await;
    let config = cluster.config("queue");
    let queues = Queues::new(&config).unwrap();
    let mut masters = HashSet::new();
    for n in 0..9 {
        let queue = queues.queue(&format!("q{n}"));
        let key = format!("{{{}:{}}}:wake", config.prefix, queue.name());
        masters.insert(cluster.master_of(&key).await.unwrap().port());
        let jobs = named(20);
        let entered = queue.enqueue(&jobs).await.unwrap();
        assert!(entered.iter().all(|result| matches!(result, Enqueued::New(_))), "{entered:?}");
        assert_eq!(queue.enqueue(&jobs).await.unwrap(), [Enqueued::Duplicate; 20]);
        let worker = Worker::start(&queue, Settings::concurrency(5)).answer_all(|_| Verdict::Done);
        let done = async || queue.stats().await.unwrap().done() == 20;
        wait_until("its jobs are done", SOON, done).await;
        worker.stop().await;
        assert!(queue.stats().await.unwrap().adds_up());
        assert_eq!(queue.check().await.unwrap(), Vec::<String>::new());
        queue.obliterate().await.unwrap();
    }
    assert_eq!(masters.len(), 3, "nine queues on one shard prove nothing");
}

#[tokio::test]
async fn every_master_is_asked_what_it_does_when_memory_is_full() {
    let cluster = RedisCluster::start().await;
    let queues = Queues::new(&cluster.config("queue")).unwrap();
    let info = queues.info().await.unwrap();
    assert_eq!((info.masters, info.maxmemory_policy.as_str(), info.append_only), (3, "noeviction", true));
    cluster.nodes()[1].command::<()>(&["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"]).await;
    assert_eq!(queues.info().await.unwrap().maxmemory_policy, "allkeys-lru");
    // One node of it, taken for all there is.
    let url = format!("redis://{}", cluster.nodes()[0].address());
    let error = Queues::new(&RedisConfig { url, ..cluster.config("queue") }).unwrap().info().await.unwrap_err();
    assert!(error.to_string().contains("redis+cluster://"), "{error}");
}

#[tokio::test]
async fn a_master_that_is_killed_is_followed_by_its_replica_and_no_job_is_lost() {
    let cluster = RedisCluster::start().await;
    let bench = Bench::at(cluster.config("queue"));
    let jobs = jobs(500);
    bench.queue.enqueue(&jobs[..400]).await.unwrap();
    let old = master(&cluster, &bench).await;
    old.replicated(&bench.key("mark")).await;
    let (workers, runs) = workers(&bench, Duration::from_secs(2));
    bench.until("some are done", |stats| stats.done() > JOBS / 10).await;
    old.kill9();
    assert!(runs.count() < 400, "it was too late to disturb anything");
    // Whoever brings jobs meanwhile is told to come again, and loses none either.
    wait_until("more are taken in", SOON, async || {
        bench.queue.enqueue(&jobs[400..]).await.inspect_err(|error| assert!(error.is_transient(), "{error}")).is_ok()
    })
    .await;
    another_master(&cluster, &bench, old).await;
    all_done(&bench, workers, &runs).await;
}

#[tokio::test]
async fn a_master_that_steps_down_is_left_and_an_idle_worker_comes_along() {
    let cluster = RedisCluster::start().await;
    let bench = Bench::at(cluster.config("queue"));
    let (workers, runs) = workers(&bench, Duration::from_secs(10));
    let jobs = jobs(500);
    bench.queue.enqueue(&jobs[..100]).await.unwrap();
    bench.until("the first are done", |stats| stats.done() == 100).await;
    let old = master(&cluster, &bench).await;
    let place = cluster.nodes().iter().position(|node| node.port() == old.port()).unwrap();
    cluster.nodes()[place + 3].command::<()>(&["CLUSTER", "FAILOVER"]).await;
    another_master(&cluster, &bench, old).await;
    wait_until("the others are taken in", SOON, async || bench.queue.enqueue(&jobs[100..]).await.is_ok()).await;
    for node in cluster.nodes() {
        node.command::<()>(&["SCRIPT", "FLUSH"]).await;
    }
    let stats = all_done(&bench, workers, &runs).await;
    // No master was lost, so nothing ran twice.
    assert_eq!((runs.repeated(), stats.kinds["work"].rescued), (0, 0));
}

#[tokio::test]
async fn a_queue_that_moves_to_another_shard_is_followed() {
    let cluster = RedisCluster::start().await;
    let bench = Bench::at(cluster.config("queue"));
    bench.queue.enqueue(&jobs(500)).await.unwrap();
    let (workers, runs) = workers(&bench, Duration::from_secs(10));
    bench.until("some are done", |stats| stats.done() > JOBS / 10).await;
    let old = master(&cluster, &bench).await;
    let new = cluster.nodes()[..3].iter().find(|node| node.port() != old.port()).unwrap();
    let slot: u16 = old.command(&["CLUSTER", "KEYSLOT", &bench.key("wake")]).await;
    let slot = slot.to_string();
    let (old_id, new_id): (String, String) =
        (old.command(&["CLUSTER", "MYID"]).await, new.command(&["CLUSTER", "MYID"]).await);
    new.command::<()>(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old_id]).await;
    old.command::<()>(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new_id]).await;
    assert!(runs.count() < 500, "it was too late to disturb anything");
    let keys: Vec<String> = old.command(&["CLUSTER", "GETKEYSINSLOT", &slot, "100"]).await;
    let port = new.port().to_string();
    // One after the other: in between the queue lies on both, and neither can serve it.
    for key in &keys {
        old.command::<()>(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"]).await;
        let refused = bench.queue.stats().await;
        assert!(refused.is_err_and(|error| error.is_transient()));
    }
    for node in [new, old] {
        node.command::<()>(&["CLUSTER", "SETSLOT", &slot, "NODE", &new_id]).await;
    }
    another_master(&cluster, &bench, old).await;
    all_done(&bench, workers, &runs).await;
    assert_eq!(runs.repeated(), 0);
}

/// Its connections stay open and say nothing, as those to a machine that has lost its network do.
#[tokio::test]
async fn a_master_that_goes_silent_is_left() {
    let cluster = RedisCluster::start().await;
    let bench = Bench::at(cluster.config("queue"));
    bench.queue.enqueue(&jobs(500)).await.unwrap();
    let old = master(&cluster, &bench).await;
    old.replicated(&bench.key("mark")).await;
    let (workers, runs) = workers(&bench, Duration::from_secs(2));
    bench.until("some are done", |stats| stats.done() > JOBS / 10).await;
    old.freeze();
    assert!(runs.count() < 500, "it was too late to disturb anything");
    all_done(&bench, workers, &runs).await;
}
