//! Answers on standard output that may be long, and whose reader may stop listening: `millgate jobs list | head`.

use std::io::{ErrorKind, Write};

use serde::Serialize;

/// Writes all of it, or as much as somebody wants.
pub(super) fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}

/// What was done, and what was not and why.
pub(super) fn act(json: bool, result: &impl Serialize, text: &str, refused: &[String]) -> anyhow::Result<()> {
    if json {
        let mut value = serde_json::to_value(result)?;
        value["refused"] = refused.into();
        println!("{value}");
        return Ok(());
    }
    println!("{text}");
    for reason in refused {
        eprintln!("error: {reason}");
    }
    Ok(())
}
