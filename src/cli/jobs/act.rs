//! `millgate jobs retry`, `cancel`, `delete` and `run-now`.

use std::collections::BTreeMap;

use millgate_jobs::{Acted, JobId, JobState, Queue, QueueError, Queues};
use serde::Serialize;

use super::{
    super::{Call, Outcome, answer, queue_choice, typed},
    filter::Filter,
    find::find,
};
use crate::servers::Servers;

/// Jobs in one call of a script.
const STEP: usize = 200;

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Ids, as `jobs list` or a log line has them
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    #[command(flatten)]
    filter: Filter,
    /// Only say how many jobs it would be
    #[arg(long)]
    dry_run: bool,
    /// With a filter: do it
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

#[derive(clap::Args)]
pub(in crate::cli) struct MoveArgs {
    /// The queue to move them to
    #[arg(long, value_name = "QUEUE")]
    pub(super) to: String,
    #[command(flatten)]
    pub(super) which: Args,
}

/// What to do with jobs.
pub(super) enum Action {
    Retry,
    Cancel,
    Delete,
    RunNow,
    /// To that queue.
    Move(String),
}

impl Action {
    fn command(&self) -> &'static str {
        match self {
            Self::Retry => "retry",
            Self::Cancel => "cancel",
            Self::Delete => "delete",
            Self::RunNow => "run-now",
            Self::Move(_) => "move",
        }
    }

    /// What jobs then are.
    fn done(&self) -> String {
        match self {
            Self::Retry => "run again".to_owned(),
            Self::Cancel => "are cancelled".to_owned(),
            Self::Delete => "are deleted".to_owned(),
            Self::RunNow => "run now".to_owned(),
            Self::Move(to) => format!("are moved to {to}"),
        }
    }

    /// What jobs then would do.
    fn wish(&self) -> String {
        self.done().replacen("are ", "be ", 1)
    }

    /// The states that it can be done in.
    fn states(&self) -> &'static [JobState] {
        use JobState::{Active, Dead, Delayed, Done, Held, Waiting};
        match self {
            Self::Retry => &[Dead],
            Self::Cancel => &[Waiting, Delayed, Held, Active],
            Self::Delete => &[Waiting, Delayed, Held, Dead, Done],
            Self::RunNow => &[Delayed],
            Self::Move(_) => &[Waiting, Delayed, Held, Dead],
        }
    }

    async fn act(&self, queues: &Queues, queue: &Queue, ids: &[JobId]) -> Result<Tally, QueueError> {
        let counted = |done: usize| Tally { done, stopping: 0, missed: ids.len().saturating_sub(done) };
        let acted = match self {
            Self::Retry | Self::RunNow => queue.reschedule(ids, None).await?,
            Self::Cancel => queue.stop(ids).await?,
            Self::Delete => return Ok(counted(queue.remove(ids).await?)),
            Self::Move(to) => return Ok(counted(queue.transfer(ids, &queues.queue(to)).await?)),
        };
        let count = |wanted: fn(&Acted) -> bool| acted.iter().filter(|acted| wanted(acted)).count();
        Ok(Tally {
            done: count(|acted| *acted == Acted::Well),
            stopping: count(|acted| *acted == Acted::Stopping),
            missed: count(|acted| matches!(acted, Acted::Not(_) | Acted::Gone)),
        })
    }

    /// Why it cannot be done in a state, and what can.
    fn refusal(&self, id: &str, state: JobState) -> String {
        let instead = match (self, state) {
            (_, JobState::Active) => "; `millgate jobs cancel` tells it to stop",
            (Self::Retry | Self::RunNow, JobState::Held) => "; it goes on when others of its lane are done",
            (Self::Retry, JobState::Delayed) => "; `millgate jobs run-now` lets it run",
            (Self::RunNow, JobState::Dead) => "; `millgate jobs retry` lets it run again",
            (Self::Cancel, JobState::Dead | JobState::Done) => "; `millgate jobs delete` removes it",
            (_, JobState::Waiting) => "; a worker will take it",
            _ => "",
        };
        format!("job {id} is {state}{instead}")
    }
}

/// How many jobs it was done with.
#[derive(Default, Serialize)]
struct Tally {
    done: usize,
    /// They run, and are told to stop.
    stopping: usize,
    /// They had moved on meanwhile.
    missed: usize,
}

impl Tally {
    fn add(&mut self, other: &Self) {
        self.done += other.done;
        self.stopping += other.stopping;
        self.missed += other.missed;
    }
}

type Chosen = BTreeMap<String, Vec<JobId>>;

pub(super) async fn run(call: Call, action: Action, args: Args) -> anyhow::Result<Outcome> {
    if let Some(message) = wrong(&action, &args) {
        return Ok(Outcome::Misunderstood(message));
    }
    let json = call.json;
    let servers = call.servers()?;
    let names = match queue_choice::choose(&servers, args.filter.queue.as_deref()).await? {
        Ok(names) => names,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    if let Action::Move(to) = &action
        && let Err(message) = queue_choice::choose(&servers, Some(to)).await?
    {
        return Ok(Outcome::Misunderstood(message));
    }
    let (mut chosen, refused) = if args.ids.is_empty() {
        (by_filter(&servers, &names, &args.filter, &action).await?, Vec::new())
    } else {
        by_id(&servers, &names, &args.ids, &action).await?
    };
    if let Action::Move(to) = &action {
        // What is there already stays.
        chosen.remove(to);
    }
    let many = chosen.values().map(Vec::len).sum::<usize>();
    if args.dry_run {
        answer::act(
            json,
            &serde_json::json!({ "jobs": many }),
            &format!("{many} jobs would {}", action.wish()),
            &refused,
        )?;
        return Ok(if refused.is_empty() { Outcome::Well } else { Outcome::NotWell });
    }
    if args.ids.is_empty() && !args.yes && many > 0 {
        let message =
            format!("{many} jobs would {}, and nothing was done yet; to do it: {} --yes", action.wish(), typed::line());
        return Ok(Outcome::Misunderstood(message));
    }
    let mut tally = Tally::default();
    for (name, ids) in &chosen {
        let queue = servers.queues.queue(name);
        for ids in ids.chunks(STEP) {
            tally.add(&action.act(&servers.queues, &queue, ids).await?);
        }
    }
    let mut parts = vec![format!("{} jobs {}", tally.done, action.done())];
    if tally.stopping > 0 {
        parts.push(format!("{} run and are told to stop", tally.stopping));
    }
    if tally.missed > 0 {
        parts.push(format!("{} had moved on meanwhile", tally.missed));
    }
    answer::act(json, &tally, &parts.join(", "), &refused)?;
    let named_and_missed = !args.ids.is_empty() && tally.missed > 0;
    Ok(if refused.is_empty() && !named_and_missed { Outcome::Well } else { Outcome::NotWell })
}

/// What cannot be meant.
fn wrong(action: &Action, args: &Args) -> Option<String> {
    let states = action.states().iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", ");
    if args.ids.is_empty() && args.filter.is_empty() {
        return Some("name jobs by their ids, or choose them by --queue, --state, --kind or --where".into());
    }
    if !args.ids.is_empty() && args.filter.chooses_jobs() {
        return Some("jobs are named by their ids or chosen by --state, --kind or --where, not both".into());
    }
    let state = args.filter.state.filter(|state| !action.states().contains(state))?;
    Some(format!("`jobs {}` is for jobs that are {states}; not for {state} ones", action.command()))
}

async fn by_filter(servers: &Servers, names: &[String], filter: &Filter, action: &Action) -> anyhow::Result<Chosen> {
    let mut chosen = Chosen::new();
    for name in names {
        // All of them before the first is touched: what is done moves those that follow.
        let ids = filter.ids(&servers.queues.queue(name), action.states(), usize::MAX).await?;
        chosen.insert(name.clone(), ids);
    }
    Ok(chosen)
}

async fn by_id(
    servers: &Servers,
    names: &[String],
    ids: &[String],
    action: &Action,
) -> anyhow::Result<(Chosen, Vec<String>)> {
    let (mut chosen, mut refused) = (Chosen::new(), Vec::new());
    for id in ids {
        match find(&servers.queues, names, id).await? {
            Ok(found) if action.states().contains(&found.job.state) => {
                chosen.entry(found.queue).or_default().push(found.job.key);
            }
            Ok(found) => refused.push(action.refusal(id, found.job.state)),
            Err(message) => refused.push(message),
        }
    }
    Ok((chosen, refused))
}
