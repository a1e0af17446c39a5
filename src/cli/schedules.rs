//! `millgate schedules`.

use chrono::{DateTime, SecondsFormat, Utc};
use millgate_dashboard::{
    Site,
    act::{self, ActError, Action, Performed, Work},
    see::{self, ScheduleDetail, ScheduleView},
};
use millgate_jobs::ScheduleError;
use serde_json::json;

use super::{Call, Outcome, operator::operator};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show all, with their last and next ticks
    List,
    /// Show one, with its next ticks and the jobs that it made last
    Show(Name),
    /// Put a schedule's job in now; its ticks stay as they are
    Run(Name),
    /// Let a schedule fire no more, over restarts, until it is resumed
    Pause(Name),
    /// Let a schedule fire again, from now on
    Resume(Name),
    /// Let a schedule fire at other times, over restarts, until it is reset or the code has new ones
    Edit(Edit),
    /// Remove a schedule that is not, or no longer, in the code
    Remove(Name),
}

#[derive(clap::Args)]
pub(super) struct Name {
    /// The schedule
    name: String,
}

#[derive(clap::Args)]
pub(super) struct Edit {
    /// The schedule
    name: String,
    /// When: "0 3 * * *"; as it is, if not given
    #[arg(long, value_name = "EXPRESSION", required_unless_present_any = ["zone", "reset"])]
    cron: Option<String>,
    /// On the clock of which time zone: Europe/Berlin; as it is, if not given
    #[arg(long, value_name = "ZONE")]
    zone: Option<String>,
    /// At the times that its definition says
    #[arg(long, conflicts_with_all = ["cron", "zone"])]
    reset: bool,
}

impl Command {
    fn name(&self) -> Option<&str> {
        match self {
            Self::List => None,
            Self::Edit(Edit { name, .. })
            | Self::Show(Name { name })
            | Self::Run(Name { name })
            | Self::Pause(Name { name })
            | Self::Resume(Name { name })
            | Self::Remove(Name { name }) => Some(name),
        }
    }

    /// What is to be done, and how it is then.
    fn action(self, of: ScheduleView) -> Option<(Action, &'static str)> {
        let ScheduleView { queue, name: schedule, cron, zone, .. } = of;
        Some(match self {
            Self::List | Self::Show(_) => return None,
            Self::Run(_) => (Action::RunSchedule { queue, schedule }, "runs now"),
            Self::Pause(_) => (Action::PauseSchedule { queue, schedule }, "is paused"),
            Self::Resume(_) => (Action::ResumeSchedule { queue, schedule }, "fires again"),
            Self::Edit(Edit { reset: true, .. }) => (Action::ResetSchedule { queue, schedule }, "is reset"),
            Self::Edit(edit) => {
                let (cron, zone) = (edit.cron.unwrap_or(cron), edit.zone.unwrap_or(zone));
                (Action::EditSchedule { queue, schedule, cron, zone }, "is edited")
            }
            Self::Remove(_) => (Action::RemoveSchedule { queue, schedule }, "is removed"),
        })
    }
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let site = call.servers()?.site();
    let Some(name) = command.name() else { return list(&site, json).await };
    let detail = match see::schedule(&site, name).await {
        Ok(detail) => detail,
        Err(error @ ScheduleError::Unknown { .. }) => return Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => return Err(error.into()),
    };
    let name = detail.schedule.name.clone();
    if let Command::Show(_) = command {
        return show(&detail, json);
    }
    let Some((action, now)) = command.action(detail.schedule) else { return Ok(Outcome::Well) };
    match act::perform(&site, &operator(), &action, &Work::new()).await {
        Ok(Performed { job, .. }) if json => println!("{}", json!({ "schedule": name, "now": now, "job": job })),
        Ok(Performed { text, .. }) => println!("{text}"),
        Err(error @ ActError::Gone(_)) => return Ok(Outcome::Misunderstood(error.to_string())),
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Well)
}

async fn list(site: &Site, json: bool) -> anyhow::Result<Outcome> {
    let schedules = see::schedules(site).await?;
    if json {
        println!("{}", serde_json::to_string_pretty(&schedules)?);
        return Ok(Outcome::Well);
    }
    if schedules.is_empty() {
        println!("no schedules; those of the code come with the first `worker` or `scheduler`");
    }
    for schedule in &schedules {
        println!("{}", line(schedule));
    }
    Ok(Outcome::Well)
}

fn line(schedule: &ScheduleView) -> String {
    let time = |time: Option<DateTime<Utc>>| time.map_or("never".into(), point);
    format!(
        "{:<26} {:<16} {:<20} next {:<20}  last {:<20}  {}",
        schedule.name,
        schedule.cron,
        schedule.zone,
        time(schedule.next),
        time(schedule.last),
        remark(schedule),
    )
}

fn remark(schedule: &ScheduleView) -> String {
    let mut remarks = Vec::new();
    if schedule.left {
        remarks.push("has left the code; `schedules remove` ends it".to_owned());
    } else if schedule.paused {
        remarks.push("paused".to_owned());
    }
    if let Some(overdue) = schedule.overdue {
        remarks.push(format!("nobody fired {}; is a `worker` or `scheduler` running?", point(overdue)));
    }
    if let Some(defined) = &schedule.defined {
        remarks.push(format!("edited; its definition says `{}` in {}", defined.cron, defined.zone));
    }
    remarks.join("; ")
}

fn show(detail: &ScheduleDetail, json: bool) -> anyhow::Result<Outcome> {
    if json {
        println!("{}", serde_json::to_string_pretty(detail)?);
        return Ok(Outcome::Well);
    }
    let ScheduleDetail { schedule, payload, ticks, jobs } = detail;
    println!("{}", line(schedule).trim_end());
    println!("  job: {} in queue {}, {payload}", schedule.kind, schedule.queue);
    for tick in ticks {
        println!("  next {}  ({})", point(tick.at), tick.on_its_clock.format("%Y-%m-%d %H:%M:%S %:z"));
    }
    for job in jobs {
        let tick = job.tick.map_or("run by hand".to_owned(), |tick| format!("for {}", point(tick)));
        let state = job.state.map_or("done or gone", millgate_jobs::JobState::as_str);
        println!("  job {:<14} made {}  {tick:<24} {state}", job.key.as_str(), point(job.at));
    }
    Ok(Outcome::Well)
}

fn point(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Secs, true)
}
