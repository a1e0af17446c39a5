//! The clock that all processes of a bench share: that of the machine.

use std::time::{Duration, SystemTime};

/// Microseconds since 1970.
pub(super) type Micros = i64;

#[expect(clippy::disallowed_methods, reason = "when things happen is what is measured")]
pub(super) fn now() -> Micros {
    // A clock that stands before 1970 measures nothing.
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, micros)
}

pub(super) fn micros(time: Duration) -> Micros {
    Micros::try_from(time.as_micros()).unwrap_or(Micros::MAX)
}

/// Seconds from one moment to another; below zero if they are the other way round.
#[expect(clippy::cast_precision_loss, reason = "a time that a double cannot count in microseconds is 285 years")]
pub(super) fn seconds(from: Micros, to: Micros) -> f64 {
    (to - from) as f64 / 1e6
}
