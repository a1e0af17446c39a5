//! `millgate jobs`: looking at jobs, and acting on them.

mod act;
mod check;
mod edit;
mod filter;
mod list;
mod row;
mod script;
mod show;

use super::{Call, Outcome};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show jobs, a line each
    List(list::Args),
    /// Show all that is known of a job, and why it is not running
    Show(show::Args),
    /// Let dead jobs run again, with all their attempts
    Retry(act::Args),
    /// Cancel jobs; those that run are told to stop
    Cancel(act::Args),
    /// Remove jobs that no worker has, dead and kept ones too
    Delete(act::Args),
    /// Let delayed jobs run now, also those that wait for their next attempt
    RunNow(act::Args),
    /// Move jobs that no worker has to another queue
    Move(act::MoveArgs),
    /// Give a job other arguments, and let it run
    Edit(edit::Args),
    /// Look whether queues are sound; exit code 1 and what is wrong if not
    Check(check::Args),
    /// Print a Lua script of the queue, for programs in other languages
    Script(script::Args),
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::List(args) => list::run(call, args).await,
        Command::Show(args) => show::run(call, args).await,
        Command::Retry(args) => Box::pin(act::run(call, act::Deed::Retry, args)).await,
        Command::Cancel(args) => Box::pin(act::run(call, act::Deed::Cancel, args)).await,
        Command::Delete(args) => Box::pin(act::run(call, act::Deed::Delete, args)).await,
        Command::RunNow(args) => Box::pin(act::run(call, act::Deed::RunNow, args)).await,
        Command::Move(args) => Box::pin(act::run(call, act::Deed::Move(args.to), args.which)).await,
        Command::Edit(args) => edit::run(call, args).await,
        Command::Check(args) => check::run(call, args).await,
        Command::Script(args) => script::run(&call, &args),
    }
}
