//! What is done at night, in every application that [asks for it](crate::App::housekeeping).

use std::time::Duration;

use millgate_derive::Job;
use millgate_events::DeadLetterStore;
use millgate_workers::{Ctx, Done, JobError};
use serde::{Deserialize, Serialize};
use tracing::info;

/// Letters in one statement.
const STEP: u32 = 1_000;

/// Removes dead letters that were dealt with long ago.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(queue = "maintenance", timeout = "10m")]
pub(crate) struct ExpireDeadLetters {}

/// What it needs.
pub(crate) struct Retention {
    pub(crate) letters: Option<DeadLetterStore>,
    /// Zero: for ever.
    pub(crate) keep: Duration,
}

pub(crate) async fn expire_dead_letters(_: ExpireDeadLetters, ctx: Ctx) -> Result<Done, JobError> {
    let Retention { letters, keep } = ctx.state::<Retention>()?;
    let Some(letters) = letters.as_ref().filter(|_| !keep.is_zero()) else { return Ok(Done) };
    let mut removed = 0;
    while !ctx.is_cancelled() {
        let step = letters.expire(*keep, STEP).await?;
        removed += step;
        if step < u64::from(STEP) {
            break;
        }
    }
    info!(removed, "dead letters that were dealt with have expired");
    ctx.log(format!("{removed} letters removed")).await;
    Ok(Done)
}
