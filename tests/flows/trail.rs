//! An event's whole life, as `millgate trace` tells it.

use std::fmt::Write;

use millgate_testkit::{Child, Folder, Proxy, wait_for, wait_until};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop, notification, order};

/// Refused three times by the mail server, and dead after that.
const STUBBORN: &str = r#"
[[routes]]
on = "order.created"
when = ["$.total_cents == 1990"]
job = "notification-email"
fields = { to = "later3-{$.order_id}@mail.example", subject = "Order", body = "It is here." }
max_attempts = 3
"#;

/// `millgate trace`: its exit code and what it said.
async fn trace(shop: &Shop, arguments: &[&str]) -> (i32, String) {
    let child = shop.start(&[&["trace"], arguments].concat());
    let status = child.wait_exit(PATIENCE).await;
    (status.code().unwrap(), child.output())
}

async fn life(shop: &Shop, arguments: &[&str]) -> Value {
    let (code, said) = trace(shop, &[arguments, &["--json"]].concat()).await;
    assert_eq!(code, 0, "{arguments:?}: {said}");
    serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
}

/// What happened, in order, as far as it is of this sort and says this.
fn moments<'a>(life: &'a Value, what: &str, says: &str) -> Vec<(usize, &'a str)> {
    let timeline = life["timeline"].as_array().unwrap().iter().enumerate();
    let wanted = timeline.filter(|(_, moment)| moment["what"] == what);
    wanted.map(|(at, moment)| (at, moment["text"].as_str().unwrap())).filter(|(_, text)| text.contains(says)).collect()
}

async fn count(shop: &Shop, query: &'static str) -> i64 {
    sqlx::query_scalar(query).fetch_one(shop.database.pool()).await.unwrap()
}

async fn wait_rows(shop: &Shop, what: &str, query: &'static str, least: i64) {
    wait_until(what, PATIENCE, async || count(shop, query).await >= least).await;
}

async fn end(roles: Vec<Child>) {
    for role in roles {
        role.sigterm();
        assert!(role.wait_exit(PATIENCE).await.success(), "{}", role.output());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_whole_life_is_found_by_each_of_its_ids() {
    let mut shop = Shop::open("trail").await;
    let folder = Folder::new("trail");
    let file = folder.path().join("millgate.toml");
    std::fs::write(&file, STUBBORN).unwrap();
    shop.set("MILLGATE_CONFIG", file.to_str().unwrap());
    let roles = vec![shop.start(&["bridge"]), shop.start(&["worker"]), shop.start(&["relay"])];
    let line = order(1).replacen('{', r#"{"correlation_id":"request-1","#, 1);
    // The other is published twice, and comes to its jobs once.
    let other = order(2).replace("1990", "100");
    shop.publish(&[line, other.clone(), other]).await;
    let dead = "SELECT count(*) FROM dead_letters WHERE event_id = 'event-1' AND status = 'dead'";
    wait_rows(&shop, "the mail is dead", dead, 1).await;
    let id: String = sqlx::query_scalar("SELECT id::text FROM dead_letters WHERE event_id = 'event-1'")
        .fetch_one(shop.database.pool())
        .await
        .unwrap();
    shop.run(&["dlq", "redrive", &id, "--by", "ada", "--why", "the mailbox is there now"]).await;
    shop.wait_done("email", "notification-email", 1).await;
    shop.wait_done("email", "reminder-email", 2).await;
    let stock = "SELECT count(*) FROM trail_runs WHERE kind = 'show-stock' AND verdict = 'done'";
    wait_rows(&shop, "stock is shown", stock, 2).await;
    // At its end a role writes all that it has.
    end(roles).await;

    let first = life(&shop, &["event-1", "--event"]).await;
    let events = first["events"].as_array().unwrap();
    let event = &events[0];
    assert_eq!((&event["id"], &event["correlation_id"]), (&"event-1".into(), &"request-1".into()));
    assert_eq!(event["record"]["payload"]["order_id"], "order-1", "{event:#}");
    let changed: Vec<_> = events.iter().filter(|event| event["causation_id"] == "event-1").collect();
    assert!(!changed.is_empty(), "what it led to: {events:#?}");
    assert_eq!(event["led_to"].as_array().unwrap().len(), changed.len());
    let route = |kind: &str| event["routes"].as_array().unwrap().iter().find(|route| route["kind"] == kind).unwrap();
    assert_eq!(route("send-confirmation-email")["place"], Value::Null, "in the code");
    assert!(route("notification-email")["place"].as_str().unwrap().ends_with("millgate.toml:2"), "{event:#}");

    let published = moments(&first, "published", "order.created order-1 published by");
    let handed_off = moments(&first, "handed-off", "notification-email into email");
    let failed = moments(&first, "attempt", "notification-email attempt");
    let letter = moments(&first, "letter", &id);
    let redriven = moments(&first, "action", "by ada: the mailbox is there now");
    let texts: Vec<&str> = failed.iter().map(|(_, text)| *text).collect();
    assert_eq!(failed.len(), 4, "{texts:#?}");
    for (text, says) in
        texts.iter().zip(["attempt 1 failed", "attempt 2 failed", "attempt 3 failed for good", "attempt 1 done"])
    {
        assert!(text.contains(says), "{says}: {text}");
    }
    assert!(texts[0].contains("smtp_450") && texts[0].contains(" after "), "{}", texts[0]);
    let order = [
        published[0].0,
        handed_off[0].0,
        failed[0].0,
        failed[1].0,
        failed[2].0,
        letter[0].0,
        redriven[0].0,
        failed[3].0,
    ];
    assert!(order.is_sorted(), "{order:?}: {:#}", first["timeline"]);
    assert_eq!(moments(&first, "attempt", "send-confirmation-email attempt 1 done").len(), 1);
    let job = first["jobs"].as_array().unwrap().iter().find(|job| job["kind"] == "notification-email").unwrap();
    assert_eq!(job["state"], "done");
    assert!(job["attempts"][3]["log"][0][1].as_str().unwrap().contains("Message-ID"), "{job:#}");
    let others = events.iter().filter(|event| event["key"] == "order-2" || event["id"] == "event-2");
    assert_eq!(others.count(), 0, "another order's story is another");

    let twice = life(&shop, &["order-2"]).await;
    for says in ["send-confirmation-email into email", "send-confirmation-email not again into email"] {
        assert_eq!(moments(&twice, "handed-off", says).len(), 1, "{says}: {:#}", twice["timeline"]);
    }

    let trace_id = event["trace_id"].as_str().unwrap();
    let job_id = job["id"].as_str().unwrap();
    let ways: [&[&str]; 7] = [
        &["event-1"],
        &["request-1"],
        &["order-1"],
        &[trace_id],
        &["request-1", "--correlation"],
        &["order-1", "--key"],
        &[job_id, "--job"],
    ];
    for way in ways {
        assert_eq!(life(&shop, way).await["timeline"], first["timeline"], "{way:?}");
    }
    let (code, said) = trace(&shop, &[trace_id, "--trace"]).await;
    assert_eq!(code, 0, "{said}");
    for part in [
        "notification-email attempt 2 failed",
        "  x ",
        "by ada: the mailbox",
        "route    reminder-email into email, by the code (group main)",
        "+0s",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!said.contains('\u{1b}'), "no colour where nobody sees it");

    let (code, said) = trace(&shop, &["order-9"]).await;
    assert_eq!((code, said.contains("nothing is known of id order-9; searched: the trail")), (1, true), "{said}");
    assert_eq!(trace(&shop, &["event-1", "--key"]).await.0, 1, "it is no key");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_was_cut_off_is_told() {
    let shop = Shop::open("trail-killed").await;
    let roles = vec![shop.start(&["bridge"])];
    let worker = shop.start(&["worker"]);
    // The mail server never answers.
    shop.publish(&[notification("hang@mail.example")]).await;
    let begun = "SELECT count(*) FROM trail_runs WHERE kind = 'notification-email' AND attempt = 1 AND verdict IS NULL";
    wait_rows(&shop, "the run is noted while it runs", begun, 1).await;
    let id: String =
        sqlx::query_scalar("SELECT event_id FROM trail_runs LIMIT 1").fetch_one(shop.database.pool()).await.unwrap();
    let runs = life(&shop, &[&id]).await;
    assert_eq!(runs["jobs"][0]["attempts"][0]["outcome"], "running", "{runs:#}");
    let pid = worker.pid();
    worker.kill9();
    let other = shop.start(&["worker"]);
    let again = "SELECT count(*) FROM trail_runs WHERE kind = 'notification-email' AND attempt = 2";
    wait_rows(&shop, "another worker has it", again, 1).await;
    let killed = life(&shop, &[&id]).await;
    let attempts = moments(&killed, "attempt", "notification-email");
    let texts: String = attempts.iter().fold(String::new(), |mut all, (_, text)| {
        writeln!(all, "{text}").unwrap();
        all
    });
    assert!(texts.contains("attempt 1 was cut off on") && texts.contains(&format!("/{pid}: the worker")), "{texts}");
    assert!(texts.contains("attempt 2 runs on"), "{texts}");
    other.kill9();
    drop(roles);
}

#[tokio::test(flavor = "multi_thread")]
async fn notes_that_find_no_room_are_told() {
    let mut shop = Shop::open("trail-full").await;
    shop.set("MILLGATE_TRAIL_BUFFER", "5");
    let roles = vec![shop.start(&["bridge"]), shop.start(&["worker"])];
    let orders: Vec<String> = (0..200).map(order).collect();
    shop.publish(&orders).await;
    shop.wait_done("email", "send-confirmation-email", 200).await;
    wait_rows(&shop, "a gap is told", "SELECT count(*) FROM trail_gaps WHERE notes > 50", 1).await;
    end(roles).await;
    let noted: String = sqlx::query_scalar("SELECT event_id FROM trail_events ORDER BY handed_off_at LIMIT 1")
        .fetch_one(shop.database.pool())
        .await
        .unwrap();
    let (code, said) = trace(&shop, &[&noted]).await;
    assert_eq!((code, said.contains(" notes of ") && said.contains(" are missing between ")), (0, true), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_holds_nothing_up() {
    let mut shop = Shop::open("trail-away").await;
    let proxy = Proxy::to(&shop.database.address());
    shop.set("MILLGATE_POSTGRES_URL", shop.database.url_at(&proxy.address()));
    shop.set("MILLGATE_POSTGRES_CONNECT_TIMEOUT", "3s");
    shop.set("MILLGATE_TRAIL_BUFFER", "10");
    proxy.cut();
    let bridge = shop.start(&["bridge"]);
    let worker = shop.start(&["worker", "--queues", "email"]);
    shop.publish(&(0..40).map(order).collect::<Vec<_>>()).await;
    // Each event is handed off, and its mail sent.
    shop.wait_done("email", "send-confirmation-email", 40).await;
    bridge.wait_for_line("the trail cannot be written; all else goes on", PATIENCE).await;
    assert_eq!(count(&shop, "SELECT count(*) FROM trail_events").await, 0);
    proxy.restore();
    let lost = "SELECT COALESCE(sum(notes), 0)::bigint FROM trail_gaps";
    wait_rows(&shop, "what is missing is told", lost, 30).await;
    wait_rows(&shop, "what found room is written", "SELECT count(*) FROM trail_events", 10).await;
    end(vec![bridge, worker]).await;
    let noted: String =
        sqlx::query_scalar("SELECT event_id FROM trail_events LIMIT 1").fetch_one(shop.database.pool()).await.unwrap();
    let life = life(&shop, &[&noted]).await;
    assert!(!moments(&life, "gap", "are missing between").is_empty(), "{life:#}");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_trail_an_event_is_found_on_kafka_by_the_time_in_its_id() {
    let mut shop = Shop::open("trail-off").await;
    shop.set("MILLGATE_TRAIL_KEEP", "0s");
    let roles = vec![shop.start(&["bridge"]), shop.start(&["worker"])];
    // Its id is made when it is published, with the time in it.
    shop.publish(&[notification("ada@mail.example"), order(7)]).await;
    shop.wait_done("email", "notification-email", 1).await;
    end(roles).await;
    assert_eq!(count(&shop, "SELECT count(*) FROM trail_runs").await, 0, "nothing is noted");
    let records = shop.kafka.records("notification.email", 1).await;
    let id = records[0].headers.text("ce_id").unwrap();
    let found = life(&shop, &[id]).await;
    let event = &found["events"][0];
    assert_eq!((&event["id"], &event["record"]["payload"]["to"]), (&id.into(), &"ada@mail.example".into()));
    assert_eq!(found["jobs"][0]["kind"], "notification-email", "what routes make of it: {found:#}");
    assert!(found["searched"].to_string().contains("Kafka from "), "{}", found["searched"]);

    let (code, said) = trace(&shop, &["event-7"]).await;
    assert_eq!((code, said.contains("--since 1h")), (1, true), "its id has no time: {said}");
    let found = life(&shop, &["order-7", "--since", "1h"]).await;
    assert_eq!(found["events"][0]["id"], "event-7");

    let listed = shop.run(&["events", "list", "--topic", "order.created", "--key", "order-7"]).await;
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let place = listed.split_whitespace().next().unwrap();
    for place in [place, place.strip_prefix(&shop.kafka.name("")).unwrap()] {
        let shown = shop.run(&["events", "show", place]).await;
        assert!(shown.contains("ce_type: order.created") && shown.contains(r#""order_id": "order-7""#), "{shown}");
    }
    let none = shop.run(&["events", "list", "--topic", "order.created", "--type", "order.canceled"]).await;
    assert!(none.contains("no such records in order.created, of 1 that were looked at"), "{none}");
    let gone = shop.start(&["events", "show", "order.created/0/999"]);
    assert_eq!(gone.wait_exit(PATIENCE).await.code(), Some(1));
    assert!(gone.output().contains("there is no record 999 in "), "{}", gone.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn old_notes_go_by_themselves() {
    let mut shop = Shop::open("trail-old").await;
    shop.set("MILLGATE_TRAIL_KEEP", "1h");
    let fill = "INSERT INTO trail_runs (began_at, queue, kind, job_id, job_key, attempt, worker) \
        SELECT now() - n * INTERVAL '1 second', 'email', 'mail', 'job', 'key', 1, 'host/1' FROM generate_series(1, 9000) AS n";
    sqlx::raw_sql(fill).execute(shop.database.pool()).await.unwrap();
    let _worker = shop.start(&["worker"]);
    let old = "SELECT count(*) FROM trail_runs WHERE began_at < now() - INTERVAL '65 minutes'";
    let last = wait_for("they are gone", PATIENCE, async || {
        (count(&shop, old).await == 0).then_some(count(&shop, "SELECT count(*) FROM trail_runs").await)
    });
    let left = last.await;
    assert!((3_000..=4_000).contains(&left), "what is newer stays: {left}");
}
