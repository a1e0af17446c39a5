//! Many callers who put in one job each, and one who puts in very many.

use std::time::Duration;

use futures::future::join_all;
use millgate_jobs::{Enqueued, JobOptions, NewJob, QueueError, RedisConfig};
use serde_json::value::RawValue;

use crate::{
    bench::{Bench, Play, at, job, jobs},
    worker::Settings,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_many_callers_gets_its_own_result_and_keeps_its_order() {
    let bench = Bench::new();
    bench.enter(job(0, JobOptions::default()).with_id("taken")).await;
    let callers = (0..64).map(|caller| {
        let queue = bench.queue.clone();
        tokio::spawn(async move {
            let mut keys = Vec::new();
            for turn in 0..20 {
                let new = job(caller * 100 + turn, JobOptions::default());
                // Of every fifth caller's jobs the last is there already.
                let new = if caller % 5 == 0 && turn == 19 { new.with_id("taken") } else { new };
                keys.push(queue.push(new).await.unwrap());
            }
            keys
        })
    });
    for (caller, entered) in join_all(callers).await.into_iter().enumerate() {
        let entered = entered.unwrap();
        let keys: Vec<_> = entered.iter().filter_map(Enqueued::id).collect();
        assert_eq!(entered.contains(&Enqueued::Duplicate), caller % 5 == 0, "{entered:?}");
        assert!(keys.is_sorted(), "ids are given in the order of the calls: {keys:?}");
        let numbers: Vec<_> = bench.queue.look(&keys).await.unwrap().into_iter().map(|view| view.payload).collect();
        let wanted: Vec<_> = (0..keys.len()).map(|turn| format!(r#"{{"n":{}}}"#, caller * 100 + turn)).collect();
        assert_eq!(numbers, wanted);
    }
    assert_eq!(bench.check().await.waiting, 1 + 64 * 20 - 13);
}

#[tokio::test]
async fn an_error_reaches_all_who_shared_the_call() {
    let bench = Bench::new();
    bench.queue.drain().await.unwrap();
    let pushes = (0..64).map(|n| bench.queue.push(job(n, JobOptions::default())));
    for answer in join_all(pushes).await {
        let error = answer.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("drained"), "{error}");
    }
    bench.queue.resume().await.unwrap();
    bench.enter(job(0, JobOptions::default())).await;
    assert_eq!(bench.check().await.enqueued(), 1);
}

#[tokio::test]
async fn a_hundred_thousand_in_one_slice_keep_their_order() {
    let bench = Bench::new();
    let entered = bench.queue.enqueue(&jobs(100_000)).await.unwrap();
    let keys: Vec<_> = entered.iter().filter_map(Enqueued::id).collect();
    assert!(keys.len() == 100_000 && keys.is_sorted());
    assert_eq!(bench.view(keys[77_777]).await.unwrap().payload, r#"{"n":77777}"#);
    assert_eq!(bench.check().await.waiting, 100_000);
}

#[tokio::test]
async fn arguments_that_are_too_long_are_refused_and_nothing_of_the_call_is_taken() {
    let bench = Bench::configured(|config| RedisConfig { max_payload: 1_000, ..config });
    let long = || NewJob::of(&Text("x".repeat(1_000)), JobOptions::default()).unwrap();
    let some = [job(1, JobOptions::default()), long()];
    let chain = || job(2, JobOptions::default()).then(long());
    for refused in [
        bench.queue.enqueue(&some).await.map(drop),
        bench.queue.push(long()).await.map(drop),
        bench.queue.push(chain()).await.map(drop),
        bench.queue.enqueue_batch(vec![job(3, JobOptions::default())], &long()).await.map(drop),
        bench.queue.enqueue_batch(some.to_vec(), &job(4, JobOptions::default())).await.map(drop),
    ] {
        let error = refused.unwrap_err();
        assert!(matches!(error, QueueError::TooLarge { bytes: 1_002, limit: 1_000, .. }), "{error:?}");
        assert!(error.to_string().contains("redis.max_payload") && !error.is_transient());
    }
    assert_eq!(bench.check().await.enqueued(), 0);
    // The longest that fits, and more of them than fit in a block.
    let longest = NewJob::of(&Text("x".repeat(998)), JobOptions::default()).unwrap();
    assert_eq!(bench.queue.enqueue(&vec![longest; 200]).await.unwrap().len(), 200);
    assert_eq!(bench.check().await.waiting, 200);
}

/// Lines of a block end with a line feed, and a tab parts them: no JSON that serde writes has either, but raw JSON may.
#[tokio::test]
async fn line_feeds_and_tabs_come_through() {
    let bench = Bench::new();
    let texts = ["[1,\n2]", "[\t3]", r#""a\nb\tc""#, "[4,\r\n\t5]"];
    let new = |text: &str| {
        let raw = RawValue::from_string(text.to_owned()).unwrap();
        NewJob::of(&Raw(raw), JobOptions::default()).unwrap()
    };
    let before = jobs(3);
    let all: Vec<_> = before.into_iter().chain(texts.map(new)).chain(jobs(3)).collect();
    let wanted: Vec<_> = all.iter().map(|job| job.payload().to_owned()).collect();
    bench.queue.enqueue(&all).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    for payload in wanted {
        let run = worker.next().await;
        assert_eq!(run.job.payload, payload);
        // Once more, by way of a record of its own.
        run.fail(Duration::ZERO);
    }
    bench.until("all have failed", |stats| stats.kinds.values().map(|kind| kind.retried).sum::<u64>() == 10).await;
    for _ in 0..10 {
        let run = worker.next().await;
        assert!(all.iter().any(|job| job.payload() == run.job.payload));
        run.done();
    }
    worker.stop().await;
    assert_eq!(bench.check().await.done(), 10);
}

#[tokio::test]
async fn kinds_and_priorities_that_change_from_job_to_job_keep_their_order() {
    let bench = Bench::new();
    let mixed = (0..40).map(|n| {
        let options = JobOptions::default().priority(n / 10);
        if n % 3 == 0 { NewJob::new(&Play, options, at(0)).unwrap() } else { job(usize::from(n), options) }
    });
    let mixed: Vec<_> = mixed.collect();
    bench.queue.enqueue(&mixed).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    for new in mixed {
        let run = worker.next().await;
        assert_eq!((&*run.job.kind, &*run.job.payload), (&*new.kind, new.payload()));
        run.done();
    }
    worker.stop().await;
    bench.check().await;
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Text(String);

impl millgate_jobs::Job for Text {
    const KIND: &'static str = "text";
    const QUEUE: &'static str = "main";
}

#[derive(serde::Serialize, serde::Deserialize)]
struct Raw(Box<RawValue>);

impl millgate_jobs::Job for Raw {
    const KIND: &'static str = "raw";
    const QUEUE: &'static str = "main";
}
