//! The command line: what it says, and how it ends.

use millgate::{Schedule, Schedules, email::NotificationEmail};
use millgate_testkit::{Binary, Child, Folder, free_port, wait_until};

use crate::shop::{PATIENCE, Shop, order};

async fn end(child: &Child) -> (Option<i32>, String) {
    let status = child.wait_exit(PATIENCE).await;
    (status.code(), child.output())
}

#[tokio::test(flavor = "multi_thread")]
async fn doctor_says_of_each_server_whether_it_is_well() {
    let mut shop = Shop::open("doctor").await;
    let said = shop.run(&["doctor"]).await;
    for server in ["ok    Kafka", "ok    Redis", "ok    PostgreSQL", "ok    SMTP"] {
        assert!(said.contains(server), "{said}");
    }
    shop.set("MILLGATE_SMTP_URL", format!("smtp://127.0.0.1:{}", free_port()));
    shop.set("MILLGATE_REDIS_URL", format!("redis://:secret@127.0.0.1:{}/0", free_port()));
    let (code, said) = end(&shop.start(&["doctor", "--json"])).await;
    assert_eq!(code, Some(1));
    let findings: serde_json::Value = serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"));
    let well: Vec<bool> = findings.as_array().unwrap().iter().map(|f| f["well"].as_bool().unwrap()).collect();
    assert_eq!(well, [true, false, true, false]);
    assert!(findings[1]["advice"].as_str().unwrap().contains("MILLGATE_REDIS_URL"));
    assert!(!said.contains("secret"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_are_planned_then_applied_then_right() {
    let mut shop = Shop::open("topics").await;
    shop.set("MILLGATE_TOPICS_PARTITIONS", "4");
    let plan = shop.run(&["topics", "plan"]).await;
    assert!(plan.contains("~ order.created  partitions: 3 -> 4"), "{plan}");
    let again = shop.run(&["topics", "plan"]).await;
    assert_eq!(plan, again, "a plan changes nothing");
    shop.run(&["topics", "apply"]).await;
    assert_eq!(shop.run(&["topics", "plan"]).await, "topics are as they should be");
    let list = shop.run(&["topics", "list", "--json"]).await;
    assert!(list.contains("\"partitions\": 4"), "{list}");
    shop.set("MILLGATE_TOPICS_PARTITIONS", "2");
    let (code, said) = end(&shop.start(&["topics", "apply"])).await;
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("cannot remove partitions"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn publish_takes_all_lines_or_none() {
    let shop = Shop::open("publish").await;
    let folder = Folder::new("publish");
    let file = folder.path().join("events.jsonl");
    let lines =
        [order(1), r#"{"type":"order.creatd","data":{}}"#.into(), r#"{"type":"order.created","data":{}}"#.into()];
    std::fs::write(&file, lines.join("\n")).unwrap();
    let (code, said) = end(&shop.start(&["publish", file.to_str().unwrap()])).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("events.jsonl:2: unknown event type order.creatd; did you mean order.created?"), "{said}");
    assert!(said.contains("events.jsonl:3: data is no order.created: missing field"), "{said}");
    assert_eq!(shop.kafka.ends("order.created").await.iter().sum::<i64>(), 0);

    std::fs::write(&file, [order(1), order(2)].join("\n\n")).unwrap();
    let said = shop.run(&["publish", "--json", file.to_str().unwrap()]).await;
    assert!(said.contains("\"published\":2"), "{said}");
    assert_eq!(shop.kafka.ends("order.created").await.iter().sum::<i64>(), 2);

    let (code, said) = end(&shop.start(&["publish", "nowhere.jsonl"])).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("nowhere.jsonl cannot be read"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_samples_of_the_readme_are_published() {
    let shop = Shop::open("readme").await;
    let said = shop.run(&["publish", concat!(env!("CARGO_MANIFEST_DIR"), "/examples/orders.jsonl")]).await;
    assert_eq!(said, "5 events published, acked by all in-sync replicas");
    let said = shop.run(&["migrate"]).await;
    assert!(said.ends_with("migrations are in the database"), "{said}");
    let said = shop.run(&["queues", "--json"]).await;
    assert!(said.contains("\"inventory\""), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn schedules_are_shown_fired_paused_and_run_by_hand() {
    let shop = Shop::open("schedules").await;
    assert!(shop.run(&["schedules", "list"]).await.starts_with("no schedules"));
    let letter = NotificationEmail {
        to: "ada@example.com".into(),
        subject: "News".into(),
        body: "None".into(),
        ..NotificationEmail::default()
    };
    let pulse = Schedule::new("pulse", "* * * * * *", "UTC", &letter).unwrap();
    Schedules::new(&shop.queues, ["email"]).put(&pulse).await.unwrap();
    let enqueued = async || shop.queues.queue("email").stats().await.unwrap().enqueued();

    let scheduler = shop.start(&["scheduler"]);
    wait_until("it fires", PATIENCE, async || enqueued().await >= 2).await;
    assert_eq!(shop.run(&["schedules", "pause", "pulse"]).await, "pulse is paused");
    let paused = enqueued().await;
    scheduler.sigterm();
    assert_eq!(end(&scheduler).await.0, Some(0));
    assert!(shop.run(&["schedules", "run", "pulse"]).await.starts_with("pulse runs now, as job "));
    assert_eq!(enqueued().await, paused + 1);

    let list = shop.run(&["schedules", "list", "--json"]).await;
    let list: serde_json::Value = serde_json::from_str(&list).unwrap_or_else(|error| panic!("{error}: {list}"));
    let state = &list[0];
    assert_eq!((&state["name"], &state["paused"], &state["queue"]), (&"pulse".into(), &true.into(), &"email".into()));
    assert!(state["next"].is_null() && state["last"].is_string(), "{state}");
    // Every worker fires schedules, too.
    assert_eq!(shop.run(&["schedules", "resume", "pulse"]).await, "pulse fires again");
    let worker = shop.start(&["worker"]);
    wait_until("it fires again", PATIENCE, async || enqueued().await > paused + 1).await;
    worker.sigterm();
    assert_eq!(end(&worker).await.0, Some(0));
    let edited = shop.run(&["schedules", "edit", "pulse", "--cron", "@yearly"]).await;
    assert!(edited.starts_with("pulse fires at `@yearly` in UTC, next at "), "{edited}");
    let shown = shop.run(&["schedules", "show", "pulse"]).await;
    assert!(shown.contains("edited; its definition says `* * * * * *` in UTC"), "{shown}");
    assert_eq!(shown.matches("  next ").count(), 6, "its line, and five ticks: {shown}");
    assert!(shown.matches("  job ").count() >= 4 && shown.contains("run by hand"), "what it made last: {shown}");
    let (code, said) = end(&shop.start(&["schedules", "edit", "pulse", "--zone", "Mars"])).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("there is no time zone `Mars`"), "{said}");
    assert_eq!(end(&shop.start(&["schedules", "edit", "pulse"])).await.0, Some(2));
    let reset = shop.run(&["schedules", "edit", "pulse", "--reset"]).await;
    assert_eq!(reset, "pulse fires at `* * * * * *` in UTC again, as its definition says");
    shop.run(&["schedules", "remove", "pulse"]).await;
    let (code, said) = end(&shop.start(&["schedules", "run", "pulse"])).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("there is no schedule `pulse`; there are: expire-dead-letters"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_understood_ends_with_2_and_the_nearest_right_name() {
    let folder = Folder::new("config");
    std::fs::write(folder.path().join("millgate.toml"), "[kafka]\nbroker = \"x\"\n[shop]\nreminder_dely = \"1h\"\n")
        .unwrap();
    let millgate = Binary::new(env!("CARGO_BIN_EXE_millgate")).folder(folder.path());
    let (code, said) = end(&millgate.arg("config").spawn()).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("millgate.toml:2") && said.contains("did you mean") && said.contains("brokers"), "{said}");
    assert!(said.contains("reminder_delay"), "{said}");
    let millgate = Binary::new(env!("CARGO_BIN_EXE_millgate"));
    let (code, said) = end(&millgate.clone().arg("brigde").spawn()).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("bridge"), "{said}");
    let (code, said) = end(&millgate.args(["worker", "--queues", "email,mail"]).spawn()).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("no handler works on queue `mail`; there are: maintenance, email"), "{said}");
}

/// With every server away, each at a port where nobody listens.
fn without_servers(folder: &Folder) -> Binary {
    let nowhere = |scheme: &str| format!("{scheme}127.0.0.1:{}", free_port());
    Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .folder(folder.path())
        .env("KAFKA_BROKERS", nowhere(""))
        .env("MILLGATE_REDIS_URL", nowhere("redis://"))
        .env("MILLGATE_POSTGRES_URL", nowhere("postgres://shop:shop@") + "/shop")
        .env("MILLGATE_POSTGRES_CONNECT_TIMEOUT", "500ms")
}

#[tokio::test(flavor = "multi_thread")]
async fn input_that_cannot_be_meant_ends_with_2_before_any_server_is_asked() {
    let folder = Folder::new("input");
    for (name, text) in [
        ("broken.yaml", "a:\n  partitions: -3\n"),
        ("list.yaml", "- a\n"),
        ("bad.jsonl", "{\"type\":\"order.creatd\",\"data\":{}}\nnonsense\n"),
    ] {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let since = "`yesterday` is neither a time, as 2026-03-01T12:00:00Z or 2026-03-01 (UTC), nor how long ago, as 2h";
    for (arguments, reason) in [
        (
            vec!["topics", "plan", "--check", "--file", "broken.yaml"],
            "broken.yaml:2: expected a whole number, 1 or more",
        ),
        (vec!["topics", "apply", "--file", "list.yaml"], "list.yaml:1: expected a topic's name and a colon"),
        (vec!["topics", "plan", "--file", "nope.yaml"], "nope.yaml cannot be read"),
        (vec!["publish", "bad.jsonl"], "bad.jsonl:1: unknown event type order.creatd; did you mean order.created?"),
        (vec!["publish", "nope.jsonl"], "nope.jsonl cannot be read"),
        (vec!["replay", "--into", "routes:nope"], "there is no group `nope`; there are: main, crm"),
        (
            vec!["replay", "--into", "routes", "--job", "nope"],
            "no route of group main makes jobs of kind nope; there are: ",
        ),
        (vec!["replay", "--into", "routes", "--topic", "nope"], "group main has no routes for topic nope; it reads: "),
        (vec!["replay", "--into", "projection:nope"], "this application has no projections"),
        (vec!["replay", "--into", "routes", "--from", "yesterday"], since),
        (vec!["events", "list", "--topic", "order.created", "--since", "yesterday"], since),
        (vec!["trace", "o1", "--since", "yesterday"], since),
        (vec!["windows", "show", "x", "--since", "yesterday"], since),
        (vec!["audit", "search", "--since", "yesterday"], since),
        (
            vec!["audit", "expire", "--keep", "moons"],
            "`moons` is no length of time; one is a number with its unit: 30m",
        ),
    ] {
        let (code, said) = end(&without_servers(&folder).args(arguments.clone()).spawn()).await;
        assert!(code == Some(2) && said.contains(reason), "{arguments:?}: {code:?}: {said}");
        assert!(!said.contains("Kafka cannot be reached"), "{arguments:?}: {said}");
    }
    // Nor does what needs no server ask one.
    for format in ["json-schema", "asyncapi"] {
        let (code, said) = end(&without_servers(&folder).args(["schema", "export", "--format", format]).spawn()).await;
        assert!(code == Some(0) && !said.contains("Kafka cannot be reached"), "{format}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_there_is_none_of_is_said_and_so_is_what_to_look_at_when_the_database_is_away() {
    let folder = Folder::new("none");
    let look = "is PostgreSQL up, and postgres.url (MILLGATE_POSTGRES_URL) right?";
    let no_streams = "this application has no streams; add some by App::stream(…)";
    for (code, arguments, reason) in [
        (0, vec!["streams", "list"], no_streams.to_owned()),
        (2, vec!["streams", "run", "nope"], format!("there is no stream `nope`: {no_streams}")),
        (2, vec!["windows", "show", "nope"], format!("there is no stream of windows `nope`: {no_streams}")),
        (2, vec!["projections", "rebuild", "nope"], "this application has no projections; add some by".to_owned()),
        (1, vec!["windows", "list"], look.to_owned()),
    ] {
        let (ended, said) = end(&without_servers(&folder).args(arguments.clone()).spawn()).await;
        assert!(ended == Some(code) && said.contains(&reason), "{arguments:?}: {ended:?}: {said}");
        assert!(!said.contains("Kafka"), "it is not needed for that: {arguments:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_that_can_reach_nobody_are_refused() {
    let folder = Folder::new("alerts");
    let with = |settings: &[(&str, &str)]| {
        let alerts = without_servers(&folder).arg("log-alerts");
        settings.iter().fold(alerts, |alerts, (name, value)| alerts.env(format!("MILLGATE_LOG_ALERTS_{name}"), value))
    };
    for (settings, reason) in [
        (vec![("TO", "nobody")], "MILLGATE_LOG_ALERTS_TO: log_alerts.to: \"nobody\" is no address"),
        (
            vec![("WEBHOOK", "not-a-url"), ("WEBHOOK_SECRET", "ops")],
            "log_alerts.webhook: must be a URL that begins with",
        ),
        (
            vec![("WEBHOOK", "https://x.example/"), ("WEBHOOK_SECRET", "ops")],
            "webhook.secrets (MILLGATE_WEBHOOK_SECRETS) has no secret of the name",
        ),
    ] {
        let (code, said) = end(&with(&settings).spawn()).await;
        assert!(code == Some(2) && said.contains(reason), "{settings:?}: {code:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn config_says_where_each_value_came_from_and_hides_secrets() {
    let folder = Folder::new("config");
    std::fs::write(folder.path().join("millgate.toml"), "[worker]\nconcurrency = 7\n").unwrap();
    let millgate = Binary::new(env!("CARGO_BIN_EXE_millgate"))
        .folder(folder.path())
        .env("KAFKA_BROKERS", "kafka-1:9092")
        .env("MILLGATE_POSTGRES_URL", "postgres://shop:hunter2@db/shop")
        .arg("config");
    let (code, said) = end(&millgate.spawn()).await;
    assert_eq!(code, Some(0), "{said}");
    let line = |key: &str| said.lines().find(|line| line.starts_with(key)).unwrap_or_default().to_owned();
    assert!(line("kafka.brokers").ends_with("# env KAFKA_BROKERS"), "{said}");
    assert!(line("worker.concurrency = 7").ends_with("# millgate.toml:2"), "{said}");
    assert!(line("worker.lease").ends_with("# default"), "{said}");
    assert!(!said.contains("hunter2"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_show_how_far_the_bridge_is_in_events_and_in_time() {
    let mut shop = Shop::open("groups").await;
    // Old by its own time; Kafka's records have the time at which they were published.
    shop.publish(&(0..7).map(order).collect::<Vec<_>>()).await;
    let lags = async |shop: &Shop| -> Vec<serde_json::Value> {
        serde_json::from_str(&shop.run(&["groups", "--topic", "order.created", "--json"]).await).unwrap()
    };
    let total = |lags: &[serde_json::Value]| lags.iter().map(|lag| lag["lag"].as_i64().unwrap()).sum::<i64>();
    let before = lags(&shop).await;
    assert_eq!((before.len(), total(&before)), (3, 7));
    wait_until("time passes", PATIENCE, async || {
        lags(&shop).await.iter().all(|lag| lag["lag"] == 0 || lag["lag_seconds"].as_u64() > Some(0))
    })
    .await;
    assert!(shop.run(&["groups"]).await.contains("behind, for"));
    shop.set("MILLGATE_BRIDGE_COMMIT_INTERVAL", "50ms");
    let bridge = shop.start(&["bridge"]);
    wait_until("the bridge has caught up", PATIENCE, async || total(&lags(&shop).await) == 0).await;
    drop(bridge);
    let (code, said) = end(&shop.start(&["groups", "--topic", "order.creatd"])).await;
    assert!(code == Some(2) && said.contains("no event comes on topic `order.creatd`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn shells_and_man_learn_every_command() {
    // A configuration that is wrong is nothing to them.
    let folder = Folder::new("man");
    let broken = folder.path().join("millgate.toml");
    std::fs::write(&broken, "nonsense").unwrap();
    let run = async |arguments: &[&str]| {
        let child = Binary::new(env!("CARGO_BIN_EXE_millgate")).args(arguments).env("MILLGATE_CONFIG", &broken).spawn();
        end(&child).await
    };
    let (code, script) = run(&["completions", "bash"]).await;
    assert_eq!(code, Some(0));
    assert!(script.contains("_millgate()") && script.contains("run-now"), "{script}");

    let (code, page) = run(&["man"]).await;
    assert_eq!(code, Some(0));
    assert!(page.contains(".TH millgate 1") && page.contains("Exit codes"), "{page}");

    let (code, _) = run(&["man", "--to", folder.path().to_str().unwrap()]).await;
    assert_eq!(code, Some(0));
    let page = std::fs::read_to_string(folder.path().join("man1/millgate-jobs-retry.1")).unwrap();
    assert!(page.contains("dry\\-run"), "{page}");

    let (code, said) = run(&["man", "--to", broken.to_str().unwrap()]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("cannot write into"), "{said}");
}
