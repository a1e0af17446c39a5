//! What waits for people, and what they may do.

use millgate_events::{Lifecycle, SagaEvent};

use super::bench::{Bench, failed, trip};
use crate::saga::{Input, SagaStatus};

#[test]
fn what_cannot_be_taken_back_waits_for_people() {
    let stuck = || {
        let mut bench = Bench::new(trip());
        bench.ok("book-car");
        bench.ok("book-hotel");
        bench.fails("pay", "forbidden");
        bench.fails("cancel-hotel", "unavailable");
        bench.wait();
        bench.fails("cancel-hotel", "unavailable");
        bench.is(SagaStatus::Stuck);
        assert_eq!(bench.saga.due(), None);
        bench
    };
    let mut retried = stuck();
    retried.give(Input::Retry).unwrap();
    retried.is(SagaStatus::Compensating);
    retried.ok("cancel-hotel");
    assert_eq!(retried.names().last(), Some(&"cancel-car"));
    retried.ok("cancel-car");
    retried.is(SagaStatus::Compensated);

    // What was said of the tries before comes once more, and once more.
    let mut again = stuck();
    again.give(Input::Retry).unwrap();
    for said_of in [0, 1, 1] {
        again.reply(SagaEvent { retry_count: Some(said_of), ..failed("cancel-hotel", "forbidden") });
        again.is(SagaStatus::Compensating);
    }
    // Its own has as many tries as the first had.
    again.reply(SagaEvent { retry_count: Some(2), ..failed("cancel-hotel", "unavailable") });
    again.wait();
    again.is(SagaStatus::Compensating);
    again.reply(SagaEvent { retry_count: Some(3), ..failed("cancel-hotel", "unavailable") });
    again.is(SagaStatus::Stuck);

    let mut resolved = stuck();
    let by_hand = |step: Option<&str>| Input::Resolve { step: step.map(str::to_owned), reason: "called them".into() };
    assert!(resolved.give(by_hand(Some("pay"))).unwrap_err().0.contains("pay is not stuck"));
    resolved.give(by_hand(Some("cancel-hotel"))).unwrap();
    assert_eq!(resolved.names().last(), Some(&"cancel-car"));
    resolved.ok("cancel-car");
    resolved.is(SagaStatus::Compensated);
    assert!(resolved.give(by_hand(None)).unwrap_err().0.contains("nothing of it is stuck"));

    // It was only slow.
    let mut late = stuck();
    late.ok("cancel-hotel");
    late.ok("cancel-car");
    late.is(SagaStatus::Compensated);
    // No other try can mend that.
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.fails("book-hotel", "not_found");
    bench.fails("cancel-car", "not_found");
    bench.is(SagaStatus::Stuck);
}

#[test]
fn people_can_cancel_what_runs_and_take_back_what_is_done() {
    let cancel = || Input::Cancel { reason: "changed my mind".into() };
    let mut bench = Bench::new(trip());
    bench.ok("book-car");
    bench.give(cancel()).unwrap();
    bench.is(SagaStatus::Compensating);
    // The hotel may be booked or not; its answer is waited for.
    assert_eq!(bench.names(), ["book-car", "book-hotel"]);
    assert!(bench.give(cancel()).unwrap_err().0.contains("compensating already"));
    bench.ok("book-hotel");
    bench.ok("cancel-hotel");
    bench.ok("cancel-car");
    bench.is(SagaStatus::Compensated);
    assert!(bench.told.contains(&Lifecycle::Canceled) && !bench.told.contains(&Lifecycle::Failed));

    let mut bench = Bench::new(trip());
    for step in ["book-car", "book-hotel", "pay", "mail"] {
        bench.ok(step);
    }
    assert!(bench.give(cancel()).unwrap_err().0.contains("millgate saga compensate"));
    bench.give(Input::Compensate { reason: "they returned it".into() }).unwrap();
    for undo in ["refund", "cancel-hotel", "cancel-car"] {
        bench.ok(undo);
    }
    bench.is(SagaStatus::Compensated);
}
