//! `millgate publish FILE.jsonl`: events from a file, one a line.
//!
//! A line is an object: `{"type": "order.created", "data": {…}}`; `id`, `source`, `time`, `version`,
//! `correlation_id` and `key` may be given, too. All lines are read before the first event is published.

use std::path::PathBuf;

use anyhow::Context;
use millgate_dashboard::{EventRegistry, see::EventLine};
use millgate_events::OutRecord;

use super::{Call, Outcome};

#[derive(clap::Args)]
pub(super) struct Args {
    /// The file; `-` is standard input
    #[arg(value_name = "FILE.jsonl")]
    file: PathBuf,
}

/// Events published at a time.
const STEP: usize = 10_000;

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let name = args.file.display().to_string();
    let text = if name == "-" {
        std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?
    } else {
        match std::fs::read_to_string(&args.file) {
            Ok(text) => text,
            Err(error) => return Ok(Outcome::Misunderstood(format!("{name} cannot be read: {error}"))),
        }
    };
    let (mut records, mut problems) = (Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match read(line, &call.app.events, call.app.name) {
            Ok(record) => records.push(record),
            Err(problem) => problems.push(format!("{name}:{}: {problem:#}", number + 1)),
        }
    }
    if !problems.is_empty() {
        return Ok(Outcome::Misunderstood(format!("nothing was published:\n{}", problems.join("\n"))));
    }
    let servers = call.servers()?;
    let mut failed = Vec::new();
    let total = records.len();
    for step in records.chunks(STEP) {
        let sent = servers.producer.publish_records(step.to_vec()).await;
        failed.extend(sent.into_iter().filter_map(Result::err).map(|error| error.to_string()));
    }
    let published = total - failed.len();
    if json {
        println!("{}", serde_json::json!({ "published": published, "failed": failed.len(), "errors": failed }));
    } else {
        println!("{published} events published, acked by all in-sync replicas");
        failed.sort();
        failed.dedup();
        for error in &failed {
            eprintln!("error: {error}");
        }
    }
    Ok(if published == total { Outcome::Well } else { Outcome::NotWell })
}

fn read(line: &str, events: &EventRegistry, source: &str) -> anyhow::Result<OutRecord> {
    let line: EventLine = serde_json::from_str(line)?;
    let Some(known) = events.find(&line.event_type) else {
        let distance = |name: &&str| strsim::damerau_levenshtein(&line.event_type, name);
        let hint = events.names().min_by_key(distance).map(|name| format!("; did you mean {name}?"));
        anyhow::bail!("unknown event type {}{}", line.event_type, hint.unwrap_or_default());
    };
    let version = line.version.unwrap_or(known.version);
    anyhow::ensure!(
        (1..=known.version).contains(&version),
        "{} has versions 1 to {}, not {version}",
        line.event_type,
        known.version
    );
    let key = match &line.key {
        Some(key) => key.clone(),
        None if version == known.version => {
            (known.key)(&line.data).with_context(|| format!("data is no {}", line.event_type))?
        }
        // Only the current shape is known here, so the key of an older one has to be told.
        None => anyhow::bail!("an event of an older version needs a \"key\""),
    };
    Ok(line.record(known.topic, version, key, source)?)
}
