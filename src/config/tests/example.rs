//! `millgate.example.toml` says every setting, and says it right.

use std::path::Path;

use super::{Config, Shop, seconds, variables};
use crate::config::{NoSettings, Origin, load_beside};

fn example() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("millgate.example.toml");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

#[test]
fn the_example_says_every_default() {
    let (path, _) = example();
    let loaded = load_beside::<NoSettings>(Path::new(""), "", Some(&path), variables(&[])).unwrap();
    assert_eq!(loaded.config, Config::default());
    let silent: Vec<String> = loaded
        .settings
        .iter()
        .filter(|setting| setting.origin == Origin::Default)
        .map(|setting| setting.key.to_string())
        .collect();
    assert!(silent.is_empty(), "not in the example: {silent:?}");
}

#[test]
fn what_the_example_comments_out_is_right_too() {
    let (_, text) = example();
    // A comment of words has a space after its `#`.
    let lines = text.lines().map(|line| match line.strip_prefix('#') {
        Some(setting) if !setting.is_empty() && !setting.starts_with(' ') => setting,
        _ => line,
    });
    let loaded = super::load(&lines.collect::<Vec<_>>().join("\n"), &[]).unwrap();
    let order = loaded.config.topics.settings_of("order.created");
    assert_eq!((order.partitions, order.replication), (24, 3));
    assert!(order.compaction);
    assert_eq!(order.retention, seconds(30 * 24 * 60 * 60));
    assert_eq!(loaded.app, Shop::default());
}
