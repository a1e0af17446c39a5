//! Replies that fail, that do not come, that come late, twice, or too early.

use std::time::Duration;

use millgate_bridge::saga::{Happening, SagaDetail, SagaStatus, Sagas, StepStatus};
use millgate_events::StepCommand;
use millgate_testkit::wait_for;
use serde_json::json;
use uuid::Uuid;

use crate::bench::{Bench, BookCar, CancelCar, NEVER, Pay, Refund, SOON, only, reply, trip};

fn count(detail: &SagaDetail, what: Happening) -> usize {
    detail.timeline.iter().filter(|entry| entry.what == what).count()
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_under_the_same_key() {
    let definitions = only(trip(NEVER, 2));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    let first = bench.command::<BookCar>(saga, 1).await;
    bench.failed::<BookCar>(&first, "unavailable").await;
    let second = bench.command::<BookCar>(saga, 2).await;
    assert_eq!((second.retry_count, &second.idempotency_key), (1, &first.idempotency_key));
    assert_ne!(second.message_id, first.message_id);
    // The first said it twice. The second is still under way.
    bench.failed::<BookCar>(&first, "unavailable").await;
    bench.done::<BookCar>(&second).await;
    bench.done::<Pay>(&bench.command::<Pay>(saga, 1).await).await;
    let detail = bench.is(&store, saga, SagaStatus::Completed).await;
    assert_eq!((count(&detail, Happening::Retry), bench.commands::<BookCar>(2).await.len()), (1, 2));
    orchestrator.stop().await;
    bench.close().await;
}

#[tokio::test]
async fn a_step_that_is_silent_is_given_up_and_what_it_does_then_is_taken_back() {
    let definitions = only(trip(Duration::from_millis(400), 1));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    let car = bench.command::<BookCar>(saga, 2).await;
    bench.is(&store, saga, SagaStatus::Compensated).await;
    assert_eq!(bench.told("trip.over", 1).await[0]["why"], "timeout");
    // All is over. Then it was done after all.
    bench.done::<BookCar>(&car).await;
    let cancel = bench.command::<CancelCar>(saga, 1).await;
    assert_eq!(cancel.data["car"], 7, "what it replied is known to what takes it back");
    bench.done::<CancelCar>(&cancel).await;
    let undone = async || {
        let detail = store.show(saga).await.unwrap().unwrap();
        (detail.row.status == SagaStatus::Compensated && detail.progress[0].status == StepStatus::Undone)
            .then_some(detail)
    };
    let detail = wait_for("it is taken back", SOON, undone).await;
    assert_eq!(count(&detail, Happening::Late), 1);
    orchestrator.stop().await;
    assert_eq!(bench.told("trip.over", 1).await.len(), 1, "it ended once");
    bench.close().await;
}

#[tokio::test]
async fn a_success_that_comes_while_the_rest_is_taken_back_is_taken_back_too() {
    let definitions = only(trip(Duration::from_secs(2), 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    bench.done::<BookCar>(&bench.command::<BookCar>(saga, 1).await).await;
    let pay = bench.command::<Pay>(saga, 1).await;
    let cancel = bench.command::<CancelCar>(saga, 1).await;
    bench.done::<Pay>(&pay).await;
    bench.done::<Refund>(&bench.command::<Refund>(saga, 1).await).await;
    bench.done::<CancelCar>(&cancel).await;
    let detail = bench.is(&store, saga, SagaStatus::Compensated).await;
    let all_undone = detail.progress.iter().all(|step| step.status == StepStatus::Undone);
    assert!(all_undone, "{:?}", detail.progress);
    bench.told("saga.trip.refunded.event", 1).await;
    orchestrator.stop().await;
    bench.close().await;
}

#[tokio::test]
async fn what_is_said_twice_is_noted_and_changes_nothing() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    let car = bench.command::<BookCar>(saga, 1).await;
    for _ in 0..3 {
        bench.done::<BookCar>(&car).await;
    }
    let ignored = async || {
        let detail = store.show(saga).await.unwrap()?;
        (count(&detail, Happening::Ignored) == 2).then_some(detail)
    };
    let detail = wait_for("both are noted", SOON, ignored).await;
    assert_eq!(detail.row.at, Some(("pay".into(), StepStatus::Sent)));
    assert_eq!(bench.commands::<Pay>(1).await.len(), 1);
    orchestrator.stop().await;
    bench.close().await;
}

/// It can be: a PostgreSQL that fails over to a replica has lost what Kafka has.
#[tokio::test]
async fn replies_that_come_before_their_saga_or_their_command_are_kept_for_it() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = Sagas::id("trip", "t1");
    let early = |step: &str, saga: Uuid| {
        let reply = json!({ "saga_id": saga, "step_name": step, "success": true, "data": { "car": 3 } });
        serde_json::from_value(reply).unwrap()
    };
    bench.reply(Pay::DONE, &early("pay", saga)).await;
    bench.reply(BookCar::DONE, &early("book-car", saga)).await;
    let parked = async || {
        let parked = "SELECT count(*) FROM saga_parked";
        let parked: i64 = sqlx::query_scalar(parked).fetch_one(bench.pool()).await.unwrap();
        (parked == 2).then_some(())
    };
    wait_for("both wait", SOON, parked).await;
    bench.begin("t1").await;
    let detail = bench.is(&store, saga, SagaStatus::Completed).await;
    assert_eq!(detail.state["car"], 3);
    assert_eq!(detail.parked, 0);
    // What is asked again is answered again: the commands are on their topics for whoever looks.
    let pay = bench.command::<Pay>(saga, 1).await;
    bench.reply(Pay::DONE, &reply(&pay, json!({ "success": true }))).await;
    orchestrator.stop().await;
    bench.close().await;
}
