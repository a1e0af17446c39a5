//! A breaker, with a time that is passed in.

use super::*;

fn breaker() -> Breaker {
    let window = Duration::from_secs(10);
    let config = BreakerConfig { failure_ratio: 0.5, minimum_calls: 4, window, open_for: Duration::from_secs(20) };
    Breaker::new("erp", config)
}

fn after(begin: Instant, seconds: u64) -> Instant {
    begin + Duration::from_secs(seconds)
}

fn call(breaker: &Breaker, good: bool, now: Instant) {
    let outcome = if good { Outcome::Good } else { Outcome::Bad };
    breaker.admit_at(now).ok().unwrap().tell(outcome, now);
}

#[test]
fn it_opens_when_enough_calls_have_failed() {
    let (breaker, now) = (breaker(), Instant::now());
    for good in [false, false, true] {
        call(&breaker, good, now);
    }
    assert_eq!(breaker.state_at(now), BreakerState::Closed, "three calls are too few");
    call(&breaker, true, now);
    assert_eq!(breaker.state_at(now), BreakerState::Closed, "a call that succeeds opens nothing");
    call(&breaker, false, now);
    assert_eq!(breaker.state_at(now), BreakerState::Open, "three of five");
    let wait = breaker.admit_at(now).err().unwrap();
    assert!((20..=25).contains(&wait.as_secs()), "{wait:?}");
}

#[test]
fn what_is_older_than_the_window_does_not_count() {
    let (breaker, begin) = (breaker(), Instant::now());
    for good in [false, false, false] {
        call(&breaker, good, begin);
    }
    let later = after(begin, 11);
    for good in [true, true, false] {
        call(&breaker, good, later);
    }
    assert_eq!(breaker.state_at(later), BreakerState::Closed);
    call(&breaker, false, after(later, 5));
    assert_eq!(breaker.state_at(after(later, 5)), BreakerState::Open, "two of four, all within the window");
}

#[test]
fn one_call_is_tried_and_decides() {
    let (breaker, begin) = (breaker(), Instant::now());
    for good in [false; 4] {
        call(&breaker, good, begin);
    }
    assert_eq!(breaker.state_at(after(begin, 19)), BreakerState::Open);
    let now = after(begin, 20);
    assert_eq!(breaker.state_at(now), BreakerState::HalfOpen);
    let trial = breaker.admit_at(now).ok().unwrap();
    let wait = breaker.admit_at(now).err().unwrap();
    assert!(wait < Duration::from_secs(3), "only one at a time, and the others come again soon: {wait:?}");
    trial.tell(Outcome::Bad, now);
    assert_eq!(breaker.state_at(now), BreakerState::Open);
    let now = after(now, 20);
    // Given up, it decides nothing, and another is tried.
    drop(breaker.admit_at(now).ok().unwrap());
    call(&breaker, true, now);
    assert_eq!(breaker.state_at(now), BreakerState::Closed);
    for good in [false; 3] {
        call(&breaker, good, now);
    }
    assert_eq!(breaker.state_at(now), BreakerState::Closed, "it begins anew");
}

#[test]
fn a_call_of_an_earlier_phase_says_nothing() {
    let (breaker, begin) = (breaker(), Instant::now());
    let [late, later] = [(); 2].map(|()| breaker.admit_at(begin).ok().unwrap());
    for good in [false; 4] {
        call(&breaker, good, begin);
    }
    late.tell(Outcome::Good, begin);
    assert_eq!(breaker.state_at(begin), BreakerState::Open);
    let now = after(begin, 20);
    let trial = breaker.admit_at(now).ok().unwrap();
    later.tell(Outcome::Bad, now);
    assert_eq!(breaker.state_at(now), BreakerState::HalfOpen);
    trial.tell(Outcome::Good, now);
    assert_eq!(breaker.state_at(now), BreakerState::Closed);
}

#[tokio::test]
async fn only_what_a_retry_may_mend_is_a_failure() {
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
    for _ in 0..5 {
        assert_eq!(run(JobError::retry("m")).await, JobError::retry("m"));
    }
    assert_eq!(breaker.state(), BreakerState::Open, "five of ten");
    assert!(matches!(run(JobError::retry("m")).await, JobError::Snooze { .. }), "nobody is asked");
}
