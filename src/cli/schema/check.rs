//! `millgate schema check OLD NEW`: for CI, before a change of an event is merged.

use std::{
    collections::BTreeMap,
    fmt::Write,
    path::{Path, PathBuf},
};

use anyhow::Context;
use millgate_events::{Compatibility, Direction, breaking_changes};
use serde::Serialize;
use serde_json::Value;

use super::form;
use crate::cli::{Outcome, answer, with_causes};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// A schema, or a folder of `schema export`, as it was
    #[arg(value_name = "OLD")]
    old: PathBuf,
    /// The same, as it is
    #[arg(value_name = "NEW")]
    new: PathBuf,
    #[arg(long, value_enum, default_value = "backward")]
    mode: Mode,
}

#[derive(Clone, Copy, PartialEq, Eq, Serialize, clap::ValueEnum)]
#[serde(rename_all = "lowercase")]
enum Mode {
    /// New programs read old events
    Backward,
    /// Old programs read new events
    Forward,
    /// Both
    Full,
}

impl From<Mode> for Compatibility {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Backward => Self::Backward,
            Mode::Forward => Self::Forward,
            Mode::Full => Self::Full,
        }
    }
}

/// What was found, as JSON has it.
#[derive(Serialize)]
struct Report {
    compatible: bool,
    mode: Mode,
    compared: usize,
    breaking: Vec<Finding>,
    notes: Vec<String>,
}

#[derive(Serialize)]
struct Finding {
    /// The schema's file, or the event's type.
    schema: String,
    at: String,
    direction: Direction,
    change: String,
}

/// The schemas of a folder: versions by event type.
type Schemas = BTreeMap<String, BTreeMap<u32, Value>>;

pub(in crate::cli) fn check(json: bool, args: &Args) -> anyhow::Result<Outcome> {
    // Whoever asks whether something breaks has to be able to tell that from a name that is misspelt.
    let report = match compared(args) {
        Ok(report) => report,
        Err(error) => return Ok(Outcome::Misunderstood(with_causes(&error))),
    };
    answer::write(&if json { format!("{}\n", serde_json::to_string_pretty(&report)?) } else { report.text()? })?;
    Ok(if report.compatible { Outcome::Well } else { Outcome::NotWell })
}

fn compared(args: &Args) -> anyhow::Result<Report> {
    let mut report = Report { compatible: true, mode: args.mode, compared: 0, breaking: Vec::new(), notes: Vec::new() };
    for path in [&args.old, &args.new] {
        anyhow::ensure!(path.exists(), "{} is not there", path.display());
    }
    match (args.old.is_dir(), args.new.is_dir()) {
        (false, false) => report.compare(&args.new.display().to_string(), &read(&args.old)?, &read(&args.new)?),
        (true, true) => report.folders(&folder(&args.old)?, &folder(&args.new)?),
        _ => anyhow::bail!("OLD and NEW are two schemas or two folders"),
    }
    report.compatible = report.breaking.is_empty();
    Ok(report)
}

impl Report {
    fn compare(&mut self, name: &str, old: &Value, new: &Value) {
        self.compared += 1;
        let changes = breaking_changes(old, new, self.mode.into());
        self.breaking.extend(changes.into_iter().map(|found| Finding {
            schema: name.to_owned(),
            at: found.at,
            direction: found.direction,
            change: found.change,
        }));
    }

    fn found(&mut self, event_type: &str, direction: Direction, change: String) {
        self.breaking.push(Finding { schema: event_type.to_owned(), at: String::new(), direction, change });
    }

    fn folders(&mut self, old: &Schemas, new: &Schemas) {
        let backward = self.mode != Mode::Forward;
        for (event_type, before) in old {
            let Some(after) = new.get(event_type) else {
                if backward {
                    self.found(
                        event_type,
                        Direction::Backward,
                        "the event is gone; those on its topic are unknown".into(),
                    );
                }
                continue;
            };
            for (version, before) in before {
                match after.get(version) {
                    Some(after) => self.compare(&format!("{event_type} v{version}"), before, after),
                    None => self.notes.push(format!(
                        "{event_type}: version {version} has no schema any more; that its upcast works is for a fixture to show"
                    )),
                }
            }
            self.newest(event_type, newest(before), newest(after));
        }
        let fresh = new.keys().filter(|event_type| !old.contains_key(*event_type));
        self.notes.extend(fresh.map(|event_type| format!("{event_type} is new")));
    }

    /// A program refuses versions that are newer than it.
    fn newest(&mut self, event_type: &str, before: u32, after: u32) {
        let backward = self.mode != Mode::Forward;
        if after < before && backward {
            let change =
                format!("the newest version went from {before} to {after}; events of version {before} are refused");
            self.found(event_type, Direction::Backward, change);
        } else if after > before && self.mode != Mode::Backward {
            let change = format!("version {after} is new; readers that know {before} refuse it");
            self.found(event_type, Direction::Forward, change);
        } else if after > before {
            self.notes.push(format!("{event_type}: version {after} is new; update its readers before its writers"));
        }
    }

    fn text(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        let mut last = "";
        for Finding { schema, at, change, .. } in &self.breaking {
            if schema != last {
                writeln!(text, "{schema}")?;
                last = schema;
            }
            let at = if at.is_empty() { String::new() } else { format!("{at}: ") };
            writeln!(text, "  {at}{change}")?;
        }
        for note in &self.notes {
            writeln!(text, "note: {note}")?;
        }
        let of = match self.compared {
            1 => "1 schema compared".to_owned(),
            count => format!("{count} schemas compared"),
        };
        match self.breaking.len() {
            0 => writeln!(text, "{of}: compatible")?,
            1 => writeln!(text, "{of}: 1 breaking change")?,
            count => writeln!(text, "{of}: {count} breaking changes")?,
        }
        Ok(text)
    }
}

fn newest(versions: &BTreeMap<u32, Value>) -> u32 {
    versions.keys().next_back().copied().unwrap_or_default()
}

/// Every `TYPE/vVERSION.json` of a folder.
fn folder(path: &Path) -> anyhow::Result<Schemas> {
    let mut schemas = Schemas::new();
    for (folder, event_type) in entries(path)?.into_iter().filter(|(path, _)| path.is_dir()) {
        for (file, name) in entries(&folder)? {
            let version = name.strip_prefix('v').and_then(|name| name.strip_suffix(".json"));
            if let Some(version) = version.and_then(|version| version.parse().ok()) {
                schemas.entry(event_type.clone()).or_default().insert(version, read(&file)?);
            }
        }
    }
    // A folder that is misspelt must not pass for one in which nothing changed.
    anyhow::ensure!(
        !schemas.is_empty(),
        "{} has no schemas: TYPE/vVERSION.json, as `schema export --dir` writes them",
        path.display()
    );
    Ok(schemas)
}

fn entries(folder: &Path) -> anyhow::Result<Vec<(PathBuf, String)>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("{} cannot be read", folder.display()))?;
    let named = |entry: std::io::Result<std::fs::DirEntry>| {
        entry.map(|entry| (entry.path(), entry.file_name().to_string_lossy().into_owned()))
    };
    Ok(entries.map(named).collect::<Result<_, _>>()?)
}

fn read(file: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(file).with_context(|| format!("{} cannot be read", file.display()))?;
    let schema: Value = serde_json::from_slice(&text).with_context(|| format!("{} is not JSON", file.display()))?;
    form::check(&schema).with_context(|| format!("{} is no JSON Schema", file.display()))?;
    Ok(schema)
}
