//! From an event to the end, by one orchestrator or several.

use std::time::Duration;

use millgate_bridge::saga::{Happening as H, Saga, SagaStatus, Sagas, Step};
use millgate_testkit::wait_until;
use serde_json::json;

use crate::bench::{
    Bench, BookCar, CancelCar, DEAD, NEVER, Pay, Refund, SOON, Trip, TripWanted, only, reply, sagas, trip,
};

#[tokio::test]
async fn a_saga_goes_through_all_its_steps_and_tells_so() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    let car = bench.command::<BookCar>(saga, 1).await;
    assert_eq!((car.saga_name.as_str(), car.step_index, car.max_retries), ("trip", 0, 0));
    assert_eq!((car.correlation_id.as_str(), car.idempotency_key.clone()), (&*car.saga_id, format!("{saga}:book-car")));
    // A service that publishes twice begins one saga.
    bench.begin("t1").await;
    bench.done::<BookCar>(&car).await;
    let pay = bench.command::<Pay>(saga, 1).await;
    assert_eq!(pay.data, json!({ "trip": "t1", "car": 7 }));
    bench.done::<Pay>(&pay).await;
    let detail = bench.is(&store, saga, SagaStatus::Completed).await;
    let happened: Vec<_> = detail.timeline.iter().map(|entry| entry.what).collect();
    assert_eq!(happened, [H::Started, H::Sent, H::Done, H::Sent, H::Done, H::Completed]);
    assert_eq!(detail.state, json!({ "trip": "t1", "car": 7 }));
    assert_eq!(bench.told("trip.over", 1).await, [json!({ "trip": "t1", "why": "done" })]);
    assert_eq!(bench.told("saga.trip.started.event", 1).await[0]["key"], "t1");
    let completed = bench.kafka.records("saga.trip.completed.event", 1).await;
    // All of it goes back to the event that the saga began with.
    let wanted = bench.kafka.records("trip.wanted", 1).await;
    let correlation = |record: &millgate_events::Record| record.headers.text("ce_correlationid").map(str::to_owned);
    assert!(wanted.iter().any(|wanted| correlation(wanted) == correlation(&completed[0])));
    let shared = bench.kafka.records("oms.saga.events", 2).await;
    let types: Vec<_> = shared.iter().map(|record| record.headers.text("ce_type").unwrap().to_owned()).collect();
    assert_eq!(types, ["saga.started", "saga.completed"]);
    orchestrator.stop().await;
    assert_eq!(bench.commands::<BookCar>(1).await.len(), 1);
    bench.close().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_taken_back_and_told() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    bench.done::<BookCar>(&bench.command::<BookCar>(saga, 1).await).await;
    bench.failed::<Pay>(&bench.command::<Pay>(saga, 1).await, "forbidden").await;
    let cancel = bench.command::<CancelCar>(saga, 1).await;
    assert!(cancel.compensates);
    assert_eq!((cancel.data["car"].as_u64(), cancel.idempotency_key.clone()), (Some(7), format!("{saga}:cancel-car")));
    bench.done::<CancelCar>(&cancel).await;
    bench.is(&store, saga, SagaStatus::Compensated).await;
    assert_eq!(bench.told("trip.over", 1).await[0]["why"], "forbidden");
    let failed = &bench.told("saga.trip.failed.event", 1).await[0];
    assert_eq!((failed["step_name"].as_str(), failed["error_code"].as_str()), (Some("pay"), Some("forbidden")));
    bench.told("saga.trip.compensated.event", 1).await;
    orchestrator.stop().await;
    bench.close().await;
}

#[tokio::test]
async fn a_saga_begins_with_the_transaction_that_begins_it_or_not_at_all() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let sagas = sagas(&definitions);
    let state = Trip { trip: "t1".into(), car: None };
    let mut never = bench.pool().begin().await.unwrap();
    let id = sagas.start(&mut never, "trip", "t1", &state).await.unwrap();
    never.rollback().await.unwrap();
    assert_eq!(bench.store(&definitions).show(id).await.unwrap(), None);
    for _ in 0..2 {
        let mut transaction = bench.pool().begin().await.unwrap();
        assert_eq!(sagas.start(&mut transaction, "trip", "t1", &state).await.unwrap(), id);
        transaction.commit().await.unwrap();
    }
    assert_eq!(bench.commands::<BookCar>(1).await.len(), 1);
    let mut transaction = bench.pool().begin().await.unwrap();
    let unknown = sagas.start(&mut transaction, "tour", "t1", &state).await.unwrap_err().to_string();
    assert_eq!(unknown, "there is no saga `tour`; there are: trip");
    let wrong = sagas.start(&mut transaction, "trip", "t2", &json!({})).await.unwrap_err().to_string();
    assert!(wrong.contains("has a state of type") && wrong.contains("Trip"), "{wrong}");
    drop(transaction);
    bench.close().await;
}

/// Both see every timer, and replies of one saga come to both.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_orchestrators_do_each_thing_once() {
    const TRIPS: usize = 24;
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let store = bench.store(&definitions);
    let orchestrators = [bench.orchestrator(&definitions), bench.orchestrator(&definitions)];
    let mut ids = Vec::new();
    for number in 0..TRIPS {
        ids.push(bench.begin(&format!("t{number}")).await);
    }
    let cars = async || bench.commands::<BookCar>(0).await.len() >= TRIPS;
    wait_until("all cars are wanted", SOON, cars).await;
    for command in bench.commands::<BookCar>(TRIPS).await {
        // The same said twice, on two partitions: two of them work on it at once.
        bench.done::<BookCar>(&command).await;
        let again = serde_json::to_vec(&reply(&command, &json!({ "success": true, "data": {} }))).unwrap();
        bench.kafka.put("saga.trip.book-car-done.event", 1, Some(b"other"), Some(&again), &[]).await;
    }
    wait_until("all are to be paid", SOON, async || bench.commands::<Pay>(0).await.len() >= TRIPS).await;
    for command in bench.commands::<Pay>(TRIPS).await {
        bench.done::<Pay>(&command).await;
    }
    for &id in &ids {
        bench.is(&store, id, SagaStatus::Completed).await;
    }
    for orchestrator in orchestrators {
        orchestrator.stop().await;
    }
    assert_eq!(bench.commands::<BookCar>(TRIPS).await.len(), TRIPS);
    assert_eq!(bench.commands::<Pay>(TRIPS).await.len(), TRIPS);
    assert_eq!(bench.told("trip.over", TRIPS).await.len(), TRIPS);
    bench.close().await;
}

#[tokio::test]
async fn what_no_saga_can_use_goes_to_the_dead_letters_and_holds_nobody_up() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let put = |text: &'static str| bench.kafka.put("saga.trip.pay-done.event", 0, None, Some(text.as_bytes()), &[]);
    put("{").await;
    put(r#"{"saga_id": "none", "step_name": "pay", "success": true}"#).await;
    bench.begin("panic").await;
    bench.begin("nu\0l").await;
    // Its bytes count: letters of two are half as many.
    bench.begin(&"é".repeat(501)).await;
    let longest = bench.begin(&"é".repeat(500)).await;
    bench.command::<BookCar>(longest, 1).await;
    let saga = bench.begin("t1").await;
    bench.command::<BookCar>(saga, 1).await;
    let letters = bench.kafka.records(DEAD, 5).await;
    let codes: Vec<_> = letters.iter().filter_map(|letter| letter.headers.text("x-dlq-code")).collect();
    assert_eq!(letters.len(), 5, "{codes:?}");
    // Neither does one that no table takes.
    let odd = json!({ "saga_id": saga, "step_name": "fl\0y", "success": false, "error_message": "\0" });
    bench.reply("saga.trip.pay-done.event", &serde_json::from_value(odd).unwrap()).await;
    bench.done::<BookCar>(&bench.command::<BookCar>(saga, 1).await).await;
    bench.done::<Pay>(&bench.command::<Pay>(saga, 1).await).await;
    bench.is(&store, saga, SagaStatus::Completed).await;
    assert_eq!(store.show(Sagas::id("trip", "panic")).await.unwrap(), None);
    orchestrator.stop().await;
    bench.close().await;
}

#[tokio::test]
async fn steps_together_are_sent_together_and_taken_back_together() {
    let step = |name, undo| {
        Step::command(name, |trip: &Trip| Pay::from(trip))
            .timeout(NEVER)
            .compensate(undo, |trip: &Trip| Refund::from(trip))
    };
    let saga = Saga::<Trip>::named("trip")
        .started_by(|wanted: &TripWanted| Trip { trip: wanted.trip.clone(), car: None })
        .together(|steps| steps.step(step("pay-one", "refund-one")).step(step("pay-two", "refund-two")))
        .step(Step::command("book-car", |trip: &Trip| BookCar::from(trip)).timeout(NEVER).retries(0));
    let definitions = only(saga);
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    let pays = async || bench.commands::<Pay>(0).await.len() == 2;
    wait_until("both are to be paid", SOON, pays).await;
    // Their replies are read by two partitions' tasks at once.
    for (partition, command) in bench.commands::<Pay>(2).await.iter().enumerate() {
        let reply = serde_json::to_vec(&reply(command, &json!({ "success": true, "data": {} }))).unwrap();
        let partition = i32::try_from(partition).unwrap();
        bench.kafka.put("saga.trip.pay-done.event", partition, None, Some(&reply), &[]).await;
    }
    bench.failed::<BookCar>(&bench.command::<BookCar>(saga, 1).await, "not_found").await;
    wait_until("both go back", SOON, async || bench.commands::<Refund>(0).await.len() == 2).await;
    for command in bench.commands::<Refund>(2).await {
        bench.done::<Refund>(&command).await;
    }
    bench.is(&store, saga, SagaStatus::Compensated).await;
    orchestrator.stop().await;
    bench.close().await;
}

/// Timers are in the same row as the saga, and the next one who comes finds them.
#[tokio::test]
async fn timers_outlive_whoever_set_them() {
    let definitions = only(trip(Duration::from_millis(300), 0));
    let bench = Bench::open(&definitions).await;
    let store = bench.store(&definitions);
    let first = bench.orchestrator(&definitions);
    let saga = bench.begin("t1").await;
    bench.command::<BookCar>(saga, 1).await;
    first.stop().await;
    let second = bench.orchestrator(&definitions);
    bench.is(&store, saga, SagaStatus::Compensated).await;
    second.stop().await;
    bench.close().await;
}
