//! The command line, the same for every application.

mod answer;
mod audit;
mod audit_log;
mod bench;
mod claims;
mod completions;
mod config;
mod dashboard;
mod dev;
mod dlq;
mod doctor;
mod events;
mod group_choice;
mod groups;
mod jobs;
mod mail;
mod migrate;
mod moment;
mod operator;
mod outbox;
mod progress;
mod projections;
mod publish;
mod queue_choice;
mod queues;
mod rate;
mod replay;
mod roles;
mod routes;
mod saga;
mod schedules;
mod schema;
mod store;
mod streams;
mod top;
mod topics;
mod trace;
mod typed;
mod watermarks;
mod windows;
mod workers;

use std::{path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

use crate::{App, app::Configuration, config::process_environment, servers::Servers, telemetry};

/// Kafka events become jobs, and none is lost on the way.
#[derive(Parser)]
#[command(version, about, disable_help_subcommand = true, after_help = AFTER_HELP)]
struct Cli {
    /// Configuration file; else `MILLGATE_CONFIG`, else millgate.toml if it is there
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Answer in JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Command,
}

const AFTER_HELP: &str = "\
Begin with:
  millgate dev --demo           everything in one process, nothing to install
  millgate doctor               is every server there, and as it should be?
  millgate trace ID             an event's whole life, by the id of an event, an order, a request or a trace
  millgate top                  what goes on now

Exit codes: 0 well; 1 failed, or a check found something; 2 not understood: a wrong argument or setting.
With --json every answer is JSON on standard output; errors and logs go to standard error.";

#[derive(Subcommand)]
enum Command {
    /// All roles in one process, with sample traffic; servers in memory unless URLs name real ones
    Dev(dev::Args),
    /// Take events off Kafka and hand their jobs to Redis
    Bridge(roles::BridgeArgs),
    /// Run jobs, and make those of schedules
    Worker(roles::WorkerArgs),
    /// Make the jobs of schedules, without running any
    Scheduler,
    /// Publish what is in the outbox
    Relay,
    /// Drive sagas; look at them, and act: retry, compensate, resolve
    #[command(subcommand)]
    Saga(saga::Command),
    /// Tell of services that log too many errors
    LogAlerts,
    /// Fold records into tables (windows, audit, changes), and see how far that is
    #[command(subcommand)]
    Streams(streams::Command),
    /// Show how far windows are, and their results
    #[command(subcommand)]
    Windows(windows::Command),
    /// Serve the dashboard
    Dashboard(dashboard::Args),
    /// Look at the outbox, and act on events that Kafka refuses: retry, discard
    #[command(subcommand)]
    Outbox(outbox::Command),
    /// Keep the tables up to date that follow from the event store, show how far they are, rebuild one
    #[command(subcommand)]
    Projections(projections::Command),
    /// Look at streams of the event store, and at their events
    #[command(subcommand)]
    Store(store::Command),
    /// Tell an event's whole life, found by the id of an event, a request, an order, a trace or a job
    Trace(trace::Args),
    /// Look at records of topics: headers and payloads
    #[command(subcommand)]
    Events(events::Command),
    /// Publish events from a file of JSON lines
    Publish(publish::Args),
    /// Replay events through routes, onto another topic or into a file; backfill a new group
    Replay(replay::Args),
    /// Show or make the topics that the events need
    #[command(subcommand)]
    Topics(topics::Command),
    /// Write the schemas of events, and find changes that would break their readers
    #[command(subcommand)]
    Schema(schema::Command),
    /// Show how far the bridge's groups are in each partition, in events and in time
    Groups(groups::Args),
    /// Show the routes, or what they would make of an event; needs no server
    #[command(subcommand)]
    Routes(routes::Command),
    /// Counts of jobs, by queue and kind; pause, resume, drain or limit a queue
    Queues(queues::Args),
    /// Look at jobs, and act on them: retry, cancel, delete
    #[command(subcommand)]
    Jobs(jobs::Command),
    /// Show the processes that run, all roles of them; let one rest, go on, or stop
    Workers(workers::Args),
    /// Watch queues, workers and the bridge as they go
    Top(top::Args),
    /// Show how far each queue is in each partition, and go on when Redis lost what it had
    #[command(subcommand)]
    Watermarks(watermarks::Command),
    /// Look at dead letters, and redrive, edit or discard them
    #[command(subcommand)]
    Dlq(dlq::Command),
    /// Show schedules, pause or resume one, run its job now
    #[command(subcommand)]
    Schedules(schedules::Command),
    /// Look at mails, send one as a test, and keep mail from addresses
    #[command(subcommand)]
    Mail(mail::Command),
    /// Set up, count or expire the store of values that are too large for Kafka
    #[command(subcommand)]
    Claims(claims::Command),
    /// What operators did, and undo it (list, undo); the audit log of events (search, verify, expire)
    Audit(audit::Args),
    /// Create the application's tables
    Migrate,
    /// Check every server, and say what to do
    Doctor,
    /// Print the settings in force, and where each came from
    Config,
    /// Measure how fast it is
    #[command(subcommand)]
    Bench(bench::Command),
    /// Print what completes this command line in a shell: `millgate completions bash > /etc/bash_completion.d/millgate`
    Completions(completions::CompletionsArgs),
    /// Print the manual page, or write one for each command
    Man(completions::ManArgs),
}

impl Command {
    /// Commands that answer a question; their log lines would be in the way.
    fn is_brief(&self) -> bool {
        let is_role = matches!(
            self,
            Self::Bridge(_) | Self::Worker(_) | Self::Scheduler | Self::Relay | Self::LogAlerts | Self::Dashboard(_)
        );
        let follows =
            matches!(self, Self::Streams(streams::Command::Run(_)) | Self::Projections(projections::Command::Run));
        !is_role && !follows && !matches!(self, Self::Saga(saga::Command::Run))
    }
}

/// Did what it was asked to, or found that it is not so: a check that fails is no error.
pub(crate) enum Outcome {
    Well,
    NotWell,
    /// An argument or a setting cannot be meant.
    Misunderstood(String),
}

/// What a command gets.
pub(crate) struct Call {
    pub(crate) app: App,
    pub(crate) configuration: Configuration,
    pub(crate) json: bool,
}

impl Call {
    fn servers(self) -> anyhow::Result<Servers> {
        Servers::new(self.app, self.configuration.config)
    }
}

pub(crate) fn main(app: App) -> ExitCode {
    let Cli { config, json, command } = Cli::parse();
    // These need no configuration, and must not fail for a wrong one.
    if let Some(outcome) = without_configuration(&command, json) {
        return exit_code(outcome);
    }
    let mut environment: Vec<(String, String)> = process_environment().collect();
    if let Command::Dev(_) = command {
        let missing = |(name, _): &&(&str, &str)| environment.iter().all(|(given, _)| given != name);
        let defaults: Vec<_> = app.dev_settings.iter().filter(missing).copied().collect();
        environment.extend(defaults.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())));
    }
    let (app, configuration) = match app.load(config.as_deref(), environment.into_iter()) {
        Ok(loaded) => loaded,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let _telemetry = match start_telemetry(&configuration, &command, app.name) {
        Ok(telemetry) => telemetry,
        Err(error) => {
            eprintln!("error: {}", with_causes(&error));
            return ExitCode::from(2);
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: no threads to run on: {error}");
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(run(command, Call { app, configuration, json }));
    // Whatever still blocks (a client that waits for a server that is away) is not waited for.
    runtime.shutdown_background();
    exit_code(outcome)
}

fn start_telemetry(
    configuration: &Configuration,
    command: &Command,
    name: &str,
) -> anyhow::Result<telemetry::Telemetry> {
    let Configuration { config, .. } = configuration;
    telemetry::start(&config.log, (&config.kafka, &config.log_shipping), command.is_brief(), name)
}

fn without_configuration(command: &Command, json: bool) -> Option<anyhow::Result<Outcome>> {
    match command {
        Command::Completions(args) => Some(completions::completions(args)),
        Command::Man(args) => Some(completions::man(args)),
        Command::Schema(schema::Command::Check(args)) => Some(schema::check(json, args)),
        _ => None,
    }
}

fn exit_code(outcome: anyhow::Result<Outcome>) -> ExitCode {
    match outcome {
        Ok(Outcome::Well) => ExitCode::SUCCESS,
        Ok(Outcome::NotWell) => ExitCode::FAILURE,
        Ok(Outcome::Misunderstood(message)) => {
            eprintln!("error: {message}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("error: {}", with_causes(&error));
            ExitCode::FAILURE
        }
    }
}

/// An error and its causes, without what a cause only repeats.
fn with_causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.contains(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

async fn run(command: Command, call: Call) -> anyhow::Result<Outcome> {
    match command {
        Command::Dev(args) => Box::pin(dev::run(call, args)).await,
        Command::Bridge(args) => roles::bridge(call, args).await,
        Command::Worker(args) => roles::worker(call, args).await,
        Command::Scheduler => roles::scheduler(call).await,
        Command::Relay => roles::relay(call).await,
        Command::Saga(command) => Box::pin(saga::run(call, command)).await,
        Command::LogAlerts => roles::log_alerts(call).await,
        Command::Streams(command) => streams::run(call, command).await,
        Command::Windows(command) => windows::run(call, command).await,
        Command::Dashboard(args) => dashboard::run(call, args).await,
        Command::Outbox(command) => outbox::run(call, command).await,
        Command::Projections(command) => projections::run(call, command).await,
        Command::Store(command) => store::run(call, command).await,
        Command::Trace(args) => Box::pin(trace::run(call, args)).await,
        Command::Events(command) => events::run(call, command).await,
        Command::Publish(args) => publish::run(call, args).await,
        Command::Groups(args) => groups::run(call, args).await,
        Command::Replay(args) => Box::pin(replay::run(call, args)).await,
        Command::Topics(command) => topics::run(call, command).await,
        Command::Schema(command) => schema::run(call, command),
        Command::Routes(command) => routes::run(&call, command),
        Command::Queues(args) => queues::run(call, args).await,
        Command::Jobs(command) => Box::pin(jobs::run(call, command)).await,
        Command::Workers(args) => workers::run(call, args).await,
        Command::Top(args) => top::run(call, args).await,
        Command::Watermarks(command) => watermarks::run(call, command).await,
        Command::Dlq(command) => dlq::run(call, command).await,
        Command::Schedules(command) => schedules::run(call, command).await,
        Command::Claims(command) => claims::run(call, command).await,
        Command::Mail(command) => mail::run(call, command).await,
        Command::Audit(args) => audit::run(call, args).await,
        Command::Migrate => migrate::run(call).await,
        Command::Doctor => doctor::run(call).await,
        Command::Config => config::run(&call),
        Command::Completions(args) => completions::completions(&args),
        Command::Man(args) => completions::man(&args),
        Command::Bench(command) => Box::pin(bench::run(call, command)).await,
    }
}
