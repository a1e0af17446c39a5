//! What events come to.

use std::sync::Arc;

use millgate_bridge::{Bridge, BridgeError, Routes, on};
use millgate_events::{Claims, DeadLetters, Event, KafkaConfig, Producer};
use millgate_jobs::once_per_event;
use millgate_testkit::wait_until;

use crate::bench::{Bench, Confirm, DEAD, Ordered, Pack, Paid, Remind, Running, SOON, at, config, ordered, record};

#[tokio::test]
async fn an_event_becomes_the_jobs_of_its_routes() {
    let bench = Bench::new(1).await;
    let mut event = ordered("o-1");
    event.headers.push("tracestate", "vendor=1");
    event.headers.push("baggage", "tenant=7");
    bench.publish([event]).await;
    let bridge = bench.bridge();
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!((counts.handed_off, counts.jobs, counts.duplicates, counts.dead), (1, 3, 0, 0));
    let (email, stock) = (bench.stats("email").await, bench.stats("stock").await);
    assert_eq!((email.waiting, email.delayed, stock.waiting), (1, 1, 1));

    let job = bench.jobs("stock").await.remove(0);
    assert_eq!((&*job.kind, &*job.payload, job.time), ("pack", r#"{"order":"o-1"}"#, at(0)));
    let origin = job.origin.unwrap();
    assert_eq!(origin.event_id, "order.created-o-1-0");
    assert_eq!((&*origin.event_source, &*origin.event_type), ("shop", "order.created"));
    assert_eq!(origin.record, format!("{}/0/0", bench.kafka.name("orders")));
    assert!(origin.traceparent.is_some());
    assert_eq!((origin.tracestate.as_deref(), origin.baggage.as_deref()), (Some("vendor=1"), Some("tenant=7")));
}

/// Two records are two events to everybody but a route that asks.
#[tokio::test]
async fn an_event_that_is_published_twice_is_known_to_a_route_that_asks_for_it() {
    let bench = Bench::new(2).await;
    let mut routes = Routes::default();
    routes.add(
        on::<Ordered>()
            .enqueue(|e| Confirm { order: e.order.clone() })
            .enqueue_with(|e| (Pack { order: e.order.clone() }, once_per_event())),
    );
    // Twice from its service, and once more on each partition.
    bench.publish([ordered("o-1"), ordered("o-1"), ordered("o-2")]).await;
    let again = ordered("o-1");
    let headers: Vec<_> = again.headers.iter().map(|(name, value)| (name, value.unwrap())).collect();
    let headers: Vec<_> = headers.iter().map(|(name, value)| (*name, std::str::from_utf8(value).unwrap())).collect();
    for partition in [0, 1] {
        bench.kafka.put(Ordered::TOPIC, partition, None, again.value.as_deref(), &headers).await;
    }
    let bridge = Running::with(routes, &bench.kafka.config(), &bench.redis.config(), &config());
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!((counts.handed_off, counts.jobs, counts.duplicates), (5, 5 + 2, 3));
    assert_eq!((bench.enqueued::<Confirm>().await, bench.enqueued::<Pack>().await), (5, 2));
}

/// A group is a reader of its own: what another one has handed off says nothing of it.
#[tokio::test]
async fn two_groups_fill_one_queue_with_jobs_of_their_own() {
    let bench = Bench::new(1).await;
    let only = |route| {
        let mut routes = Routes::default();
        routes.add(route);
        routes
    };
    bench.order(0..20).await;
    let kafka = bench.kafka.config();
    let other = KafkaConfig { consumer_group: format!("{}-2", kafka.consumer_group), ..kafka.clone() };
    let confirming = only(on::<Ordered>().enqueue(|e| Confirm { order: e.order.clone() }));
    let reminding = only(on::<Ordered>().enqueue(|e| Remind { order: e.order.clone() }));
    let first = Running::with(confirming, &kafka, &bench.redis.config(), &config());
    bench.wait_all_committed().await;
    let second = Running::with(reminding, &other, &bench.redis.config(), &config());
    wait_until("the second has read all", SOON, async || second.counts().handed_off == 20).await;
    first.stop().await;
    second.stop().await;
    assert_eq!((bench.enqueued::<Confirm>().await, bench.enqueued::<Remind>().await), (20, 20));
}

#[tokio::test]
async fn a_cancel_takes_the_reminder_whichever_comes_first() {
    let bench = Bench::new(1).await;
    let paid = |order: &str, seconds| record(&Paid { order: order.into() }, seconds);
    bench.publish([ordered("first"), paid("first", 1), paid("second", 1), ordered("second"), ordered("third")]).await;
    let bridge = bench.bridge();
    bench.wait_all_committed().await;
    bridge.stop().await;
    let email = bench.stats("email").await;
    assert_eq!((email.delayed, email.kinds["remind"].cancelled), (1, 2), "the third's reminder is there");
}

/// All in one batch, as after a while without a bridge.
#[tokio::test]
async fn what_was_cancelled_can_begin_anew() {
    let bench = Bench::new(1).await;
    let event = |seconds| record(&Ordered { order: "o".into() }, seconds);
    let paid = |seconds| record(&Paid { order: "o".into() }, seconds);
    bench.publish([event(0), paid(1), event(2), paid(3), event(4)]).await;
    let bridge = bench.bridge();
    bench.wait_all_committed().await;
    bridge.stop().await;
    let email = bench.stats("email").await;
    let remind = &email.kinds["remind"];
    assert_eq!((remind.enqueued, remind.cancelled, remind.held, email.delayed), (3, 2, 0, 1));
    let jobs = bench.jobs("email").await;
    let left = jobs.iter().find(|job| job.kind == "remind").unwrap();
    assert_eq!(left.time, at(4));
}

#[tokio::test]
async fn a_bridge_to_nowhere_does_not_start() {
    let bench = Bench::new(1).await;
    let kafka = bench.kafka.config();
    let dead_letters = DeadLetters::new(Producer::new(&kafka, "bridge").unwrap(), DEAD);
    let (routes, queues) = (Arc::new(Routes::default()), bench.redis.queues());
    let bridge = Bridge::start(&kafka, &config(), routes, queues, dead_letters, Claims::default());
    assert!(matches!(bridge.err(), Some(BridgeError::NoEvents)));
}
