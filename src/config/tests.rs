//! What a user meets: files, variables, messages. Single parts are tested where they are.

#![allow(clippy::unwrap_used, clippy::expect_used)]

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Config, ConfigError, Loaded, load_beside};

mod application;
mod environment;
mod example;
mod file;
mod secrets;
mod sense;
mod shown;

/// The section of an application.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Shop {
    #[serde(with = "humantime_serde")]
    reminder_delay: Duration,
    currencies: Vec<String>,
    discount: f64,
    motto: Option<String>,
    api_token: Option<String>,
    limits: std::collections::BTreeMap<String, u8>,
    mail: Mail,
}

impl Default for Shop {
    fn default() -> Self {
        Self {
            reminder_delay: Duration::from_hours(24),
            currencies: vec!["EUR".into()],
            discount: 0.0,
            motto: None,
            api_token: None,
            limits: std::collections::BTreeMap::new(),
            mail: Mail::default(),
        }
    }
}

#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
struct Mail {
    subject: String,
    copies: Option<u8>,
}

/// A folder of its own for one test, gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("millgate-config-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        Self(folder)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn variables(env: &[(&str, &str)]) -> std::vec::IntoIter<(String, String)> {
    let owned = |&(name, value): &(&str, &str)| (name.to_owned(), value.to_owned());
    env.iter().map(owned).collect::<Vec<_>>().into_iter()
}

/// Loads `text` as `millgate.toml`, with `[shop]` as the application's section.
fn load(text: &str, env: &[(&str, &str)]) -> Result<Loaded<Shop>, ConfigError> {
    let folder = Folder::new();
    folder.write("millgate.toml", text);
    load_beside(&folder.0, "shop", None, variables(env))
}

/// The configuration that `text` and `env` make.
fn config(text: &str, env: &[(&str, &str)]) -> Config {
    load(text, env).unwrap().config
}

/// All that is wrong with it, a line each, with the folder cut away.
fn wrong(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let folder = Folder::new();
    folder.write("millgate.toml", text);
    let loaded: Result<Loaded<Shop>, _> = load_beside(&folder.0, "shop", None, variables(env));
    let error = loaded.expect_err("this configuration should be refused");
    let folder = format!("{}/", folder.0.display());
    let lines = error.to_string();
    lines.lines().map(|l| l.replace(&folder, "")).collect()
}

/// Where the value of `key` came from, with the folder cut away.
fn origin<S>(loaded: &Loaded<S>, key: &str) -> String {
    let setting = loaded.settings.iter().find(|s| s.key.to_string() == key);
    let origin = setting
        .expect("this setting should be listed")
        .origin
        .to_string();
    match origin.rsplit_once('/') {
        Some((_, name)) => name.to_owned(),
        None => origin,
    }
}

#[test]
fn nothing_said_means_defaults() {
    let folder = Folder::new();
    let loaded = load_beside::<Shop>(&folder.0, "shop", None, variables(&[])).unwrap();
    assert_eq!(loaded.config, Config::default());
    assert_eq!(loaded.app, Shop::default());
    assert!(
        loaded
            .settings
            .iter()
            .all(|s| s.origin == super::Origin::Default)
    );
}

#[test]
fn the_environment_beats_the_file_and_the_file_beats_the_default() {
    let loaded = load(
        "[kafka]\nbrokers = \"file:9092\"\nclient_id = \"file\"\n",
        &[("KAFKA_BROKERS", "env:9092")],
    )
    .unwrap();
    let kafka = &loaded.config.kafka;
    assert_eq!(kafka.brokers, "env:9092");
    assert_eq!(kafka.client_id, "file");
    assert_eq!(kafka.consumer_group, "millgate-bridge");
    assert_eq!(origin(&loaded, "kafka.brokers"), "env KAFKA_BROKERS");
    assert_eq!(origin(&loaded, "kafka.client_id"), "millgate.toml:3");
    assert_eq!(origin(&loaded, "kafka.consumer_group"), "default");
}

#[test]
fn everything_wrong_is_told_at_once_in_order() {
    assert_eq!(
        wrong(
            "[worker]\nconcurrency = \"many\"\nlease = \"10ms\"\n[kafka]\nbroker = \"x\"\n\
             compression = \"lz5\"\n[postgres]\npool_size = 0\n",
            &[
                ("MILLGATE_BRIDGE_BATCH_SIZE", "lots"),
                ("MILLGATE_KAFKA_BROKER", "x"),
            ],
        ),
        [
            "millgate.toml:2: worker.concurrency: expected a whole number, found \"many\"",
            "millgate.toml:3: worker.lease: must be at least 1s, found 10ms",
            "millgate.toml:5: unknown key kafka.broker; did you mean kafka.brokers?",
            "millgate.toml:6: kafka.compression: expected one of none, gzip, snappy, lz4, zstd, \
             found \"lz5\"; did you mean lz4?",
            "millgate.toml:8: postgres.pool_size: must be at least 1, found 0",
            "environment variable MILLGATE_KAFKA_BROKER: no setting has this name; did you mean \
             MILLGATE_KAFKA_BROKERS?",
            "environment variable MILLGATE_BRIDGE_BATCH_SIZE: bridge.batch_size: expected a whole \
             number, found \"lots\"",
        ]
    );
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn missing(path: &Path) -> String {
    format!("{}: there is no such configuration file", path.display())
}
