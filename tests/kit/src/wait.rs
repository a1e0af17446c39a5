//! Waiting for what should come true.

use std::time::{Duration, Instant};

/// Short beside everything that is waited for, long beside a question to a server.
const PAUSE: Duration = Duration::from_millis(10);

/// Asks again and again until `condition` holds.
///
/// # Panics
/// If it does not within `deadline`, saying `what` did not become true.
#[track_caller]
pub fn wait_until(
    what: &str,
    deadline: Duration,
    mut condition: impl AsyncFnMut() -> bool,
) -> impl Future<Output = ()> {
    wait_for(what, deadline, async move || condition().await.then_some(()))
}

/// Asks again and again until there is an answer, and gives it.
///
/// # Panics
/// If there is none within `deadline`, saying `what` did not come.
#[track_caller]
pub fn wait_for<T>(
    what: &str,
    deadline: Duration,
    mut question: impl AsyncFnMut() -> Option<T>,
) -> impl Future<Output = T> {
    // Taken here: inside the future the caller would be the runtime.
    let caller = std::panic::Location::caller();
    async move {
        let started = Instant::now();
        let asking = async {
            loop {
                if let Some(answer) = question().await {
                    return answer;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        // Around the loop: a question that is never answered ends here, too.
        let answer = tokio::time::timeout(deadline, asking).await;
        answer.unwrap_or_else(|_| panic!("at {caller}: not within {:?}: {what}", started.elapsed()))
    }
}
