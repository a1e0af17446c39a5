//! Values of the right type that make no sense.

use super::{config, wrong};

/// Loads one section of one line, which must be refused in these words.
fn refused(section: &str, line: &str, told: &str) {
    let text = format!("[{section}]\n{line}\n");
    assert_eq!(
        wrong(&text, &[]),
        [format!("millgate.toml:2: {told}")],
        "{text}"
    );
}

#[test]
fn zero_is_refused_where_nothing_would_happen() {
    for (section, name) in [
        ("kafka", "batch_size"),
        ("bridge", "batch_size"),
        ("bridge", "buffer_bytes"),
        ("worker", "concurrency"),
        ("postgres", "pool_size"),
        ("smtp", "pool_size"),
        ("topics", "partitions"),
        ("topics", "replication"),
        ("topics.a", "partitions"),
        ("topics.a", "replication"),
    ] {
        let told = format!("{section}.{name}: must be at least 1, found 0");
        refused(section, &format!("{name} = 0"), &told);
    }
}

#[test]
fn spans_that_are_too_short_are_refused() {
    for (section, name, least) in [
        ("kafka", "retry_interval", "1ms"),
        ("kafka", "session_timeout", "1ms"),
        ("redis", "response_timeout", "1ms"),
        ("postgres", "connect_timeout", "1ms"),
        ("smtp", "timeout", "1ms"),
        ("bridge", "commit_interval", "1ms"),
        ("worker", "lease", "1s"),
        ("topics", "retention", "1s"),
        ("topics.a", "retention", "1s"),
    ] {
        let told = format!("{section}.{name}: must be at least {least}, found 0s");
        refused(section, &format!("{name} = \"0s\""), &told);
    }
    assert_eq!(
        config("[worker]\nlease = \"1s\"", &[])
            .worker
            .lease
            .as_secs(),
        1
    );
}

#[test]
fn unknown_words_are_refused_with_those_there_are() {
    for (name, words, word) in [
        ("compression", "none, gzip, snappy, lz4, zstd", "brotli"),
        ("auto_offset_reset", "earliest, latest, error", "0"),
        (
            "assignment_strategy",
            "cooperative-sticky, range, roundrobin",
            "x",
        ),
        (
            "security_protocol",
            "plaintext, ssl, sasl_plaintext, sasl_ssl",
            "quic",
        ),
        (
            "sasl_mechanism",
            "SCRAM-SHA-256, SCRAM-SHA-512, PLAIN",
            "GSSAPI",
        ),
    ] {
        let told = format!("kafka.{name}: expected one of {words}, found \"{word}\"");
        refused("kafka", &format!("{name} = \"{word}\""), &told);
    }
    refused(
        "kafka",
        "sasl_mechanism = \"scram-sha-512\"",
        "kafka.sasl_mechanism: expected one of SCRAM-SHA-256, SCRAM-SHA-512, PLAIN, found \
         \"scram-sha-512\"; did you mean SCRAM-SHA-512?",
    );
}

#[test]
fn a_session_is_shorter_than_a_rebalance() {
    refused(
        "kafka",
        "session_timeout = \"60s\"",
        "kafka.session_timeout: 1m must be shorter than kafka.rebalance_timeout (1m, default)",
    );
    // Told where it can be changed, whichever of the two it is.
    refused(
        "kafka",
        "rebalance_timeout = \"10s\"",
        "kafka.session_timeout: 30s must be shorter than kafka.rebalance_timeout (10s, \
         millgate.toml:2)",
    );
    refused(
        "kafka",
        "linger_ms = 30000",
        "kafka.linger_ms: 30s must be shorter than kafka.delivery_timeout (30s, default)",
    );
    refused(
        "worker",
        "backoff_base = \"11m\"",
        "worker.backoff_base: 11m must not be longer than worker.backoff_max (10m, default)",
    );
}

#[test]
fn a_contradiction_waits_for_what_is_wrong_by_itself() {
    let text = "[kafka]\nsession_timeout = \"long\"\nrebalance_timeout = \"20s\"\n";
    let told = wrong(text, &[]);
    assert_eq!(told.len(), 1, "{told:?}");
    assert!(told[0].contains("expected a duration"), "{told:?}");
}

#[test]
fn a_login_must_be_complete() {
    refused(
        "kafka",
        "sasl_enabled = true",
        "kafka.sasl_enabled: is true, but kafka.username is empty; set kafka.username \
         (KAFKA_USERNAME)",
    );
    refused(
        "kafka",
        "security_protocol = \"sasl_ssl\"",
        "kafka.security_protocol: \"sasl_ssl\" logs in, but kafka.sasl_enabled is false; set it to \
         true",
    );
    let text = "[kafka]\nsecurity_protocol = \"ssl\"\nsasl_enabled = true\nusername = \"u\"\n";
    assert_eq!(
        wrong(text, &[]),
        [
            "millgate.toml:2: kafka.security_protocol: \"ssl\" does not log in, but \
             kafka.sasl_enabled is true; use \"sasl_ssl\", or leave it empty"
        ]
    );
    let good = "[kafka]\nsecurity_protocol = \"sasl_ssl\"\nsasl_enabled = true\nusername = \"u\"\n";
    assert!(config(good, &[]).kafka.sasl_enabled);
    // Given by two sources, it is complete as well.
    assert!(
        config("[kafka]\nsasl_enabled = true\n", &[("KAFKA_USERNAME", "u")])
            .kafka
            .sasl_enabled
    );
}

#[test]
fn addresses_and_names_are_looked_at() {
    let url = "must be a URL that begins with";
    refused(
        "redis",
        "url = \"cache:6379\"",
        &format!("redis.url: {url} redis:// or rediss://"),
    );
    refused(
        "postgres",
        "url = \"mysql://db/x\"",
        &format!("postgres.url: {url} postgres:// or postgresql://"),
    );
    refused(
        "smtp",
        "url = \"\"",
        &format!("smtp.url: {url} smtp:// or smtps://"),
    );
    refused(
        "postgres",
        "schema = \"a;drop\"",
        "postgres.schema: use lower-case letters, digits and `_`, and no digit at the start",
    );
    refused(
        "bridge",
        "dead_letter_topic = \"dead letters\"",
        "bridge.dead_letter_topic: a topic's name has 1 to 249 letters, digits, `.`, `_` and `-`",
    );
    let told = wrong("[log]\nlevel = \"millgate=loud\"", &[]);
    assert!(
        told[0].starts_with("millgate.toml:2: log.level: "),
        "{told:?}"
    );
    assert!(
        config("[log]\nlevel = \"warn,millgate=trace\"", &[])
            .log
            .level
            .contains("trace")
    );
}
