//! `millgate audit search|verify|expire`: the audit log of events.

use std::{
    fs,
    path::{Path, PathBuf},
    str::FromStr,
    time::Duration,
};

use chrono::{DateTime, SecondsFormat, Utc};
use indicatif::{ProgressBar, ProgressStyle};
use millgate_dashboard::{
    Site,
    see::{self, AuditChoice, AuditPage, AuditView, SeeError, When},
};
use millgate_streams::{AuditHead, AuditLogs, AuditPlace, AuditReport};
use serde::Deserialize;
use serde_json::Value;

use super::{Outcome, answer, moment};

#[derive(clap::Args)]
pub(super) struct SearchArgs {
    /// Done by this user
    #[arg(long, value_name = "USER")]
    user: Option<String>,
    /// Done to this
    #[arg(long, value_name = "RESOURCE")]
    resource: Option<String>,
    /// Of this event type; `order.*`: of every one that begins so
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Of this topic
    #[arg(long, value_name = "TOPIC")]
    topic: Option<String>,
    /// Of this action: created, dead
    #[arg(long, value_name = "ACTION")]
    action: Option<String>,
    /// Set off by this request
    #[arg(long, value_name = "ID")]
    correlation: Option<String>,
    /// Only what went wrong
    #[arg(long)]
    errors: bool,
    /// That happened then or later: a time, or how long ago (24h)
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// That happened before
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// Go on behind this place
    #[arg(long, value_name = "PLACE", value_parser = AuditPlace::from_str, allow_hyphen_values = true)]
    after: Option<AuditPlace>,
    /// Show at most so many
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=1000))]
    limit: u32,
}

#[derive(clap::Args)]
pub(super) struct VerifyArgs {
    /// Only what was recorded then or later: a time, or how long ago (7days)
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Hold the chains against an earlier answer of `audit verify --json`, kept where nobody could change it
    #[arg(long, value_name = "FILE")]
    known: Option<PathBuf>,
}

#[derive(clap::Args)]
pub(super) struct ExpireArgs {
    /// Keep what was recorded in this time; if not given: `audit.keep`
    #[arg(long, value_name = "TIME", value_parser = moment::duration)]
    keep: Option<Duration>,
    /// Only say which months would go
    #[arg(long)]
    dry_run: bool,
}

/// What is wanted of the answer of an earlier `verify`.
#[derive(Deserialize)]
struct Known {
    heads: Vec<AuditHead>,
}

pub(super) async fn search(site: &Site, json: bool, args: SearchArgs) -> anyhow::Result<Outcome> {
    let choice = AuditChoice {
        user: args.user,
        resource: args.resource,
        event_type: args.event_type,
        topic: args.topic,
        action: args.action,
        correlation: args.correlation,
        errors: Some(args.errors),
        since: args.since,
        until: args.until,
        after: args.after,
        limit: Some(args.limit),
    };
    let mask = |of: &str, value: Value| site.mask.shown(of, value);
    let page = match see::audit_logs(site, &choice, &mask).await {
        Err(SeeError::Misunderstood(message) | SeeError::Missing(message)) => {
            return Ok(Outcome::Misunderstood(message));
        }
        found => found?,
    };
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&page)?))?;
        return Ok(Outcome::Well);
    }
    let AuditPage { entries, more_after } = page;
    let mut rows: Vec<String> = entries.iter().map(row).collect();
    match (rows.is_empty(), more_after) {
        (true, _) => rows.push("nothing of the kind is recorded".to_owned()),
        (false, Some(place)) => rows.push(format!("… and more: --after={place}")),
        (false, None) => {}
    }
    answer::write(&format!("{}\n", rows.join("\n")))?;
    Ok(Outcome::Well)
}

/// One line, whatever stands in the entry.
fn row(AuditView { entry, .. }: &AuditView) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
    let at = entry.occurred_at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let error = entry.error.as_ref().map(|error| format!("  {error}")).unwrap_or_default();
    let mark = if entry.is_error { "ERROR  " } else { "" };
    let line = format!(
        "{at}  {mark}{}  {}  by {}  {}  event {}{error}",
        entry.event_type,
        entry.action,
        text(&entry.user_id),
        text(&entry.resource),
        entry.event_id
    );
    line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

pub(super) async fn verify(logs: &AuditLogs, json: bool, args: VerifyArgs) -> anyhow::Result<Outcome> {
    let known = match args.known.as_deref().map_or_else(|| Ok(Vec::new()), known) {
        Ok(known) => known,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let since = match args.since {
        None => None,
        Some(when) => Some(when.before(logs.now().await?)),
    };
    let report = logs.verify(since, &known, shown()).await?;
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&report)?))?;
    } else {
        answer::write(&told(&report, since))?;
    }
    Ok(if report.flaws == 0 { Outcome::Well } else { Outcome::NotWell })
}

/// The ends of the chains, as an earlier answer has them.
fn known(path: &Path) -> Result<Vec<AuditHead>, String> {
    let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
    let known = serde_json::from_str::<Known>(&text).map_err(|error| {
        format!("{}: {error}; it is to be an answer of `millgate audit verify --json`", path.display())
    })?;
    Ok(known.heads)
}

/// Shows on a terminal how far it is.
fn shown() -> impl FnMut(u64, u64) + Send {
    use std::io::IsTerminal;
    let bar = if std::io::stderr().is_terminal() { ProgressBar::new(0) } else { ProgressBar::hidden() };
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} ({eta} left)") {
        bar.set_style(style);
    }
    move |done, all| {
        bar.set_length(all);
        bar.set_position(done);
        if done >= all {
            bar.finish_and_clear();
        }
    }
}

fn told(report: &AuditReport, since: Option<DateTime<Utc>>) -> String {
    let since = since.map(|at| format!(" recorded since {}", at.to_rfc3339_opts(SecondsFormat::Secs, true)));
    let since = since.unwrap_or_default();
    let (entries, chains) = (report.entries, report.heads.len());
    let unchecked = report.unchecked.iter().map(|AuditHead { topic, partition, number, .. }| {
        format!("{topic} partition {partition}: what was known of entry {number} was held against nothing: it lies before what was looked at")
    });
    let mut lines: Vec<String> = unchecked.collect();
    if report.flaws == 0 {
        lines.push(format!("{entries} entries{since} in {chains} chains: all are as they were recorded"));
        return lines.join("\n") + "\n";
    }
    lines.extend(report.findings.iter().map(ToString::to_string));
    if report.flaws > report.findings.len() as u64 {
        lines.push(format!("… and {} more", report.flaws - report.findings.len() as u64));
    }
    lines.push(format!("{entries} entries{since} in {chains} chains: {} are not as they were recorded", report.flaws));
    lines.join("\n") + "\n"
}

pub(super) async fn expire(logs: &AuditLogs, json: bool, keep: Duration, args: ExpireArgs) -> anyhow::Result<Outcome> {
    let keep = args.keep.unwrap_or(keep);
    if keep.is_zero() {
        let how = "say for how long the audit log is kept: --keep 13months, or audit.keep (MILLGATE_AUDIT_KEEP)";
        return Ok(Outcome::Misunderstood(how.to_owned()));
    }
    let now = logs.now().await?;
    let dropped = logs.expire(keep, now, args.dry_run).await?;
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&dropped)?))?;
        return Ok(Outcome::Well);
    }
    let did = if args.dry_run { "would be dropped" } else { "is dropped; where it ended is kept in audit_anchors" };
    let mut lines: Vec<String> =
        dropped.iter().map(|month| format!("{} with {} entries {did}", month.table, month.entries)).collect();
    if lines.is_empty() {
        lines.push("no month is that old".to_owned());
    }
    answer::write(&format!("{}\n", lines.join("\n")))?;
    Ok(Outcome::Well)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_not_be_checked_is_named_and_no_fault() {
        let head = AuditHead { topic: "orders".into(), partition: 2, epoch: 1, number: 7, hash: "00".into() };
        let report = AuditReport { entries: 3, unchecked: vec![head], ..AuditReport::default() };
        let text = told(&report, None);
        assert!(text.starts_with("orders partition 2: what was known of entry 7 was held against nothing"), "{text}");
        assert!(text.ends_with("3 entries in 0 chains: all are as they were recorded\n"), "{text}");
    }

    #[test]
    fn a_file_of_known_ends_that_is_not_there_or_none_is_misunderstood() {
        let told = known(Path::new("no-such-file.json")).unwrap_err();
        assert!(told.starts_with("no-such-file.json cannot be read: "), "{told}");
        let told = known(&Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml")).unwrap_err();
        assert!(told.contains("millgate audit verify --json"), "{told}");
    }
}
