//! The configuration: one typed file, `millgate.toml`, with every value open to the environment.
//!
//! Defaults lie at the bottom, the file over them, the environment on top. Whatever is misspelt,
//! of the wrong type, or makes no sense is refused before anything is connected, and all of it at
//! once: a deployment that is wrong in three places should not need four attempts.
//!
//! ```toml
//! [kafka]
//! brokers = "10.0.0.1:9092"      # or KAFKA_BROKERS, or MILLGATE_KAFKA_BROKERS
//!
//! [shop]                         # the application's own section, of a type it chooses
//! reminder_delay = "24h"         # or MILLGATE_SHOP_REMINDER_DELAY
//! ```
//!
//! The environment is handed in rather than read here, so that tests can run side by side.

use std::fmt;
use std::path::{Path, PathBuf};

use millgate_bridge::BridgeConfig;
use millgate_events::KafkaConfig;
use millgate_jobs::RedisConfig;
use millgate_workers::{SmtpConfig, WorkerConfig};
use serde::Serialize;
use serde::de::DeserializeOwned;

mod application;
mod check;
mod draft;
mod environment;
mod file;
mod key;
mod log;
mod notebook;
mod postgres;
mod problem;
mod secret;
mod setting;
mod shape;
#[cfg(test)]
mod tests;
mod topics;
mod tracer;

pub use application::NoSettings;
pub use environment::{FIXED_NAMES, process_environment};
pub use key::Key;
pub use log::{LogConfig, LogFormat};
pub use postgres::PostgresConfig;
pub use problem::{ConfigError, Problem};
pub(crate) use secret::hide_in_text;
pub use setting::{Origin, Setting, to_text};
pub use topics::{TopicConfig, TopicSettings, TopicsConfig};

use draft::{Draft, Section};

/// The file that is read when none is named, if it is there.
pub const DEFAULT_FILE: &str = "millgate.toml";

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "MILLGATE_CONFIG";

/// Everything millgate itself can be told.
#[derive(Clone, Default, PartialEq, Serialize)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: KafkaConfig,
    /// How to reach Redis.
    pub redis: RedisConfig,
    /// How to reach the database.
    pub postgres: PostgresConfig,
    /// How mail leaves.
    pub smtp: SmtpConfig,
    /// How events become jobs.
    pub bridge: BridgeConfig,
    /// How jobs are run.
    pub worker: WorkerConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// How topics are created.
    pub topics: TopicsConfig,
}

/// Written by hand, so that a `{config:?}` in a log line gives no password away.
impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match toml::Value::try_from(self) {
            Ok(value) => {
                let masked = secret::mask(&Key::default(), &value);
                f.debug_tuple("Config").field(&masked).finish()
            }
            Err(_) => f.write_str("Config(..)"),
        }
    }
}

/// A configuration, and where each of its values came from.
#[derive(Clone, PartialEq)]
pub struct Loaded<S> {
    /// Millgate's own sections.
    pub config: Config,
    /// The application's section.
    pub app: S,
    /// Every value in force, in the order of the sections, secrets hidden.
    pub settings: Vec<Setting>,
}

/// Without the sections themselves: `settings` says the same, with the secrets hidden.
impl<S> fmt::Debug for Loaded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Reads the configuration.
///
/// `app_section` is the name of the application's section in the file, and `S` its type; an
/// application without one says `load::<NoSettings>("", ..)`. A type with `#[serde(flatten)]` in it
/// works, but serde hides its names then: misspelt ones are not found, and the environment reaches
/// only what has a default or stands in the file. `file` is what `--config` named. If
/// it is `None`, `MILLGATE_CONFIG` in `env` names the file; if that is unset or empty too,
/// `millgate.toml` in the working directory is read if it is there. [`process_environment`] gives
/// the `env` of this process.
///
/// ```
/// # fn main() -> Result<(), millgate::config::ConfigError> {
/// use millgate::config::{NoSettings, load};
///
/// let env = [("KAFKA_BROKERS".to_owned(), "10.0.0.1:9092".to_owned())];
/// let loaded = load::<NoSettings>("", None, env.into_iter())?;
/// assert_eq!(loaded.config.kafka.brokers, "10.0.0.1:9092");
/// # Ok(())
/// # }
/// ```
pub fn load<S>(
    app_section: &str,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded<S>, ConfigError>
where
    S: Serialize + DeserializeOwned + Default,
{
    load_beside(Path::new(""), app_section, file, env)
}

/// [`load`], with the folder in which `millgate.toml` is looked for.
fn load_beside<S>(
    folder: &Path,
    app_section: &str,
    file: Option<&Path>,
    env: impl Iterator<Item = (String, String)>,
) -> Result<Loaded<S>, ConfigError>
where
    S: Serialize + DeserializeOwned + Default,
{
    // Sorted, so that problems are told in the same order every time.
    let mut env: Vec<(String, String)> = env.collect();
    env.sort();

    let mut draft = Draft::new(sections::<S>(app_section)?);
    if let Some(path) = find_file(folder, file, &env) {
        file::overlay(&mut draft, &path);
    }
    environment::overlay(&mut draft, &env);

    let config = Config {
        kafka: draft.read("kafka"),
        redis: draft.read("redis"),
        postgres: draft.read("postgres"),
        smtp: draft.read("smtp"),
        bridge: draft.read("bridge"),
        worker: draft.read("worker"),
        log: draft.read("log"),
        topics: draft.read("topics"),
    };
    let app = if app_section.is_empty() {
        S::default()
    } else {
        draft.read(app_section)
    };
    check::check(&config, &mut draft);

    let settings = draft.finish()?;
    Ok(Loaded {
        config,
        app,
        settings,
    })
}

/// All sections, in the order in which they are shown.
fn sections<S>(app_section: &str) -> Result<Vec<Section>, ConfigError>
where
    S: Serialize + DeserializeOwned + Default,
{
    let mut sections = vec![
        Section::of::<KafkaConfig>("kafka")?,
        Section::of::<RedisConfig>("redis")?,
        Section::of::<PostgresConfig>("postgres")?,
        Section::of::<SmtpConfig>("smtp")?,
        Section::of::<BridgeConfig>("bridge")?,
        Section::of::<WorkerConfig>("worker")?,
        Section::of::<LogConfig>("log")?,
        topics::section()?,
    ];
    if !app_section.is_empty() {
        let taken: Vec<&str> = sections.iter().map(Section::name).collect();
        application::check_name(app_section, &taken)?;
        sections.push(Section::of::<S>(app_section)?);
    }
    Ok(sections)
}

/// Which file to read. One that is named must exist; the default one need not.
fn find_file(folder: &Path, named: Option<&Path>, env: &[(String, String)]) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    // Empty counts as unset: a compose file with `MILLGATE_CONFIG: ${MILLGATE_CONFIG}` passes it so.
    let variable = env
        .iter()
        .find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
    if let Some((_, path)) = variable {
        return Some(PathBuf::from(path));
    }
    let path = folder.join(DEFAULT_FILE);
    path.exists().then_some(path)
}
