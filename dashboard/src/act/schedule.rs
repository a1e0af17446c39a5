//! What is done to a schedule.

use millgate_jobs::{RemovedSchedule, ScheduleError, ScheduleState, Schedules, Times};

use super::{ActError, Action, Performed};
use crate::{Site, see};

/// A schedule is in the queue that its job goes to, and nowhere else: rights differ by queue.
async fn known(site: &Site, queue: &str, name: &str) -> Result<(Schedules, ScheduleState), ActError> {
    let schedules = site.schedules.of(queue);
    let mut states = schedules.list().await?;
    let known: Vec<_> = states.iter().map(|state| state.schedule.name().to_owned()).collect();
    let Some(at) = known.iter().position(|known| known == name) else {
        let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
        return Err(ActError::Gone(format!(
            "there is no schedule `{name}` whose job goes to queue {queue}; there are: {known}"
        )));
    };
    Ok((schedules, states.swap_remove(at)))
}

pub(super) async fn run(site: &Site, queue: &str, name: &str) -> Result<Performed, ActError> {
    let (schedules, _) = known(site, queue, name).await?;
    let job = schedules.run_now(name).await?;
    Ok(Performed { job: Some(job.clone()), ..Performed::new(format!("{name} runs now, as job {job}")) })
}

pub(super) async fn pause(site: &Site, queue: &str, name: &str) -> Result<Performed, ActError> {
    let (schedules, state) = known(site, queue, name).await?;
    schedules.pause(name).await?;
    let performed = Performed::new(format!("{name} is paused"));
    let undo = Action::ResumeSchedule { queue: queue.into(), schedule: name.into() };
    Ok(if state.paused { performed } else { performed.undone_by(undo) })
}

pub(super) async fn resume(site: &Site, queue: &str, name: &str) -> Result<Performed, ActError> {
    let (schedules, state) = known(site, queue, name).await?;
    schedules.resume(name).await?;
    let performed = Performed::new(format!("{name} fires again"));
    let undo = Action::PauseSchedule { queue: queue.into(), schedule: name.into() };
    Ok(if state.paused { performed.undone_by(undo) } else { performed })
}

pub(super) async fn edit(site: &Site, queue: &str, name: &str, times: &Times) -> Result<Performed, ActError> {
    let (schedules, state) = known(site, queue, name).await?;
    schedules.edit(name, times).await?;
    let now = site.queues.queue(queue).now().await?;
    let edited = state.schedule.clone().at(times)?;
    let next = see::ticks(&edited, now).first().map(|tick| tick.on_its_clock.format("%Y-%m-%d %H:%M:%S %:z"));
    let next = next.map_or_else(|| "never again".to_owned(), |next| format!("next at {next}"));
    let text = format!("{name} fires at `{}` in {}, {next}", edited.cron(), edited.zone());
    Ok(Performed::new(text).undone_by(before(queue, &state)))
}

pub(super) async fn reset(site: &Site, queue: &str, name: &str) -> Result<Performed, ActError> {
    let (schedules, state) = known(site, queue, name).await?;
    schedules.reset(name).await?;
    let Some(Times { cron, zone }) = &state.defined else {
        return Ok(Performed::new(format!("{name} has the times of its definition already")));
    };
    let text = format!("{name} fires at `{cron}` in {zone} again, as its definition says");
    Ok(Performed::new(text).undone_by(before(queue, &state)))
}

pub(super) async fn remove(site: &Site, queue: &str, name: &str) -> Result<Performed, ActError> {
    let (schedules, _) = known(site, queue, name).await?;
    let entry = schedules.remove(name).await?;
    let undo = Action::RestoreSchedule { queue: queue.into(), schedule: name.into(), entry };
    Ok(Performed::new(format!("{name} is removed")).undone_by(undo))
}

pub(super) async fn restore(
    site: &Site,
    queue: &str,
    name: &str,
    entry: &RemovedSchedule,
) -> Result<Performed, ActError> {
    site.schedules.of(queue).restore(name, entry).await?;
    let undo = Action::RemoveSchedule { queue: queue.into(), schedule: name.into() };
    Ok(Performed::new(format!("{name} is back")).undone_by(undo))
}

/// What brings the times back that it has.
fn before(queue: &str, state: &ScheduleState) -> Action {
    let (queue, schedule) = (queue.to_owned(), state.schedule.name().to_owned());
    match &state.defined {
        Some(_) => {
            let Times { cron, zone } = state.schedule.times();
            Action::EditSchedule { queue, schedule, cron, zone }
        }
        None => Action::ResetSchedule { queue, schedule },
    }
}

impl From<ScheduleError> for ActError {
    fn from(error: ScheduleError) -> Self {
        match error {
            ScheduleError::Redis(error) => error.into(),
            error @ ScheduleError::Unknown { .. } => Self::Gone(error.to_string()),
            error => Self::Refused(error.to_string()),
        }
    }
}
