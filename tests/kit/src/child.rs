//! Processes that a test starts, stops, kills and listens to.

use std::{
    io::{BufRead, BufReader, Read},
    os::unix::process::CommandExt,
    process::{Command, ExitStatus, Stdio},
    sync::{Arc, LazyLock, Mutex, mpsc},
    thread,
    time::Duration,
};

use crate::{wait_for, wait_until};

/// Lines shown when a test fails.
const LAST_LINES: usize = 40;

/// A running process, the leader of a group of its own. Dropped, the whole group is killed.
#[derive(Debug)]
pub struct Child {
    name: String,
    pid: u32,
    process: Mutex<std::process::Child>,
    lines: Arc<Mutex<Vec<String>>>,
}

type Errand = Box<dyn FnOnce() + Send>;

/// The kernel kills our children when the thread that started them ends. A test's thread may end
/// before its children should; this one ends with the process.
static STARTER: LazyLock<Mutex<mpsc::Sender<Errand>>> = LazyLock::new(|| {
    let (sender, errands) = mpsc::channel::<Errand>();
    thread::Builder::new()
        .name("starter".into())
        .spawn(move || errands.into_iter().for_each(|errand| errand()))
        .unwrap();
    Mutex::new(sender)
});

impl Child {
    /// Starts `program`; `prepare` gives it arguments, variables, a folder.
    ///
    /// Standard output and error are kept, line by line; standard input is empty.
    pub fn spawn(name: &str, program: &str, prepare: impl FnOnce(&mut Command)) -> Self {
        // The kernel's word that the child dies with us: a test run that is killed leaves nothing.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", "--", program]);
        prepare(&mut command);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
        let (sender, started) = mpsc::channel();
        let errand = Box::new(move || drop(sender.send(command.spawn())));
        STARTER.lock().unwrap().send(errand).unwrap();
        let mut process = started
            .recv()
            .unwrap()
            .unwrap_or_else(|error| panic!("{name} cannot be started: {error} (setpriv is part of util-linux)"));
        let lines = Arc::default();
        listen(process.stdout.take().unwrap(), &lines);
        listen(process.stderr.take().unwrap(), &lines);
        Self { name: name.to_owned(), pid: process.id(), process: Mutex::new(process), lines }
    }

    /// Its process id, which is also its group's.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// What it has written so far to standard output and error.
    pub fn output(&self) -> String {
        self.lines.lock().unwrap().join("\n")
    }

    /// Waits until it has written a line that contains `text`, and gives the first such line.
    ///
    /// # Panics
    /// If no line does within `deadline`, or if the process ends before.
    pub async fn wait_for_line(&self, text: &str, deadline: Duration) -> String {
        let what = format!("{} writes `{text}`", self.name);
        wait_for(&what, deadline, async || {
            // Asked before the lines are read: what it wrote last must not be missed.
            let ended = self.exit_status();
            let line = self.lines.lock().unwrap().iter().find(|line| line.contains(text)).cloned();
            let missing = line.is_none();
            assert!(!(ended.is_some() && missing && self.is_silent()), "{what}: it ended, {ended:?}");
            line
        })
        .await
    }

    /// Its exit status, once it has ended.
    pub fn exit_status(&self) -> Option<ExitStatus> {
        self.process.lock().unwrap().try_wait().unwrap()
    }

    /// Whether it has not ended yet.
    pub fn is_running(&self) -> bool {
        self.exit_status().is_none()
    }

    /// Waits until it has ended and all it wrote is there.
    ///
    /// # Panics
    /// If it has not within `deadline`.
    pub async fn wait_exit(&self, deadline: Duration) -> ExitStatus {
        let what = format!("{} ends", self.name);
        let status = wait_for(&what, deadline, async || self.exit_status()).await;
        wait_until(&what, deadline, async || self.is_silent()).await;
        status
    }

    /// SIGKILL, to the whole group; returns when it is dead.
    pub fn kill9(&self) {
        self.signal("KILL");
        self.process.lock().unwrap().wait().unwrap();
    }

    /// SIGHUP, to the process alone: please read your files again.
    pub fn sighup(&self) {
        send("HUP", &self.pid.to_string());
    }

    /// SIGTERM, to the process alone: please end.
    pub fn sigterm(&self) {
        send("TERM", &self.pid.to_string());
    }

    /// SIGSTOP: it stands still, and its connections stay open.
    pub fn freeze(&self) {
        self.signal("STOP");
    }

    /// SIGCONT: it goes on.
    pub fn thaw(&self) {
        self.signal("CONT");
    }

    fn signal(&self, signal: &str) {
        send(signal, &format!("-{}", self.pid));
    }

    /// Nobody writes any more: both readers have seen the end and let go of the lines.
    fn is_silent(&self) -> bool {
        Arc::strong_count(&self.lines) == 1
    }
}

/// A signal number is all that the standard library lacks, and every shell has it.
fn send(signal: &str, target: &str) {
    // A process that has just ended by itself is no error.
    let _ = Command::new("sh").args(["-c", "kill -s \"$0\" -- \"$1\"", signal, target]).stderr(Stdio::null()).status();
}

fn listen(pipe: impl Read + Send + 'static, lines: &Arc<Mutex<Vec<String>>>) {
    let lines = lines.clone();
    thread::spawn(move || {
        let mut pipe = BufReader::new(pipe);
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).is_ok_and(|bytes| bytes > 0) {
            lines.lock().unwrap().push(String::from_utf8_lossy(&line).trim_end().to_owned());
            line.clear();
        }
    });
}

impl Drop for Child {
    fn drop(&mut self) {
        self.signal("KILL");
        if let Ok(process) = self.process.get_mut() {
            let _ = process.wait();
        }
        if thread::panicking() {
            let lines = self.lines.lock().unwrap();
            let last = lines.len().saturating_sub(LAST_LINES);
            eprintln!("--- {}, pid {}, wrote last:\n{}\n---", self.name, self.pid, lines[last..].join("\n"));
        }
    }
}
