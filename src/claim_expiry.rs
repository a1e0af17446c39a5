//! Expiry of claims, as bridges do it by the way.

use std::time::Duration;

use chrono::{DateTime, Utc};
use humantime::format_duration;
use millgate_events::{ClaimError, ClaimSweep, Claims};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

/// Values go by days, so that nothing is gained by looking more often.
const EVERY: Duration = Duration::from_hours(1);

/// Values in one step. A bucket takes away so many with one request.
const STEP: usize = 1_000;

/// Takes away what is older than `age`, now and every hour, until `stop` fires. Several may do so at a time.
pub(crate) async fn run(claims: Claims, age: Duration, stop: CancellationToken) {
    if !claims.is_on() {
        return;
    }
    loop {
        match stop.run_until_cancelled(sweep(&claims, now(), age)).await {
            Some(Ok(ClaimSweep { values: 0, .. })) => {}
            Some(Ok(ClaimSweep { values, bytes, .. })) => info!(values, bytes, "claims have expired"),
            Some(Err(reason)) => warn!(%reason, "claims do not expire just now; trying on in an hour"),
            None => return,
        }
        if stop.run_until_cancelled(tokio::time::sleep(EVERY)).await.is_none() {
            return;
        }
    }
}

/// All that is to go, step by step.
pub(crate) async fn sweep(claims: &Claims, now: DateTime<Utc>, age: Duration) -> Result<ClaimSweep, ClaimError> {
    let mut sum = ClaimSweep::default();
    loop {
        let step = claims.expire(now, age, STEP).await?;
        sum.values += step.values;
        sum.bytes += step.bytes;
        if !step.more {
            return Ok(sum);
        }
    }
}

/// What it means that records of these topics live longer than their values.
pub(crate) fn warning(topics: &[String], age: Duration) -> String {
    let (topics, age) = (topics.join(", "), format_duration(age));
    format!(
        "records of {topics} are kept for {age} or longer, and their large values only that long; see claim_check.expire"
    )
}

#[expect(clippy::disallowed_methods, reason = "how old a value is, is a question of now")]
fn now() -> DateTime<Utc> {
    Utc::now()
}
