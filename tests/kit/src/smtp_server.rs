//! A mail server of a test's own.

use std::{fs, io, path::PathBuf, sync::Mutex, time::Duration};

use crate::{
    Child, Folder, Mail, free_port, logs,
    tools::{root, tool},
    wait_until,
};

const START: Duration = Duration::from_mins(1);

/// An SMTP server on a port of its own, which keeps what it accepts. Recipients choose their fate by
/// their address: see `tests/kit/smtp_server.py`.
#[derive(Debug)]
pub struct SmtpServer {
    port: u16,
    folder: Folder,
    process: Mutex<Option<Child>>,
    options: Vec<String>,
}

impl SmtpServer {
    /// Starts one, and returns when it answers.
    pub async fn start() -> Self {
        let server = Self::start_later();
        server.restart().await;
        server
    }

    /// One that speaks TLS for `localhost`, by STARTTLS, and takes no mail without; or with `smtps` from the first byte. Its
    /// certificate is in [`certificate`](Self::certificate). It takes mail only from `login`, a `user:password`, if there
    /// is one.
    pub async fn start_tls(smtps: bool, login: Option<&str>) -> Self {
        let mut server = Self::start_later();
        let (certificate, key) = (server.certificate(), server.folder.path().join("key.pem"));
        let (certificate, key) = (certificate.display().to_string(), key.display().to_string());
        let made = std::process::Command::new("openssl")
            .args(["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"])
            .args(["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"])
            .args(["-keyout", &key, "-out", &certificate])
            .output()
            .expect("openssl, the program, makes certificates");
        assert!(made.status.success(), "openssl: {}", String::from_utf8_lossy(&made.stderr));
        server.options = ["--certificate", &certificate, "--key", &key].map(str::to_owned).into();
        server.options.extend(smtps.then(|| "--smtps".to_owned()));
        server.options.extend(login.into_iter().flat_map(|login| ["--login".to_owned(), login.to_owned()]));
        server.restart().await;
        server
    }

    /// The certificate of a server that speaks TLS, in PEM.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate.pem")
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Chooses the port, and leaves the server down until [`restart`](Self::restart).
    pub fn start_later() -> Self {
        logs();
        Self { port: free_port(), folder: Folder::new("smtp"), process: Mutex::default(), options: Vec::new() }
    }

    /// `127.0.0.1:port`.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `smtp://127.0.0.1:port`.
    pub fn url(&self) -> String {
        format!("smtp://{}", self.address())
    }

    /// Ends it, as if the machine were unplugged; what it kept stays.
    pub fn stop(&self) {
        if let Some(process) = self.process.lock().unwrap().take() {
            process.kill9();
        }
    }

    /// Starts it again on the same port, with the same mail. How often it has put a recipient off is
    /// forgotten.
    pub async fn restart(&self) {
        self.stop();
        let script = root().join("tests/kit/smtp_server.py");
        let ready = self.folder.path().join("port");
        let _ = fs::remove_file(&ready);
        let process = Child::spawn("smtp_server.py", &tool("PYTHON"), |command| {
            command.arg(script).arg("--port").arg(self.port.to_string()).args(&self.options);
            command.arg("--maildir").arg(self.maildir()).arg("--port-file").arg(&ready);
        });
        wait_until("the SMTP server starts", START, async || {
            assert!(process.is_running(), "the SMTP server ended: {}", process.output());
            ready.exists()
        })
        .await;
        *self.process.lock().unwrap() = Some(process);
    }

    /// Everything it has kept, the oldest first.
    pub fn mails(&self) -> Vec<Mail> {
        let files = match fs::read_dir(self.maildir().join("new")) {
            Ok(files) => files.map(|file| file.unwrap().path()).collect(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            Err(error) => panic!("the maildir cannot be read: {error}"),
        };
        // A file's time comes from the same clock as all others; its name is not made for sorting.
        let age = |file: &PathBuf| fs::metadata(file).unwrap().modified().unwrap();
        let mut files: Vec<_> = files.into_iter().map(|file| (age(&file), file)).collect();
        files.sort();
        files.iter().map(|(_, file)| Mail::parse(&fs::read(file).unwrap())).collect()
    }

    /// What it has kept for one recipient.
    pub fn mails_to(&self, recipient: &str) -> Vec<Mail> {
        let mut mails = self.mails();
        mails.retain(|mail| mail.envelope_to.iter().any(|to| to == recipient));
        mails
    }

    fn maildir(&self) -> PathBuf {
        self.folder.path().join("mail")
    }
}
