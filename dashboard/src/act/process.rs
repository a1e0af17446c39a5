//! What is said to a process.

use millgate_jobs::{Order, Process, QueueError};

use super::{ActError, Action, Performed};
use crate::Site;

async fn found(site: &Site, id: &str) -> Result<Process, ActError> {
    let all = site.queues.processes().list().await?;
    let found = all.into_iter().find(|process| process.id == id);
    found.ok_or_else(|| ActError::Gone(QueueError::NoProcess(id.to_owned()).to_string()))
}

async fn tell(site: &Site, id: &str, order: Order) -> Result<(), ActError> {
    site.queues.processes().order(id, order).await.map_err(|error| match error {
        QueueError::NoProcess(_) => ActError::Gone(error.to_string()),
        error => error.into(),
    })
}

/// Who it is, as people know it.
fn name(process: &Process) -> String {
    format!("{} ({} on {})", process.id, process.roles.join(", "), process.host)
}

fn works(process: &Process) -> Result<(), ActError> {
    if process.queues.is_empty() {
        let name = name(process);
        return Err(ActError::Refused(format!("process {name} takes no jobs; only one with the role worker can rest")));
    }
    Ok(())
}

pub(super) async fn quiet(site: &Site, id: &str) -> Result<Performed, ActError> {
    let process = found(site, id).await?;
    works(&process)?;
    tell(site, id, Order::Quiet).await?;
    let text = format!("process {} takes no more jobs, within seconds; what it has it finishes", name(&process));
    Ok(Performed::new(text).undone_by(Action::ResumeProcess { process: id.to_owned() }))
}

pub(super) async fn resume(site: &Site, id: &str) -> Result<Performed, ActError> {
    let process = found(site, id).await?;
    works(&process)?;
    tell(site, id, Order::Resume).await?;
    let performed = Performed::new(format!("process {} takes jobs again, within seconds", name(&process)));
    let undo = Action::QuietProcess { process: id.to_owned() };
    Ok(if process.quiet { performed.undone_by(undo) } else { performed })
}

pub(super) async fn stop(site: &Site, id: &str) -> Result<Performed, ActError> {
    let process = found(site, id).await?;
    tell(site, id, Order::Stop).await?;
    Ok(Performed::new(format!("process {} stops, as by SIGTERM; whoever runs it may start it again", name(&process))))
}
