//! `millgate schedules`.

use chrono::{DateTime, SecondsFormat, Utc};
use millgate_jobs::{ScheduleError, ScheduleState, Schedules};
use serde_json::{Value, json};

use super::{Call, Outcome};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show all, with their last and next ticks
    List,
    /// Put a schedule's job in now; its ticks stay as they are
    Run {
        /// The schedule
        name: String,
    },
    /// Let a schedule fire no more, over restarts, until it is resumed
    Pause {
        /// The schedule
        name: String,
    },
    /// Let a schedule fire again, from now on
    Resume {
        /// The schedule
        name: String,
    },
    /// Remove a schedule that is not, or no longer, in the code
    Remove {
        /// The schedule
        name: String,
    },
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let done = if let Command::List = command {
        list(&servers.schedules(), json).await
    } else {
        change(&servers.schedules(), command, json).await
    };
    match done {
        Ok(()) => Ok(Outcome::Well),
        Err(error @ ScheduleError::Unknown { .. }) => Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => Err(error.into()),
    }
}

async fn change(schedules: &Schedules, command: Command, json: bool) -> Result<(), ScheduleError> {
    let mut job = None;
    let (name, what) = match command {
        Command::List => return Ok(()),
        Command::Run { name } => {
            job = Some(schedules.run_now(&name).await?);
            (name, "runs now")
        }
        Command::Pause { name } => {
            schedules.pause(&name).await?;
            (name, "is paused")
        }
        Command::Resume { name } => {
            schedules.resume(&name).await?;
            (name, "fires again")
        }
        Command::Remove { name } => {
            schedules.remove(&name).await?;
            (name, "is removed")
        }
    };
    match (json, job) {
        (true, job) => println!("{}", json!({ "schedule": name, "now": what, "job": job })),
        (false, Some(job)) => println!("{name} {what}, as job {job}"),
        (false, None) => println!("{name} {what}"),
    }
    Ok(())
}

async fn list(schedules: &Schedules, json: bool) -> Result<(), ScheduleError> {
    let states = schedules.list().await?;
    if json {
        let states = Value::Array(states.iter().map(as_json).collect());
        println!("{states:#}");
        return Ok(());
    }
    if states.is_empty() {
        println!("no schedules; those of the code come with the first `worker` or `scheduler`");
    }
    for state in &states {
        let schedule = &state.schedule;
        println!(
            "{:<26} {:<16} {:<20} next {:<20}  last {:<20}  {}",
            schedule.name(),
            schedule.cron(),
            schedule.zone(),
            state.next.map_or("never".into(), time),
            state.last.map_or("never".into(), time),
            remark(state),
        );
    }
    Ok(())
}

fn remark(state: &ScheduleState) -> &'static str {
    match state {
        ScheduleState { left: true, .. } => "has left the code; `schedules remove` ends it",
        ScheduleState { paused: true, .. } => "paused",
        _ => "",
    }
}

fn as_json(state: &ScheduleState) -> Value {
    let schedule = &state.schedule;
    json!({
        "name": schedule.name(),
        "cron": schedule.cron(),
        "zone": schedule.zone(),
        "kind": schedule.kind(),
        "queue": schedule.queue(),
        "catch_up": schedule.policy(),
        "last": state.last.map(time),
        "next": state.next.map(time),
        "paused": state.paused,
        "application": state.application,
        "left": state.left,
    })
}

fn time(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
