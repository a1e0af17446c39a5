//! `millgate.example.toml` says every setting, and says it right.

use std::path::Path;

use super::{Config, Duration, load_as};
use crate::{
    config::{self, NoSettings, Origin},
    shop::ShopSettings,
};

#[test]
fn the_example_says_every_default() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("millgate.example.toml");
    let loaded = config::load::<NoSettings>("", Some(&path), std::iter::empty()).unwrap();
    assert_eq!(loaded.config, Config::default());
    let silent = loaded.settings.iter().filter(|setting| setting.origin == Origin::Default);
    let silent: Vec<String> = silent.map(|setting| setting.key.to_string()).collect();
    assert!(silent.is_empty(), "not in the example: {silent:?}");
}

#[test]
fn what_the_example_comments_out_is_right_too() {
    let text = include_str!("../../../millgate.example.toml");
    // A comment of words has a space after its `#`.
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        _ => line,
    });
    let loaded = load_as::<ShopSettings>(&lines.collect::<Vec<_>>().join("\n"), &[]).unwrap();
    let order = loaded.config.topics.settings_of("order.created");
    assert_eq!((order.partitions, order.replication, order.compaction), (24, 3, true));
    assert_eq!(order.min_insync_replicas, Some(2));
    assert_eq!(order.retention, Some(Duration::from_hours(30 * 24)));
    assert_eq!(loaded.app, ShopSettings::default());
    assert_eq!(loaded.config.smtp.domains["example.org"].most, 4);
}
