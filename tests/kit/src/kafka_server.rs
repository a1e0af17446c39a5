//! A Kafka of a test's own, to be started late, and to be killed.

use std::{fs, process::Command, sync::Mutex, time::Duration};

use tokio::net::TcpStream;

use crate::{
    Child, Folder, KafkaSpace, free_port, logs,
    tools::{kafka_jars, root, tool},
    wait_until,
};

/// A Java virtual machine on a machine that is busy with tests.
const START: Duration = Duration::from_mins(3);

/// What `ops/kafka/server.properties` has, and a server of a test's own must not.
const SHARED_PORTS: [&str; 2] = ["19092", "19093"];

/// How long the shared one is waited for before it counts as gone, and one that is to be killed: it starts again no sooner.
const SESSIONS: [&str; 2] = ["broker.session.timeout.ms=60000", "broker.session.timeout.ms=10000"];

/// Any 16 bytes in base64.
const CLUSTER_ID: &str = "bWlsbGdhdGUtdGVzdC0wMQ";

/// One broker, which is its own controller, set up as `ops/kafka` sets up the shared one.
#[derive(Debug)]
pub struct KafkaServer {
    port: u16,
    folder: Folder,
    process: Mutex<Option<Child>>,
}

impl KafkaServer {
    /// Starts one, and returns when it serves. Takes seconds.
    pub async fn start() -> Self {
        let server = Self::start_later();
        server.restart().await;
        server
    }

    /// Chooses the port, and leaves the server down until [`restart`](Self::restart).
    pub fn start_later() -> Self {
        logs();
        let folder = Folder::new("kafka");
        let (port, controller_port) = (free_port(), free_port());
        let shared = fs::read_to_string(root().join("ops/kafka/server.properties")).unwrap();
        let ours = [port, controller_port].map(|port| port.to_string());
        let properties = std::iter::zip(SHARED_PORTS, &ours)
            .fold(shared, |properties, (shared, ours)| properties.replace(shared, ours))
            .replace(SESSIONS[0], SESSIONS[1]);
        fs::write(folder.path().join("server.properties"), properties).unwrap();
        Self { port, folder, process: Mutex::default() }
    }

    /// `127.0.0.1:port`.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Topics and groups under names of their own that begin with `name`.
    pub fn space(&self, name: &str) -> KafkaSpace {
        KafkaSpace::at(&self.brokers(), name)
    }

    /// SIGKILL. What was acked is in the page cache, which outlives the process.
    pub fn kill9(&self) {
        if let Some(process) = self.process.lock().unwrap().take() {
            process.kill9();
        }
    }

    /// SIGSTOP: connections stay open, and nothing is answered.
    pub fn freeze(&self) {
        self.with(Child::freeze);
    }

    /// SIGCONT.
    pub fn thaw(&self) {
        self.with(Child::thaw);
    }

    /// Starts it again (or for the first time) on the same ports and data; returns when it serves.
    pub async fn restart(&self) {
        self.kill9();
        let java = ["-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"];
        let logs = root().join("ops/kafka/log4j2.properties");
        let prepare = |command: &mut Command, words: &[&str]| {
            command.args(java).arg(format!("-Dlog4j2.configurationFile={}", logs.display()));
            command.args(["-cp", &kafka_jars()]).args(words).arg("server.properties");
            command.current_dir(self.folder.path());
        };
        if !self.folder.path().join("data/meta.properties").exists() {
            let format = ["kafka.tools.StorageTool", "format", "-t", CLUSTER_ID, "-c"];
            let tool = Child::spawn("kafka format", &tool("JAVA"), |command| prepare(command, &format));
            let status = tool.wait_exit(START).await;
            assert!(status.success(), "Kafka's storage cannot be formatted: {}", tool.output());
        }
        let process = Child::spawn("kafka", &tool("JAVA"), |command| prepare(command, &["kafka.Kafka"]));
        // The port opens earlier, while the broker still refuses most requests.
        process.wait_for_line("Kafka Server started", START).await;
        wait_until("Kafka listens", START, async || TcpStream::connect(self.brokers()).await.is_ok()).await;
        *self.process.lock().unwrap() = Some(process);
    }

    fn with(&self, action: impl FnOnce(&Child)) {
        action(self.process.lock().unwrap().as_ref().expect("a Kafka that runs"));
    }
}
