//! Topics, records, groups and routes, as operators see them.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that fails says where")]

#[allow(dead_code, reason = "shared by tests, each of which uses a part")]
mod office;

use std::time::Duration;

use axum::http::StatusCode;
use millgate_dashboard::access::Viewer;
use millgate_events::{Consumer, ConsumerConfig};
use millgate_testkit::{wait_for, wait_until};
use office::{EVIL, Office, PATIENCE, part};
use serde_json::Value;

const TOPIC: &str = "parcel.lost";

async fn lose(office: &Office, number: usize) -> i64 {
    let (id, value) = (format!("e{number}"), format!(r#"{{"parcel":"p{number}"}}"#));
    let headers = [("ce_specversion", "1.0"), ("ce_id", id.as_str()), ("ce_source", "web"), ("ce_type", TOPIC)];
    office.kafka.put(TOPIC, 0, Some(format!("k{}", number % 3).as_bytes()), Some(value.as_bytes()), &headers).await
}

fn offsets(page: &Value) -> Vec<i64> {
    page["records"].as_array().unwrap().iter().map(|record| record["offset"].as_i64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn records_are_found_by_offset_time_and_key_and_looking_commits_nothing() {
    let office = Office::with("browse", None);
    office.kafka.create(TOPIC, 2).await;
    for number in 0..120 {
        lose(&office, number).await;
    }
    let records = async |query: &str| office.json(&format!("/api/topics/{TOPIC}/records?{query}")).await;
    let newest = records("").await;
    assert_eq!((&newest["begin"], &newest["end"], &newest["from"]), (&0.into(), &120.into(), &70.into()));
    assert_eq!(offsets(&newest), (70..120).collect::<Vec<_>>());
    assert_eq!(offsets(&records("before=70").await), (20..70).collect::<Vec<_>>());
    assert_eq!(offsets(&records("at=100&limit=5").await), (100..105).collect::<Vec<_>>());
    assert_eq!(offsets(&records("at=-5&limit=2").await), [0, 1]);
    assert!(offsets(&records("at=120").await).is_empty() && offsets(&records("partition=1").await).is_empty());
    let of_key = records("at=0&key=k1").await;
    assert_eq!(offsets(&of_key).first(), Some(&1));
    assert!(offsets(&of_key).iter().all(|offset| offset % 3 == 1) && offsets(&of_key).len() == 40, "{of_key}");
    assert_eq!(offsets(&records("key=k1&limit=2").await), [115, 118], "the newest of that key");

    // By time: from the record on that was put in then.
    let middle = &records("at=60&limit=1").await["records"][0];
    let time = middle["timestamp"].as_str().unwrap().to_owned();
    let since = records(&format!("since={}&limit=50", part(&time))).await;
    let times: Vec<String> =
        since["records"].as_array().unwrap().iter().map(|it| it["timestamp"].as_str().unwrap().to_owned()).collect();
    assert!(
        offsets(&since)[0] <= 60 && offsets(&since).contains(&60) && times.iter().all(|it| *it >= time),
        "{times:?}"
    );
    assert!(offsets(&records(&format!("since={}", part("2999-01-01T00:00:00Z"))).await).is_empty());
    assert_eq!(offsets(&records("since=1h").await).first(), Some(&0));

    assert_eq!(office.kafka.committed(TOPIC).await, [None, None], "looking is no reading");
    assert_eq!(office.kafka.group().await.1, 0);
    let page = office.page(&format!("/topics/{TOPIC}?at=10")).await;
    assert!(
        page.contains("id=\"record-10\"") && page.contains("id=\"older\"") && page.contains("/events/e10"),
        "{page}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_record_brings_along_comes_out_as_text() {
    let office = Office::with("record-xss", None);
    office.kafka.create(TOPIC, 1).await;
    let headers = [("ce_specversion", "1.0"), ("ce_id", EVIL), ("ce_source", EVIL), ("ce_type", EVIL), (EVIL, EVIL)];
    let value = serde_json::json!({ EVIL: EVIL }).to_string();
    office.kafka.put(TOPIC, 0, Some(EVIL.as_bytes()), Some(value.as_bytes()), &headers).await;
    office.kafka.put(TOPIC, 0, Some(b"\xff\x00"), Some(EVIL.as_bytes()), &[]).await;
    let claim = [
        ("ce_dataref", "2026-03-01/abc"),
        ("ce_specversion", "1.0"),
        ("ce_id", "c"),
        ("ce_source", "s"),
        ("ce_type", TOPIC),
    ];
    office.kafka.put(TOPIC, 0, None, Some(b""), &claim).await;
    office.kafka.put(TOPIC, 0, Some(b"gone"), None, &[]).await;
    let page = office.page(&format!("/topics/{TOPIC}")).await;
    assert!(page.matches("&lt;script&gt;alert").count() >= 4, "{page}");
    assert!(page.contains("in the claim store") && page.contains("tombstone") && page.contains("ff00"), "{page}");
    let record = office.page(&format!("/topics/{}/0/0", office.kafka.name(TOPIC))).await;
    assert!(record.matches("&lt;script&gt;alert").count() >= 7, "{record}");
    assert!(record.contains("is unknown here"), "what it would come to: {record}");
    assert!(office.page(&format!("/topics/{TOPIC}/0/1")).await.contains("not_json"));
    assert!(office.page(&format!("/topics/{TOPIC}/0/2")).await.contains("known with the value only"));
    assert!(office.page(&format!("/topics/{TOPIC}/0/3")).await.contains("a tombstone, which comes to nothing"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_record_says_what_it_comes_to_and_what_is_not_there_is_told() {
    let office = Office::with("plan", None);
    office.kafka.create(TOPIC, 1).await;
    let offset = lose(&office, 7).await;
    let record = office.json(&format!("/api/topics/{TOPIC}/0/{offset}")).await;
    assert_eq!((&record["event_id"], &record["payload"]["parcel"]), (&"e7".into(), &"p7".into()));
    assert_eq!(record["plans"][0]["jobs"][0]["kind"], "search-parcel");
    let page = office.page(&format!("/topics/{TOPIC}/0/{offset}")).await;
    assert!(
        page.contains("1 jobs, 0 cancels") && page.contains("/queues/search") && page.contains("/events/e7"),
        "{page}"
    );
    assert_eq!(office.queues.queue("search").stats().await.unwrap().enqueued(), 0, "a dry run");
    for (path, told) in [
        ("/topics/parcel.found", "millgate topics apply"),
        ("/topics/parcel.found/0/0", "does not exist"),
        ("/topics/%00%3Cscript%3E", "no topic can be named"),
        ("/topics/%00/0/0", "no topic can be named"),
        ("/topics/parcel.lost?partition=9", "there is no partition 9"),
        ("/topics/parcel.lost/0/99", "has no record at offset 99"),
        ("/topics/parcel.lost/x/0", "partition and offset are numbers"),
        ("/groups/crm", "there is no group `crm`; there are: main"),
        ("/api/topics/parcel.found", "there is no topic"),
    ] {
        let (status, said) = office.get(path).await;
        assert!(status == StatusCode::NOT_FOUND && said.contains(told), "{path}: {status} {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn topics_have_their_layout_settings_and_lag() {
    let office = Office::with("topics", None);
    let empty = office.page("/topics").await;
    assert!(empty.contains("These topics are not there") && empty.contains(&office.kafka.name(TOPIC)), "{empty}");
    office.kafka.create(TOPIC, 3).await;
    office.kafka.create("somebody.elses", 1).await;
    for number in 0..5 {
        lose(&office, number).await;
    }
    office.kafka.truncate(TOPIC, 0, 2).await;
    office.kafka.commit(TOPIC, &[(0, 4, "")]).await;
    let list = office.json("/api/topics").await;
    let names: Vec<&str> =
        list["topics"].as_array().unwrap().iter().map(|topic| topic["name"].as_str().unwrap()).collect();
    assert_eq!(names, [office.kafka.name(TOPIC), office.kafka.name("somebody.elses")], "ours first");
    assert_eq!(list["missing"][0], office.kafka.name("dead-letter-queue"));
    let topic = office.json(&format!("/api/topics/{TOPIC}")).await;
    assert_eq!(
        (&topic["role"], &topic["records"], &topic["cleanup_policy"]),
        (&"own".into(), &3.into(), &"delete".into())
    );
    let first = &topic["partitions"][0];
    assert_eq!((&first["begin"], &first["end"], first["in_sync"].as_array().unwrap().len()), (&2.into(), &5.into(), 1));
    assert_eq!((&topic["groups"][0]["group"], &topic["groups"][0]["lag"]), (&"main".into(), &1.into()));
    assert_eq!(topic["retention_ms"], -1, "as it was made");
    let page = office.page("/topics?fresh=yes").await;
    assert!(page.contains("1 behind, for") && page.contains("for ever"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_group_shows_who_is_in_it_and_who_has_what() {
    let office = Office::with("members", None);
    office.kafka.create(TOPIC, 3).await;
    assert!(office.page("/groups/main").await.contains("nobody was ever in it"));
    let consumer = Consumer::start(ConsumerConfig {
        kafka: office.config(),
        topics: vec![TOPIC.into()],
        batch_size: 10,
        buffer_bytes: 100_000,
        commit_interval: Duration::from_millis(100),
        drain_timeout: Duration::from_secs(5),
    })
    .unwrap();
    let group = wait_for("all is given out", PATIENCE, async || {
        let group = office.json("/api/groups/main").await;
        let is_out = |lags: &Vec<Value>| lags.len() == 3 && lags.iter().all(|lag| lag["member"].is_string());
        group["partitions"].as_array().is_some_and(is_out).then_some(group)
    })
    .await;
    let members = group["membership"]["members"].as_array().unwrap();
    assert_eq!((members.len(), &group["membership"]["state"]), (1, &"Stable".into()));
    assert_eq!(
        (&members[0]["client_id"], &members[0]["assignment"][0][0]),
        (&"millgate".into(), &office.kafka.name(TOPIC).into())
    );
    assert_eq!(members[0]["assignment"][0][1], serde_json::json!([0, 1, 2]));
    assert_eq!(group["partitions"][0]["member"], members[0]["id"]);
    // Not the page that was made a moment ago, when nobody was there.
    let page = office.page("/groups/main?fresh=yes").await;
    assert!(page.contains(members[0]["id"].as_str().unwrap()) && page.contains("stable"), "{page}");
    consumer.close().await.unwrap();
    wait_until("it has left", PATIENCE, async || office.page("/groups/main").await.contains("nobody is in it")).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn routes_are_drawn_listed_and_tried_out() {
    let office = Office::with("routes", None);
    let page = office.page("/routes").await;
    assert!(
        page.contains("<svg class=\"graph\"") && page.contains("search-parcel") && page.contains("/queues/search"),
        "{page}"
    );
    assert_eq!(office.json("/api/routes").await[0]["routes"][0]["queue"], "search");
    let try_out = async |event: &str| office.post("/routes/try", Viewer::everything("ann"), &[("event", event)]).await;
    let (status, tried) = try_out(r#"{"type": "parcel.lost", "data": {"parcel": "p1"}}"#).await;
    assert!(
        status == StatusCode::OK && tried.contains("1 jobs, 0 cancels") && tried.contains("&quot;p1&quot;"),
        "{tried}"
    );
    let (_, poison) = try_out(r#"{"type": "parcel.found", "data": {}}"#).await;
    assert!(poison.contains("poison, unknown_type"), "{poison}");
    for (wrong, told) in [("{", "line 1"), (" ", "there is no event in it"), ("[]", "line 1"), (EVIL, "line 1")] {
        let (status, said) = try_out(wrong).await;
        assert!(status == StatusCode::OK && said.contains(told) && !said.contains("<script>alert"), "{wrong}: {said}");
    }
    assert_eq!(office.queues.queue("search").stats().await.unwrap().enqueued(), 0);
}
