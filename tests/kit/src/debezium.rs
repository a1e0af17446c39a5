//! A Debezium of a test's own.

use std::{fs, path::PathBuf, process::Command, sync::Mutex, time::Duration};

use serde_json::Value;

use crate::{
    Child, Folder, KafkaSpace, PostgresServer, free_port, logs,
    tools::{debezium_jars, root, tool},
    wait_until,
};

/// A Java virtual machine on a machine that is busy with tests.
const START: Duration = Duration::from_mins(3);

/// Kafka Connect in one process, set up by the files of `ops/debezium`.
#[derive(Debug)]
pub struct Debezium {
    process: Mutex<Option<Child>>,
    folder: Folder,
    connectors: Vec<PathBuf>,
}

impl Debezium {
    /// One that writes to the Kafka of this space. Nothing runs before [`restart`](Self::restart).
    pub fn new(kafka: &KafkaSpace) -> Self {
        logs();
        let folder = Folder::new("debezium");
        let worker = fs::read_to_string(root().join("ops/debezium/connect.properties")).unwrap();
        let worker =
            worker.replace("127.0.0.1:19092", &kafka.config().brokers).replace(":18083", &format!(":{}", free_port()));
        // Tests wait for it.
        let worker = worker.replace("offset.flush.interval.ms=5000", "offset.flush.interval.ms=1000");
        fs::write(folder.path().join("connect.properties"), worker).unwrap();
        Self { folder, connectors: Vec::new(), process: Mutex::default() }
    }

    /// Adds the connector of `ops/debezium/connector.json` under another name, which is also its slot's. Its topics lie in the
    /// space: those of `prefix` are `{prefix}.{schema}.{table}`.
    #[must_use]
    pub fn with(
        mut self,
        name: &str,
        kafka: &KafkaSpace,
        prefix: &str,
        database: &PostgresServer,
        settings: &[(&str, &str)],
    ) -> Self {
        let text = fs::read_to_string(root().join("ops/debezium/connector.json")).unwrap();
        let mut connector: Value = serde_json::from_str(&text).unwrap();
        connector["name"] = name.into();
        let (port, prefix) = (database.port().to_string(), kafka.name(prefix));
        let own = [
            ("database.port", port.as_str()),
            ("database.dbname", "postgres"),
            ("slot.name", name),
            ("topic.prefix", &prefix),
        ];
        for (setting, value) in own.iter().chain(settings) {
            connector["config"][*setting] = (*value).into();
        }
        let file = self.folder.path().join(format!("{name}.json"));
        fs::write(&file, connector.to_string()).unwrap();
        self.connectors.push(file);
        self
    }

    /// Starts it (again), and returns when its connectors run.
    pub async fn restart(&self) {
        self.kill9();
        let process = Child::spawn("debezium", &tool("JAVA"), |command: &mut Command| {
            command.args(["-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
            command.arg(format!("-Dlog4j2.configurationFile={}", root().join("ops/kafka/log4j2.properties").display()));
            command.args(["-cp", &debezium_jars(), "org.apache.kafka.connect.cli.ConnectStandalone"]);
            command.arg("connect.properties").args(&self.connectors).current_dir(self.folder.path());
        });
        process.wait_for_line("Starting streaming", START).await;
        *self.process.lock().unwrap() = Some(process);
    }

    /// Waits until each connector has noted a place in the log. Killed before, it would begin with another snapshot, and what
    /// changed meanwhile would be rows that are there.
    pub async fn noted(&self) {
        let file = self.folder.path().join("connect.offsets");
        wait_until("Debezium to note how far it is", START, async || {
            // A Java map, with a JSON object for each connector: this is in those of changes, and not of snapshots.
            let noted = fs::read(&file).unwrap_or_default();
            String::from_utf8_lossy(&noted).matches("\"messageType\"").count() == self.connectors.len()
        })
        .await;
    }

    /// SIGKILL: how far it was is where it last said so.
    pub fn kill9(&self) {
        if let Some(process) = self.process.lock().unwrap().take() {
            process.kill9();
        }
    }
}
