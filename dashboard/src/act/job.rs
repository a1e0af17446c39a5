//! What is done to jobs.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use millgate_jobs::{Acted, Enqueued, JobId, JobState, KeptJob, Queue, QueueError};
use serde_json::Value;

use super::{
    ActError, Action, Actor, Performed, Preview, Via, Work,
    job_choice::{COUNTED, Chosen, JobChoice, choose},
    job_deed::Deed,
    queue::known,
};
use crate::{
    Site,
    access::{Role, restore},
    see,
};

/// Jobs in one step.
const STEP: usize = 200;
/// No more can be undone: what undoes it lies in the audit.
const UNDOABLE: usize = 1_000;
/// And no more bytes of their records.
const UNDOABLE_BYTES: usize = 256 << 10;
/// To remove more by a filter is for admins.
const MANY: usize = 1_000;

/// What is to be done to which jobs, if it is done to jobs that are chosen.
fn deed(action: &Action) -> Option<(&JobChoice, Deed)> {
    Some(match action {
        Action::RetryJobs { jobs } => (jobs, Deed::Retry),
        Action::RunJobs { jobs } => (jobs, Deed::RunNow),
        Action::CancelJobs { jobs } => (jobs, Deed::Cancel),
        Action::DeleteJobs { jobs } => (jobs, Deed::Delete),
        Action::MoveJobs { jobs, to } => (jobs, Deed::Move(to.clone())),
        _ => return None,
    })
}

/// To how many jobs it would be done, if it is done to jobs that are chosen.
pub(super) async fn preview(site: &Site, actor: &Actor, action: &Action) -> Result<Option<Preview>, ActError> {
    let Some((choice, deed)) = deed(action) else { return Ok(None) };
    check(site, actor, choice, &deed).await?;
    // On the command line somebody waits for it, and may end it.
    let looks = if actor.via == Via::CommandLine { u64::MAX } else { COUNTED };
    let Chosen { ids, refused, is_cut } = choose(site, choice, &deed, looks, &Work::new()).await?;
    check_many(actor, choice, &deed, ids.len())?;
    Ok(Some(Preview {
        text: action.sentence(),
        count: Some(ids.len() as u64),
        is_more: is_cut,
        asks: action.asks(),
        warning: Some(deed.warning().to_owned()),
        refused,
        ..Preview::default()
    }))
}

/// Does it, if it is done to jobs that are chosen.
pub(super) async fn perform(site: &Site, actor: &Actor, action: &Action, work: &Work) -> Result<Performed, ActError> {
    let Some((choice, deed)) = deed(action) else {
        return Err(ActError::Refused(format!("`{}` is not done to jobs that are chosen", action.sentence())));
    };
    check(site, actor, choice, &deed).await?;
    let chosen = choose(site, choice, &deed, u64::MAX, work).await?;
    check_many(actor, choice, &deed, chosen.ids.len())?;
    work.of(chosen.ids.len() as u64);
    let queue = site.queues.queue(&choice.queue);
    let mut tally = Tally { undo: Undo::of(&chosen.ids), ..Tally::default() };
    for ids in chosen.ids.chunks(STEP) {
        if work.is_stopped() {
            tally.left = chosen.ids.len() - tally.all();
            break;
        }
        tally.step(site, &queue, &deed, ids).await?;
        work.add(ids.len() as u64);
    }
    Ok(tally.performed(&queue, &deed, chosen.refused))
}

/// What cannot be meant, or is not allowed in the queue that jobs are moved to.
async fn check(site: &Site, actor: &Actor, choice: &JobChoice, deed: &Deed) -> Result<(), ActError> {
    known(site, &choice.queue).await?;
    // Whoever has the configuration sees everything.
    let is_masked = actor.via != Via::CommandLine;
    if let Some(message) = choice.filter.as_ref().filter(|_| is_masked).and_then(|filter| filter.hidden(&site.mask)) {
        return Err(ActError::Refused(message));
    }
    let Deed::Move(to) = deed else { return Ok(()) };
    known(site, to).await?;
    if *to == choice.queue {
        return Err(ActError::Refused(format!("they are in {to} already; say another queue")));
    }
    if actor.viewer.may(Role::Operator, Some(to)) {
        return Ok(());
    }
    let action = format!("move jobs to queue {to}");
    Err(ActError::Forbidden { name: actor.viewer.name.clone(), needs: Role::Operator, action })
}

fn check_many(actor: &Actor, choice: &JobChoice, deed: &Deed, many: usize) -> Result<(), ActError> {
    let removes_many = choice.filter.is_some() && matches!(deed, Deed::Cancel | Deed::Delete) && many > MANY;
    if !removes_many || actor.viewer.may(Role::Admin, Some(&choice.queue)) {
        return Ok(());
    }
    let action = format!("cancel or delete more than {MANY} jobs by a filter");
    Err(ActError::Forbidden { name: actor.viewer.name.clone(), needs: Role::Admin, action })
}

/// How many jobs it was done to, and what undoes it.
#[derive(Default)]
struct Tally {
    done: usize,
    /// They run, and are told to stop.
    stopping: usize,
    /// They had moved on meanwhile.
    missed: usize,
    /// Nobody came to them: the work was stopped.
    left: usize,
    undo: Undo,
}

/// What is needed to undo it; nothing, where that is too much.
#[derive(Default)]
enum Undo {
    Known {
        kept: Vec<KeptJob>,
        times: BTreeMap<String, DateTime<Utc>>,
        moved: Vec<String>,
    },
    #[default]
    TooMuch,
}

impl Undo {
    fn of(ids: &[JobId]) -> Self {
        match ids.len() {
            0..=UNDOABLE => Self::Known { kept: Vec::new(), times: BTreeMap::new(), moved: Vec::new() },
            _ => Self::TooMuch,
        }
    }
}

impl Tally {
    fn all(&self) -> usize {
        self.done + self.stopping + self.missed
    }

    async fn step(&mut self, site: &Site, queue: &Queue, deed: &Deed, ids: &[JobId]) -> Result<(), QueueError> {
        let is_undoable = matches!(self.undo, Undo::Known { .. });
        match deed {
            Deed::Retry => {
                let acted = queue.reschedule(ids, None).await?;
                self.count(&acted);
            }
            Deed::RunNow => {
                let before = if is_undoable { queue.look(ids).await? } else { Vec::new() };
                let acted = queue.reschedule(ids, None).await?;
                self.count(&acted);
                if let Undo::Known { times, .. } = &mut self.undo {
                    let well = well(ids, &acted);
                    let moved = before.into_iter().filter(|job| well.contains(&job.key));
                    times.extend(moved.filter_map(|job| Some((job.key.to_string(), job.at?))));
                }
            }
            Deed::Cancel => {
                let before = if is_undoable { queue.keep(ids).await? } else { Vec::new() };
                let acted = queue.stop(ids).await?;
                self.count(&acted);
                self.keep(before, &well(ids, &acted));
            }
            Deed::Delete => {
                let before = if is_undoable { queue.keep(ids).await? } else { Vec::new() };
                let removed = queue.remove_each(ids).await?;
                let gone: Vec<JobId> =
                    ids.iter().zip(&removed).filter(|(_, removed)| **removed).map(|(id, _)| *id).collect();
                self.done += gone.len();
                self.missed += ids.len() - gone.len();
                self.keep(before, &gone);
            }
            Deed::Move(to) => {
                let before = if is_undoable { queue.look(ids).await? } else { Vec::new() };
                let done = queue.transfer(ids, &site.queues.queue(to)).await?;
                self.done += done;
                self.missed += ids.len() - done;
                if let Undo::Known { moved, .. } = &mut self.undo {
                    moved.extend(before.into_iter().map(|job| job.id));
                }
            }
        }
        Ok(())
    }

    fn count(&mut self, acted: &[Acted]) {
        for acted in acted {
            match acted {
                Acted::Well => self.done += 1,
                Acted::Stopping => self.stopping += 1,
                Acted::Not(_) | Acted::Gone => self.missed += 1,
            }
        }
    }

    /// Keeps what was removed, unless that is too much.
    fn keep(&mut self, before: Vec<KeptJob>, gone: &[JobId]) {
        let Undo::Known { kept, .. } = &mut self.undo else { return };
        kept.extend(before.into_iter().filter(|job| gone.contains(&job.key)));
        if kept.iter().map(KeptJob::bytes).sum::<usize>() > UNDOABLE_BYTES {
            self.undo = Undo::TooMuch;
        }
    }

    fn performed(self, queue: &Queue, deed: &Deed, refused: Vec<String>) -> Performed {
        let mut parts = vec![format!("{} jobs {}", self.done, deed.done())];
        if self.stopping > 0 {
            parts.push(format!("{} run and are told to stop", self.stopping));
        }
        if self.missed > 0 {
            parts.push(format!("{} had moved on meanwhile", self.missed));
        }
        if self.left > 0 {
            parts.push(format!("stopped before {} others", self.left));
        }
        let name = queue.name().to_owned();
        let undo = match (deed, self.undo) {
            (Deed::Retry, _) => None,
            (_, Undo::TooMuch) => {
                parts.push(format!(
                    "which cannot be undone: they are more than {UNDOABLE}, or larger than {} kB",
                    UNDOABLE_BYTES >> 10
                ));
                None
            }
            (Deed::RunNow, Undo::Known { times, .. }) if !times.is_empty() => {
                Some(Action::DelayJobs { queue: name, times })
            }
            (Deed::Cancel | Deed::Delete, Undo::Known { kept, .. }) if !kept.is_empty() => {
                Some(Action::PutBackJobs { queue: name, jobs: kept })
            }
            (Deed::Move(to), Undo::Known { moved, .. }) if self.done > 0 => {
                Some(Action::MoveJobs { jobs: JobChoice::named(to, moved), to: name })
            }
            _ => None,
        };
        Performed {
            count: Some(self.done as u64),
            stopping: self.stopping as u64,
            missed: self.missed as u64,
            refused,
            undo,
            ..Performed::new(parts.join(", "))
        }
    }
}

fn well(ids: &[JobId], acted: &[Acted]) -> Vec<JobId> {
    ids.iter().zip(acted).filter(|(_, acted)| **acted == Acted::Well).map(|(id, _)| *id).collect()
}

/// Puts jobs back that were removed.
pub(super) async fn put_back(site: &Site, name: &str, jobs: &[KeptJob], work: &Work) -> Result<Performed, ActError> {
    let queue = site.queues.queue(name);
    work.of(jobs.len() as u64);
    let (mut ids, mut refused) = (Vec::new(), Vec::new());
    for jobs in jobs.chunks(STEP) {
        for (job, entered) in jobs.iter().zip(queue.put_back(jobs).await?) {
            match entered {
                Enqueued::New(_) => ids.push(job.id.clone()),
                Enqueued::Duplicate => refused.push(format!("job {} is here already", job.id)),
                Enqueued::Held(other) => refused.push(format!("job {other} has the unique key of job {} now", job.id)),
                Enqueued::Cancelled => refused.push(format!("job {} was cancelled since by its unique key", job.id)),
            }
        }
        work.add(jobs.len() as u64);
    }
    let performed = Performed::new(format!("{} jobs are back in queue {name}", ids.len()));
    let performed = Performed { count: Some(ids.len() as u64), refused, ..performed };
    if ids.is_empty() {
        return Ok(performed);
    }
    Ok(performed.undone_by(Action::DeleteJobs { jobs: JobChoice::named(name, ids) }))
}

/// Makes jobs wait until the times that they were to run at.
pub(super) async fn delay(
    site: &Site,
    name: &str,
    times: &BTreeMap<String, DateTime<Utc>>,
    work: &Work,
) -> Result<Performed, ActError> {
    let queue = site.queues.queue(name);
    work.of(times.len() as u64);
    let (mut ids, mut refused) = (Vec::new(), Vec::new());
    for (id, at) in times {
        let Ok(key) = id.parse::<JobId>() else { continue };
        match queue.reschedule(&[key], Some(*at)).await?.first() {
            Some(Acted::Well) => ids.push(id.clone()),
            Some(Acted::Not(state)) => refused.push(format!("job {id} is {state}")),
            _ => refused.push(format!("job {id} is gone: it ran, or was removed")),
        }
        work.add(1);
    }
    let performed = Performed::new(format!("{} jobs wait for their time again", ids.len()));
    let performed = Performed { count: Some(ids.len() as u64), refused, ..performed };
    if ids.is_empty() {
        return Ok(performed);
    }
    Ok(performed.undone_by(Action::RunJobs { jobs: JobChoice::named(name, ids) }))
}

/// Gives a job other arguments, and lets it run.
pub(super) async fn edit(site: &Site, name: &str, id: &str, arguments: &Value) -> Result<Performed, ActError> {
    let (queue, _) = known(site, name).await?;
    let found = see::find(site, &[name.to_owned()], id).await?.map_err(ActError::Gone)?;
    let (_, job) = found;
    if !arguments.is_object() && serde_json::from_str::<Value>(&job.payload).is_ok_and(|now| now.is_object()) {
        return Err(ActError::Refused(format!("the arguments of job {id} are an object: {{\"name\": value, …}}")));
    }
    // Who edits is not shown all of it either.
    let mut arguments = arguments.clone();
    if let Ok(before) = serde_json::from_str(&job.payload) {
        restore(&mut arguments, &before);
    }
    let acted = queue.edit(job.key, &arguments, site.job_kinds.get(&job.kind)).await;
    match acted {
        Ok(Acted::Well) => {
            let text = format!("job {id} runs again with other arguments, which cannot be undone");
            Ok(Performed { count: Some(1), ..Performed::new(text) })
        }
        Ok(Acted::Gone) => Err(ActError::Gone(format!("job {id} is gone: it ran, or was removed"))),
        Ok(Acted::Not(state)) => Err(ActError::Refused(not_edited(id, state))),
        Ok(Acted::Stopping) => Err(ActError::Refused(not_edited(id, JobState::Active))),
        Err(error @ (QueueError::Arguments { .. } | QueueError::TooLarge { .. })) => {
            Err(ActError::Refused(error.to_string()))
        }
        Err(error) => Err(error.into()),
    }
}

fn not_edited(id: &str, state: JobState) -> String {
    format!("job {id} is {state}; only jobs that wait, are delayed or dead can be edited")
}
