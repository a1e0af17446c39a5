//! Definitions that are wrong, and code of theirs that fails.

use std::time::Duration;

use millgate_events::SagaEvent;
use serde_json::json;

use super::bench::{Bench, BookCar, BookHotel, CancelCar, CancelHotel, Over, Pay, Trip, ok, parallel, step, trip};
use crate::saga::{Happening, Input, Saga, SagaStatus, Step};

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

#[test]
fn an_event_whose_key_no_table_takes_is_not_made_and_the_saga_ends() {
    let definition = Saga::<Trip>::named("trip")
        .step(step::<BookCar, CancelCar>("book-car", "cancel-car"))
        .on_completed(|trip: &Trip| Over { trip: format!("{}\0", trip.name), why: "done".into() })
        .build()
        .unwrap();
    let mut bench = Bench::new(definition);
    bench.ok("book-car");
    bench.is(SagaStatus::Completed);
    assert!(bench.ended_in.is_empty(), "{:?}", bench.ended_in);
    let said = &bench.lines.iter().find(|line| line.what == Happening::Failed).unwrap().detail;
    assert_eq!(said, "the event trip.over cannot be made: its key has a NUL in it");
}

#[test]
fn the_words_of_a_step_hold_for_what_takes_it_back_in_any_order() {
    let (patience, pause) = (Duration::from_secs(7), Duration::from_secs(2));
    let new = || Step::command("book-car", |trip: &Trip| BookCar::from(trip));
    let undo = |trip: &Trip| CancelCar::from(trip);
    let first = new().timeout(patience).backoff(pause).compensation_retries(4).compensate("cancel-car", undo);
    let last = new().compensate("cancel-car", undo).compensation_retries(4).backoff(pause).timeout(patience);
    for step in [first, last] {
        let definition = Saga::<Trip>::named("trip").step(step).build().unwrap();
        let undo = definition.steps[0].compensation.as_ref().unwrap();
        assert_eq!((undo.timeout, undo.backoff, undo.retries), (patience, pause, 4));
    }
    let definition = Saga::<Trip>::named("trip").step(new().retries(2).compensate("cancel-car", undo)).build().unwrap();
    assert_eq!(definition.steps[0].compensation.as_ref().unwrap().retries, 10);
}
