//! A breaker, with a clock that is put forward.

use tokio::time::{advance, pause};

use super::*;

fn breaker() -> Breaker {
    let window = Duration::from_secs(10);
    let config = BreakerConfig { failure_ratio: 0.5, minimum_calls: 4, window, open_for: Duration::from_secs(20) };
    Breaker::new("erp", config)
}

fn call(breaker: &Breaker, good: bool) {
    let pass = breaker.admit().ok().unwrap();
    if good { pass.succeeded() } else { pass.failed() }
}

#[tokio::test]
async fn it_opens_when_enough_calls_have_failed() {
    pause();
    let breaker = breaker();
    [false, false, true].map(|good| call(&breaker, good));
    assert_eq!(breaker.state(), BreakerState::Closed, "three calls are too few");
    call(&breaker, true);
    assert_eq!(breaker.state(), BreakerState::Closed, "a call that succeeds opens nothing");
    call(&breaker, false);
    assert_eq!(breaker.state(), BreakerState::Open, "three of five");
    let wait = breaker.admit().err().unwrap();
    assert!((20..=25).contains(&wait.as_secs()), "{wait:?}");
}

#[tokio::test]
async fn what_is_older_than_the_window_does_not_count() {
    pause();
    let breaker = breaker();
    [false, false, false].map(|good| call(&breaker, good));
    advance(Duration::from_secs(11)).await;
    [true, true, false].map(|good| call(&breaker, good));
    assert_eq!(breaker.state(), BreakerState::Closed);
    call(&breaker, false);
    assert_eq!(breaker.state(), BreakerState::Open, "two of four, all within the window");
}

#[tokio::test]
async fn one_call_is_tried_and_decides() {
    pause();
    let breaker = breaker();
    [false; 4].map(|good| call(&breaker, good));
    advance(Duration::from_secs(20)).await;
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    let trial = breaker.admit().ok().unwrap();
    let wait = breaker.admit().err().unwrap();
    assert!(wait < Duration::from_secs(3), "only one at a time, and the others come again soon: {wait:?}");
    trial.failed();
    assert_eq!(breaker.state(), BreakerState::Open);
    advance(Duration::from_secs(20)).await;
    // Given up, it decides nothing, and another is tried.
    drop(breaker.admit().ok().unwrap());
    call(&breaker, true);
    assert_eq!(breaker.state(), BreakerState::Closed);
    [false; 3].map(|good| call(&breaker, good));
    assert_eq!(breaker.state(), BreakerState::Closed, "it begins anew");
}

#[tokio::test]
async fn a_call_of_an_earlier_phase_says_nothing() {
    pause();
    let breaker = breaker();
    let [late, later] = [(); 2].map(|()| breaker.admit().ok().unwrap());
    [false; 4].map(|good| call(&breaker, good));
    late.succeeded();
    assert_eq!(breaker.state(), BreakerState::Open);
    advance(Duration::from_secs(20)).await;
    let trial = breaker.admit().ok().unwrap();
    later.failed();
    assert_eq!(breaker.state(), BreakerState::HalfOpen);
    trial.succeeded();
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test]
async fn only_what_a_retry_may_mend_is_a_failure() {
    pause();
    let breaker = breaker();
    let run = async |error: JobError| breaker.run(async { Err::<(), _>(error) }).await.unwrap_err();
    let errors = [
        JobError::dead("not_found", "m"),
        JobError::snooze(Duration::ZERO),
        JobError::cancel("m"),
        JobError::hand_back(Duration::ZERO),
    ];
    for error in errors.iter().cycle().take(20) {
        assert_eq!(run(error.clone()).await, *error);
    }
    assert_eq!(breaker.state(), BreakerState::Closed);
    for _ in 0..6 {
        assert_eq!(run(JobError::retry("m")).await, JobError::retry("m"));
    }
    assert_eq!(breaker.state(), BreakerState::Open);
    assert!(matches!(run(JobError::retry("m")).await, JobError::Snooze { .. }), "nobody is asked");
}
