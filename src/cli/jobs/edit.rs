//! `millgate jobs edit`.

use std::path::PathBuf;

use anyhow::Context;
use millgate_dashboard::{
    act::{self, ActError, Action, Payload, Work},
    see,
};

use super::super::{Call, Outcome, answer, operator::operator, queue_choice};

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Its id, as `jobs list` or a log line has it: of a job that waits, is delayed or dead
    id: String,
    /// The queue; all are searched if none is named
    #[arg(long, value_name = "QUEUE")]
    queue: Option<String>,
    /// Take the arguments from a file; `-` is standard input
    #[arg(long, value_name = "FILE")]
    payload: PathBuf,
}

pub(super) async fn run(call: Call, args: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let name = args.payload.display().to_string();
    let text = if name == "-" {
        std::io::read_to_string(std::io::stdin()).context("standard input cannot be read")?
    } else {
        std::fs::read_to_string(&args.payload).with_context(|| format!("{name} cannot be read"))?
    };
    let payload = match serde_json::from_str(&text) {
        Ok(payload) => Payload(payload),
        Err(error) => return Ok(Outcome::Misunderstood(format!("{name} is no JSON: {error}"))),
    };
    let servers = call.servers()?;
    let names = match queue_choice::choose(&servers, args.queue.as_deref()).await? {
        Ok(names) => names,
        Err(message) => return Ok(Outcome::Misunderstood(message)),
    };
    let site = servers.site();
    let (queue, job) = see::find(&site, &names, &args.id).await?.map_err(anyhow::Error::msg)?;
    let action = Action::EditJob { queue, id: job.key.to_string(), payload };
    match act::perform(&site, &operator(), &action, &Work::new()).await {
        Ok(performed) => answer::act(json, &performed, &performed.text, &performed.refused)?,
        Err(ActError::Refused(message)) => return Ok(Outcome::Misunderstood(message)),
        Err(error) => return Err(error.into()),
    }
    Ok(Outcome::Well)
}
