//! What gets in, and what is recognised at the door.

use std::time::Duration;

use millgate_jobs::{Enqueued, JobOptions, NewJob, unique};
use millgate_testkit::wait_until;

use crate::{
    bench::{Bench, Play, SOON, at, job, named},
    worker::Settings,
};

#[tokio::test]
async fn an_id_gets_in_once_and_the_first_job_of_it_stays() {
    let bench = Bench::new();
    let first = job(1, JobOptions::default()).with_id("one");
    let again = job(2, JobOptions::default()).with_id("one");
    let other = job(3, JobOptions::default());
    let results = bench.queue.enqueue(&[first.clone(), again.clone()]).await.unwrap();
    assert!(matches!(results[..], [Enqueued::New(_), Enqueued::Duplicate]), "{results:?}");
    let results = bench.queue.enqueue(&[again, other]).await.unwrap();
    assert!(matches!(results[..], [Enqueued::Duplicate, Enqueued::New(_)]), "{results:?}");

    let mut worker = bench.worker(Settings::ONE);
    for n in [1, 3] {
        let run = worker.next().await;
        assert_eq!(run.n(), n);
        run.done();
    }
    worker.stop().await;
    // Done and gone, and still known.
    assert_eq!(bench.queue.enqueue(&[first]).await.unwrap(), [Enqueued::Duplicate]);
    let stats = bench.check().await;
    let work = &stats.kinds["work"];
    assert_eq!((work.enqueued, work.duplicate, work.done, stats.waiting), (2, 3, 2, 0));
}

#[tokio::test]
async fn an_id_is_forgotten_after_the_window_but_not_while_its_job_is_there() {
    let window = Duration::from_millis(200);
    let bench = Bench::with_window(window);
    let job = job(1, JobOptions::default()).with_id("one");
    bench.queue.enqueue(std::slice::from_ref(&job)).await.unwrap();
    let entered = bench.redis().now().await;
    let window = i64::try_from(window.as_millis()).unwrap();
    wait_until("the window ends", SOON, async || bench.redis().now().await > entered + window).await;
    assert_eq!(bench.queue.enqueue(std::slice::from_ref(&job)).await.unwrap(), [Enqueued::Duplicate]);

    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.done();
    worker.stop().await;
    let again = || bench.queue.enqueue(std::slice::from_ref(&job));
    wait_until("the id is forgotten", SOON, async || matches!(again().await.unwrap()[..], [Enqueued::New(_)])).await;
    bench.check().await;
}

#[tokio::test]
async fn one_job_a_unique_key_and_kind_is_held_until_it_ends() {
    let bench = Bench::new();
    let reminder = |n| job(n, unique("order-7"));
    let enter = async |job: NewJob| bench.queue.enqueue(&[job]).await.unwrap()[0];
    assert!(matches!(enter(reminder(1)).await, Enqueued::New(_)));
    assert!(matches!(enter(reminder(2)).await, Enqueued::Held(_)));
    assert!(matches!(enter(job(3, unique("order-8"))).await, Enqueued::New(_)));
    // The key is the kind's own.
    let play = NewJob::new(&Play, unique("order-7"), at(0)).unwrap();
    assert!(matches!(enter(play).await, Enqueued::New(_)));

    let mut worker = bench.worker(Settings::ONE);
    let run = worker.next().await;
    assert_eq!(run.n(), 1);
    // Running is not ended: what it does may be half done.
    assert!(matches!(enter(reminder(4)).await, Enqueued::Held(_)));
    run.done();
    assert_eq!(worker.next().await.n(), 3);
    assert!(matches!(enter(reminder(5)).await, Enqueued::New(_)));
    drop(worker);
    let stats = bench.check().await;
    assert_eq!((stats.kinds["work"].held, stats.kinds["work"].enqueued), (2, 3));
}

#[tokio::test]
async fn a_dead_job_frees_its_unique_key() {
    let bench = Bench::new();
    let once = |n| job(n, unique("k").max_attempts(1));
    bench.queue.enqueue(&[once(1)]).await.unwrap();
    let mut worker = bench.worker(Settings::ONE);
    worker.next().await.fail(Duration::ZERO);
    bench.until("it is dead", |stats| stats.dead() == 1).await;
    assert!(matches!(bench.queue.enqueue(&[once(2)]).await.unwrap()[..], [Enqueued::New(_)]));
    // Its burial must not take the key from the one that has it now.
    let dead = bench.queue.claim_dead(9, Duration::from_mins(1)).await.unwrap();
    assert_eq!(bench.queue.remove(&[dead[0].key]).await.unwrap(), 1);
    assert!(matches!(bench.queue.enqueue(&[once(3)]).await.unwrap()[..], [Enqueued::Held(_)]));
    worker.next().await.done();
    worker.stop().await;
    let stats = bench.check().await;
    assert_eq!((stats.done(), stats.dead(), stats.unburied), (1, 1, 0));
}

#[tokio::test]
async fn many_enter_in_order_and_in_parallel() {
    let bench = Bench::new();
    let all = named(1_000);
    // The same from two sides at once: two bridges during a rebalance.
    let (one, two) = tokio::join!(bench.queue.enqueue(&all), bench.queue.enqueue(&all));
    let (one, two) = (one.unwrap(), two.unwrap());
    for (one, two) in std::iter::zip(&one, &two) {
        assert!(matches!(
            (one, two),
            (Enqueued::New(_), Enqueued::Duplicate) | (Enqueued::Duplicate, Enqueued::New(_))
        ));
    }
    let stats = bench.check().await;
    assert_eq!((stats.waiting, stats.kinds["work"].duplicate), (1_000, 1_000));
}
