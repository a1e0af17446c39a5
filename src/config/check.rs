//! Checks of sense: values of the right type that no installation can mean.
//!
//! Each of these would otherwise show itself later and elsewhere: as a worker that takes no jobs,
//! as a refusal by librdkafka in its own words, or as a login that is never attempted.

use std::time::Duration;

use super::Config;
use super::draft::Draft;
use super::key::{Key, nearest};
use super::problem::Problem;

const PROTOCOLS: [&str; 4] = ["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
const MECHANISMS: [&str; 3] = ["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"];
const COMPRESSIONS: [&str; 5] = ["none", "gzip", "snappy", "lz4", "zstd"];
const OFFSET_RESETS: [&str; 3] = ["earliest", "latest", "error"];
const ASSIGNMENTS: [&str; 3] = ["cooperative-sticky", "range", "roundrobin"];

/// Tells the draft of everything in `config` that makes no sense.
pub(super) fn check(config: &Config, draft: &mut Draft) {
    let mut checks = Checks { draft };
    kafka(config, &mut checks);
    stores(config, &mut checks);
    jobs(config, &mut checks);
    topics(config, &mut checks);
}

fn kafka(config: &Config, checks: &mut Checks<'_>) {
    let kafka = &config.kafka;
    checks.given(&["kafka", "brokers"], &kafka.brokers);
    checks.given(&["kafka", "consumer_group"], &kafka.consumer_group);
    checks.at_least_one(&["kafka", "batch_size"], kafka.batch_size.into());
    if !kafka.security_protocol.is_empty() {
        let key = ["kafka", "security_protocol"];
        checks.word(&key, &kafka.security_protocol, &PROTOCOLS);
    }
    let mechanism = &kafka.sasl_mechanism;
    checks.word(&["kafka", "sasl_mechanism"], mechanism, &MECHANISMS);
    checks.word(&["kafka", "compression"], &kafka.compression, &COMPRESSIONS);
    let reset = &kafka.auto_offset_reset;
    checks.word(&["kafka", "auto_offset_reset"], reset, &OFFSET_RESETS);
    let strategy = &kafka.assignment_strategy;
    checks.word(&["kafka", "assignment_strategy"], strategy, &ASSIGNMENTS);

    let millisecond = Duration::from_millis(1);
    for (name, span) in [
        ("retry_interval", kafka.retry_interval),
        ("delivery_timeout", kafka.delivery_timeout),
        ("session_timeout", kafka.session_timeout),
        ("rebalance_timeout", kafka.rebalance_timeout),
    ] {
        checks.at_least(&["kafka", name], span, millisecond);
    }
    checks.ordered(
        (&["kafka", "session_timeout"], kafka.session_timeout),
        (&["kafka", "rebalance_timeout"], kafka.rebalance_timeout),
        Order::Shorter,
    );
    checks.ordered(
        (
            &["kafka", "linger_ms"],
            Duration::from_millis(kafka.linger_ms.into()),
        ),
        (&["kafka", "delivery_timeout"], kafka.delivery_timeout),
        Order::Shorter,
    );
    sasl(config, checks);
}

/// Credentials that would silently not be used, or be missing.
fn sasl(config: &Config, checks: &mut Checks<'_>) {
    let kafka = &config.kafka;
    let enabled = ["kafka", "sasl_enabled"];
    let protocol = ["kafka", "security_protocol"];
    if kafka.sasl_enabled && kafka.username.is_empty() {
        checks.together(
            &[&enabled, &["kafka", "username"]],
            "is true, but kafka.username is empty; set kafka.username (KAFKA_USERNAME)",
        );
    }
    let word = kafka.security_protocol.as_str();
    if kafka.sasl_enabled && matches!(word, "plaintext" | "ssl") {
        checks.together(
            &[&protocol, &enabled],
            &format!(
                "{word:?} does not log in, but kafka.sasl_enabled is true; use \"sasl_{word}\", or \
                 leave it empty"
            ),
        );
    }
    if !kafka.sasl_enabled && word.starts_with("sasl_") && PROTOCOLS.contains(&word) {
        checks.together(
            &[&protocol, &enabled],
            &format!("{word:?} logs in, but kafka.sasl_enabled is false; set it to true"),
        );
    }
}

fn stores(config: &Config, checks: &mut Checks<'_>) {
    let redis = &config.redis;
    checks.url(&["redis", "url"], &redis.url, &["redis", "rediss"]);
    let millisecond = Duration::from_millis(1);
    let timeout = redis.response_timeout;
    checks.at_least(&["redis", "response_timeout"], timeout, millisecond);

    let postgres = &config.postgres;
    let schemes = ["postgres", "postgresql"];
    checks.url(&["postgres", "url"], &postgres.url, &schemes);
    checks.at_least_one(&["postgres", "pool_size"], postgres.pool_size.into());
    let timeout = postgres.connect_timeout;
    checks.at_least(&["postgres", "connect_timeout"], timeout, millisecond);
    // It becomes part of SQL statements, where it cannot be a parameter.
    let schema = &postgres.schema;
    let plain = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    if !schema.chars().all(plain) || schema.is_empty() || schema.starts_with(char::is_numeric) {
        checks.wrong(
            &["postgres", "schema"],
            "use lower-case letters, digits and `_`, and no digit at the start".to_owned(),
        );
    }

    let smtp = &config.smtp;
    checks.url(&["smtp", "url"], &smtp.url, &["smtp", "smtps"]);
    checks.given(&["smtp", "from"], &smtp.from);
    checks.at_least_one(&["smtp", "pool_size"], smtp.pool_size.into());
    checks.at_least(&["smtp", "timeout"], smtp.timeout, millisecond);
}

fn jobs(config: &Config, checks: &mut Checks<'_>) {
    let bridge = &config.bridge;
    checks.at_least_one(&["bridge", "batch_size"], bridge.batch_size as u128);
    checks.at_least_one(&["bridge", "buffer_bytes"], bridge.buffer_bytes as u128);
    let interval = bridge.commit_interval;
    let millisecond = Duration::from_millis(1);
    checks.at_least(&["bridge", "commit_interval"], interval, millisecond);
    checks.topic(&["bridge", "dead_letter_topic"], &bridge.dead_letter_topic);

    let worker = &config.worker;
    checks.at_least_one(&["worker", "concurrency"], worker.concurrency as u128);
    // A lease is renewed at a fraction of its time; a busy machine can be late by much of a second.
    checks.at_least(&["worker", "lease"], worker.lease, Duration::from_secs(1));
    checks.ordered(
        (&["worker", "backoff_base"], worker.backoff_base),
        (&["worker", "backoff_max"], worker.backoff_max),
        Order::NoLonger,
    );

    let level = &config.log.level;
    if let Err(error) = tracing_subscriber::EnvFilter::builder().parse(level) {
        checks.wrong(
            &["log", "level"],
            format!("{error}; use a level such as info, or directives: info,millgate_bridge=debug"),
        );
    }
}

fn topics(config: &Config, checks: &mut Checks<'_>) {
    let topics = &config.topics;
    let second = Duration::from_secs(1);
    checks.at_least_one(&["topics", "partitions"], topics.partitions.into());
    checks.at_least_one(&["topics", "replication"], topics.replication.into());
    checks.at_least(&["topics", "retention"], topics.retention, second);
    for (name, topic) in &topics.by_name {
        checks.topic(&["topics", name], name);
        if let Some(partitions) = topic.partitions {
            checks.at_least_one(&["topics", name, "partitions"], partitions.into());
        }
        if let Some(replication) = topic.replication {
            checks.at_least_one(&["topics", name, "replication"], replication.into());
        }
        if let Some(retention) = topic.retention {
            checks.at_least(&["topics", name, "retention"], retention, second);
        }
    }
}

/// How two durations must relate.
#[derive(Clone, Copy)]
enum Order {
    Shorter,
    NoLonger,
}

struct Checks<'a> {
    draft: &'a mut Draft,
}

impl Checks<'_> {
    fn wrong(&mut self, key: &[&str], message: String) {
        let key = Key::from(key);
        // Once is enough: what is wrong in two ways is corrected in one place.
        if !self.draft.is_wrong(&key) {
            let place = self.draft.origin(&key);
            self.draft.tell(Problem::Senseless {
                place,
                key,
                message,
            });
        }
    }

    /// A contradiction between settings, told of the first at the place of the first that was set.
    /// If one of them is wrong already, it says nothing: the contradiction may go away with it.
    fn together(&mut self, keys: &[&[&str]], message: &str) {
        let all: Vec<Key> = keys.iter().map(|&key| Key::from(key)).collect();
        if all.iter().any(|key| self.draft.is_wrong(key)) {
            return;
        }
        let set = all.iter().find(|key| self.draft.is_set(key));
        let (Some(first), Some(at)) = (all.first(), set.or(all.first())) else {
            return;
        };
        let place = self.draft.origin(at);
        self.draft.tell(Problem::Senseless {
            place,
            key: first.clone(),
            message: message.to_owned(),
        });
    }

    fn given(&mut self, key: &[&str], text: &str) {
        if text.trim().is_empty() {
            self.wrong(key, "must not be empty".to_owned());
        }
    }

    fn at_least_one(&mut self, key: &[&str], number: u128) {
        if number < 1 {
            self.wrong(key, format!("must be at least 1, found {number}"));
        }
    }

    fn at_least(&mut self, key: &[&str], span: Duration, least: Duration) {
        if span < least {
            self.wrong(
                key,
                format!("must be at least {}, found {}", show(least), show(span)),
            );
        }
    }

    fn word(&mut self, key: &[&str], word: &str, allowed: &[&str]) {
        if !allowed.contains(&word) {
            let near = nearest(word, allowed.iter().copied())
                .map(|near| format!("; did you mean {near}?"))
                .unwrap_or_default();
            let allowed = allowed.join(", ");
            self.wrong(
                key,
                format!("expected one of {allowed}, found {word:?}{near}"),
            );
        }
    }

    fn url(&mut self, key: &[&str], url: &str, schemes: &[&str]) {
        let scheme = url.split_once("://").map(|(scheme, _)| scheme);
        if !scheme.is_some_and(|scheme| schemes.contains(&scheme)) {
            let begins: Vec<String> = schemes.iter().map(|s| format!("{s}://")).collect();
            // Without the value: what is no URL may be anything, a password included.
            self.wrong(
                key,
                format!("must be a URL that begins with {}", begins.join(" or ")),
            );
        }
    }

    /// Kafka's own rule for names.
    fn topic(&mut self, key: &[&str], name: &str) {
        let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if name.is_empty() || name.len() > 249 || !name.chars().all(legal) {
            self.wrong(
                key,
                "a topic's name has 1 to 249 letters, digits, `.`, `_` and `-`".to_owned(),
            );
        }
    }

    fn ordered(&mut self, less: (&[&str], Duration), more: (&[&str], Duration), order: Order) {
        let (holds, relation) = match order {
            Order::Shorter => (less.1 < more.1, "must be shorter than"),
            Order::NoLonger => (less.1 <= more.1, "must not be longer than"),
        };
        if !holds {
            let more_key = Key::from(more.0);
            let message = format!(
                "{} {relation} {more_key} ({}, {})",
                show(less.1),
                show(more.1),
                self.draft.origin(&more_key),
            );
            self.together(&[less.0, more.0], &message);
        }
    }
}

fn show(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}
