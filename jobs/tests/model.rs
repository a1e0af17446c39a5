//! A random walk through everything that can be done with a queue, on a real Redis whose clock the test puts forward,
//! beside a model that says after each step what may have happened.
//!
//! `MILLGATE_SEED` repeats a walk, `MILLGATE_STEPS` makes it longer.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "in a test, a panic with a line number is the report")]

#[path = "model/acts.rs"]
mod acts;
#[path = "model/books.rs"]
mod books;
#[path = "model/claims.rs"]
mod claims;
#[path = "model/entry.rs"]
mod entry;
#[path = "model/looks.rs"]
mod looks;
#[path = "model/regressions.rs"]
mod regressions;
#[path = "model/spec.rs"]
mod spec;
#[path = "model/walk.rs"]
mod walk;

use walk::Walk;

fn variable(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[tokio::test]
async fn a_random_walk_agrees_with_the_model() {
    let given = variable("MILLGATE_SEED");
    let seed = given.unwrap_or_else(rand::random);
    let steps = variable("MILLGATE_STEPS").unwrap_or(10_000);
    // A walk that is repeated says at once which step went wrong.
    let mut walk = Walk::new(seed, if given.is_some() { 1 } else { 4 });
    for _ in 0..steps {
        walk.step().await;
    }
    walk.drain().await;
}
