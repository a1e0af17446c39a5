//! What an operator can do: pages, API and command line do the same.
//!
//! An [`Action`] says what is wanted, as data. [`perform`] looks whether the actor may, does it, writes down who did it
//! and how to undo it. [`preview`] says before what it would do, and to how many.

mod action;
mod entry;
mod error;
mod group_start;
mod job;
mod job_choice;
mod job_deed;
mod letters;
mod payload;
mod performed;
mod process;
mod projection;
mod queue;
mod redrive;
mod replay;
mod saga;
mod schedule;
mod work;

use millgate_bridge::saga::Input;
use millgate_events::DeadLetterError;
use millgate_jobs::{QueueError, Times};

pub use action::Action;
pub use entry::{Entry, Via, entries, entry};
pub use error::ActError;
pub use group_start::GroupStart;
pub use job_choice::JobChoice;
pub use letters::Redriving;
pub use payload::Payload;
pub use performed::{Performed, Preview};
pub use replay::{ReplayInto, Replaying, ask_for_replay, survey};
pub use work::Work;

use crate::{Site, access::Viewer};

/// Who acts, and by which way they came.
#[derive(Debug, Clone)]
pub struct Actor {
    /// Who it is, and what they may do.
    pub viewer: Viewer,
    /// How they came.
    pub via: Via,
}

/// Does what is wanted, if the actor may, and writes it down. `work` says meanwhile how far it is, and may stop it: what is
/// done by then is done, and the entry says how much.
pub async fn perform(site: &Site, actor: &Actor, action: &Action, work: &Work) -> Result<Performed, ActError> {
    allowed(actor, action)?;
    let performed = act(site, actor, action, work).await?;
    entry::write(site, actor, action, performed, None).await
}

/// What would be done, and to how many. Changes nothing.
pub async fn preview(site: &Site, actor: &Actor, action: &Action) -> Result<Preview, ActError> {
    allowed(actor, action)?;
    let preview = Preview::of(action);
    match action {
        Action::RedriveLetters(redriving) => letters::would_redrive(site, redriving, preview).await,
        Action::DiscardLetters { letters, .. } => letters::would_discard(site, letters, preview).await,
        Action::RestoreLetters { discard, .. } => letters::would_restore(site, *discard, preview).await,
        Action::EditLetter { letter, payload, .. } => {
            letters::would_edit(site, *letter, payload.as_deref(), preview).await
        }
        Action::RunReplay { replay } => replay::would(site, replay, preview).await,
        Action::StartGroup(start) => group_start::would(site, start, preview).await,
        _ => Ok(job::preview(site, actor, action).await?.unwrap_or(preview)),
    }
}

/// Undoes what an entry of the audit says was done.
pub async fn undo(site: &Site, actor: &Actor, id: &str) -> Result<Performed, ActError> {
    let entry = entry(site, id)
        .await?
        .ok_or_else(|| ActError::Gone(format!("there is no action {id}; the oldest are forgotten")))?;
    let action = entry.undo.ok_or_else(|| ActError::Refused(format!("`{}` cannot be undone", entry.text)))?;
    allowed(actor, &action)?;
    let log = site.queues.action_log();
    if !log.undo(id, &actor.viewer.name).await? {
        return Err(ActError::Refused("it is undone already".into()));
    }
    match act(site, actor, &action, &Work::new()).await {
        Ok(performed) => entry::write(site, actor, &action, performed, Some(id)).await,
        Err(error) => {
            log.redo(id).await?;
            Err(error)
        }
    }
}

fn allowed(actor: &Actor, action: &Action) -> Result<(), ActError> {
    let (needs, queue) = action.needs();
    if actor.viewer.may(needs, queue) {
        return Ok(());
    }
    Err(ActError::Forbidden { name: actor.viewer.name.clone(), needs, action: action.sentence() })
}

async fn act(site: &Site, actor: &Actor, action: &Action, work: &Work) -> Result<Performed, ActError> {
    let who = actor.viewer.name.as_str();
    match action {
        Action::PauseQueue { queue } => queue::pause(site, queue).await,
        Action::ResumeQueue { queue } => queue::resume(site, queue).await,
        Action::DrainQueue { queue } => queue::drain(site, queue).await,
        Action::LimitQueue { queue, limits } => queue::limit(site, queue, limits).await,
        Action::RedriveLetters(redriving) => letters::redrive(site, who, redriving, work).await,
        Action::DiscardLetters { letters, why } => letters::discard(site, who, letters, why, work).await,
        Action::RestoreLetters { discard, why } => letters::restore(site, who, *discard, why, work).await,
        Action::EditLetter { letter, payload, why } => letters::edit(site, who, *letter, payload.as_deref(), why).await,
        Action::RetryJobs { .. }
        | Action::RunJobs { .. }
        | Action::CancelJobs { .. }
        | Action::DeleteJobs { .. }
        | Action::MoveJobs { .. } => job::perform(site, actor, action, work).await,
        Action::EditJob { queue, id, payload } => job::edit(site, queue, id, &payload.0).await,
        Action::PutBackJobs { queue, jobs } => job::put_back(site, queue, jobs, work).await,
        Action::DelayJobs { queue, times } => job::delay(site, queue, times, work).await,
        Action::QuietProcess { process } => process::quiet(site, process).await,
        Action::ResumeProcess { process } => process::resume(site, process).await,
        Action::StopProcess { process } => process::stop(site, process).await,
        Action::RetrySaga { saga } => saga::act(site, *saga, &Input::Retry).await,
        Action::CompensateSaga { saga, why } => {
            saga::act(site, *saga, &Input::Compensate { reason: signed(why, who) }).await
        }
        Action::ResolveSaga { saga, step, why } => {
            let wanted = Input::Resolve { step: step.clone(), reason: signed(why, who) };
            saga::act(site, *saga, &wanted).await
        }
        Action::SkipEvent { projection, event, why } => projection::skip(site, who, projection, *event, why).await,
        Action::RunReplay { replay } => Box::pin(replay::run(site, actor, replay, work)).await,
        Action::StopReplay { replay } => replay::stop(site, replay).await,
        Action::StartGroup(start) => group_start::start(site, start).await,
        Action::RunSchedule { queue, schedule } => schedule::run(site, queue, schedule).await,
        Action::PauseSchedule { queue, schedule } => schedule::pause(site, queue, schedule).await,
        Action::ResumeSchedule { queue, schedule } => schedule::resume(site, queue, schedule).await,
        Action::EditSchedule { queue, schedule, cron, zone } => {
            let times = Times { cron: cron.clone(), zone: zone.clone() };
            schedule::edit(site, queue, schedule, &times).await
        }
        Action::ResetSchedule { queue, schedule } => schedule::reset(site, queue, schedule).await,
        Action::RemoveSchedule { queue, schedule } => schedule::remove(site, queue, schedule).await,
        Action::RestoreSchedule { queue, schedule, entry } => schedule::restore(site, queue, schedule, entry).await,
    }
}

/// Why, with a name to it: a saga's timeline is not the audit.
fn signed(why: &str, who: &str) -> String {
    format!("{why} ({who})")
}

impl From<DeadLetterError> for ActError {
    fn from(error: DeadLetterError) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<QueueError> for ActError {
    fn from(error: QueueError) -> Self {
        Self::Away(error.to_string())
    }
}
