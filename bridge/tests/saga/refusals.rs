//! Sagas that cannot be moved on, and the others beside them.

use std::time::Duration;

use millgate_bridge::saga::{Saga, SagaStatus, Sagas, Step};
use serde_json::json;

use crate::bench::{Bench, BookCar, DEAD, NEVER, Pay, Trip, TripWanted, all, only, reply, trip};

/// More than two pages of sagas that began with other steps, all due, each with a reply that is kept.
const REFUSED: &str = "WITH refused AS (
    INSERT INTO sagas (id, saga, version, key, status, state, progress, due, revision, correlation_id, started_at, changed_at)
    SELECT gen_random_uuid(), 'trip', 1, 'refused-' || n, 'running', '{}', $1, now() - INTERVAL '1 hour', 1, 'c', now(), now()
    FROM generate_series(1, 450) AS n RETURNING id)
    INSERT INTO saga_parked (saga_id, reply)
    SELECT id, json_build_object('saga_id', id, 'step_name', 'walk', 'success', true)::text FROM refused";

async fn refused(bench: &Bench) {
    let other = json!({ "steps": [{ "name": "walk", "status": "sent", "tries": 1, "due": "2020-01-01T00:00:00Z" }] });
    sqlx::query(REFUSED).bind(other.to_string()).execute(bench.pool()).await.unwrap();
}

#[tokio::test]
async fn timers_fire_behind_any_number_of_sagas_that_are_refused() {
    let definitions = only(trip(Duration::from_millis(300), 0));
    let bench = Bench::open(&definitions).await;
    refused(&bench).await;
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    let saga = bench.begin("t1").await;
    bench.is(&store, saga, SagaStatus::Compensated).await;
    orchestrator.stop().await;
    let left = "SELECT count(*) FROM sagas WHERE status = 'running' AND revision = 1";
    let left: i64 = sqlx::query_scalar(left).fetch_one(bench.pool()).await.unwrap();
    assert_eq!(left, 450, "they are as they were");
    bench.close().await;
}

#[tokio::test]
async fn replies_that_were_kept_are_used_behind_any_number_of_those_that_are_refused() {
    let definitions = only(trip(NEVER, 0));
    let bench = Bench::open(&definitions).await;
    refused(&bench).await;
    let orchestrator = bench.orchestrator(&definitions);
    let saga = bench.begin("t1").await;
    let car = bench.command::<BookCar>(saga, 1).await;
    let reply = serde_json::to_string(&reply(&car, &json!({ "success": true, "data": { "car": 7 } }))).unwrap();
    let park = "INSERT INTO saga_parked (saga_id, reply) VALUES ($1, $2)";
    sqlx::query(park).bind(saga).bind(reply).execute(bench.pool()).await.unwrap();
    bench.command::<Pay>(saga, 1).await;
    orchestrator.stop().await;
    let kept: i64 = sqlx::query_scalar("SELECT count(*) FROM saga_parked").fetch_one(bench.pool()).await.unwrap();
    assert_eq!(kept, 450);
    bench.close().await;
}

#[tokio::test]
async fn a_saga_that_cannot_begin_keeps_no_other_from_beginning() {
    let first = Saga::<Trip>::named("a-strict-one")
        .started_by(|wanted: &TripWanted| -> Trip { panic!("it cannot be {}", wanted.trip) })
        .step(Step::command("pay", |trip: &Trip| Pay::from(trip)));
    let definitions = all([first.build().unwrap(), trip(NEVER, 0).build().unwrap()]);
    let bench = Bench::open(&definitions).await;
    let orchestrator = bench.orchestrator(&definitions);
    bench.producer.publish(&TripWanted { trip: "t1".into() }).await.unwrap();
    let letter = bench.kafka.records(DEAD, 1).await.remove(0);
    assert!(
        letter.headers.text("__dlq.errors.message").is_some_and(|text| text.contains("it cannot be t1")),
        "{letter:?}"
    );
    bench.command::<BookCar>(Sagas::id("trip", "t1"), 1).await;
    orchestrator.stop().await;
    bench.close().await;
}

#[tokio::test]
async fn what_the_database_refuses_of_one_saga_keeps_no_other() {
    let definitions = only(trip(Duration::from_millis(300), 0));
    let bench = Bench::open(&definitions).await;
    let refuse = "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$; \
        CREATE TRIGGER refuse BEFORE UPDATE ON sagas FOR EACH ROW WHEN (OLD.key = 'first') EXECUTE FUNCTION refuse()";
    sqlx::raw_sql(refuse).execute(bench.pool()).await.unwrap();
    let (store, orchestrator) = (bench.store(&definitions), bench.orchestrator(&definitions));
    // Its timer is the first of each round.
    let first = bench.begin("first").await;
    bench.command::<BookCar>(first, 1).await;
    let second = bench.begin("second").await;
    bench.is(&store, second, SagaStatus::Compensated).await;
    assert_eq!(store.show(first).await.unwrap().unwrap().row.status, SagaStatus::Running);
    sqlx::raw_sql("DROP TRIGGER refuse ON sagas").execute(bench.pool()).await.unwrap();
    bench.is(&store, first, SagaStatus::Compensated).await;
    orchestrator.stop().await;
    bench.close().await;
}
