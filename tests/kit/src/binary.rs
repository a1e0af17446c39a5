//! Our own programs, as a user would start them.

use std::{ffi::OsString, path::PathBuf};

use crate::Child;

/// Variables that a program may inherit. All others stay behind: a test must not depend on what
/// somebody has set for work of their own.
const INHERITED: [&str; 5] = ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE", "LLVM_PROFILE_FILE"];

/// A program with its arguments and variables, to be started as often as wanted.
///
/// ```no_run
/// # use millgate_testkit::Binary;
/// # let path = "millgate"; // env!("CARGO_BIN_EXE_millgate")
/// let millgate = Binary::new(path).env("MILLGATE_REDIS_URL", "redis://127.0.0.1:16379/0");
/// let worker = millgate.clone().arg("worker").spawn();
/// worker.kill9();
/// ```
#[derive(Debug, Clone)]
pub struct Binary {
    path: PathBuf,
    arguments: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
    folder: Option<PathBuf>,
}

impl Binary {
    /// The program at `path`: `env!("CARGO_BIN_EXE_millgate")`.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), arguments: Vec::new(), variables: Vec::new(), folder: None }
    }

    /// An example of ours: beside the test's own binary.
    pub fn example(name: &str) -> Self {
        let tests = std::env::current_exe().expect("a test is a program");
        let target = tests.parent().and_then(|deps| deps.parent()).expect("which lies in deps");
        let example = target.join("examples").join(name);
        let build = "cargo build --workspace --features embedded --examples";
        assert!(example.exists(), "examples are built by `cargo test` without `--test`, or by `{build}`");
        Self::new(example)
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<T: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = T>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Starts it in another folder.
    #[must_use]
    pub fn folder(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folder = Some(folder.into());
        self
    }

    /// Starts it.
    pub fn spawn(&self) -> Child {
        let program = self.path.file_name().unwrap_or_default().to_string_lossy();
        let words = self.arguments.iter().map(|argument| argument.to_string_lossy());
        let name = std::iter::once(program).chain(words).collect::<Vec<_>>().join(" ");
        let path = self.path.to_str().expect("a path in UTF-8");
        Child::spawn(&name, path, |command| {
            command.args(&self.arguments).env_clear();
            for name in INHERITED {
                command.envs(std::env::var_os(name).map(|value| (name, value)));
            }
            command.envs(self.variables.iter().map(|(name, value)| (name, value)));
            if let Some(folder) = &self.folder {
                command.current_dir(folder);
            }
        })
    }
}
