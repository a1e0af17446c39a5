//! `millgate bench`: how fast it is here.

mod clock;
mod delayed;
mod draining;
mod enqueueing;
mod figures;
mod idle;
mod load;
mod median;
mod order;
mod queue;
mod recovery;
mod rig;
mod schedule;
mod worker;
mod worker_process;

use super::{Call, Outcome};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Measure the queue, on the Redis of the configuration
    Queue(queue::Args),
    /// A worker process of `bench queue`, which speaks to it on standard input and output
    #[command(hide = true)]
    QueueWorker,
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Queue(args) => queue::run(call, args).await,
        Command::QueueWorker => worker::run().await,
    }
}
