//! `millgate jobs show`.

use std::fmt::Write;

use chrono::{DateTime, Utc};
use millgate_dashboard::see::{self, JobPage, SeenJob};

use super::super::{
    Call, Outcome, answer,
    moment::{from_now, point},
    queue_choice,
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Its id, as `jobs list` or a log line has it
    id: String,
    /// The queue; all are searched if none is named
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let names = match queue_choice::choose(&servers, args.queue.as_deref()).await? {
        Ok(names) => names,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let site = servers.site();
    let page = match see::job(&site, &names, &args.id, None).await? {
        Ok(page) => page,
        Err(message) => anyhow::bail!(message),
    };
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&page)?))?;
    } else {
        answer::write(&text(&page, page.now)?)?;
    }
    Ok(Outcome::Well)
}

fn text(page: &JobPage, now: DateTime<Utc>) -> Result<String, std::fmt::Error> {
    let JobPage { job: SeenJob { queue, job, .. }, why, .. } = page;
    let mut out = String::new();
    let say = &mut out;
    writeln!(say, "job        {} in {queue}, priority {}", job.key, job.priority)?;
    if job.id != job.key.as_str() {
        writeln!(say, "own id     {}", job.id)?;
    }
    writeln!(
        say,
        "kind       {}{}",
        job.kind,
        if job.version > 1 { format!("@{}", job.version) } else { String::new() }
    )?;
    writeln!(say, "state      {}", job.state)?;
    writeln!(say, "why        {why}")?;
    writeln!(say, "enqueued   {}, {}", point(job.enqueued_at), from_now(job.enqueued_at, now))?;
    if let Some(lane) = &job.lane {
        writeln!(say, "lane       {lane}")?;
    }
    if let Some(key) = &job.unique {
        writeln!(say, "unique     {key}")?;
    }
    writeln!(say, "arguments  {}", job.payload)?;
    writeln!(say, "attempts   {} of {}", job.attempts, job.max_attempts)?;
    for failure in &job.failures {
        let (at, message) = (point(failure.at), failure.message.replace('\n', "\n             "));
        writeln!(say, "  {:>3}      {at}  {}: {message}", failure.attempt, failure.code)?;
    }
    if let Some(percent) = job.progress {
        writeln!(say, "progress   {percent:.0} %")?;
    }
    for (number, (at, line)) in job.log.iter().enumerate() {
        writeln!(say, "{:<9}  {}  {line}", if number == 0 { "log" } else { "" }, point(*at))?;
    }
    if let Some(origin) = &job.origin {
        writeln!(say, "event      {} {} of {}", origin.event_type, origin.event_id, origin.event_source)?;
        writeln!(say, "record     {}", origin.record)?;
        writeln!(say, "request    {}", origin.correlation_id)?;
    }
    Ok(out)
}
