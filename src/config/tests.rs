//! What a user meets: files, variables, messages. Single parts are tested where they are.

mod application;
mod environment;
mod example;
mod file;
mod routes;
mod secrets;
mod sense;

use std::time::Duration;

use millgate_testkit::Folder;
use serde::{Deserialize, Serialize, de::DeserializeOwned};

use super::{Config, ConfigError, Loaded, setting::WIDEST, to_text};

/// The section of an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Shop {
    #[serde(with = "humantime_serde")]
    reminder_delay: Duration,
    currencies: Vec<String>,
    discount: f64,
    api_token: String,
    motto: Option<String>,
    mail: Mail,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            reminder_delay: Duration::from_hours(24),
            currencies: vec!["EUR".into()],
            discount: 0.0,
            api_token: String::new(),
            motto: None,
            mail: Mail::default(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Mail {
    subject: String,
    copies: u8,
}

/// Loads `text` as the file, with `[shop]` as the application's section.
fn load_as<S>(text: &str, env: &[(&str, &str)]) -> Result<Loaded<S>, ConfigError>
where
    S: Serialize + DeserializeOwned + Default,
{
    let folder = Folder::new("config");
    let file = folder.path().join("millgate.toml");
    std::fs::write(&file, text).unwrap();
    let env = env.iter().map(|&(name, value)| (name.to_owned(), value.to_owned()));
    super::load("shop", Some(&file), env)
}

fn load(text: &str, env: &[(&str, &str)]) -> Result<Loaded<Shop>, ConfigError> {
    load_as(text, env)
}

fn config(text: &str, env: &[(&str, &str)]) -> Config {
    load(text, env).unwrap().config
}

/// All that is wrong with it, a line each, with the folder cut away.
fn wrong_as<S>(text: &str, env: &[(&str, &str)]) -> Vec<String>
where
    S: Serialize + DeserializeOwned + Default,
{
    let error = load_as::<S>(text, env).unwrap_err().to_string();
    let name_only = |line: &str| line.find("millgate.toml:").filter(|_| line.starts_with('/')).unwrap_or(0);
    error.lines().map(|line| line[name_only(line)..].to_owned()).collect()
}

fn wrong(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    wrong_as::<Shop>(text, env)
}

/// Where the value of `key` came from, with the folder cut away.
fn origin(loaded: &Loaded<Shop>, key: &str) -> String {
    let setting = loaded.settings.iter().find(|setting| setting.key.to_string() == key);
    let origin = setting.expect("this setting should be listed").origin.to_string();
    origin.rsplit('/').next().unwrap_or_default().to_owned()
}

#[test]
fn the_environment_beats_the_file_and_the_file_beats_the_default() {
    let nothing = load("", &[]).unwrap();
    assert_eq!((nothing.config, nothing.app), (Config::default(), Shop::default()));

    let text = "[kafka]\nbrokers = \"file:9092\"\nclient_id = \"file\"\n";
    let loaded = load(text, &[("KAFKA_BROKERS", "env:9092")]).unwrap();
    let kafka = &loaded.config.kafka;
    assert_eq!((kafka.brokers.as_str(), kafka.client_id.as_str()), ("env:9092", "file"));
    assert_eq!(kafka.consumer_group, "millgate-bridge");
    assert_eq!(origin(&loaded, "kafka.brokers"), "env KAFKA_BROKERS");
    assert_eq!(origin(&loaded, "kafka.client_id"), "millgate.toml:3");
    assert_eq!(origin(&loaded, "kafka.consumer_group"), "default");
}

#[test]
fn everything_wrong_is_told_at_once_in_order() {
    let text = "[worker]\nconcurrency = \"many\"\nlease = \"10ms\"\n[kafka]\nbroker = \"x\"\ncompression = \"lz5\"\n\
                linger_ms = -1\n[postgres]\npool_size = 0\n";
    let env = [("MILLGATE_BRIDGE_BATCH_SIZE", "lots"), ("MILLGATE_KAFKA_BROKER", "x")];
    assert_eq!(
        wrong(text, &env),
        [
            "millgate.toml:2: worker.concurrency: expected a whole number, found \"many\"",
            "millgate.toml:3: worker.lease: must be at least 1s, found 10ms",
            "millgate.toml:5: unknown key kafka.broker; did you mean kafka.brokers?",
            "millgate.toml:6: kafka.compression: expected one of none, gzip, snappy, lz4, zstd, found \"lz5\"; did \
             you mean lz4?",
            "millgate.toml:7: kafka.linger_ms: invalid value: integer `-1`, expected u32",
            "millgate.toml:9: postgres.pool_size: must be at least 1, found 0",
            "environment variable MILLGATE_BRIDGE_BATCH_SIZE: bridge.batch_size: expected a whole number, found \
             \"lots\"",
            "environment variable MILLGATE_KAFKA_BROKER: no setting has this name; did you mean \
             MILLGATE_KAFKA_BROKERS?",
        ]
    );
}

#[test]
fn settings_are_listed_as_declared_and_can_be_read_back() {
    let loaded =
        load("[topics.\"order.created\"]\ncompaction = true\n", &[("MILLGATE_WORKER_QUEUES", "mail")]).unwrap();
    let text = to_text(&loaded.settings);
    let mut sections: Vec<&str> = text.lines().filter_map(|line| line.split('.').next()).collect();
    sections.dedup();
    assert_eq!(
        sections,
        [
            "kafka",
            "redis",
            "postgres",
            "smtp",
            "webhook",
            "bridge",
            "relay",
            "projections",
            "saga",
            "trail",
            "streams",
            "audit",
            "claim_check",
            "schema_registry",
            "worker",
            "http",
            "dashboard",
            "log",
            "log_shipping",
            "log_alerts",
            "topics",
            "shop"
        ]
    );
    assert!(text.starts_with("kafka.brokers = "), "{text}");
    assert!(text.contains("topics.\"order.created\".compaction = true ") && !text.contains("created\".part"), "{text}");
    // A line that is much longer than the others stands out.
    let comments = text.lines().filter_map(|line| line.find("   # "));
    let comments: Vec<usize> = comments.filter(|column| *column <= WIDEST).collect();
    assert!(comments.len() > 40 && comments.iter().all(|column| *column == comments[0]), "{text}");
    assert_eq!(toml::from_str::<toml::Table>(&text).unwrap()["shop"]["mail"]["copies"].as_integer(), Some(0));

    let json = serde_json::to_value(&loaded.settings).unwrap();
    let queues = serde_json::json!({"key": "worker.queues", "value": ["mail"], "origin": "env MILLGATE_WORKER_QUEUES"});
    assert!(json.as_array().unwrap().contains(&queues), "{json:#}");
}
