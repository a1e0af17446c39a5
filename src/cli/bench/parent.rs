//! The bench that started this process, which speaks to it on standard input and output, a line of JSON at a time.

use std::io::Write;

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncBufReadExt, BufReader, Lines, Stdin};

use super::order::Ready;

pub(super) struct Parent(Lines<BufReader<Stdin>>);

impl Parent {
    /// Hears what there is to do.
    pub(super) async fn hear<T: DeserializeOwned>() -> anyhow::Result<(Self, T)> {
        let mut lines = BufReader::new(tokio::io::stdin()).lines();
        let order = lines.next_line().await?.context("`millgate bench` starts this, and tells it what to do")?;
        Ok((Self(lines), serde_json::from_str(&order)?))
    }

    /// Says that it may begin, and waits to be let go; false if it never is.
    pub(super) async fn ready(&mut self) -> anyhow::Result<bool> {
        say(&Ready { ready: true })?;
        Ok(self.0.next_line().await?.is_some())
    }

    /// Returns when it is time to report.
    pub(super) async fn end(&mut self) -> anyhow::Result<()> {
        anyhow::ensure!(self.0.next_line().await?.is_none(), "there is no third line");
        Ok(())
    }
}

/// Tells it something.
pub(super) fn say(line: &impl Serialize) -> anyhow::Result<()> {
    let mut output = std::io::stdout().lock();
    serde_json::to_writer(&mut output, line)?;
    output.write_all(b"\n")?;
    Ok(output.flush()?)
}
