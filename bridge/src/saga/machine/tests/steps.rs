//! Forward, back, and what comes too early, too late or twice.

use chrono::TimeDelta;
use millgate_events::{Lifecycle, SagaEvent};
use serde_json::json;
use uuid::Uuid;

use super::bench::{Bench, failed, parallel, trip};
use crate::saga::{Happening, SagaStatus, StepStatus};

#[test]
fn steps_are_done_one_after_the_other_and_replies_reach_the_commands_behind_them() {
    let mut bench = Bench::new(trip());
    for step in ["book-car", "book-hotel", "pay", "mail"] {
        assert_eq!(bench.names().last(), Some(&step));
        bench.ok(step);
    }
    bench.is(SagaStatus::Completed);
    assert_eq!(bench.told, [Lifecycle::Started, Lifecycle::Completed]);
    assert_eq!(bench.ended_in[0].data, json!({ "trip": "t1", "why": "done" }));
    let hotel = &bench.sent[1];
    assert_eq!(hotel.data, json!({ "trip": "t1", "car": 7 }), "the car's reply is known to the hotel");
    assert_eq!((hotel.step_index, hotel.retry_count, hotel.max_retries), (1, 0, 1));
    assert_eq!(hotel.idempotency_key, format!("{}:book-hotel", Uuid::nil()));
    assert_eq!(hotel.timeout_at, bench.now + TimeDelta::seconds(5));
    assert_eq!((bench.saga.due(), bench.saga.ended_at), (None, Some(bench.now)));
}

#[test]
fn what_cannot_be_done_turns_back_all_that_was_in_reverse_order() {
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.ok("book-hotel");
    bench.ok("pay");
    bench.fails("mail", "not_found");
    bench.is(SagaStatus::Compensating);
    for undo in ["refund", "cancel-hotel", "cancel-car"] {
        assert_eq!(bench.names().last(), Some(&undo));
        assert!(bench.sent.last().unwrap().compensates);
        bench.ok(undo);
    }
    bench.is(SagaStatus::Compensated);
    let told = [Lifecycle::Started, Lifecycle::Failed, Lifecycle::Refunded, Lifecycle::Compensated];
    assert_eq!(bench.told, told);
    assert_eq!(bench.ended_in[0].data["why"], "not_found");
    assert_eq!(bench.saga.turned().unwrap().step.as_deref(), Some("mail"));
}

#[test]
fn a_failure_that_may_pass_is_tried_again_under_the_same_key_and_no_other_is() {
    let mut bench = Bench::new(trip());
    bench.fails("book-car", "unavailable");
    assert_eq!(bench.saga.due(), Some(bench.now + TimeDelta::seconds(1)));
    bench.wait();
    let [first, second] = &bench.sent[..] else { panic!("{:?}", bench.names()) };
    assert_eq!(first.idempotency_key, second.idempotency_key);
    assert_ne!(first.message_id, second.message_id);
    assert_eq!(second.retry_count, 1);
    // What the first try still has to say of its failure is nothing to the second.
    bench.reply(SagaEvent { retry_count: Some(0), ..failed("book-car", "unavailable") });
    assert_eq!(bench.saga.steps()[0].status, StepStatus::Sent);
    bench.fails("book-car", "unavailable");
    bench.is(SagaStatus::Compensated);
    let mut strict = Bench::new(trip());
    strict.fails("book-car", "validation_failed");
    strict.is(SagaStatus::Compensated);
    let mut told = Bench::new(trip());
    told.reply(SagaEvent { retryable: Some(false), ..failed("book-car", "sold_out") });
    told.is(SagaStatus::Compensated);
}

#[test]
fn what_is_silent_is_tried_again_and_then_given_up_and_its_late_success_is_taken_back() {
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.wait();
    assert_eq!(bench.saga.steps()[1].status, StepStatus::Retrying);
    bench.wait();
    bench.wait();
    assert_eq!(bench.saga.steps()[1].status, StepStatus::GivenUp);
    assert_eq!(bench.names(), ["book-car", "book-hotel", "book-hotel", "cancel-car"]);
    // While the car is being cancelled, the hotel says that it is booked.
    bench.ok("book-hotel");
    assert_eq!(bench.names().last(), Some(&"cancel-hotel"));
    bench.ok("cancel-hotel");
    bench.is(SagaStatus::Compensating);
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);
    assert_eq!(bench.happened(Happening::Late), 1);
}

#[test]
fn a_success_that_comes_when_all_is_over_opens_the_saga_again_and_is_taken_back() {
    let mut bench = Bench::new(trip());
    bench.wait();
    bench.wait();
    bench.wait();
    bench.is(SagaStatus::Compensated);
    bench.ok("book-car");
    bench.is(SagaStatus::Compensating);
    assert_eq!(bench.saga.ended_at, None);
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);
    // It ends twice, and says so once.
    assert_eq!(bench.told.iter().filter(|told| **told == Lifecycle::Compensated).count(), 1);
    assert_eq!(bench.ended_in.len(), 1);
}

#[test]
fn what_was_said_before_changes_nothing() {
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    let before = (bench.saga.progress.clone(), bench.sent.len());
    bench.ok("book-car");
    bench.fails("book-car", "unavailable");
    bench.ok("fly");
    assert_eq!((bench.saga.progress.clone(), bench.sent.len()), before);
    assert_eq!(bench.happened(Happening::Ignored), 3);
}

#[test]
fn a_reply_that_comes_before_its_command_is_kept_until_then() {
    let mut bench = Bench::new(trip());
    bench.ok("book-hotel");
    bench.is(SagaStatus::Running);
    assert_eq!(bench.names(), ["book-car"]);
    bench.ok("book-car");
    // The command is sent for the record, and the saga goes on at once.
    assert_eq!(bench.names(), ["book-car", "book-hotel", "pay"]);
    let mut back = Bench::new(trip());
    back.ok("book-hotel");
    back.fails("book-car", "not_found");
    assert_eq!(back.names(), ["book-car", "cancel-hotel"], "it is done, although nobody told it to");
}

#[test]
fn steps_together_are_waited_for_together_forward_and_back() {
    let mut bench = Bench::new(parallel());
    assert_eq!(bench.names(), ["book-car", "book-hotel"]);
    bench.ok("book-hotel");
    assert_eq!(bench.names().len(), 2);
    bench.ok("book-car");
    bench.fails("pay", "forbidden");
    assert_eq!(bench.names(), ["book-car", "book-hotel", "pay", "cancel-car", "cancel-hotel"]);
    bench.ok("cancel-hotel");
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);

    // One fails while the other is under way: nobody knows yet what that will be.
    let mut bench = Bench::new(parallel());
    bench.fails("book-car", "not_found");
    bench.is(SagaStatus::Compensating);
    assert_eq!(bench.names().len(), 2);
    bench.ok("book-hotel");
    assert_eq!(bench.names().last(), Some(&"cancel-hotel"));
    bench.ok("cancel-hotel");
    bench.is(SagaStatus::Compensated);
    // Or it is never heard of again.
    let mut bench = Bench::new(parallel());
    bench.fails("book-car", "not_found");
    bench.wait();
    bench.is(SagaStatus::Compensated);
}
