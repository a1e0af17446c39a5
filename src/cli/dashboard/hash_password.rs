//! `millgate dashboard hash-password`.

use std::io::{IsTerminal, stdin};

use anyhow::Context;
use console::Term;
use millgate_dashboard::access;
use serde_json::json;

use super::super::{Call, Outcome};

pub(super) fn run(call: &Call) -> anyhow::Result<Outcome> {
    let typed = if stdin().is_terminal() { read_unseen("Password: ")? } else { read_line()? };
    if stdin().is_terminal() && read_unseen("The same again: ")? != typed {
        return Ok(Outcome::Misunderstood("these were two passwords; nothing was printed".into()));
    }
    let hash = match access::hash_password(&typed) {
        Ok(hash) => hash,
        Err(why) => return Ok(Outcome::Misunderstood(why)),
    };
    if call.json {
        println!("{}", json!({ "password": hash }));
    } else {
        println!("{hash}");
    }
    Ok(Outcome::Well)
}

fn read_unseen(prompt: &str) -> anyhow::Result<String> {
    let terminal = Term::stderr();
    terminal.write_str(prompt)?;
    terminal.read_secure_line().context("no password can be read; send it to standard input instead")
}

/// Everything up to the end of the line: spaces belong to it.
fn read_line() -> anyhow::Result<String> {
    let mut line = String::new();
    stdin().read_line(&mut line).context("no password can be read")?;
    Ok(line.trim_end_matches(['\n', '\r']).to_owned())
}
