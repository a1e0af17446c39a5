//! `millgate schema export`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use millgate_dashboard::EventRegistry;
use serde_json::{Map, Value};

use crate::{
    asyncapi,
    cli::{Call, Outcome, answer},
};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// A folder to write into: TYPE/vVERSION.json, or asyncapi.json. Files of older versions stay. Standard output if none
    /// is named
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "json-schema")]
    format: Format,
    /// The version that an AsyncAPI document says it has: that of the application's release
    #[arg(long, value_name = "VERSION", default_value = "1.0.0")]
    release: String,
}

#[derive(Clone, Copy, clap::ValueEnum)]
enum Format {
    /// A JSON Schema for the newest version of each event
    JsonSchema,
    /// AsyncAPI 3.0: topics, the events on them, and which group reads what
    Asyncapi,
}

pub(super) fn run(call: Call, args: &Args) -> anyhow::Result<Outcome> {
    let without: Vec<_> =
        call.app.events.iter().filter(|(_, event)| (event.schema)().is_none()).map(|(name, _)| name).collect();
    if !without.is_empty() {
        eprintln!("without a schema: {}; say #[event(…, schema)] of them", without.join(", "));
    }
    let (files, whole) = match args.format {
        Format::JsonSchema => {
            let files = schemas(&call.app.events);
            let whole = files.iter().cloned().collect::<Map<String, Value>>();
            (files, Value::Object(whole))
        }
        Format::Asyncapi => {
            let document = asyncapi::document(&call.servers()?, &args.release);
            (vec![("asyncapi.json".to_owned(), document.clone())], document)
        }
    };
    match &args.dir {
        None => answer::write(&format!("{whole:#}\n"))?,
        Some(folder) => {
            for (name, document) in &files {
                write(&folder.join(name), document)?;
            }
            let count = files.len();
            println!("{count} {} in {}", if count == 1 { "file" } else { "files" }, folder.display());
        }
    }
    Ok(Outcome::Well)
}

/// The newest schema of each event, by its file.
fn schemas(events: &EventRegistry) -> Vec<(String, Value)> {
    let schema = |(name, event): (&str, &millgate_dashboard::EventType)| {
        let file = format!("{name}/v{}.json", event.version);
        let mut schema = (event.schema)()?;
        schema.insert("$id".into(), file.clone().into());
        schema.insert("x-event-type".into(), name.into());
        schema.insert("x-event-version".into(), event.version.into());
        Some((file, schema.to_value()))
    };
    events.iter().filter_map(schema).collect()
}

fn write(file: &Path, document: &Value) -> anyhow::Result<()> {
    let written = file.parent().map_or(Ok(()), std::fs::create_dir_all);
    written
        .and_then(|()| std::fs::write(file, format!("{document:#}\n")))
        .with_context(|| format!("{} cannot be written", file.display()))
}
