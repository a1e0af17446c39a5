//! The environment: names, types, and names that are none.

use super::{Config, Shop, config, load, origin, seconds, wrong};
use crate::config::{FIXED_NAMES, Key};

#[test]
fn each_fixed_name_sets_its_value() {
    let env = [
        ("KAFKA_BROKERS", "a:1,b:2"),
        ("KAFKA_CLIENT_ID", "id"),
        ("KAFKA_BATCH_SIZE", "7"),
        ("KAFKA_LINGER_MS", "8"),
        ("KAFKA_MAX_RETRIES", "9"),
        ("KAFKA_RETRY_INTERVAL", "250"),
        ("KAFKA_CONSUMER_GROUP", "group"),
        ("KAFKA_SESSION_TIMEOUT", "20s"),
        ("KAFKA_REBALANCE_TIMEOUT", "90000"),
        ("KAFKA_SASL_ENABLED", "true"),
        ("KAFKA_USERNAME", "user"),
        ("KAFKA_PASSWORD", " pass word "),
    ];
    let loaded = load("", &env).unwrap();
    let kafka = &loaded.config.kafka;
    assert_eq!(kafka.brokers, "a:1,b:2");
    assert_eq!(kafka.client_id, "id");
    assert_eq!(
        (kafka.batch_size, kafka.linger_ms, kafka.max_retries),
        (7, 8, 9)
    );
    assert_eq!(kafka.retry_interval.as_millis(), 250);
    assert_eq!(kafka.consumer_group, "group");
    assert_eq!(kafka.session_timeout, seconds(20));
    assert_eq!(kafka.rebalance_timeout, seconds(90));
    assert!(kafka.sasl_enabled);
    assert_eq!(kafka.username, "user");
    assert_eq!(kafka.password, " pass word ");
    for (name, key) in FIXED_NAMES {
        assert_eq!(
            origin(&loaded, &Key::from(&key[..]).to_string()),
            format!("env {name}")
        );
        assert!(env.iter().any(|(tested, _)| *tested == name), "{name}");
    }
}

#[test]
fn every_setting_has_a_generic_name() {
    let loaded = load("", &[]).unwrap();
    for setting in &loaded.settings {
        let name = setting.key.variable();
        let text = match &setting.value {
            toml::Value::String(text) => text.replace("***", "millgate"),
            toml::Value::Array(items) => {
                let items: Vec<&str> = items.iter().filter_map(toml::Value::as_str).collect();
                items.join(",")
            }
            value => value.to_string(),
        };
        let again = load("", &[(&name, &text)]).unwrap();
        assert_eq!(again.config, Config::default(), "{name}");
        assert_eq!(again.app, Shop::default(), "{name}");
        assert_eq!(
            origin(&again, &setting.key.to_string()),
            format!("env {name}")
        );
    }
}

#[test]
fn generic_names_set_values_of_every_type() {
    let loaded = load(
        "[topics.\"order.created\"]\n",
        &[
            ("MILLGATE_REDIS_URL", "redis://cache:6379"),
            ("MILLGATE_WORKER_CONCURRENCY", " 4 "),
            ("MILLGATE_WORKER_QUEUES", "mail, search"),
            ("MILLGATE_WORKER_LEASE", "1m 30s"),
            ("MILLGATE_LOG_FORMAT", "json"),
            ("MILLGATE_SHOP_REMINDER_DELAY", "36h"),
            ("MILLGATE_SHOP_DISCOUNT", "0.25"),
            ("MILLGATE_SHOP_MAIL_SUBJECT", "hello"),
            ("MILLGATE_SHOP_MAIL_COPIES", "2"),
            ("MILLGATE_SHOP_MOTTO", "1"),
            ("MILLGATE_TOPICS_ORDER_CREATED_PARTITIONS", "12"),
        ],
    )
    .unwrap();
    let config = &loaded.config;
    assert_eq!(config.redis.url, "redis://cache:6379");
    assert_eq!(config.worker.concurrency, 4);
    assert_eq!(config.worker.queues, ["mail", "search"]);
    assert_eq!(config.worker.lease, seconds(90));
    assert_eq!(config.log.format, crate::config::LogFormat::Json);
    assert_eq!(config.topics.settings_of("order.created").partitions, 12);
    let shop = &loaded.app;
    assert_eq!(shop.reminder_delay, seconds(36 * 60 * 60));
    assert!((shop.discount - 0.25).abs() < f64::EPSILON);
    assert_eq!(
        (shop.mail.subject.as_str(), shop.mail.copies),
        ("hello", Some(2))
    );
    // A text without a default is a text still, even if it looks like a number.
    assert_eq!(shop.motto.as_deref(), Some("1"));
}

#[test]
fn a_list_may_be_emptied() {
    let loaded = load(
        "[worker]\nqueues = [\"a\"]\n",
        &[("MILLGATE_WORKER_QUEUES", "")],
    )
    .unwrap();
    assert!(loaded.config.worker.queues.is_empty());
}

#[test]
fn two_names_for_one_setting_must_agree() {
    let both = |fixed, generic| {
        [
            ("KAFKA_SESSION_TIMEOUT", fixed),
            ("MILLGATE_KAFKA_SESSION_TIMEOUT", generic),
        ]
    };
    let agreed = config("", &both("20000", "20s"));
    assert_eq!(agreed.kafka.session_timeout, seconds(20));
    assert_eq!(
        wrong("", &both("20000", "21s")),
        [
            "KAFKA_SESSION_TIMEOUT and MILLGATE_KAFKA_SESSION_TIMEOUT both set \
             kafka.session_timeout, to different values; unset one of them"
        ]
    );
}

#[test]
fn a_wrong_type_names_the_variable() {
    for (name, text, told) in [
        (
            "MILLGATE_WORKER_CONCURRENCY",
            "many",
            "worker.concurrency: expected a whole number, found \"many\"",
        ),
        (
            "KAFKA_BATCH_SIZE",
            "-1",
            "kafka.batch_size: expected a whole number from 0 to 4294967295, found \"-1\"",
        ),
        (
            "KAFKA_SASL_ENABLED",
            "maybe",
            "kafka.sasl_enabled: expected true or false, found \"maybe\"",
        ),
        (
            "MILLGATE_LOG_FORMAT",
            "xml",
            "log.format: expected one of human, json, found \"xml\"",
        ),
        // Bare milliseconds are for the fixed names only.
        (
            "MILLGATE_KAFKA_SESSION_TIMEOUT",
            "20000",
            "kafka.session_timeout: expected a duration such as \"500ms\", \"30s\", \"5m\" or \
             \"7days\", found \"20000\"",
        ),
        ("KAFKA_BROKERS", "", "kafka.brokers: must not be empty"),
    ] {
        let told = format!("environment variable {name}: {told}");
        assert_eq!(wrong("", &[(name, text)]), [told]);
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest() {
    for (name, meant) in [
        ("MILLGATE_WORKER_CONCURENCY", "MILLGATE_WORKER_CONCURRENCY"),
        ("MILLGATE_SHOP_REMINDER", "MILLGATE_SHOP_REMINDER_DELAY"),
        ("MILLGATE_REDIS_URI", "MILLGATE_REDIS_URL"),
    ] {
        assert_eq!(
            wrong("", &[(name, "x")]),
            [format!(
                "environment variable {name}: no setting has this name; did you mean {meant}?"
            )]
        );
    }
    let told = wrong("", &[("MILLGATE_XYZZY", "x")]);
    assert!(
        told[0].contains("`millgate config` lists all settings"),
        "{told:?}"
    );
}

#[test]
fn other_variables_are_none_of_our_business() {
    let env = [
        ("PATH", "/bin"),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
        ("MILLGATE_SERVICE_HOST", "10.0.0.1"),
        ("MILLGATE_REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("millgate_redis_url", "x"),
    ];
    assert_eq!(config("", &env), Config::default());
}

#[test]
fn a_name_that_could_mean_two_topics_is_refused() {
    let text = "[topics.\"order.created\"]\n[topics.order_created]\n";
    assert_eq!(
        wrong(text, &[("MILLGATE_TOPICS_ORDER_CREATED_PARTITIONS", "1")]),
        [
            "environment variable MILLGATE_TOPICS_ORDER_CREATED_PARTITIONS: it could mean \
             topics.\"order.created\".partitions or topics.order_created.partitions; set these in \
             the file"
        ]
    );
}
