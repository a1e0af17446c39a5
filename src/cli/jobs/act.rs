//! `millgate jobs retry`, `cancel`, `delete`, `run-now` and `move`.

use std::collections::BTreeMap;

use millgate_dashboard::{
    Site,
    act::{self, ActError, Action, JobChoice, Work},
    see::{self, JobFilter},
};
use serde::Serialize;

use super::{
    super::{Call, Outcome, answer, operator::operator, progress, queue_choice, typed},
    filter::Filter,
};

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
pub(super) enum Deed {
    Retry,
    Cancel,
    Delete,
    RunNow,
    /// To that queue.
    Move(String),
}

impl Deed {
    fn on(&self, jobs: JobChoice) -> Action {
        match self {
            Self::Retry => Action::RetryJobs { jobs },
            Self::Cancel => Action::CancelJobs { jobs },
            Self::Delete => Action::DeleteJobs { jobs },
            Self::RunNow => Action::RunJobs { jobs },
            Self::Move(to) => Action::MoveJobs { jobs, to: to.clone() },
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
}

/// How many jobs it was done with.
#[derive(Default, Serialize)]
struct Tally {
    done: u64,
    /// They run, and are told to stop.
    stopping: u64,
    /// They had moved on meanwhile.
    missed: u64,
    /// The entries of the audit, by which it is undone.
    audit: Vec<String>,
}

pub(super) async fn run(call: Call, deed: Deed, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let names = match queue_choice::choose(&servers, args.filter.queue.as_deref()).await? {
        Ok(names) => names,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let filter = args.filter.resolve(servers.queues.queue("").now().await?);
    if let Some(message) = wrong(&args, &filter) {
        return Ok(Outcome::Misunderstood(message));
    }
    let site = servers.site();
    let (mut choices, mut refused) = if args.ids.is_empty() {
        (names.iter().map(|name| JobChoice::filtered(name, &filter)).collect(), Vec::new())
    } else {
        by_id(&site, &names, &args.ids).await?
    };
    if let Deed::Move(to) = &deed {
        // What is there already stays.
        choices.retain(|choice: &JobChoice| choice.queue != *to);
        if let Err(message) = queue_choice::choose(&servers, Some(to)).await? {
            return Ok(Outcome::Misunderstood(message));
        }
    }
    let (mut many, mut wanted) = (0, Vec::new());
    for choice in choices {
        let action = deed.on(choice);
        match act::preview(&site, &operator(), &action).await {
            Ok(preview) => {
                let count = preview.count.unwrap_or_default();
                many += count;
                refused.extend(preview.refused);
                wanted.extend((count > 0).then_some(action));
            }
            Err(ActError::Refused(message)) => return Ok(Outcome::Misunderstood(message)),
            Err(error) => return Err(error.into()),
        }
    }
    if args.dry_run {
        let text = format!("{many} jobs would {}", deed.wish());
        answer::act(json, &serde_json::json!({ "jobs": many }), &text, &refused)?;
        return Ok(if refused.is_empty() { Outcome::Well } else { Outcome::NotWell });
    }
    if args.ids.is_empty() && !args.yes && many > 0 {
        let message =
            format!("{many} jobs would {}, and nothing was done yet; to do it: {} --yes", deed.wish(), typed::line());
        return Ok(Outcome::Misunderstood(message));
    }
    let (mut tally, mut texts) = (Tally::default(), Vec::new());
    for action in wanted {
        let work = Work::new();
        let performed = progress::shown(&work, act::perform(&site, &operator(), &action, &work)).await?;
        tally.done += performed.count.unwrap_or_default();
        tally.stopping += performed.stopping;
        tally.missed += performed.missed;
        tally.audit.push(performed.id);
        texts.push(performed.text);
        if work.is_stopped() {
            break;
        }
    }
    let text = if texts.is_empty() { format!("0 jobs {}", deed.done()) } else { texts.join("\n") };
    answer::act(json, &tally, &text, &refused)?;
    let named_and_missed = !args.ids.is_empty() && tally.missed > 0;
    Ok(if refused.is_empty() && !named_and_missed { Outcome::Well } else { Outcome::NotWell })
}

/// What cannot be meant.
fn wrong(args: &Args, filter: &JobFilter) -> Option<String> {
    if args.ids.is_empty() && filter.queue.is_none() && !filter.chooses_jobs() {
        return Some(
            "name jobs by their ids, or choose them by --queue, --state, --kind, --where, --since or --until".into(),
        );
    }
    (!args.ids.is_empty() && filter.chooses_jobs()).then(|| {
        "jobs are named by their ids or chosen by --state, --kind, --where, --since or --until, not both".into()
    })
}

/// Those of each queue, and why others are not meant.
async fn by_id(site: &Site, names: &[String], ids: &[String]) -> anyhow::Result<(Vec<JobChoice>, Vec<String>)> {
    let (mut chosen, mut refused) = (BTreeMap::<String, Vec<String>>::new(), Vec::new());
    for id in ids {
        match see::find(site, names, id).await? {
            Ok((queue, job)) => chosen.entry(queue).or_default().push(job.key.to_string()),
            Err(message) => refused.push(message),
        }
    }
    Ok((chosen.into_iter().map(|(queue, ids)| JobChoice::named(&queue, ids)).collect(), refused))
}
