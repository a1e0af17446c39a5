//! `millgate jobs script`.

use millgate_jobs::{SCRIPT_NAMES, script_text};

use super::super::{Call, Outcome, answer};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Its name: `enqueue`
    name: String,
}

pub(super) fn run(call: &Call, args: &Args) -> anyhow::Result<Outcome> {
    let Some(text) = script_text(&args.name) else {
        let message = format!("there is no script `{}`; there are: {}", args.name, SCRIPT_NAMES.join(", "));
        return Ok(Outcome::Misunderstood(message));
    };
    if call.json {
        println!("{}", serde_json::json!({ "name": args.name, "text": text }));
    } else {
        answer::write(&text)?;
    }
    Ok(Outcome::Well)
}
