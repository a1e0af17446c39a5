//! `millgate trace`: an event's whole life.

use std::{
    fmt::{Result as Written, Write},
    io::{IsTerminal, stdout},
    time::SystemTime,
};

use chrono::{DateTime, Utc};
use millgate_dashboard::see::{JobLife, Life, Look, Moment, Severity, When};
use millgate_events::Wanted;

use super::{
    Call, Outcome, answer,
    moment::{from_now, point, span},
};

#[derive(clap::Args)]
#[expect(clippy::struct_excessive_bools, reason = "one flag for each way to be sure")]
pub(super) struct Args {
    /// The id of an event, of what it belongs to, of an order (the event's key), of a trace or of a job
    #[arg(value_name = "ID")]
    id: String,
    /// It is an event's id
    #[arg(long, group = "by")]
    event: bool,
    /// It is a correlation id
    #[arg(long, group = "by")]
    correlation: bool,
    /// It is an event's key or subject: the order's id, say
    #[arg(long, group = "by")]
    key: bool,
    /// It is a trace's id
    #[arg(long, group = "by")]
    trace: bool,
    /// It is a job's id
    #[arg(long, group = "by")]
    job: bool,
    /// What the trail does not know is looked for on Kafka, from then on: a time, or how long ago (30m, 2h, 1day)
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
}

impl Args {
    fn wanted(&self) -> Wanted {
        let id = self.id.trim().to_owned();
        match () {
            () if self.event => Wanted::Event(id),
            () if self.correlation => Wanted::Correlation(id),
            () if self.key => Wanted::Key(id),
            () if self.trace => Wanted::Trace(id),
            () if self.job => Wanted::Job(id),
            () => Wanted::Any(id),
        }
    }
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let now = now();
    let since = args.since.map(|since| since.before(now));
    let site = servers.site();
    let mask = |of: &str, value| site.mask.shown(of, value);
    let life = Life::find(&site, args.wanted(), &Look { since, on_kafka: true, mask: &mask, now }).await;
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&life)?))?;
    } else if life.is_known() {
        answer::write(&text(&life, stdout().is_terminal())?)?;
    }
    for problem in &life.problems {
        eprintln!("error: {problem}");
    }
    if life.is_known() {
        return Ok(Outcome::Well);
    }
    eprintln!("nothing is known of {}; searched: {}", life.wanted, life.searched.join("; "));
    Ok(Outcome::NotWell)
}

#[expect(clippy::disallowed_methods, reason = "who asks wants to know how long ago things happened")]
pub(super) fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}

fn text(life: &Life, is_terminal: bool) -> Result<String, std::fmt::Error> {
    let mut out = String::new();
    let say = &mut out;
    for event in &life.events {
        write!(say, "event    {} {} of {}", event.event_type, event.id, event.source)?;
        writeln!(say, "{}", event.key.as_ref().map(|key| format!(", key {key}")).unwrap_or_default())?;
        if event.correlation_id != event.id {
            writeln!(say, "request  {}", event.correlation_id)?;
        }
        if let Some(trace) = &event.trace_id {
            writeln!(say, "trace    {trace}")?;
        }
        for route in &event.routes {
            let place = route.place.as_deref().unwrap_or("the code");
            writeln!(say, "route    {} into {}, by {place} (group {})", route.kind, route.queue, route.group)?;
        }
        if let Some(payload) = event.record.as_ref().and_then(|record| record.payload.as_ref()) {
            writeln!(say, "payload  {payload}")?;
        }
        if let Some(problem) = &event.problem {
            writeln!(say, "problem  {problem}")?;
        }
        writeln!(say)?;
    }
    let start = life.timeline.first().map(|moment| moment.at);
    if let Some(start) = start {
        writeln!(say, "{}, {}", point(start), from_now(start, life.now))?;
    }
    for moment in &life.timeline {
        line(say, moment, start.unwrap_or(moment.at), is_terminal)?;
        for (at, logged) in &moment.log {
            writeln!(say, "{:>10}    {:>9}  {}", "", after(start.unwrap_or(*at), *at), indented(logged))?;
        }
    }
    writeln!(say)?;
    for job in &life.jobs {
        writeln!(say, "{}", now_of(job, life))?;
    }
    Ok(out)
}

fn line(say: &mut String, moment: &Moment, start: DateTime<Utc>, is_terminal: bool) -> Written {
    let (mark, colour) = match moment.severity {
        Severity::Good => ("+", "32"),
        Severity::Info => (" ", "0"),
        Severity::Warning => ("!", "33"),
        Severity::Bad => ("x", "31"),
    };
    let text = indented(&moment.text);
    let after = after(start, moment.at);
    if is_terminal {
        writeln!(say, "{after:>10}  \u{1b}[{colour}m{mark} {text}\u{1b}[0m")
    } else {
        writeln!(say, "{after:>10}  {mark} {text}")
    }
}

fn after(start: DateTime<Utc>, at: DateTime<Utc>) -> String {
    format!("+{}", span((at - start).to_std().unwrap_or_default()))
}

/// What others wrote stays what it is: no control characters reach the terminal.
fn indented(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() && c != '\n' { '\u{fffd}' } else { c }).collect();
    plain.replace('\n', "\n              ")
}

fn now_of(job: &JobLife, life: &Life) -> String {
    let mut text = format!("job      {} {} in {}: {}", job.kind, job.id, job.queue, job.state);
    if let Some(now) = &job.now {
        if let Some(at) = now.at {
            text = format!("{text}, {}", from_now(at, life.now));
        }
        text = format!("{text}, attempt {} of {}", now.attempts.min(now.max_attempts), now.max_attempts);
        if let Some(percent) = now.progress {
            text = format!("{text}, {percent:.0} % done");
        }
        text = format!("{text}; millgate jobs show {} --queue {}", now.key, job.queue);
    }
    text
}
