//! `millgate bench`, so small that it takes seconds: its figures say nothing, but they are there.

use millgate_testkit::{Binary, Child, Database, KafkaSpace, RedisSpace};
use serde_json::Value;

use crate::shop::PATIENCE;

const RATES: [&str; 12] = [
    "bytes_per_waiting_job",
    "cpu_s_per_100k_jobs",
    "delayed_rush_s",
    "drain_1p_per_s",
    "drain_2p_per_s",
    "enqueue_bulk_per_s",
    "enqueue_each_per_s",
    "idle_commands_per_s",
    "ratio_to_raw",
    "raw_drain_per_s",
    "raw_enqueue_bulk_per_s",
    "recovery_s",
];

fn bench(space: &RedisSpace, arguments: &[&str]) -> Child {
    let config = space.config();
    Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_REDIS_URL", config.url)
        .env("MILLGATE_REDIS_PREFIX", config.prefix)
        .args(["bench", "queue"])
        .args(arguments.iter().copied())
        .spawn()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_is_measured_and_nothing_is_left_behind() {
    let space = RedisSpace::fresh("bench");
    let child = bench(&space, &["--jobs", "2000", "--json"]);
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    // Progress is told on standard error, which the test has in the same lines.
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("a number is missing: {answer}"));
    for name in RATES {
        // Half a second of an idle worker may be without a command.
        let least = if name == "idle_commands_per_s" { 0.0 } else { f64::MIN_POSITIVE };
        assert!(number(&figures[name]) >= least, "{name}: {answer}");
    }
    let spreads = [
        ("pickup_ms", &["p50", "p95", "p99"][..]),
        ("pickup_half_load_ms", &["p50", "p95", "p99"]),
        ("delayed_lateness_ms", &["p50", "p99"]),
    ];
    for (name, parts) in spreads {
        assert!(parts.iter().all(|part| number(&figures[name][part]) > 0.0), "{name}: {answer}");
    }
    assert_eq!((number(&figures["jobs"]), number(&figures["payload_bytes"])), (2000.0, 200.0));
    assert!(figures["redis_version"].is_string() && figures["appendonly"].is_boolean(), "{answer}");
    assert_eq!(figures.as_object().unwrap().len(), RATES.len() + spreads.len() + 4, "{answer}");
    assert_eq!(space.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn mails_are_counted_where_they_arrive_and_connections_are_used_again() {
    let space = RedisSpace::fresh("bench-email");
    let config = space.config();
    let child = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_REDIS_PREFIX", config.prefix)
        .args(["bench", "email", "--mails", "300", "--json", "--redis", &config.url])
        .spawn();
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    assert!(figures["mails_per_s"].as_f64().unwrap() > 0.0, "{answer}");
    assert!(figures["mail_cpu_us"].is_f64(), "{answer}");
    assert!((1..=8).contains(&figures["connections"].as_u64().unwrap()), "{answer}");
    assert_eq!(space.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_behind_when_it_is_interrupted() {
    let space = RedisSpace::fresh("bench");
    let child = bench(&space, &["--only", "recovery"]);
    child.wait_for_line("killed a worker with 8 jobs", PATIENCE).await;
    assert!(!space.keys().await.is_empty());
    child.sigterm();
    assert_eq!(child.wait_exit(PATIENCE).await.code(), Some(1));
    assert!(child.output().contains("interrupted"), "{}", child.output());
    assert_eq!(space.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_measurement_that_does_not_exist_is_answered_with_those_that_do() {
    let child = bench(&RedisSpace::fresh("bench"), &["--only", "pikcup"]);
    assert_eq!(child.wait_exit(PATIENCE).await.code(), Some(2));
    let said = child.output();
    assert!(said.contains("pikcup") && said.contains("enqueue-each, enqueue-bulk, drain, pickup"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_the_bridge_is_measured_and_no_topic_is_left_behind() {
    let (redis, kafka) = (RedisSpace::fresh("bench-bridge"), KafkaSpace::fresh("bench-bridge"));
    let (config, events, database) = (redis.config(), kafka.config(), Database::fresh(None).await);
    let child = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_REDIS_PREFIX", config.prefix)
        .env("MILLGATE_KAFKA_TOPIC_PREFIX", events.topic_prefix.clone())
        .env("MILLGATE_POSTGRES_URL", database.server_url())
        .args(["bench", "bridge", "--events", "1000", "--partitions", "2", "--trail", "--json"])
        .args(["--redis", &config.url, "--brokers", &events.brokers])
        .spawn();
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    // So few events may take the bridge less than one tick of the clock that processor time is counted by.
    for name in ["events_per_s", "handoff_per_s", "rss_mb", "cpu_s_per_100k_events"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {answer}");
    }
    assert!(figures["handoff_cpu_us_per_event"].is_f64(), "{answer}");
    for part in ["p50", "p95", "p99"] {
        assert!(figures["latency_ms"][part].as_f64().unwrap() > 0.0, "{part}: {answer}");
    }
    assert_eq!((figures["events"].as_u64(), figures["partitions"].as_u64()), (Some(1000), Some(2)));
    // Three times handed off, twice with events that bring things under way, and those of the latency.
    let [events_noted, runs_noted, dropped] =
        ["trail_events", "trail_runs", "trail_dropped"].map(|name| figures[name].as_i64().unwrap());
    assert!(events_noted >= 6_000 && runs_noted >= 3_000 && dropped == 0, "{answer}");
    assert_eq!(redis.keys().await, [""; 0]);
    let topics = kafka.admin().list().await.unwrap();
    let left: Vec<_> = topics.into_iter().filter(|topic| topic.name.starts_with(&events.topic_prefix)).collect();
    assert_eq!(left, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_the_relay_is_measured_and_nothing_is_left_behind() {
    let (database, kafka) = (Database::fresh(None).await, KafkaSpace::fresh("bench-relay"));
    let events = kafka.config();
    let child = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_KAFKA_TOPIC_PREFIX", events.topic_prefix.clone())
        .args(["bench", "relay", "--events", "1000", "--partitions", "2", "--json"])
        .args(["--postgres", &database.server_url(), "--brokers", &events.brokers])
        .spawn();
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    assert!(figures["events_per_s"].as_f64().unwrap() > 0.0, "{answer}");
    for part in ["p50", "p95", "p99"] {
        assert!(figures["latency_ms"][part].is_f64(), "{part}: {answer}");
    }
    assert_eq!((figures["events"].as_u64(), figures["latency_samples"].as_u64()), (Some(1000), Some(50)));
    let topics = kafka.admin().list().await.unwrap();
    let left: Vec<_> = topics.into_iter().filter(|topic| topic.name.starts_with(&events.topic_prefix)).collect();
    assert_eq!(left, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_worker_adds_is_measured() {
    let space = RedisSpace::fresh("bench-worker");
    let config = space.config();
    let child = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_REDIS_URL", config.url)
        .env("MILLGATE_REDIS_PREFIX", config.prefix)
        .args(["bench", "worker", "--jobs", "500", "--json"])
        .spawn();
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    let number = |name: &str| figures[name].as_f64().unwrap_or_else(|| panic!("{name}: {answer}"));
    // Of so few jobs the processor time may be too little to be counted.
    for (name, least) in
        [("bare_per_s", f64::MIN_POSITIVE), ("layered_per_s", f64::MIN_POSITIVE), ("bare_us", 0.0), ("layered_us", 0.0)]
    {
        assert!(number(name) >= least, "{name}: {answer}");
    }
    let difference = number("layered_us") - number("bare_us");
    assert!((number("overhead_us") - difference).abs() < 0.01, "{answer}");
    assert_eq!(figures["jobs"], 500);
    assert_eq!(space.keys().await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_the_event_store_is_measured_and_nothing_is_left_behind() {
    let database = Database::fresh(None).await;
    let child = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .args(["bench", "eventstore", "--appends", "400", "--events", "300", "--json"])
        .args(["--postgres", &database.server_url()])
        .spawn();
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    for name in ["append_1_per_s", "append_8_per_s", "append_8_apart_per_s", "projection_events_per_s"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {answer}");
    }
    for name in ["load_full_ms", "load_snapshot_ms"] {
        assert!(
            ["p50", "p95", "p99"].iter().all(|part| figures[name][part].as_f64().unwrap() > 0.0),
            "{name}: {answer}"
        );
    }
    assert_eq!((figures["appends"].as_u64(), figures["aggregate_events"].as_u64()), (Some(400), Some(300)));
    assert_eq!(figures.as_object().unwrap().len(), 8, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn windows_are_measured_and_nothing_is_left_behind() {
    let (database, kafka) = (Database::fresh(None).await, KafkaSpace::fresh("bench-windows"));
    let events = kafka.config();
    let child = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_KAFKA_TOPIC_PREFIX", events.topic_prefix.clone())
        .args(["bench", "windows", "--events", "20000", "--partitions", "2", "--json"])
        .args(["--postgres", &database.server_url(), "--brokers", &events.brokers])
        .spawn();
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    for name in ["fold_per_s", "windows_per_s"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {answer}");
    }
    let topics = kafka.admin().list().await.unwrap();
    let left: Vec<_> = topics.into_iter().filter(|topic| topic.name.starts_with(&events.topic_prefix)).collect();
    assert_eq!(left, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_figure_of_the_audit_log_is_measured_and_nothing_is_left_behind() {
    let (kafka, database) = (KafkaSpace::fresh("bench-audit"), Database::fresh(None).await);
    let events = kafka.config();
    let child = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_KAFKA_TOPIC_PREFIX", events.topic_prefix.clone())
        .args(["bench", "audit", "--events", "5000", "--partitions", "2", "--json"])
        .args(["--postgres", &database.server_url(), "--brokers", &events.brokers])
        .spawn();
    let status = child.wait_exit(PATIENCE).await;
    let said = child.output();
    assert!(status.success(), "{said}");
    let answer = said.lines().find(|line| line.starts_with('{')).unwrap_or_else(|| panic!("no JSON: {said}"));
    let figures: Value = serde_json::from_str(answer).unwrap();
    for name in ["recorded_per_s", "verified_per_s", "bytes_per_entry"] {
        assert!(figures[name].as_f64().unwrap() > 0.0, "{name}: {answer}");
    }
    assert_eq!(kafka.ends("bench.shipment").await, [0_i64; 0]);
}
