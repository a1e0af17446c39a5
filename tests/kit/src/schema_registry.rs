//! A schema registry that speaks Confluent's API.

use std::{process::Command, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::OnceCell,
};

use crate::{
    Child, free_port, logs,
    tools::{apicurio_jar, tool},
};

/// A Java virtual machine on a machine that is busy with tests.
const START: Duration = Duration::from_mins(3);
/// Where it speaks Confluent's API.
const API: &str = "/apis/ccompat/v7";

/// Apicurio's registry, which keeps everything in memory.
#[derive(Debug)]
pub struct SchemaRegistryServer {
    address: String,
    _process: Child,
}

/// What a schema is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaKind {
    /// Avro.
    Avro,
    /// JSON Schema.
    Json,
    /// Protobuf.
    Protobuf,
}

impl SchemaRegistryServer {
    /// The one that all tests of a process share, each with subjects of its own. Takes seconds to start.
    pub async fn shared() -> &'static Self {
        static SHARED: OnceCell<SchemaRegistryServer> = OnceCell::const_new();
        SHARED.get_or_init(Self::start).await
    }

    async fn start() -> Self {
        logs();
        let port = free_port();
        let process = Child::spawn("registry", &tool("JAVA"), |command: &mut Command| {
            command.args(["-Xms64m", "-Xmx256m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]);
            command.arg("-Dquarkus.http.host=127.0.0.1").arg(format!("-Dquarkus.http.port={port}"));
            command.arg("-jar").arg(apicurio_jar());
        });
        process.wait_for_line("Listening on", START).await;
        Self { address: format!("127.0.0.1:{port}"), _process: process }
    }

    /// Its `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The URL of its API, at its own address.
    pub fn url(&self) -> String {
        Self::url_at(&self.address)
    }

    /// The URL of its API, at another address that leads to it.
    pub fn url_at(address: &str) -> String {
        format!("http://{address}{API}")
    }

    /// Registers a schema under a subject, and gives its id.
    pub async fn register(&self, subject: &str, kind: SchemaKind, schema: &str) -> u32 {
        self.register_with(subject, kind, schema, &[]).await
    }

    /// The same for a schema that refers to others: the name that it has for one, and the subject, of which the first version
    /// is meant.
    pub async fn register_with(&self, subject: &str, kind: SchemaKind, schema: &str, others: &[(&str, &str)]) -> u32 {
        let kind = match kind {
            SchemaKind::Avro => "AVRO",
            SchemaKind::Json => "JSON",
            SchemaKind::Protobuf => "PROTOBUF",
        };
        let others = others.iter().map(|(name, subject)| json!({ "name": name, "subject": subject, "version": 1 }));
        let body = json!({ "schema": schema, "schemaType": kind, "references": others.collect::<Vec<_>>() });
        let answer = self.call("POST", &format!("/subjects/{subject}/versions"), &body.to_string()).await;
        let id = answer["id"].as_u64().unwrap_or_else(|| panic!("{subject} is not registered: {answer}"));
        u32::try_from(id).unwrap()
    }

    /// What it has under a path of its API.
    pub async fn get(&self, path: &str) -> Value {
        self.call("GET", path, "").await
    }

    async fn call(&self, method: &str, path: &str, body: &str) -> Value {
        let mut connection = TcpStream::connect(&self.address).await.unwrap();
        let head = format!(
            "{method} {API}{path} HTTP/1.0\r\nHost: {}\r\nContent-Type: application/vnd.schemaregistry.v1+json\r\nContent-Length: {}\r\n\r\n",
            self.address,
            body.len()
        );
        connection.write_all(head.as_bytes()).await.unwrap();
        connection.write_all(body.as_bytes()).await.unwrap();
        let mut answer = String::new();
        connection.read_to_string(&mut answer).await.unwrap();
        let (_, body) = answer.split_once("\r\n\r\n").unwrap();
        serde_json::from_str(body).unwrap_or_else(|error| panic!("{error}: {answer}"))
    }
}
