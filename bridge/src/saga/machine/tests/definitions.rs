//! Definitions that are wrong, and code of theirs that fails.

use millgate_events::SagaEvent;
use serde_json::json;

use super::bench::{Bench, BookCar, BookHotel, CancelCar, CancelHotel, Pay, Trip, ok, parallel, step, trip};
use crate::saga::{Input, Saga, SagaStatus, Step};

#[test]
fn an_application_that_panics_or_cannot_read_a_reply_fails_its_step() {
    let definition = Saga::<Trip>::named("trip")
        .step(
            step::<BookCar, CancelCar>("book-car", "cancel-car")
                .replied(|trip: &mut Trip, r| trip.car = Some(r.number)),
        )
        .step(Step::command("pay", |trip: &Trip| -> Pay { panic!("no price for {}", trip.name) }))
        .build()
        .unwrap();
    let mut bench = Bench::new(definition.clone());
    bench.ok("book-car");
    bench.is(SagaStatus::Compensating);
    assert!(bench.saga.turned().unwrap().message.contains("no price for t1"), "{:?}", bench.saga.turned());
    let mut bench = Bench::new(definition);
    bench.reply(SagaEvent { data: json!("?"), ..ok("book-car") });
    assert_eq!(bench.saga.turned().unwrap().code, "undecodable_reply");
    assert_eq!(bench.names().last(), Some(&"cancel-car"), "it is done, whatever the reply says");
}

#[test]
fn a_definition_that_changed_without_another_version_is_refused() {
    let mut bench = Bench::new(trip());
    bench.definition = parallel();
    let refused = bench.give(Input::Reply(ok("book-car"))).unwrap_err();
    assert!(refused.0.contains("give what changed another version"), "{refused}");
}

#[test]
fn definitions_that_cannot_work_are_refused() {
    let none = Saga::<Trip>::named("trip").build();
    assert!(none.err().unwrap().contains("no steps"));
    let twice = Saga::<Trip>::named("trip").step(step::<BookCar, CancelCar>("car", "cancel-car")).step(step::<
        BookHotel,
        CancelHotel,
    >(
        "hotel",
        "cancel-car",
    ));
    assert!(twice.build().err().unwrap().contains("two commands named `cancel-car`"));
}
