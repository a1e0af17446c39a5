//! Sleeping until a job is due.

use std::time::{Duration, Instant};

/// Tokio waits in whole milliseconds, counted twice: by its timers and by epoll.
const COARSE: Duration = Duration::from_millis(2);

/// Sleeps, and wakes within some tenth of a millisecond.
pub(crate) async fn sleep(time: Duration) {
    let end = Instant::now() + time;
    tokio::time::sleep(time.saturating_sub(COARSE)).await;
    let rest = end.saturating_duration_since(Instant::now());
    if !rest.is_zero() {
        // It cannot be cancelled, nor need it be.
        let _ = tokio::task::spawn_blocking(move || std::thread::sleep(rest)).await;
    }
}
