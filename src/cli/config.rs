//! `millgate config`.

use super::{Call, Outcome};
use crate::config;

pub(super) fn run(call: &Call) -> anyhow::Result<Outcome> {
    let settings = &call.configuration.settings;
    if call.json {
        println!("{}", serde_json::to_string_pretty(settings)?);
    } else {
        print!("{}", config::to_text(settings));
    }
    Ok(Outcome::Well)
}
