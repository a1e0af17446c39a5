//! What `millgate config` shows.

use super::load;
use crate::config::to_text;

#[test]
fn settings_come_section_by_section_as_declared() {
    let loaded = load("[topics.\"order.created\"]\ncompaction = true\n", &[]).unwrap();
    let keys: Vec<String> = loaded.settings.iter().map(|s| s.key.to_string()).collect();
    assert_eq!(keys.first().map(String::as_str), Some("kafka.brokers"));
    let mut sections: Vec<&str> = keys.iter().map(|k| k.split('.').next().unwrap()).collect();
    sections.dedup();
    assert_eq!(
        sections,
        [
            "kafka", "redis", "postgres", "smtp", "bridge", "worker", "log", "topics", "shop"
        ]
    );
    assert!(keys.contains(&"topics.\"order.created\".compaction".to_owned()));
    assert!(keys.contains(&"shop.mail.subject".to_owned()));
}

#[test]
fn the_listing_is_toml_with_aligned_comments() {
    let loaded = load("[kafka]\n\n\nlinger_ms = 3\n", &[("KAFKA_BROKERS", "b:1")]).unwrap();
    let text = to_text(&loaded.settings);
    let comment = |start: &str| {
        let line = text.lines().find(|line| line.starts_with(start)).unwrap();
        line.split_at(line.find("   # ").unwrap())
    };
    let (line, origin) = comment("kafka.brokers");
    assert_eq!(
        (line.trim_end(), origin),
        ("kafka.brokers = \"b:1\"", "   # env KAFKA_BROKERS")
    );
    let (_, origin) = comment("kafka.linger_ms");
    assert!(origin.ends_with("millgate.toml:4"), "{origin}");

    let columns: Vec<usize> = text.lines().filter_map(|line| line.find("   # ")).collect();
    assert!(columns.len() > 40);
    // It can be read back.
    let table: toml::Table = toml::from_str(&text).unwrap();
    assert_eq!(table["kafka"]["linger_ms"].as_integer(), Some(3));
}

#[test]
fn json_lists_key_value_and_origin() {
    let loaded = load("", &[("MILLGATE_WORKER_QUEUES", "mail")]).unwrap();
    let json = serde_json::to_value(&loaded.settings).unwrap();
    let queues = serde_json::json!({
        "key": "worker.queues", "value": ["mail"], "origin": "env MILLGATE_WORKER_QUEUES"
    });
    assert!(json.as_array().unwrap().contains(&queues), "{json:#}");
}
