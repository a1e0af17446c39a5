//! The queue on a master that sentinels replace.

use std::time::Duration;

use millgate_jobs::RedisConfig;
use millgate_testkit::{RedisSentinel, RedisServer, wait_for, wait_until};

use crate::{
    bench::{Bench, SOON, jobs},
    faults::{JOBS, all_done, workers},
};

async fn master(group: &RedisSentinel) -> &RedisServer {
    wait_for("the sentinels agree", SOON, async || group.master().await).await
}

async fn another_master(group: &RedisSentinel, old: &RedisServer) {
    wait_until("another master", SOON, async || master(group).await.port() != old.port()).await;
}

#[tokio::test]
async fn a_master_that_is_killed_is_followed_by_its_replica_and_no_job_is_lost() {
    let group = RedisSentinel::start().await;
    let bench = Bench::at(group.config("queue"));
    let jobs = jobs(500);
    bench.queue.enqueue(&jobs[..400]).await.unwrap();
    let old = master(&group).await;
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
    another_master(&group, old).await;
    all_done(&bench, workers, &runs).await;
}

#[tokio::test]
async fn a_master_that_steps_down_is_left_and_an_idle_worker_comes_along() {
    let group = RedisSentinel::start().await;
    let bench = Bench::at(group.config("queue"));
    let (workers, runs) = workers(&bench, Duration::from_secs(10));
    let jobs = jobs(500);
    bench.queue.enqueue(&jobs[..100]).await.unwrap();
    bench.until("the first are done", |stats| stats.done() == 100).await;
    let old = master(&group).await;
    old.replicated(&bench.key("mark")).await;
    group.switch().await;
    another_master(&group, old).await;
    wait_until("the others are taken in", SOON, async || bench.queue.enqueue(&jobs[100..]).await.is_ok()).await;
    master(&group).await.command::<()>(&["SCRIPT", "FLUSH"]).await;
    all_done(&bench, workers, &runs).await;
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_is_told_and_waited_for() {
    let group = RedisSentinel::start().await;
    let config = group.config("queue");
    let url = config.url.replace("/test", "/nobody");
    let error = Bench::at(RedisConfig { url, ..config }).queue.stats().await.unwrap_err();
    assert!(error.is_transient() && error.to_string().contains("no master of that name"), "{error}");
}

/// Its connections stay open and say nothing, as those to a machine that has lost its network do.
#[tokio::test]
async fn a_master_that_goes_silent_is_left() {
    let group = RedisSentinel::start().await;
    let bench = Bench::at(group.config("queue"));
    bench.queue.enqueue(&jobs(500)).await.unwrap();
    let old = master(&group).await;
    old.replicated(&bench.key("mark")).await;
    let (workers, runs) = workers(&bench, Duration::from_secs(2));
    bench.until("some are done", |stats| stats.done() > JOBS / 10).await;
    old.freeze();
    assert!(runs.count() < 500, "it was too late to disturb anything");
    another_master(&group, old).await;
    all_done(&bench, workers, &runs).await;
}
