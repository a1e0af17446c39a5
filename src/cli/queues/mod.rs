//! `millgate queues`: counts, and what an operator may say of a queue while it runs.

mod limit;
mod show;

use millgate_dashboard::act::{self, Action, Work};

use super::{Call, Outcome, operator::operator, queue_choice};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Show one
    Show(Name),
    /// Take no jobs from a queue until it is resumed; what runs may finish
    Pause(Name),
    /// End a pause or a drain
    Resume(Name),
    /// Take no more jobs into a queue; what is there is done
    Drain(Name),
    /// Set limits of a queue, and show them; `none` unsets one
    Limit(limit::Args),
}

#[derive(clap::Args)]
struct Name {
    /// The queue
    #[arg(value_name = "QUEUE")]
    name: String,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let site = servers.site();
    let Some(command) = args.command else { return show::all(&site, json).await };
    let (Command::Show(Name { name })
    | Command::Pause(Name { name })
    | Command::Resume(Name { name })
    | Command::Drain(Name { name })
    | Command::Limit(limit::Args { name, .. })) = &command;
    if let Err(message) = queue_choice::choose(&servers, Some(name)).await? {
        return Ok(Outcome::Misunderstood(message));
    }
    let queue = name.clone();
    let action = match &command {
        Command::Show(_) => None,
        Command::Pause(_) => Some(Action::PauseQueue { queue }),
        Command::Resume(_) => Some(Action::ResumeQueue { queue }),
        Command::Drain(_) => Some(Action::DrainQueue { queue }),
        Command::Limit(args) => match args.applied_to(site.queues.queue(name).stats().await?.limits) {
            Ok(limits) => Some(Action::LimitQueue { queue, limits }),
            Err(message) => return Ok(Outcome::Misunderstood(message)),
        },
    };
    if let Some(action) = action {
        act::perform(&site, &operator(), &action, &Work::new()).await?;
    }
    show::one(&site, name, json).await
}
