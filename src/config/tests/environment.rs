//! The environment: names, types, and names that are none.

use super::{Config, Shop, config, load, origin, wrong};
use crate::config::FIXED_NAMES;

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
    assert_eq!(env.map(|(name, _)| name), FIXED_NAMES);
    let loaded = load("", &env).unwrap();
    let kafka = &loaded.config.kafka;
    assert_eq!((kafka.brokers.as_str(), kafka.client_id.as_str()), ("a:1,b:2", "id"));
    assert_eq!((kafka.batch_size, kafka.linger_ms, kafka.max_retries), (7, 8, 9));
    assert_eq!((kafka.retry_interval.as_millis(), kafka.consumer_group.as_str()), (250, "group"));
    assert_eq!((kafka.session_timeout.as_secs(), kafka.rebalance_timeout.as_secs()), (20, 90));
    assert!(kafka.sasl_enabled);
    assert_eq!((kafka.username.as_str(), kafka.password.as_str()), ("user", " pass word "));
    for name in FIXED_NAMES {
        let key = name.to_lowercase().replacen('_', ".", 1);
        assert_eq!(origin(&loaded, &key), format!("env {name}"));
    }
}

#[test]
fn every_setting_has_a_generic_name() {
    for setting in load("", &[]).unwrap().settings {
        let name = setting.key.variable();
        let text = match &setting.value {
            toml::Value::String(text) => text.replace("***", "millgate"),
            toml::Value::Array(items) => items.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().join(","),
            value => value.to_string(),
        };
        let again = load("", &[(&name, &text)]).unwrap();
        assert_eq!((&again.config, &again.app), (&Config::default(), &Shop::default()), "{name}");
        assert_eq!(origin(&again, &setting.key.to_string()), format!("env {name}"));
    }
}

#[test]
fn a_topics_table_in_the_file_has_variables_too() {
    let env = [("MILLGATE_TOPICS_ORDER_CREATED_PARTITIONS", " 12 "), ("MILLGATE_WORKER_QUEUES", "mail, search")];
    let config = config("[topics.\"order.created\"]\n[worker]\nqueues = [\"a\"]", &env);
    assert_eq!(config.topics.settings_of("order.created").partitions, 12);
    assert_eq!(config.worker.queues, ["mail", "search"]);
    let told = wrong("topics.\"order.created\" = {}\ntopics.order_created = {}\n", &env);
    assert!(told[0].ends_with(
        "it could mean topics.\"order.created\".partitions or topics.order_created.partitions; set these in the file"
    ));
}

#[test]
fn two_names_for_one_setting_must_agree() {
    let both = |fixed, generic| [("KAFKA_SESSION_TIMEOUT", fixed), ("MILLGATE_KAFKA_SESSION_TIMEOUT", generic)];
    assert_eq!(config("", &both("20000", "20s")).kafka.session_timeout.as_secs(), 20);
    let told = "environment variable MILLGATE_KAFKA_SESSION_TIMEOUT: kafka.session_timeout: KAFKA_SESSION_TIMEOUT sets \
                it to another value; unset one of the two";
    assert_eq!(wrong("", &both("20000", "21s")), [told]);
}

#[test]
fn a_wrong_value_names_the_variable() {
    for (name, text, told) in [
        ("MILLGATE_WORKER_CONCURRENCY", "many", "worker.concurrency: expected a whole number, found \"many\""),
        ("KAFKA_SASL_ENABLED", "maybe", "kafka.sasl_enabled: expected true or false, found \"maybe\""),
        ("KAFKA_BATCH_SIZE", "-1", "kafka.batch_size: invalid value: integer `-1`, expected u32"),
        // Bare milliseconds are for the fixed names only.
        (
            "MILLGATE_KAFKA_SESSION_TIMEOUT",
            "20000",
            "kafka.session_timeout: expected a duration such as \"500ms\", \"30s\", \"5m\" or \"7days\", found \"20000\"",
        ),
        ("KAFKA_BROKERS", "", "kafka.brokers: must not be empty"),
    ] {
        assert_eq!(wrong("", &[(name, text)]), [format!("environment variable {name}: {told}")]);
    }
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest() {
    for (name, hint) in [
        ("MILLGATE_WORKER_CONCURENCY", "did you mean MILLGATE_WORKER_CONCURRENCY?"),
        ("MILLGATE_SHOP_REMINDER", "did you mean MILLGATE_SHOP_REMINDER_DELAY?"),
        ("MILLGATE_REDIS_URI", "did you mean MILLGATE_REDIS_URL?"),
        ("MILLGATE_CONFGI", "did you mean MILLGATE_CONFIG?"),
        ("MILLGATE_XYZZY", "`millgate config` lists all settings; unset it"),
    ] {
        let told = format!("environment variable {name}: no setting has this name; {hint}");
        assert_eq!(wrong("", &[(name, "x")]), [told]);
    }
}

#[test]
fn other_variables_are_none_of_our_business() {
    let env = [
        ("PATH", "/bin"),
        ("KAFKA_HEAP_OPTS", "-Xmx1g"),
        ("millgate_redis_url", "x"),
        // What Kubernetes sets in a pod beside services.
        ("MILLGATE_SERVICE_HOST", "10.0.0.1"),
        ("MILLGATE_SERVICE_PORT_METRICS", "9464"),
        ("MILLGATE_REDIS_PORT", "tcp://10.0.0.1:6379"),
        ("MILLGATE_PORT_9464_TCP_ADDR", "10.0.0.1"),
    ];
    assert_eq!(config("", &env), Config::default());
    assert_eq!(wrong("", &[("MILLGATE_REDIS_PORT", "6379")]).len(), 1);
}
