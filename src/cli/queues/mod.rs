//! `millgate queues`: counts, and what an operator may say of a queue while it runs.

mod limit;
mod show;

use super::{Call, Outcome, queue_choice};

#[derive(clap::Args)]
pub(super) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(clap::Subcommand)]
enum Command {
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
    let Some(command) = args.command else { return show::all(&servers, json).await };
    let (Command::Pause(Name { name })
    | Command::Resume(Name { name })
    | Command::Drain(Name { name })
    | Command::Limit(limit::Args { name, .. })) = &command;
    if let Err(message) = queue_choice::choose(&servers, Some(name)).await? {
        return Ok(Outcome::Misunderstood(message));
    }
    let queue = servers.queues.queue(name);
    match &command {
        Command::Pause(_) => queue.pause().await?,
        Command::Resume(_) => queue.resume().await?,
        Command::Drain(_) => queue.drain().await?,
        Command::Limit(args) => match args.applied_to(queue.stats().await?.limits) {
            Ok(limits) => queue.limit(&limits).await?,
            Err(message) => return Ok(Outcome::Misunderstood(message)),
        },
    }
    show::one(&queue, json).await
}
