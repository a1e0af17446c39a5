//! The test SMTP server, one a test.

pub(crate) mod scripted;

use std::{
    fs,
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use uuid::Uuid;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/kit/smtp_server.py");

/// A running server with a mailbox of its own; both are gone when this is dropped.
pub(crate) struct SmtpServer {
    process: Child,
    folder: PathBuf,
    pub(crate) port: u16,
}

impl SmtpServer {
    pub(crate) fn start() -> Self {
        let folder = std::env::temp_dir().join(format!("millgate-smtp-{}", Uuid::new_v4()));
        fs::create_dir(&folder).unwrap();
        let port_file = folder.join("port");
        let process = Command::new(python())
            .arg(SCRIPT)
            .args(["--port", "0", "--maildir"])
            .arg(folder.join("mail"))
            .arg("--port-file")
            .arg(&port_file)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        let mut server = Self { process, folder, port: 0 };
        let deadline = Instant::now() + Duration::from_secs(20);
        while !port_file.exists() {
            let ended = server.process.try_wait().unwrap();
            assert!(ended.is_none(), "the SMTP server ended: {ended:?}");
            assert!(Instant::now() < deadline, "the SMTP server does not start");
            sleep(Duration::from_millis(10));
        }
        server.port = fs::read_to_string(&port_file).unwrap().trim().parse().unwrap();
        server
    }

    /// All mails it has accepted, with line ends as `\n`.
    pub(crate) fn mails(&self) -> Vec<String> {
        let entries = fs::read_dir(self.folder.join("mail/new")).unwrap();
        let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
        // Their names start with the time.
        files.sort();
        files.iter().map(|file| fs::read_to_string(file).unwrap().replace("\r\n", "\n")).collect()
    }

    /// The mail that it has accepted.
    pub(crate) fn mail(&self) -> String {
        let mails = self.mails();
        assert_eq!(mails.len(), 1, "{mails:?}");
        mails.into_iter().next().unwrap()
    }
}

impl Drop for SmtpServer {
    fn drop(&mut self) {
        self.process.kill().ok();
        self.process.wait().ok();
        fs::remove_dir_all(&self.folder).ok();
    }
}

/// An interpreter that has aiosmtpd. A Debian package is visible to Debian's own only.
fn python() -> &'static str {
    let has_aiosmtpd = |python: &&str| {
        let mut command = Command::new(python);
        command.args(["-c", "import aiosmtpd"]).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    };
    let found = ["python3", "/usr/bin/python3"].into_iter().find(has_aiosmtpd);
    found.expect("no Python with aiosmtpd, which these tests need; run: make test")
}
