//! What a run of a job came to.

use std::time::Duration;

use crate::Failure;

/// What is to become of a job that ran.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is done, and gone.
    Done,
    /// It failed, and runs again after a while; or is dead, if that was its last attempt.
    Retry {
        /// How long to wait.
        after: Duration,
        /// Why it failed.
        failure: Failure,
    },
    /// It cannot run now, and that costs no attempt.
    Snooze {
        /// How long to wait.
        after: Duration,
    },
    /// It is no longer wanted, and gone.
    Cancel {
        /// Why.
        reason: String,
    },
    /// It cannot be done.
    Dead {
        /// Why.
        failure: Failure,
    },
    /// This worker cannot or may not run it; another shall. Costs no attempt.
    HandBack {
        /// How long to keep it from being claimed, lest this worker takes it straight away again.
        after: Duration,
    },
}
