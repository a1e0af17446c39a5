//! `millgate replay`, as an operator types it: killed in the midst, and resumed.

use std::collections::BTreeMap;

use millgate_testkit::{Child, Folder, wait_until};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop, order};

const ORDERS: usize = 300;

/// A shop whose bridge has handed off so many orders, and is gone.
async fn handed_off(name: &str, orders: usize) -> Shop {
    let shop = Shop::open(name).await;
    shop.publish(&(0..orders).map(order).collect::<Vec<_>>()).await;
    let bridge = shop.start(&["bridge"]);
    wait_until("all are handed off", PATIENCE, async || enqueued(&shop).await == orders as u64).await;
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success(), "{}", bridge.output());
    shop
}

async fn enqueued(shop: &Shop) -> u64 {
    shop.stats("inventory").await.kinds.get("update-inventory").map_or(0, |kind| kind.enqueued)
}

async fn end(child: &Child) -> (Option<i32>, String) {
    let status = child.wait_exit(PATIENCE).await;
    (status.code(), child.output())
}

async fn replays(shop: &Shop) -> Vec<Value> {
    let said = shop.run(&["replay", "list", "--json"]).await;
    serde_json::from_str::<Value>(&said).unwrap().as_array().unwrap().clone()
}

/// The replay that there is, once it has got on a little.
async fn under_way(shop: &Shop) -> String {
    let mut id = String::new();
    wait_until("it is under way", PATIENCE, async || {
        let replays = replays(shop).await;
        let Some(replay) = replays.first() else { return false };
        replay["id"].as_str().unwrap().clone_into(&mut id);
        replay["offsets_done"].as_u64().unwrap() > 20
    })
    .await;
    id
}

/// Begins a replay, kills it in the midst, and resumes it; gives its id and what it said at last.
async fn killed_and_resumed(shop: &Shop, arguments: &[&str]) -> (String, String) {
    let slow = ["replay", "--rate", "100/s", "--yes", "--by", "ada", "--why", "a test"];
    let first = shop.start(&[&slow, arguments].concat());
    let id = under_way(shop).await;
    first.kill9();
    wait_until("it is known to be cut off", PATIENCE, async || replays(shop).await[0]["status"] == "cut-off").await;
    let said = shop.run(&["replay", "resume", &id]).await;
    assert!(said.contains(&format!("replay {id} is done")), "{said}");
    (id, said)
}

/// How many jobs there are of each event.
async fn jobs_by_event(shop: &Shop, kind: &str) -> BTreeMap<String, usize> {
    let queue = shop.queues.queue("inventory");
    let ids = queue.all(millgate_jobs::JobState::Waiting, Some(kind)).await.unwrap();
    let mut counts = BTreeMap::new();
    for job in queue.look(&ids).await.unwrap() {
        *counts.entry(job.origin.unwrap().event_id).or_default() += 1;
    }
    counts
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_the_way_into_routes_it_goes_on_and_makes_no_job_twice() {
    let shop = handed_off("replay-routes", ORDERS).await;
    // A live bridge, that knows nothing of it.
    let bridge = shop.start(&["bridge"]);
    let choice = ["--into", "routes", "--type", "order.created", "--job", "update-inventory"];
    let dry = shop.run(&[&["replay", "--dry-run", "--json", "--again"], &choice[..]].concat()).await;
    let dry: Value = serde_json::from_str(&dry).unwrap();
    let (id, _) = killed_and_resumed(&shop, &[&choice[..], &["--again"]].concat()).await;
    shop.publish(&(ORDERS..ORDERS + 10).map(order).collect::<Vec<_>>()).await;
    wait_until("the new ones are handed off", PATIENCE, async || enqueued(&shop).await == 2 * ORDERS as u64 + 10).await;
    let counts = jobs_by_event(&shop, "update-inventory").await;
    assert_eq!(counts.len(), ORDERS + 10);
    for n in 0..ORDERS + 10 {
        assert_eq!(counts[&format!("event-{n}")], if n < ORDERS { 2 } else { 1 }, "event-{n}");
    }
    let shown: Value = serde_json::from_str(&shop.run(&["replay", "show", &id, "--json"]).await).unwrap();
    for part in ["selected", "topics", "figures"] {
        assert_eq!(shown["tally"][part], dry["tally"][part], "a dry run counts what is then done");
    }
    assert_eq!(
        (&shown["status"], &shown["asked_by"], &shown["why"]),
        (&"done".into(), &"ada".into(), &"a test".into())
    );
    assert_eq!(shown["tally"]["figures"]["jobs of update-inventory"], ORDERS);
    let audit = shop.run(&["audit"]).await;
    assert!(audit.contains(&format!("replay {id} is done")), "{audit}");
    // It is done, and not done again.
    let (code, said) = end(&shop.start(&["replay", "resume", &id])).await;
    assert!(code == Some(1) && said.contains("start another one"), "{said}");
    // Unless it is asked for, nothing is made that is there, or may have run today.
    let said = shop.run(&["replay", "--yes", "--into", "routes", "--job", "update-inventory"]).await;
    assert!(said.contains(&format!("{} jobs left out", ORDERS + 10)) || said.contains("left to the live"), "{said}");
    assert_eq!(enqueued(&shop).await, 2 * ORDERS as u64 + 10);
    assert!(bridge.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_the_way_into_a_file_it_goes_on_and_publish_reads_it() {
    let (shop, folder) = (Shop::open("replay-file").await, Folder::new("replay"));
    shop.publish(&(0..ORDERS).map(order).collect::<Vec<_>>()).await;
    let file = folder.path().join("orders.jsonl");
    let into = format!("file:{}", file.display());
    killed_and_resumed(&shop, &["--topic", "order.created", "--into", &into]).await;
    let text = std::fs::read_to_string(&file).unwrap();
    let mut ids: Vec<String> = text
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned())
        .collect();
    ids.sort();
    let mut wanted: Vec<String> = (0..ORDERS).map(|n| format!("event-{n}")).collect();
    wanted.sort();
    assert_eq!(ids, wanted);
    let before = shop.kafka.records("order.created", ORDERS).await;
    shop.run(&["publish", file.to_str().unwrap()]).await;
    let after = shop.kafka.records("order.created", 2 * ORDERS).await;
    let of = |records: &[millgate_events::Record]| {
        let mut all: Vec<_> =
            records.iter().map(|record| (record.key.clone(), record.value.clone(), headers(record))).collect();
        all.sort();
        all
    };
    let mut twice = [before.clone(), before].concat();
    twice.sort_by_key(|record| record.offset);
    assert_eq!(of(&after), of(&twice), "with keys, values, and all headers");
    let (code, said) = end(&shop.start(&["replay", "--yes", "--topic", "order.created", "--into", &into])).await;
    assert!(code == Some(1) && said.contains("is there already"), "{said}");
}

fn headers(record: &millgate_events::Record) -> BTreeMap<String, Vec<u8>> {
    let pairs = record.headers.iter().filter_map(|(name, value)| Some((name.to_owned(), value?.to_vec())));
    pairs.filter(|(name, _)| name != "traceparent").collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn killed_on_the_way_onto_a_topic_it_goes_on_and_each_is_there_once() {
    let shop = Shop::open("replay-topic").await;
    shop.publish(&(0..ORDERS).map(order).collect::<Vec<_>>()).await;
    shop.kafka.create("orders.copy", 2).await;
    let choice = ["--topic", "order.created", "--into"];
    let onto_itself = [&["replay", "--dry-run"], &choice[..], &["topic:order.created"]].concat();
    let (code, said) = end(&shop.start(&onto_itself)).await;
    assert!(code == Some(1) && said.contains("onto itself"), "{said}");
    let (code, said) =
        end(&shop.start(&[&["replay", "--dry-run"], &choice[..], &["topic:order.canceled"]].concat())).await;
    assert!(code == Some(1) && said.contains("group main reads topic order.canceled"), "{said}");
    let (id, _) = killed_and_resumed(&shop, &[&choice[..], &["topic:orders.copy"]].concat()).await;
    // Offsets have gaps where transactions end, so they are looked at by the command.
    let file = Folder::new("replay-copy");
    let path = file.path().join("copy.jsonl");
    let into = format!("file:{}", path.display());
    shop.run(&["replay", "--yes", "--topic", "orders.copy", "--into", &into]).await;
    let text = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut ids: Vec<&str> = lines.iter().map(|line| line["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!((ids.len(), lines.len()), (ORDERS, ORDERS));
    let own = serde_json::json!(["x-replay-id", id]);
    assert!(lines.iter().all(|line| line["record"]["headers"].as_array().unwrap().contains(&own)), "{}", lines[0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_first_said_what_would_be_done_and_stopped_from_elsewhere() {
    let shop = handed_off("replay-stop", 120).await;
    let choice = ["--topic", "order.created", "--again", "--into", "routes", "--rate", "20/s"];
    let (code, said) = end(&shop.start(&[&["replay"], &choice[..]].concat())).await;
    assert_eq!(code, Some(2), "{said}");
    for part in ["120 records selected", "120 jobs of update-inventory", "nothing was done yet", "--yes"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!((enqueued(&shop).await, replays(&shop).await.len()), (120, 0));
    let running = shop.start(&[&["replay", "--yes", "--json"], &choice[..]].concat());
    let id = under_way(&shop).await;
    let (code, said) = end(&shop.start(&["replay", "resume", &id])).await;
    assert!(code == Some(1) && said.contains("runs already"), "{said}");
    let said = shop.run(&["replay", "stop", &id]).await;
    assert!(said.contains("told to stop"), "{said}");
    let (code, said) = end(&running).await;
    assert_eq!(code, Some(1), "{said}");
    let lines: Vec<Value> = said.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
    assert!(lines.iter().any(|line| line["offsets"] == 120 && line.get("eta_seconds").is_some()), "{said}");
    assert_eq!(lines.last().unwrap()["status"], "stopped", "{said}");
    let shown = shop.run(&["replay", "show", &id]).await;
    assert!(shown.contains("stopped") && shown.contains(&format!("millgate replay resume {id}")), "{shown}");
    shop.run(&["replay", "resume", &id]).await;
    assert_eq!(enqueued(&shop).await, 240);
    for (wrong, reason) in [
        (vec!["--into", "routes:cmr"], "there is no group `cmr`; there are: main, crm"),
        (vec!["--into", "routes", "--job", "nothing"], "no route of group main makes jobs of kind nothing"),
        (vec!["--into", "routes", "--topic", "nothing"], "has no routes for topic nothing"),
        (vec!["--into", "topic:x", "--job", "a"], "--job is about jobs"),
        (vec!["--into", "routes", "--from", "1h", "--until", "2h"], "nothing lies between"),
        (vec!["--into", "elsewhere"], "it is routes, routes:GROUP, topic:NAME, projection:NAME or file:PATH"),
    ] {
        let (code, said) = end(&shop.start(&[&["replay", "--dry-run"], wrong.as_slice()].concat())).await;
        assert!(code != Some(0) && said.contains(reason), "{wrong:?}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_group_begins_where_it_is_told() {
    let shop = Shop::open("backfill").await;
    let user = |n: usize| {
        let data = format!(r#"{{"user_id":"u{n}","email":"u{n}@mail.example","name":"U"}}"#);
        format!(r#"{{"type":"user.registered","data":{data}}}"#)
    };
    shop.publish(&(0..10).map(user).collect::<Vec<_>>()).await;
    let latest = shop.run(&["replay", "backfill", "--group", "crm", "--from", "0s"]).await;
    assert!(latest.contains("begins 0 events behind"), "{latest}");
    // It has offsets now: others are not taken for granted.
    let (code, said) = end(&shop.start(&["replay", "backfill", "--group", "crm", "--from", "1h"])).await;
    assert!(code == Some(1) && said.contains("group crm has run") && said.contains("--force"), "{said}");
    let said = shop.run(&["replay", "backfill", "--group", "crm", "--from", "1h", "--force", "--dry-run"]).await;
    assert!(said.contains("would begin 10 events behind"), "{said}");
    shop.run(&["replay", "backfill", "--group", "crm", "--from", "beginning", "--force"]).await;
    let bridge = shop.start(&["bridge", "--group", "crm"]);
    let kind = "upsert-contact";
    let done = async |count| {
        wait_until("they are handed off", PATIENCE, async || {
            shop.stats("crm").await.kinds.get(kind).map_or(0, |kind| kind.enqueued) == count
        })
        .await;
    };
    done(10).await;
    let (code, said) = end(&shop.start(&["replay", "backfill", "--group", "crm", "--from", "1h", "--force"])).await;
    assert!(code == Some(1) && said.contains("has 1 members"), "{said}");
    bridge.sigterm();
    assert!(bridge.wait_exit(PATIENCE).await.success());
    // What was handed off is handed off again, watermarks or not.
    shop.run(&["replay", "backfill", "--group", "crm", "--from", "1h", "--force"]).await;
    let _bridge = shop.start(&["bridge", "--group", "crm"]);
    done(20).await;
}
