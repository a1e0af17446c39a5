//! Values of the right type that make no sense.

use super::{config, wrong};

#[test]
fn a_value_must_make_sense_by_itself() {
    const TOPIC: &str = "a topic's name has 1 to 249 letters, digits, `.`, `_` and `-`";
    for (section, name, value, told) in [
        ("kafka", "consumer_group", "\" \"", "must not be empty"),
        ("bridge", "buffer_bytes", "0", "must be at least 1, found 0"),
        ("topics.a", "partitions", "0", "must be at least 1, found 0"),
        ("smtp", "timeout", "\"0s\"", "must be at least 1ms, found 0s"),
        ("claim_check", "store", "\"claims\"", "must be a URL that begins with file:/// or s3://"),
        ("claim_check", "expire", "\"1h\"", "must be at least 1day, found 1h"),
        ("claim_check", "limit", "\"900\"", "expected a size such as \"900kB\", \"1MiB\" or \"20MB\", found \"900\""),
        ("webhook.breaker", "failure_ratio", "1.5", "must be more than 0 and at most 1, found 1.5"),
        (
            "webhook",
            "allow_networks",
            "[\"10.0.0.0/8\", \"localhost\"]",
            "`localhost` is neither an address nor a network like 10.1.0.0/16",
        ),
        (
            "webhook",
            "secrets",
            "[\"erp=whsec_c2hvcnQ=\"]",
            "the 1. of the secrets is no name=whsec_… with 24 to 64 bytes in base64; \
             `echo whsec_$(openssl rand -base64 32)` makes one",
        ),
        ("worker", "lease", "\"0s\"", "must be at least 1s, found 0s"),
        ("kafka", "auto_offset_reset", "\"0\"", "expected one of earliest, latest, error, found \"0\""),
        (
            "kafka",
            "sasl_mechanism",
            "\"plain\"",
            "expected one of SCRAM-SHA-256, SCRAM-SHA-512, PLAIN, found \"plain\"; did you mean PLAIN?",
        ),
        (
            "redis",
            "url",
            "\"cache:6379\"",
            "must be a URL that begins with redis:// or rediss:// or redis+cluster:// or rediss+cluster:// or \
             redis+sentinel:// or rediss+sentinel://",
        ),
        ("postgres", "schema", "\"a;drop\"", "use lower-case letters, digits and `_`, and no digit at the start"),
        ("bridge", "dead_letter_topic", "\"dead letters\"", TOPIC),
        ("bridge", "dead_letter_topics", "[\"order=dead letters\"]", TOPIC),
        (
            "bridge",
            "dead_letter_topics",
            "[\"order=a\", \"order.created=b\"]",
            "\"order.created=b\" is no domain=topic, as in \"order=orders-dlq\"; a domain has no dot in it, and one topic",
        ),
    ] {
        let text = format!("[{section}]\n{name} = {value}\n");
        assert_eq!(wrong(&text, &[]), [format!("millgate.toml:2: {section}.{name}: {told}")], "{text}");
    }
    assert_eq!(wrong("topics.\"a b\".partitions = 1", &[]), [format!("millgate.toml:1: topics.\"a b\": {TOPIC}")]);
    for (text, told) in [
        (
            "[smtp.domains.\"a.example\"]\nmost = 0",
            "2: smtp.domains.\"a.example\": says no limit; set most, interval, or both",
        ),
        (
            "[smtp.domains.\"a.example\"]\nmots = 1",
            "2: unknown key smtp.domains.\"a.example\".mots; did you mean smtp.domains.\"a.example\".most?",
        ),
        (
            "[smtp.domains.a.example]\nmost = 1",
            "1: unknown key smtp.domains.a.example; a name with a dot in it stands in quotes: [smtp.domains.\"a.example\"]",
        ),
    ] {
        assert_eq!(wrong(text, &[]), [format!("millgate.toml:{told}")], "{text}");
    }
    let told = wrong("smtp.domains.\"ada@a.example\".most = 1", &[]);
    assert!(told[0].contains("is no domain; it is what stands behind the @"), "{told:?}");
    let limits = config("smtp.domains.\"a.example\" = { most = 4, interval = \"50ms\" }", &[]).smtp.domains;
    assert_eq!((limits["a.example"].most, limits["a.example"].interval.as_millis()), (4, 50));
    let told = wrong("[log]\nlevel = \"millgate=loud\"", &[]);
    assert!(told[0].starts_with("millgate.toml:2: log.level: "), "{told:?}");
    config("[log]\nlevel = \"warn,millgate=trace\"\n[kafka]\nsecurity_protocol = \"\"", &[]);
}

#[test]
fn a_word_that_is_no_level_is_refused_rather_than_silence_everything() {
    let told = |value: &str| {
        let [log, shipping] = ["log", "log_shipping"].map(|section| {
            let told = wrong(&format!("[{section}]\nlevel = \"{value}\""), &[]);
            assert_eq!(told.len(), 1, "{told:?}");
            told[0].replacen(&format!("millgate.toml:2: {section}.level: "), "", 1)
        });
        assert_eq!(log, shipping);
        log
    };
    let advice = "use one of error, warn, info, debug, trace, off, or directives: info,millgate_bridge=debug";
    assert_eq!(told("inof"), format!("\"inof\" is no level; {advice}; did you mean info?"));
    assert_eq!(told("millgate=trace,Wran"), format!("\"Wran\" is no level; {advice}; did you mean warn?"));
    assert_eq!(told("millgate_bridge"), format!("\"millgate_bridge\" is no level; {advice}"));
    for level in ["INFO", "off", "3", "millgate_bridge=debug", "warn,millgate_bridge=debug,millgate=off"] {
        config(&format!("[log]\nlevel = \"{level}\"\n[log_shipping]\nlevel = \"{level}\""), &[]);
    }
}

#[test]
fn an_alert_that_can_reach_nobody_is_refused() {
    let signed = "webhook_secret = \"ops\"";
    for (text, told) in [
        (
            "to = \"nobody\"",
            "to: \"nobody\" is no address that mail can go to; expected one, such as \"ops@example.org\"",
        ),
        (
            "to = \"a@x.example, b@x.example\"",
            "to: \"a@x.example, b@x.example\" is no address that mail can go to; expected one, such as \"ops@example.org\"",
        ),
        (&format!("webhook = \"not-a-url\"\n{signed}"), "webhook: must be a URL that begins with https:// or http://"),
        (
            &format!("webhook = \"https://\"\n{signed}"),
            "webhook: is no URL; one looks like https://alerts.example.org/millgate",
        ),
        (
            &format!("webhook = \"https://ops:pw@x.example/\"\n{signed}"),
            "webhook: must not have a user or a password in it; webhooks are signed instead",
        ),
        (
            "webhook = \"https://x.example/\"",
            "webhook_secret: is empty, and no webhook is posted unsigned; name one of webhook.secrets",
        ),
    ] {
        assert_eq!(
            wrong(&format!("[log_alerts]\n{text}"), &[]),
            [format!("millgate.toml:2: log_alerts.{told}")],
            "{text}"
        );
    }
    for to in ["ops@mail.example", "ops+millgate@localhost", "ops@bücher.example", "ops@[127.0.0.1]"] {
        config(&format!("[log_alerts]\nto = \"{to}\""), &[]);
    }
    config(&format!("[log_alerts]\nwebhook = \"http://10.0.0.7:8080/hook\"\n{signed}"), &[]);
}

#[test]
fn values_must_not_contradict_each_other() {
    for (text, told) in [
        ("session_timeout = \"60s\"", "session_timeout: 1m must be shorter than kafka.rebalance_timeout (1m, default)"),
        ("linger_ms = 30000", "linger_ms: 30s must be shorter than kafka.delivery_timeout (30s, default)"),
        (
            "sasl_enabled = true",
            "sasl_enabled: is true, but kafka.username is empty; set kafka.username (KAFKA_USERNAME)",
        ),
        (
            "security_protocol = \"sasl_ssl\"",
            "security_protocol: \"sasl_ssl\" logs in, but kafka.sasl_enabled is false; set it to true",
        ),
        (
            "security_protocol = \"ssl\"\nsasl_enabled = true\nusername = \"u\"",
            "security_protocol: \"ssl\" does not log in, but kafka.sasl_enabled is true; use \"sasl_ssl\", or leave it \
             empty",
        ),
    ] {
        assert_eq!(wrong(&format!("[kafka]\n{text}"), &[]), [format!("millgate.toml:2: kafka.{told}")]);
    }
    let told = wrong("worker.backoff_base = \"11m\"", &[]);
    assert!(told[0].contains("11m must not be longer than worker.backoff_max (10m, default)"), "{told:?}");
    config("worker.backoff_base = \"10m\"", &[]);
    let told = wrong("claim_check.limit = \"33MiB\"", &[]);
    assert!(told[0].contains("33MiB must not be more than claim_check.max (32MiB, default)"), "{told:?}");
    config("[kafka]\nsecurity_protocol = \"sasl_ssl\"\nsasl_enabled = true", &[("KAFKA_USERNAME", "u")]);

    let told = wrong("[dashboard]\nauth = \"none\"\nlisten = \"0.0.0.0:8088\"", &[]);
    assert!(
        told[0].starts_with("millgate.toml:2: dashboard.auth: the dashboard would be open to everybody"),
        "{told:?}"
    );
    let told = wrong("[dashboard]\nauth = \"users\"\n[dashboard.users.ann]\npassword = \"lamp\"\nrole = \"boss\"", &[]);
    assert!(told.iter().any(|told| told.contains("unknown variant `boss`, expected one of `viewer`")), "{told:?}");
    let user = "[dashboard.users.ann]\npassword = \"lamp\"\nrole = \"admin\"";
    let told = wrong(&format!("[dashboard]\nauth = \"users\"\n{user}"), &[]);
    assert!(
        told[0].starts_with("millgate.toml:4: dashboard.users.ann.password: the password of ann is not"),
        "{told:?}"
    );

    // Told where it can be changed, whichever of the two it is; but not before what is wrong by itself.
    let told = wrong("[kafka]\nrebalance_timeout = \"10s\"\n", &[]);
    assert!(told[0].starts_with("millgate.toml:2: kafka.session_timeout: 30s must be shorter than"), "{told:?}");
    let told = wrong("[kafka]\nsession_timeout = \"long\"\nrebalance_timeout = \"20s\"\n", &[]);
    assert!(told.len() == 1 && told[0].contains("expected a duration"), "{told:?}");
}
