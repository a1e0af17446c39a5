//! Checks of sense: values of the right type that no installation can mean.
//!
//! Each of these would otherwise show itself later and elsewhere: as a worker that takes no jobs, as a refusal by
//! librdkafka in its own words, or as a login that is never attempted.

use std::time::Duration;

use millgate_events::DeadLetterTopics;
use tracing_subscriber::filter::{LevelFilter, Targets};

use super::{
    Config,
    draft::Draft,
    key::{Key, nearest},
    problem::Problem,
    setting::Origin,
};

const PROTOCOLS: &[&str] = &["plaintext", "ssl", "sasl_plaintext", "sasl_ssl"];
const MECHANISMS: &[&str] = &["SCRAM-SHA-256", "SCRAM-SHA-512", "PLAIN"];
const COMPRESSIONS: &[&str] = &["none", "gzip", "snappy", "lz4", "zstd"];
const OFFSET_RESETS: &[&str] = &["earliest", "latest", "error"];
const ASSIGNMENTS: &[&str] = &["cooperative-sticky", "range", "roundrobin"];
const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace", "off"];
const REDIS: &[&str] =
    &["redis://", "rediss://", "redis+cluster://", "rediss+cluster://", "redis+sentinel://", "rediss+sentinel://"];
const MILLISECOND: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// What is wrong with a value, and what would be right.
type Verdict = Option<String>;

/// A setting, another that it may contradict, and the verdict on the first.
type Row = (Key, Option<Key>, Verdict);

/// Tells the draft of everything in `config` that makes no sense.
pub(super) fn check(config: &Config, draft: &mut Draft) {
    for (key, other, verdict) in values(config).into_iter().chain(contradictions(config, draft)) {
        let keys = || [&key].into_iter().chain(&other);
        // Once is enough; and if one of two is wrong by itself, their contradiction may go away with it.
        if let Some(message) = verdict
            && !keys().any(|key| draft.is_wrong(key))
        {
            // Told where it can be changed, whichever of the two that is.
            let set = keys().map(|key| draft.origin(key)).find(|origin| *origin != Origin::Default);
            draft.tell(Problem::value(set.unwrap_or(Origin::Default), key, message));
        }
    }
}

/// Values by themselves.
#[expect(clippy::too_many_lines, reason = "a row for each setting, one after the other")]
fn values(config: &Config) -> Vec<Row> {
    let Config {
        kafka,
        redis,
        postgres,
        smtp,
        webhook,
        bridge,
        relay,
        projections,
        saga,
        trail,
        streams,
        audit: _,
        claim_check,
        schema_registry: registry,
        worker,
        http,
        log,
        log_shipping,
        log_alerts,
        topics,
        dashboard,
    } = config;
    let (claims, stores) = (claim_check, ["file:///", "s3://"]);
    let protocol = &kafka.security_protocol;
    let fixed = [
        ("kafka.brokers", given(&kafka.brokers)),
        ("kafka.consumer_group", given(&kafka.consumer_group)),
        ("kafka.batch_size", at_least_one(kafka.batch_size)),
        ("kafka.security_protocol", if protocol.is_empty() { None } else { word(protocol, PROTOCOLS) }),
        ("kafka.sasl_mechanism", word(&kafka.sasl_mechanism, MECHANISMS)),
        ("kafka.compression", word(&kafka.compression, COMPRESSIONS)),
        ("kafka.auto_offset_reset", word(&kafka.auto_offset_reset, OFFSET_RESETS)),
        ("kafka.assignment_strategy", word(&kafka.assignment_strategy, ASSIGNMENTS)),
        ("kafka.retry_interval", at_least(kafka.retry_interval, MILLISECOND)),
        ("kafka.delivery_timeout", at_least(kafka.delivery_timeout, MILLISECOND)),
        ("kafka.session_timeout", at_least(kafka.session_timeout, MILLISECOND)),
        ("kafka.rebalance_timeout", at_least(kafka.rebalance_timeout, MILLISECOND)),
        ("redis.url", url(&redis.url, REDIS)),
        ("redis.response_timeout", at_least(redis.response_timeout, MILLISECOND)),
        ("postgres.url", url(&postgres.url, &["postgres://", "postgresql://"])),
        ("postgres.schema", schema(&postgres.schema)),
        ("postgres.pool_size", at_least_one(postgres.pool_size)),
        ("postgres.connect_timeout", at_least(postgres.connect_timeout, MILLISECOND)),
        ("smtp.url", url(&smtp.url, &["smtp://", "smtps://", "file:///"])),
        ("smtp.from", given(&smtp.from)),
        ("smtp.pool_size", at_least_one(smtp.pool_size)),
        ("smtp.timeout", at_least(smtp.timeout, MILLISECOND)),
        ("smtp.attachment_max", at_least_one(smtp.attachment_max.bytes())),
        ("webhook.secrets", webhook.check_secrets().err().map(|error| error.to_string())),
        ("webhook.allow_networks", webhook.check_networks().err().map(|error| error.to_string())),
        ("webhook.connect_timeout", at_least(webhook.connect_timeout, MILLISECOND)),
        ("webhook.timeout", at_least(webhook.timeout, MILLISECOND)),
        ("webhook.breaker.failure_ratio", ratio(webhook.breaker.failure_ratio)),
        ("webhook.breaker.minimum_calls", at_least_one(webhook.breaker.minimum_calls)),
        ("webhook.breaker.window", at_least(webhook.breaker.window, MILLISECOND)),
        ("webhook.breaker.open_for", at_least(webhook.breaker.open_for, MILLISECOND)),
        ("bridge.batch_size", at_least_one(bridge.batch_size)),
        ("bridge.buffer_bytes", at_least_one(bridge.buffer_bytes)),
        ("bridge.commit_interval", at_least(bridge.commit_interval, MILLISECOND)),
        ("bridge.watermark_check_interval", at_least(bridge.watermark_check_interval, MILLISECOND)),
        ("bridge.dead_letter_topic", topic(&bridge.dead_letter_topic)),
        ("bridge.dead_letter_topics", domains(&bridge.dead_letter_topics)),
        ("relay.batch_size", at_least_one(relay.batch_size)),
        ("relay.poll_interval", at_least(relay.poll_interval, MILLISECOND)),
        // Silent for longer, a relay loses its lock.
        ("relay.poll_interval", at_most(relay.poll_interval, 10 * SECOND)),
        ("relay.max_attempts", at_least_one(relay.max_attempts)),
        ("relay.inbox_retention", at_least(relay.inbox_retention, DAY)),
        ("projections.batch_size", at_least_one(projections.batch_size)),
        ("projections.poll_interval", at_least(projections.poll_interval, MILLISECOND)),
        // Silent for longer, one loses its connection.
        ("projections.poll_interval", at_most(projections.poll_interval, 30 * SECOND)),
        ("saga.poll_interval", at_least(saga.poll_interval, MILLISECOND)),
        ("saga.poll_interval", at_most(saga.poll_interval, 10 * SECOND)),
        ("saga.batch_size", at_least_one(saga.batch_size)),
        ("saga.parked_retention", at_least(saga.parked_retention, DAY)),
        ("trail.sample", share(trail.sample)),
        ("trail.buffer", at_least_one(trail.buffer)),
        ("streams.batch_size", at_least_one(streams.batch_size)),
        ("streams.buffer_bytes", at_least_one(streams.buffer_bytes)),
        ("streams.commit_interval", at_least(streams.commit_interval, MILLISECOND)),
        ("claim_check.store", if claims.store.is_empty() { None } else { url(&claims.store, &stores) }),
        ("claim_check.limit", at_least_one(claims.limit.bytes())),
        // Values go by the day they came in.
        ("claim_check.expire", at_least(claims.expire, DAY)),
        ("schema_registry.url", registries(&registry.url)),
        ("schema_registry.timeout", at_least(registry.timeout, MILLISECOND)),
        ("schema_registry.types", registry.check_types().err()),
        ("schema_registry.topics", registry.check_topics().err()),
        ("worker.concurrency", at_least_one(worker.concurrency)),
        // A lease is renewed at a fraction of its time; a busy machine can be late by much of a second.
        ("worker.lease", at_least(worker.lease, SECOND)),
        ("http.listen", address(&http.listen)),
        ("dashboard.listen", address(&dashboard.listen)),
        ("dashboard.path", mount(&dashboard.path)),
        ("dashboard.session_lifetime", at_least(dashboard.session_lifetime, MINUTE)),
        ("dashboard.session_lifetime", at_most(dashboard.session_lifetime, 30 * DAY)),
        ("log.level", level(&log.level)),
        ("log_shipping.level", level(&log_shipping.level)),
        ("log_shipping.topic", topic(&log_shipping.topics("service").0)),
        ("log_shipping.error_topic", log_shipping.topics("service").1.as_deref().and_then(topic)),
        ("log_shipping.service", if log_shipping.service.is_empty() { None } else { topic(&log_shipping.service) }),
        ("log_shipping.buffer", at_least_one(log_shipping.buffer.bytes())),
        ("log_alerts.to", if log_alerts.to.is_empty() { None } else { recipient(&log_alerts.to) }),
        ("log_alerts.webhook", if log_alerts.webhook.is_empty() { None } else { endpoint(&log_alerts.webhook) }),
        ("log_alerts.threshold", at_least_one(log_alerts.threshold)),
        ("log_alerts.window", at_least(log_alerts.window, SECOND)),
        ("log_alerts.again_after", at_least(log_alerts.again_after, SECOND)),
        ("topics.partitions", at_least_one(topics.partitions)),
        ("topics.replication", at_least_one(topics.replication)),
    ];
    let mut rows: Vec<Row> = fixed.into_iter().map(|(key, verdict)| (Key::of(key), None, verdict)).collect();
    for (name, own) in &topics.by_name {
        let key = Key::of("topics").child(name);
        rows.extend([
            (key.child("partitions"), None, own.partitions.and_then(at_least_one)),
            (key.child("replication"), None, own.replication.and_then(at_least_one)),
            (key, None, topic(name)),
        ]);
    }
    for (name, user) in &dashboard.users {
        let key = Key::of("dashboard.users").child(name).child("password");
        rows.push((key, None, user.check_password(name).err().map(|error| error.to_string())));
    }
    for (name, limit) in &smtp.domains {
        let key = Key::of("smtp.domains").child(name);
        let nothing = limit.most == 0 && limit.interval.is_zero();
        let nothing = nothing.then(|| "says no limit; set most, interval, or both".to_owned());
        rows.extend([(key.clone(), None, domain(name)), (key, None, nothing)]);
    }
    rows
}

/// Pairs of values that contradict each other.
fn contradictions(config: &Config, draft: &Draft) -> Vec<Row> {
    let Config { kafka, claim_check, schema_registry: registry, worker, log_alerts, dashboard, .. } = config;
    let linger = Duration::from_millis(kafka.linger_ms.into());
    let spans = [
        ("kafka.session_timeout", kafka.session_timeout, "kafka.rebalance_timeout", kafka.rebalance_timeout, false),
        ("kafka.linger_ms", linger, "kafka.delivery_timeout", kafka.delivery_timeout, false),
        ("worker.backoff_base", worker.backoff_base, "worker.backoff_max", worker.backoff_max, true),
    ];
    let spans = spans.into_iter().map(|(first, less, second, more, may_equal)| {
        let relation = if may_equal { "must not be longer than" } else { "must be shorter than" };
        let origin = draft.origin(&Key::of(second));
        let message = format!("{} {relation} {second} ({}, {origin})", show(less), show(more));
        (first, second, !(less < more || (may_equal && less == more)), message)
    });

    let (logs_in, protocol) = (kafka.sasl_enabled, kafka.security_protocol.as_str());
    let (plain, sasl) = (matches!(protocol, "plaintext" | "ssl"), protocol.starts_with("sasl_"));
    let nobody = "is true, but kafka.username is empty; set kafka.username (KAFKA_USERNAME)".to_owned();
    let unused = format!(
        "{protocol:?} does not log in, but kafka.sasl_enabled is true; use \"sasl_{protocol}\", or leave it empty"
    );
    let needed = format!("{protocol:?} logs in, but kafka.sasl_enabled is false; set it to true");
    let (limit, max) = (claim_check.limit, claim_check.max);
    let origin = draft.origin(&Key::of("claim_check.max"));
    let no_value = format!("{limit} must not be more than claim_check.max ({max}, {origin})");
    let no_registry = !registry.topics.is_empty() && registry.url.is_empty();
    let needs_one = "needs a registry; set schema_registry.url".to_owned();
    let both_log_in = !registry.token.is_empty() && !registry.username.is_empty();
    let one_of_them = "is set, and so is schema_registry.username; remove one of them".to_owned();
    let twice = worker.retry_codes.iter().find(|code| worker.dead_codes.contains(code));
    let both =
        format!("`{}` is in worker.dead_codes, too; remove it from one of them", twice.map_or("", String::as_str));
    let unsigned = !log_alerts.webhook.is_empty() && log_alerts.webhook_secret.is_empty();
    let no_secret = "is empty, and no webhook is posted unsigned; name one of webhook.secrets".to_owned();
    let nobody_asks = dashboard.check_access().err();
    let others = [
        // Mostly: it listens where others reach it.
        (
            "dashboard.auth",
            "dashboard.listen",
            nobody_asks.is_some(),
            nobody_asks.map_or(String::new(), |error| error.to_string()),
        ),
        ("claim_check.limit", "claim_check.max", limit > max, no_value),
        ("schema_registry.topics", "schema_registry.url", no_registry, needs_one),
        ("schema_registry.token", "schema_registry.username", both_log_in, one_of_them),
        ("worker.retry_codes", "worker.dead_codes", twice.is_some(), both),
        ("log_alerts.webhook_secret", "log_alerts.webhook", unsigned, no_secret),
        ("kafka.sasl_enabled", "kafka.username", logs_in && kafka.username.is_empty(), nobody),
        ("kafka.security_protocol", "kafka.sasl_enabled", logs_in && plain, unused),
        ("kafka.security_protocol", "kafka.sasl_enabled", !logs_in && sasl, needed),
    ];
    let row = |(first, second, wrong, message): (&str, &str, bool, String)| {
        (Key::of(first), Some(Key::of(second)), wrong.then_some(message))
    };
    spans.chain(others).map(row).collect()
}

/// One or several, without what logs in, which has settings of its own.
fn registries(urls: &str) -> Verdict {
    if urls.is_empty() {
        return None;
    }
    if urls.contains('@') {
        return Some("must not have a user in it; set schema_registry.username and schema_registry.password".into());
    }
    urls.split(',').find_map(|one| url(one.trim(), &["http://", "https://"]))
}

fn address(listen: &str) -> Verdict {
    let wrong = !listen.is_empty() && listen.parse::<std::net::SocketAddr>().is_err();
    wrong.then(|| format!("{listen:?} is no address and port, such as \"0.0.0.0:9464\"; empty for none"))
}

/// A path that pages can be mounted under.
fn mount(path: &str) -> Verdict {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./~".contains(c);
    let begins = path.starts_with('/') && !path.starts_with("//");
    let fits = path.is_empty() || (begins && path.len() > 1 && path.chars().all(plain));
    (!fits).then(|| format!("{path:?} is no path to be mounted under, such as \"/millgate\""))
}

fn given(text: &str) -> Verdict {
    text.trim().is_empty().then(|| "must not be empty".to_owned())
}

fn at_least_one<N: Copy + Default + PartialEq>(number: N) -> Verdict {
    (number == N::default()).then(|| "must be at least 1, found 0".to_owned())
}

fn ratio(part: f64) -> Verdict {
    let good = part > 0.0 && part <= 1.0;
    (!good).then(|| format!("must be more than 0 and at most 1, found {part}"))
}

/// Of which nothing is a share, too.
fn share(part: f64) -> Verdict {
    (!(0.0..=1.0).contains(&part)).then(|| format!("must be from 0 to 1, found {part}"))
}

fn at_least(span: Duration, least: Duration) -> Verdict {
    (span < least).then(|| format!("must be at least {}, found {}", show(least), show(span)))
}

fn at_most(span: Duration, most: Duration) -> Verdict {
    (span > most).then(|| format!("must be at most {}, found {}", show(most), show(span)))
}

fn word(word: &str, allowed: &[&str]) -> Verdict {
    let near = nearest(word, allowed.iter().copied()).map_or(String::new(), |near| format!("; did you mean {near}?"));
    (!allowed.contains(&word)).then(|| format!("expected one of {}, found {word:?}{near}", allowed.join(", ")))
}

/// Without the value in the message: what is no URL may be anything, a password included.
fn url(url: &str, begins: &[&str]) -> Verdict {
    let begun = begins.iter().any(|begin| url.starts_with(begin));
    (!begun).then(|| format!("must be a URL that begins with {}", begins.join(" or ")))
}

/// Where an alert is posted to.
fn endpoint(text: &str) -> Verdict {
    let read = || reqwest::Url::parse(text).ok().filter(|url| url.host_str().is_some_and(|host| !host.is_empty()));
    url(text, &["https://", "http://"]).or_else(|| match read() {
        None => Some("is no URL; one looks like https://alerts.example.org/millgate".to_owned()),
        Some(url) if !url.username().is_empty() || url.password().is_some() => {
            Some("must not have a user or a password in it; webhooks are signed instead".to_owned())
        }
        Some(_) => None,
    })
}

/// Less than all that a mail's address may be, and no more than what a mailer takes: one, bare.
fn recipient(address: &str) -> Verdict {
    let (user, domain) = address.rsplit_once('@').unwrap_or_default();
    let in_user = |c: char| !c.is_control() && !c.is_whitespace() && !"<>,;@".contains(c);
    let in_domain = |c: char| c.is_alphanumeric() || ".-[]:".contains(c);
    let is_name = |name: &str, legal: fn(char) -> bool| !name.is_empty() && name.chars().all(legal);
    let good = is_name(user, in_user) && is_name(domain, in_domain) && !domain.starts_with('.');
    (!good).then(|| format!("{address:?} is no address that mail can go to; expected one, such as \"ops@example.org\""))
}

/// It becomes part of SQL statements, where it cannot be a parameter.
fn schema(name: &str) -> Verdict {
    let legal = |c: char| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit();
    let good = name.chars().all(legal) && name.starts_with(|c: char| !c.is_ascii_digit());
    (!good).then(|| "use lower-case letters, digits and `_`, and no digit at the start".to_owned())
}

/// What stands behind the @ of an address.
fn domain(name: &str) -> Verdict {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-');
    let good = !name.is_empty() && name.chars().all(legal) && !name.starts_with('.');
    (!good).then(|| "is no domain; it is what stands behind the @ of addresses, as in \"example.org\"".to_owned())
}

/// Kafka's own rule for names.
fn topic(name: &str) -> Verdict {
    let legal = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    let good = (1..=249).contains(&name.len()) && name.chars().all(legal);
    (!good).then(|| "a topic's name has 1 to 249 letters, digits, `.`, `_` and `-`".to_owned())
}

/// Topics by domain.
fn domains(texts: &[String]) -> Verdict {
    let read = DeadLetterTopics::read("default", texts).map_err(|wrong| {
        format!("{wrong:?} is no domain=topic, as in \"order=orders-dlq\"; a domain has no dot in it, and one topic")
    });
    match read {
        Ok(topics) => topics.names().into_iter().find_map(topic),
        Err(message) => Some(message),
    }
}

fn level(directives: &str) -> Verdict {
    let advice = format!("use one of {}, or directives: info,millgate_bridge=debug", LEVELS.join(", "));
    if let Err(error) = directives.parse::<Targets>() {
        return Some(format!("{error}; {advice}"));
    }
    // It would be taken for the name of a module, and nothing else be logged at all.
    let is_no_level = |part: &&str| !part.contains('=') && part.parse::<LevelFilter>().is_err();
    let word = directives.split(',').find(is_no_level)?;
    let near = nearest(word.trim(), LEVELS.iter().copied());
    let near = near.map_or(String::new(), |near| format!("; did you mean {near}?"));
    Some(format!("{word:?} is no level; {advice}{near}"))
}

fn show(span: Duration) -> String {
    humantime::format_duration(span).to_string()
}
