use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use super::{Metrics, sagas::OfSagas};

/// What is registered, by its name in the code: without the suffix that a counter has when it is read.
async fn registered() -> HashSet<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources: Vec<PathBuf> =
        ["events/src/metrics.rs", "events/src/store/projection/metrics.rs", "workers/src/metrics.rs"]
            .map(|path| root.join(path))
            .into();
    sources.extend(fs::read_dir(root.join("src/metrics")).unwrap().map(|file| file.unwrap().path()));
    let sources: Vec<String> = sources.into_iter().map(|path| fs::read_to_string(path).unwrap()).collect();
    let call = concat!("registry.", "register(");
    let literal = |rest: &str| rest.trim_start().strip_prefix('"')?.split('"').next().map(str::to_owned);
    let written = sources.iter().flat_map(|source| source.split(call).skip(1)).filter_map(literal);
    // Those of a bridge are always there; of the others, only what was counted.
    let mut metrics = Metrics::new(Vec::new(), vec![("shop".to_owned(), Arc::default())]);
    metrics.registry.register_collector(Box::new(OfSagas(Arc::default())));
    let metrics = metrics
        .with_streams(std::iter::once(("audit".to_owned(), Arc::default())))
        .with_changes(std::iter::once(("users".to_owned(), Arc::default())))
        .with_windows(std::iter::once(("views".to_owned(), Arc::default())))
        .with_relay(Arc::default());
    let text = metrics.text().await.unwrap();
    let read = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next());
    written.chain(read.map(bare).map(str::to_owned)).collect()
}

fn bare(name: &str) -> &str {
    name.strip_suffix("_total").unwrap_or(name)
}

/// Name and type of each metric, as the documentation has them.
fn documented() -> impl Iterator<Item = (&'static str, &'static str)> {
    include_str!("../../docs/metrics.md").lines().filter_map(|line| {
        let (name, rest) = line.strip_prefix("| `")?.split_once('`')?;
        Some((name.split('{').next()?, rest.split('|').nth(1)?.trim()))
    })
}

#[tokio::test]
async fn every_metric_is_documented_and_every_documented_one_exists() {
    let registered = registered().await;
    let names: HashSet<String> = documented().map(|(name, _)| bare(name).to_owned()).collect();
    assert!(names.len() > 25, "{names:?}");
    assert_eq!(registered.symmetric_difference(&names).collect::<Vec<_>>(), Vec::<&String>::new());
    for (name, kind) in documented() {
        assert_eq!(name.ends_with("_total"), kind == "counter", "{name} is a {kind}");
    }
}
