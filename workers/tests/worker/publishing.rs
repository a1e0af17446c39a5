//! Events that jobs publish.

use millgate_events::Producer;
use millgate_jobs::{Job, JobOptions, Origin, PublishEvent};
use millgate_testkit::{KafkaSpace, wait_until};
use millgate_workers::{Ctx, Done, Handlers, JobError, State, publish_event};
use serde_json::json;

use crate::bench::{Bench, Running, SOON, config, new};

#[tokio::test]
async fn an_event_that_is_published_again_has_the_same_id() {
    let (bench, kafka) = (Bench::new(), KafkaSpace::fresh("publishing"));
    kafka.create("orders", 1).await;
    let event = PublishEvent {
        event_type: "order.large".into(),
        version: 2,
        topic: "orders".into(),
        key: "o1".into(),
        data: json!({ "order_id": "o1" }),
    };
    let origin = Origin {
        event_id: "e1".into(),
        event_source: "web".into(),
        event_type: "order.created".into(),
        correlation_id: "c1".into(),
        traceparent: None,
        record: "orders/0/7".into(),
        tracestate: Some("vendor=1".into()),
        baggage: Some("tenant=7".into()),
    };
    let job = new(&event, JobOptions::default().once_per_event()).caused_by("job-1".into(), origin);
    // As when the event that led to it comes twice.
    bench.enqueue(&[job.clone(), job]).await;

    let mut handlers = Handlers::default();
    handlers.add::<PublishEvent>(|job, ctx: Ctx| async move {
        let attempt = ctx.attempt;
        publish_event(job, ctx).await?;
        // As if the worker had ended before it could say so.
        if attempt == 1 { Err(JobError::retry("cut off")) } else { Ok(Done) }
    });
    let state = State::new().with(Producer::new(&kafka.config(), "shop").unwrap());
    let worker = Running::start(&bench.queues, &handlers, &config(), state);
    let queue = bench.queues.queue(PublishEvent::QUEUE);
    wait_until("it is published", SOON, async || {
        queue.stats().await.unwrap().kinds.get(PublishEvent::KIND).is_some_and(|kind| kind.done == 1)
    })
    .await;
    worker.stop().await;
    let records = kafka.records("orders", 2).await;
    assert_eq!(kafka.ends("orders").await, [2]);
    for record in records {
        let header = |name: &str| record.headers.text(name).unwrap_or_default();
        assert_eq!((header("ce_id"), header("ce_type"), header("ce_causationid")), ("job-1", "order.large", "e1"));
        assert_eq!((header("tracestate"), header("baggage")), ("vendor=1", "tenant=7"));
        assert_eq!(record.value.as_deref(), Some(br#"{"order_id":"o1"}"#.as_slice()));
        assert_eq!(record.key.as_deref(), Some(b"o1".as_slice()));
    }
}
