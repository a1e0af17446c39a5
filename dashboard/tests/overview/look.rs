//! The overview: what flows, how fast, and what is wrong; whoever is away.

use std::{sync::Arc, time::Duration};

use millgate_bridge::{Routes, on};
use millgate_dashboard::{Follower, Reader, Site, access::Viewer};
use millgate_events::{Event, KafkaConfig};
use millgate_jobs::{BridgedGroup, JobOptions, NewJob};
use millgate_testkit::{KafkaSpace, free_port, wait_for};
use reqwest::StatusCode;
use serde::{Deserialize, Serialize};

use crate::desk::{Desk, Greet, XSS, worker};

const SOON: Duration = Duration::from_mins(2);

#[derive(Serialize, Deserialize)]
struct SignedUp {
    who: String,
}

impl Event for SignedUp {
    const TYPE: &'static str = "user.signed-up";
    const TOPIC: &'static str = "users";

    fn key(&self) -> String {
        self.who.clone()
    }
}

fn reads(kafka: KafkaConfig) -> impl FnOnce(Site) -> Site {
    let mut routes = Routes::default();
    routes.add(on::<SignedUp>().enqueue(|event| Greet { whom: event.who.clone() }));
    let reader = Reader { name: "main", routes: Arc::new(routes), kafka };
    |site| Site { readers: Arc::new(vec![reader]), ..site }
}

async fn greet(desk: &Desk, count: usize) {
    let queue = desk.redis.queues().queue("email");
    let now = queue.now().await.unwrap();
    let job = |n: usize| NewJob::new(&Greet { whom: n.to_string() }, JobOptions::default(), now).unwrap();
    queue.enqueue(&(0..count).map(job).collect::<Vec<_>>()).await.unwrap();
}

#[tokio::test]
async fn where_all_is_well_it_says_so() {
    let desk = Desk::open().await;
    desk.redis.queues().processes().report(&worker("a1")).await.unwrap();
    // The shared Redis of tests may throw keys away; that would be told.
    let page = desk.page("/").await;
    assert!(
        page.contains("Nothing is wrong that can be seen from here.") || page.contains("maxmemory-policy"),
        "{page}"
    );
    for word in ["workers", "1 run, 2 of 8 busy", "none in the last hour", "0 wait, 0 run"] {
        assert!(page.contains(word), "{word}: {page}");
    }
    // The picture is for eyes; the list says the same.
    assert_eq!(page.matches("aria-hidden=\"true\" focusable=\"false\"").count(), 1);
    assert_eq!(page.matches("<ol class=\"stages\">").count(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_told_in_words_with_a_link() {
    let desk = Desk::open().await;
    greet(&desk, 3).await;
    let overview = desk.api("/overview").await;
    let wrong = overview["wrong"].as_array().unwrap();
    let unserved = wrong.iter().find(|wrong| wrong["page"] == serde_json::json!(["queues", "email"])).unwrap();
    assert_eq!((unserved["severity"].as_str(), overview["figures"]["waiting"].as_u64()), (Some("bad"), Some(3)));
    let page = desk.page("/").await;
    assert!(page.contains("<a href=\"/queues/email\">no worker serves queue email, and 3 jobs wait in it"), "{page}");
    assert!(page.contains("no worker, 3 wait"), "{page}");
    assert!(desk.page("/queues/email").await.contains("No worker serves it, and 3 jobs wait"));
}

#[tokio::test]
async fn a_kind_that_no_worker_knows_is_told() {
    let desk = Desk::open().await;
    greet(&desk, 1).await;
    let worker = millgate_jobs::Process { kinds: [("other".to_owned(), 1)].into(), ..worker("a1") };
    desk.redis.queues().processes().report(&worker).await.unwrap();
    assert!(desk.page("/").await.contains("no worker of queue email knows greet"));
    let page = desk.page("/queues/email").await;
    assert!(page.contains("no worker knows it"), "{page}");
    assert_eq!(desk.api("/queues/email").await["unknown_kinds"], serde_json::json!(["greet"]));
}

#[tokio::test]
async fn kafka_says_how_far_behind_and_nobody_waits_for_it() {
    let kafka = KafkaSpace::fresh("overview");
    kafka.create("users", 2).await;
    kafka.put("users", 1, None, Some(b"{}"), &[]).await;
    let desk = Desk::opened(Viewer::everything("ann"), reads(kafka.config())).await;
    let first = desk.api("/overview").await;
    assert!(first["figures"]["lag"].is_null(), "the first look does not wait: {first}");
    let lag =
        wait_for("Kafka says how far", SOON, async || desk.api("/overview").await["figures"]["lag"].as_u64()).await;
    assert_eq!(lag, 1);
    let overview = desk.api("/overview").await;
    let texts = overview["wrong"].to_string();
    assert!(texts.contains("no bridge runs for group") && texts.contains("1 event waits on users"), "{texts}");
    let places = overview["flow"]["places"].as_array().unwrap();
    let stages: Vec<_> = places.iter().map(|place| place["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["topic", "bridge", "queue", "queue", "workers", "dead"]);
    assert_eq!((&places[0]["name"], &places[1]["words"]), (&"users".into(), &"not running".into()));
    // From the topic to its bridge, to the queue that it fills, and on.
    let arrows = overview["flow"]["arrows"].as_array().unwrap();
    let goes = |from: u64, to: u64| arrows.iter().any(|arrow| arrow["from"] == from && arrow["to"] == to);
    assert!(goes(0, 1) && goes(1, 3) && !goes(1, 2) && goes(3, 4) && goes(4, 5), "{arrows:?}");
    let page = desk.page("/").await;
    assert!(page.contains("href=\"/topics/users\"") && page.contains("1 behind"), "{page}");
}

#[tokio::test]
async fn a_stream_stands_in_the_picture_with_how_far_it_is() {
    let kafka = KafkaSpace::fresh("pictured");
    for topic in ["users", "users.dead"] {
        kafka.create(topic, 1).await;
    }
    kafka.put("users", 0, None, Some(b"{}"), &[]).await;
    let group = format!("{}.audit", kafka.config().consumer_group);
    let reads = KafkaConfig { consumer_group: group.clone(), ..kafka.config() };
    let topics = vec!["users".to_owned(), "users.dead".to_owned()];
    let streams = vec![Follower { name: format!("audit{XSS}"), topics, kafka: reads }];
    let dead_letter_topics = vec!["users.dead".to_owned()];
    let with = |site| Site { streams, dead_letter_topics, ..site };
    let desk = Desk::opened(Viewer::everything("ann"), with).await;
    let waits = wait_for("Kafka says how far", SOON, async || {
        let wrong = desk.api("/overview").await["wrong"].to_string();
        wrong.contains("1 record waits; `millgate streams run`").then_some(wrong)
    });
    waits.await;
    let places = desk.api("/overview").await["flow"]["places"].clone();
    let stages: Vec<_> = places.as_array().unwrap().iter().map(|place| place["stage"].as_str().unwrap()).collect();
    assert_eq!(stages, ["topic", "stream", "queue", "queue", "workers", "dead"], "{places}");
    assert_eq!((&places[0]["name"], &places[1]["words"]), (&"users".into(), &"not running".into()));
    assert_eq!(places[1]["page"], serde_json::json!(["groups", group]));
    let arrow = &desk.api("/overview").await["flow"]["arrows"][0];
    assert_eq!((&arrow["from"], &arrow["to"]), (&0.into(), &1.into()));
    // Once some process has it, it is well, and its link leads to how far it is.
    let partitions = [(kafka.name("users"), vec![0])].into();
    let held = BridgedGroup { group: group.clone(), partitions, handed_off: 0, stream: Some("audit".into()) };
    let process = millgate_jobs::Process { groups: vec![held], ..worker("a1") };
    desk.redis.queues().processes().report(&process).await.unwrap();
    let page = desk.page("/").await;
    assert!(page.contains("running, 1 partitions") && page.contains(">Streams<"), "{page}");
    assert!(page.contains(&format!("href=\"/groups/{group}\"")), "{page}");
    assert!(!page.contains("no process runs stream"), "{page}");
}

#[tokio::test]
async fn many_topics_that_only_streams_read_are_one_box() {
    let topics: Vec<String> = (1..=9).map(|number| format!("seen-{number}")).chain(["users".into()]).collect();
    let kafka = KafkaConfig { brokers: format!("127.0.0.1:{}", free_port()), ..KafkaConfig::default() };
    let streams = ["audit", "copy"].map(|name| {
        let kafka = KafkaConfig { consumer_group: format!("shop.{name}"), ..kafka.clone() };
        Follower { name: name.into(), topics: topics.clone(), kafka }
    });
    let reads = reads(kafka.clone());
    let desk = Desk::opened(Viewer::everything("ann"), |site| Site { streams: streams.into(), ..reads(site) }).await;
    let flow = desk.api("/overview").await["flow"].clone();
    let names: Vec<&str> =
        flow["places"].as_array().unwrap().iter().map(|place| place["name"].as_str().unwrap()).collect();
    assert_eq!(names[..5], ["users", "9 more topics", "main", "audit", "copy"]);
    // One arrow from each box, however many topics are in it.
    let to_audit = flow["arrows"].as_array().unwrap().iter().filter(|arrow| arrow["to"] == 3);
    assert_eq!(to_audit.map(|arrow| arrow["from"].as_u64().unwrap()).collect::<Vec<_>>(), [0, 1]);
}

#[tokio::test]
async fn a_kafka_that_is_away_is_told_and_holds_nothing_up() {
    let kafka = KafkaConfig { brokers: format!("127.0.0.1:{}", free_port()), ..KafkaConfig::default() };
    let desk = Desk::opened(Viewer::everything("ann"), reads(kafka)).await;
    let page = desk.page("/").await;
    assert!(page.contains("Kafka has not said yet") && page.contains("not known"), "{page}");
    let told = wait_for("it is told", SOON, async || {
        let wrong = desk.api("/overview").await["wrong"].to_string();
        wrong.contains("Kafka does not say how far the bridge is behind").then_some(wrong)
    });
    told.await;
}

#[tokio::test]
async fn each_span_is_there_and_no_other() {
    let desk = Desk::open().await;
    for (span, points) in [("hour", 60), ("day", 144), ("week", 168)] {
        let overview = desk.api(&format!("/overview?span={span}")).await;
        assert_eq!(overview["jobs"]["points"].as_array().unwrap().len(), points);
        let history = desk.api(&format!("/queues/email/history?span={span}")).await;
        assert_eq!(history["points"].as_array().unwrap().len(), points);
        let page = desk.page(&format!("/?span={span}")).await;
        assert!(page.contains(&format!("href=\"/?span={span}\" aria-current=\"true\"")), "{page}");
        desk.page(&format!("/queues/email?span={span}")).await;
    }
    for path in ["/?span=year", "/api/overview?span=year", "/api/queues/email/history?span=year"] {
        let (status, text) = desk.look(path).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(text.contains("`year` is no span; there are hour, day and week"), "{text}");
    }
}

#[tokio::test]
async fn all_of_it_can_lie_under_a_path() {
    let desk = Desk::under("/ops/millgate").await;
    for path in ["/ops/millgate", "/ops/millgate/"] {
        let page = desk.page(path).await;
        assert!(page.contains("href=\"/ops/millgate/queues/email\""), "{path}: {page}");
        assert!(page.contains("href=\"/ops/millgate/?span=day\""), "{path}: {page}");
    }
}
