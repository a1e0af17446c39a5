//! A process that does what is measured, as the bench that starts it has it.

use std::process::Stdio;

use anyhow::Context;
use serde::{Serialize, de::DeserializeOwned};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines},
    process::{ChildStdin, ChildStdout, Command},
    task::JoinHandle,
};
use tokio_util::{
    sync::{CancellationToken, DropGuard},
    task::TaskTracker,
};

use super::order::Ready;

/// A process of this program. Dropped, it is killed.
pub(super) struct Process {
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    kill: DropGuard,
    dead: JoinHandle<()>,
}

impl Process {
    /// Starts one in a role (`queue-worker`), and returns when it is ready. `processes` ends when all of them are dead.
    pub(super) async fn start(
        role: &str,
        order: &impl Serialize,
        log: &str,
        processes: &TaskTracker,
    ) -> anyhow::Result<Self> {
        let program = std::env::current_exe().context("this program does not know where it is")?;
        let mut child = Command::new(program)
            .args(["bench", role])
            // Its order says everything; a configuration that is found here by chance must not be in the way.
            .current_dir("/")
            .env_remove(crate::config::FILE_VARIABLE)
            .env("MILLGATE_LOG_LEVEL", log)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the bench, which ends its workers and cleans up after them.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .context("no process can be started")?;
        let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
            anyhow::bail!("a process has no pipes");
        };
        let kill = CancellationToken::new();
        let killed = kill.clone();
        let dead = processes.spawn(async move {
            if killed.run_until_cancelled(child.wait()).await.is_none() {
                // Fails if it has just ended by itself.
                let _ = child.kill().await;
            }
        });
        let output = BufReader::new(output).lines();
        let mut process = Self { input, output, kill: kill.drop_guard(), dead };
        process.tell(&serde_json::to_string(order)?).await?;
        let Ready { ready } = hear(&mut process.output).await?;
        anyhow::ensure!(ready, "a process is not ready");
        Ok(process)
    }

    /// Lets it begin.
    pub(super) async fn go(&mut self) -> anyhow::Result<()> {
        self.tell("go").await
    }

    /// Ends it, and gives what it measured. Returns when it is dead: until then it may take jobs of the next measurement.
    pub(super) async fn report<T: DeserializeOwned>(self) -> anyhow::Result<T> {
        let Self { input, mut output, kill, dead } = self;
        drop(input);
        let report = hear(&mut output).await?;
        drop(kill);
        dead.await?;
        Ok(report)
    }

    /// SIGKILL. Returns when it is dead.
    pub(super) async fn kill(self) -> anyhow::Result<()> {
        drop(self.kill);
        Ok(self.dead.await?)
    }

    async fn tell(&mut self, line: &str) -> anyhow::Result<()> {
        let told = self.input.write_all(format!("{line}\n").as_bytes()).await;
        told.context("a process that does the work ended early")
    }
}

async fn hear<T: DeserializeOwned>(output: &mut Lines<BufReader<ChildStdout>>) -> anyhow::Result<T> {
    let line = output.next_line().await?.context("a process that does the work ended early")?;
    Ok(serde_json::from_str(&line)?)
}
