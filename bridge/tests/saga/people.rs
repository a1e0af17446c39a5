//! What waits for people, and what they do.

use millgate_bridge::saga::{Input, SagaError, SagaFilter, SagaStatus, Sagas};
use millgate_events::StepCommand;

use crate::bench::{Bench, BookCar, CancelCar, NEVER, Pay, Refund, only, trip};

#[tokio::test]
async fn what_cannot_be_taken_back_is_stuck_until_somebody_sees_to_it() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let mut ids = Vec::new();
    for trip in ["retried", "resolved"] {
        let saga = bench.begin(trip).await;
        bench.done::<BookCar>(&bench.command::<BookCar>(saga, 1).await).await;
        bench.failed::<Pay>(&bench.command::<Pay>(saga, 1).await, "forbidden").await;
        bench.failed::<CancelCar>(&bench.command::<CancelCar>(saga, 1).await, "unavailable").await;
        let detail = bench.is(&store, saga, SagaStatus::Stuck).await;
        assert_eq!(detail.row.cause.unwrap().code, "unavailable");
        ids.push(saga);
    }
    let stuck = SagaFilter { statuses: vec![SagaStatus::Stuck], ..SagaFilter::default() };
    let page = store.list(&stuck, None, 1).await.unwrap();
    assert_eq!(page.sagas[0].id, ids[1], "the newest first");
    let rest = store.list(&stuck, page.next.as_deref(), 10).await.unwrap();
    assert_eq!((rest.sagas.len(), rest.sagas[0].id, rest.next), (1, ids[0], None));
    let census = store.census().await.unwrap();
    assert_eq!((census[0].status.as_str(), census[0].count), ("stuck", 2));

    store.act(ids[0], &Input::Retry).await.unwrap();
    let command = bench.command::<CancelCar>(ids[0], 2).await;
    bench.done::<CancelCar>(&command).await;
    bench.is(&store, ids[0], SagaStatus::Compensated).await;
    let resolve = Input::Resolve { step: None, reason: "cancelled by phone".into() };
    assert_eq!(store.act(ids[1], &resolve).await.unwrap(), SagaStatus::Compensated);
    let detail = store.find("resolved").await.unwrap().unwrap();
    assert!(detail.timeline.iter().any(|entry| entry.detail == "cancelled by phone"));
    let again = store.act(ids[1], &resolve).await.unwrap_err();
    assert!(matches!(&again, SagaError::Refused(_)), "{again}");
    orchestrator.stop().await;
    bench.close().await;
}

#[tokio::test]
async fn a_saga_is_found_by_its_id_and_by_a_key_that_looks_like_one() {
    const ORDER: &str = "0d1f0b4e-8c5e-4f0a-9a53-6b1f8b1c2d3e";
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin(ORDER).await;
    bench.command::<BookCar>(saga, 1).await;
    for name in [ORDER, &saga.to_string()] {
        assert_eq!(store.find(name).await.unwrap().unwrap().row.id, saga, "by {name}");
    }
    assert_eq!(store.find(&Sagas::id("trip", "another").to_string()).await.unwrap(), None);
    orchestrator.stop().await;
    bench.close().await;
}

#[tokio::test]
async fn somebody_takes_back_what_runs_and_what_is_done() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let running = bench.begin("running").await;
    let car = bench.command::<BookCar>(running, 1).await;
    store.act(running, &Input::Cancel { reason: "ill".into() }).await.unwrap();
    bench.done::<BookCar>(&car).await;
    bench.done::<CancelCar>(&bench.command::<CancelCar>(running, 1).await).await;
    bench.is(&store, running, SagaStatus::Compensated).await;
    assert_eq!(bench.told("saga.trip.canceled.event", 1).await[0]["error_message"], "ill");

    let done = bench.begin("done").await;
    bench.done::<BookCar>(&bench.command::<BookCar>(done, 1).await).await;
    bench.done::<Pay>(&bench.command::<Pay>(done, 1).await).await;
    bench.is(&store, done, SagaStatus::Completed).await;
    store.act(done, &Input::Compensate { reason: "rained".into() }).await.unwrap();
    bench.done::<Refund>(&bench.command::<Refund>(done, 1).await).await;
    bench.done::<CancelCar>(&bench.command::<CancelCar>(done, 1).await).await;
    bench.is(&store, done, SagaStatus::Compensated).await;
    orchestrator.stop().await;
    assert_eq!(bench.kafka.ends(CancelCar::TOPIC).await.iter().sum::<i64>(), 2);
    bench.close().await;
}
