//! `millgate bench`: how fast it is here.

mod audit;
mod bridge;
mod bridge_rig;
mod bridge_runner;
mod clock;
mod dashboard;
mod delayed;
mod draining;
mod email;
mod enqueueing;
mod eventstore;
mod figures;
mod idle;
mod load;
mod mail_sink;
mod mail_worker;
mod median;
mod order;
mod overhead;
mod parent;
mod process;
mod queue;
mod recovery;
mod relay;
mod rig;
mod schedule;
mod shipment;
mod spent;
mod trail;
mod windows;
mod worker;

use super::{Call, Outcome};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Measure the queue, on the Redis of the configuration
    Queue(queue::Args),
    /// Measure the bridge, on the Kafka and the Redis of the configuration
    Bridge(bridge::Args),
    /// Measure the audit log, on the Kafka and the PostgreSQL of the configuration
    Audit(audit::Args),
    /// Measure the relay, on the Kafka and the PostgreSQL of the configuration
    Relay(relay::Args),
    /// Measure the event store and its projections, on the PostgreSQL of the configuration
    Eventstore(eventstore::Args),
    /// Measure windows: a keyed tumbling count, on the Kafka and the PostgreSQL of the configuration
    Windows(windows::Args),
    /// Measure what a worker adds to a job that does nothing, on the Redis of the configuration
    Worker(overhead::Args),
    /// Measure mail, through the Redis of the configuration, to a mail server of its own
    Email(email::Args),
    /// Measure the pages of the dashboard at a million jobs, and what viewers cost the Redis of the configuration
    Dashboard(dashboard::Args),
    /// A bridge process of `bench bridge`, which speaks to it on standard input and output
    #[command(hide = true)]
    BridgeRunner,
    /// A worker process of a bench, which speaks to it on standard input and output
    #[command(hide = true)]
    QueueWorker,
    /// A worker process of `bench email`, which speaks to it on standard input and output
    #[command(hide = true)]
    MailWorker,
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    match command {
        Command::Queue(args) => queue::run(call, args).await,
        Command::Bridge(args) => Box::pin(bridge::run(call, args)).await,
        Command::Audit(args) => Box::pin(audit::run(call, args)).await,
        Command::Relay(args) => Box::pin(relay::run(call, args)).await,
        Command::Eventstore(args) => Box::pin(eventstore::run(call, args)).await,
        Command::Windows(args) => Box::pin(windows::run(call, args)).await,
        Command::Worker(args) => overhead::run(call, args).await,
        Command::Dashboard(args) => Box::pin(dashboard::run(call, args)).await,
        Command::BridgeRunner => bridge_runner::run().await,
        Command::QueueWorker => worker::run().await,
        Command::Email(args) => email::run(call, args).await,
        Command::MailWorker => mail_worker::run().await,
    }
}
