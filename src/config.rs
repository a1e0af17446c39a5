//! The configuration: one typed file, `millgate.toml`, with every value open to the environment.
//!
//! Defaults lie at the bottom, the file over them, the environment on top. Whatever is misspelt, of the wrong type, or
//! makes no sense is refused before anything is connected, and all of it at once: a deployment that is wrong in three
//! places should not need four attempts.
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

mod application;
mod check;
mod declared;
mod draft;
mod environment;
mod file;
mod http;
mod key;
mod kind;
mod log;
mod named;
mod postgres;
mod problem;
pub(crate) mod retention;
mod secret;
mod setting;
#[cfg(test)]
mod tests;
mod topics;
mod written_route;

use std::{
    fmt,
    path::{Path, PathBuf},
};

use millgate_bridge::{BridgeConfig, saga::SagaConfig};
use millgate_dashboard::DashboardConfig;
use millgate_events::{
    ClaimConfig, KafkaConfig, LogShippingConfig, ProjectionConfig, RelayConfig, SchemaRegistryConfig, TrailConfig,
};
use millgate_jobs::RedisConfig;
use millgate_streams::{AuditConfig, LogAlertConfig, StreamConfig};
use millgate_workers::{SmtpConfig, WorkerConfig, webhook::WebhookConfig};
use serde::{Serialize, de::DeserializeOwned};
use toml::Table;

pub use application::NoSettings;
pub(crate) use declared::declared;
pub use environment::{FIXED_NAMES, process_environment};
pub use http::HttpConfig;
pub use key::Key;
pub(crate) use key::nearest;
pub use log::{LogConfig, LogFormat};
pub use postgres::PostgresConfig;
pub use problem::ConfigError;
pub use retention::Retention;
pub(crate) use secret::hide_in_text;
pub use setting::{Origin, Setting, to_text};
pub use topics::{TopicConfig, TopicSettings, TopicsConfig};
pub(crate) use written_route::WrittenRoute;

use draft::Draft;

/// The variable that names the file.
pub const FILE_VARIABLE: &str = "MILLGATE_CONFIG";

/// Everything millgate itself can be told.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Config {
    /// How to reach Kafka.
    pub kafka: KafkaConfig,
    /// How to reach Redis.
    pub redis: RedisConfig,
    /// How to reach the database.
    pub postgres: PostgresConfig,
    /// How mail leaves.
    pub smtp: SmtpConfig,
    /// How webhooks are called.
    pub webhook: WebhookConfig,
    /// How events become jobs.
    pub bridge: BridgeConfig,
    /// How events come from the outbox to Kafka.
    pub relay: RelayConfig,
    /// How projections follow the event store.
    pub projections: ProjectionConfig,
    /// How sagas are driven.
    pub saga: SagaConfig,
    /// What is noted of each event's life, and for how long.
    pub trail: TrailConfig,
    /// How streams take records in.
    pub streams: StreamConfig,
    /// For how long the audit log is kept.
    pub audit: AuditConfig,
    /// Where values go that are too large for Kafka.
    pub claim_check: ClaimConfig,
    /// Where schemas are of values in Confluent's wire format.
    pub schema_registry: SchemaRegistryConfig,
    /// How jobs are run.
    pub worker: WorkerConfig,
    /// Where metrics and health are.
    pub http: HttpConfig,
    /// Where the dashboard is, and who may look.
    pub dashboard: DashboardConfig,
    /// What is logged, and how.
    pub log: LogConfig,
    /// Where log lines go beside standard error.
    pub log_shipping: LogShippingConfig,
    /// When somebody is told that services log errors.
    pub log_alerts: LogAlertConfig,
    /// How topics are created.
    pub topics: TopicsConfig,
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
    /// The file that was read, if there was one.
    pub file: Option<PathBuf>,
    /// The routes that it declares.
    pub(crate) routes: Vec<WrittenRoute>,
}

/// Without the sections themselves: `settings` says the same, with the secrets hidden.
impl<S> fmt::Debug for Loaded<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Loaded").field("settings", &self.settings).finish_non_exhaustive()
    }
}

/// Reads the configuration.
///
/// `app_section` is the name of the application's section in the file, and `S` its type; an application without one
/// says `load::<NoSettings>("", ..)`. `file` is what `--config` named. If it is `None`, `MILLGATE_CONFIG` in `env`
/// names the file; if that is unset or empty too, `millgate.toml` in the working directory is read if it is there.
/// [`process_environment`] gives the `env` of this process.
///
/// What can be set is what `S::default()` says when it is written as TOML: these keys, with values of these types. So
/// every setting needs a default; one that may be missing is an empty text or list. An `Option` that is `None` by
/// default is not written, hence not known; neither are the keys of a map.
pub fn load<S>(
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

    // Our own sections can be written; a test sees to it.
    let mut defaults = Table::try_from(Config::default()).unwrap_or_default();
    application::add::<S>(app_section, &mut defaults)?;
    let mut draft = Draft::new(defaults);
    let file = find_file(file, &env);
    if let Some(path) = &file {
        file::overlay(&mut draft, path);
    }
    environment::overlay(&mut draft, &env);

    let config = Config {
        kafka: draft.read("kafka"),
        redis: draft.read("redis"),
        postgres: draft.read("postgres"),
        smtp: draft.read("smtp"),
        webhook: draft.read("webhook"),
        bridge: draft.read("bridge"),
        relay: draft.read("relay"),
        projections: draft.read("projections"),
        saga: draft.read("saga"),
        trail: draft.read("trail"),
        streams: draft.read("streams"),
        audit: draft.read("audit"),
        claim_check: draft.read("claim_check"),
        schema_registry: draft.read("schema_registry"),
        worker: draft.read("worker"),
        http: draft.read("http"),
        dashboard: draft.read("dashboard"),
        log: draft.read("log"),
        log_shipping: draft.read("log_shipping"),
        log_alerts: draft.read("log_alerts"),
        topics: draft.read("topics"),
    };
    let app = if app_section.is_empty() { S::default() } else { draft.read(app_section) };
    check::check(&config, &mut draft);
    let routes = draft.take_routes();
    Ok(Loaded { config, app, settings: draft.finish()?, file, routes })
}

/// Reads the routes of a configuration file again, whose text is given, and nothing else of it.
pub(crate) fn routes(path: &Path, text: &str) -> Result<Vec<WrittenRoute>, ConfigError> {
    file::routes(path, text)
}

/// Which file to read. One that is named must exist; the default one need not.
fn find_file(named: Option<&Path>, env: &[(String, String)]) -> Option<PathBuf> {
    // Empty counts as unset: a compose file with `MILLGATE_CONFIG: ${MILLGATE_CONFIG}` passes it so.
    let variable = env.iter().find(|(name, value)| name == FILE_VARIABLE && !value.is_empty());
    let named = named.map(Path::to_owned).or_else(|| variable.map(|(_, path)| PathBuf::from(path)));
    named.or_else(|| Some(PathBuf::from("millgate.toml")).filter(|path| path.exists()))
}
