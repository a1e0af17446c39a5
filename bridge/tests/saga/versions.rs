//! Definitions that change while sagas are under way.

use millgate_bridge::saga::{Definition, Input, SagaError, SagaStatus, Step};
use millgate_testkit::{wait_for, wait_until};

use crate::bench::{Bench, BookCar, Insure, NEVER, Pay, SOON, Trip, all, trip};

/// One with an insurance at the end.
fn second() -> Definition {
    let insure = Step::command("insure", |trip: &Trip| Insure::from(trip)).timeout(NEVER);
    trip(NEVER, 0).step(insure).version(2).build().unwrap()
}

#[tokio::test]
async fn a_saga_goes_on_with_the_definition_that_it_began_with() {
    let [old, new] = [all([trip(NEVER, 0).build().unwrap()]), all([trip(NEVER, 0).build().unwrap(), second()])];
    let bench = Bench::open(&new).await;
    let store = bench.store(&new);
    let before = bench.orchestrator(&old);
    let first = bench.begin("first").await;
    let car = bench.command::<BookCar>(first, 1).await;
    before.stop().await;
    let after = bench.orchestrator(&new);
    let another = bench.begin("another").await;
    bench.done::<BookCar>(&car).await;
    bench.done::<Pay>(&bench.command::<Pay>(first, 1).await).await;
    bench.is(&store, first, SagaStatus::Completed).await;
    bench.done::<BookCar>(&bench.command::<BookCar>(another, 1).await).await;
    bench.done::<Pay>(&bench.command::<Pay>(another, 1).await).await;
    bench.done::<Insure>(&bench.command::<Insure>(another, 1).await).await;
    let detail = bench.is(&store, another, SagaStatus::Completed).await;
    assert_eq!((detail.row.version, detail.row.steps), (2, 3));
    after.stop().await;
    assert_eq!(bench.commands::<Insure>(1).await.len(), 1);
    bench.close().await;
}

#[tokio::test]
async fn a_saga_whose_version_nobody_has_is_left_as_it_is_until_somebody_has() {
    let [old, new] = [all([trip(NEVER, 0).build().unwrap()]), all([second()])];
    let bench = Bench::open(&new).await;
    let newer = bench.orchestrator(&new);
    let saga = bench.begin("t1").await;
    let car = bench.command::<BookCar>(saga, 1).await;
    newer.stop().await;
    // A deploy that was taken back: only the old definition is there.
    let older = bench.orchestrator(&old);
    let store = bench.store(&old);
    bench.done::<BookCar>(&car).await;
    let parked = async || store.show(saga).await.unwrap().filter(|saga| saga.parked == 1);
    let detail = wait_for("its reply is kept", SOON, parked).await;
    assert!(!detail.row.is_known);
    assert_eq!((detail.row.status, detail.row.version), (SagaStatus::Running, 2));
    let refused = store.act(saga, &Input::Retry).await.unwrap_err();
    assert!(matches!(refused, SagaError::Version { version: 2, .. }), "{refused}");
    // Others go on.
    let other = bench.begin("t2").await;
    bench.command::<BookCar>(other, 1).await;
    older.stop().await;
    let newer = bench.orchestrator(&new);
    wait_until("it goes on", SOON, async || bench.commands::<Pay>(0).await.len() == 1).await;
    newer.stop().await;
    bench.close().await;
}
