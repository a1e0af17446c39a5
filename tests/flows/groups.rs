//! Two groups that read the same events, and know nothing of each other.

use millgate_testkit::{Child, wait_until};
use serde_json::Value;

use crate::shop::{PATIENCE, Shop};

const KIND: &str = "upsert-contact";

fn user(number: usize) -> String {
    format!(
        r#"{{"type":"user.registered","data":{{"user_id":"u{number}","email":"u{number}@mail.example","name":"U"}}}}"#
    )
}

async fn enqueued(shop: &Shop, queue: &str, kind: &str) -> u64 {
    shop.stats(queue).await.kinds.get(kind).map_or(0, |kind| kind.enqueued)
}

async fn contacts(shop: &Shop) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM crm_contacts").fetch_one(shop.database.pool()).await.unwrap()
}

async fn end(child: Child) {
    child.sigterm();
    assert!(child.wait_exit(PATIENCE).await.success(), "{}", child.output());
}

/// The sum of what a group is behind.
async fn lag(shop: &Shop, group: &str) -> i64 {
    let said = shop.run(&["groups", "--json", "--topic", "user.registered", "--group", group]).await;
    let lags: Value = serde_json::from_str(&said).unwrap();
    lags.as_array().unwrap().iter().map(|lag| lag["lag"].as_i64().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_group_gets_every_event_at_its_own_pace() {
    let shop = Shop::open("groups").await;
    let _worker = shop.start(&["worker"]);
    let main = shop.start(&["bridge", "--group", "main"]);
    shop.publish(&(0..10).map(user).collect::<Vec<_>>()).await;
    shop.wait_done("email", "welcome-email", 10).await;
    assert_eq!(contacts(&shop).await, 0, "nobody has run the other group");
    end(main).await;
    assert_eq!((lag(&shop, "main").await, lag(&shop, "crm").await), (0, 10));

    // The other one begins where it is, and not where the first one is.
    let crm = shop.start(&["bridge", "--group", "crm"]);
    shop.wait_done("crm", KIND, 10).await;
    assert_eq!(contacts(&shop).await, 10);
    end(crm).await;
    assert_eq!((enqueued(&shop, "email", "welcome-email").await, lag(&shop, "crm").await), (10, 0));

    // Read again, it makes its own jobs again, and no others.
    let said = shop.run(&["watermarks", "rewind", "--group", "crm"]).await;
    assert!(said.contains("queue crm is rewound to offset -1") && !said.contains("queue email"), "{said}");
    let both = shop.start(&["bridge"]);
    shop.wait_done("crm", KIND, 20).await;
    shop.publish(&[user(10)]).await;
    shop.wait_done("crm", KIND, 21).await;
    shop.wait_done("email", "welcome-email", 11).await;
    let shown: Value = serde_json::from_str(&shop.run(&["groups", "show", "crm", "--json"]).await).unwrap();
    let members = shown["membership"]["members"].as_array().unwrap();
    assert_eq!((members.len(), &shown["name"], &shown["membership"]["state"]), (1, &"crm".into(), &"Stable".into()));
    let marks = shown["watermarks"].as_array().unwrap();
    assert!(
        !marks.is_empty() && marks.iter().all(|mark| mark["queue"] == "crm" && mark["finding"] == "well"),
        "{shown}"
    );
    let said = shop.run(&["groups", "--members", "--group", "crm"]).await;
    assert!(said.contains(&format!("member {}", members[0]["id"].as_str().unwrap())), "{said}");
    let topic = shop.run(&["topics", "show", "user.registered"]).await;
    assert!(topic.contains("cleanup.policy=delete") && topic.contains("group      crm"), "{topic}");
    let (missing, wrong) = (shop.start(&["topics", "show", "user.lost"]), shop.start(&["groups", "show", "cmr"]));
    assert_eq!(missing.wait_exit(PATIENCE).await.code(), Some(1));
    assert!(missing.output().contains("there is no topic") && missing.output().contains("topics apply"));
    assert_eq!(wrong.wait_exit(PATIENCE).await.code(), Some(2));
    end(both).await;
    assert_eq!((enqueued(&shop, "email", "welcome-email").await, contacts(&shop).await), (11, 11));

    let list = shop.run(&["watermarks", "list"]).await;
    let parts: Vec<&str> = list.split("group ").collect();
    assert_eq!(parts.len(), 3, "{list}");
    assert!(parts[1].contains("(main)\n") && !parts[1].contains("\ncrm "), "{list}");
    assert!(parts[2].contains(".crm (crm)\n") && !parts[2].contains("\nemail "), "{list}");
    let unknown = shop.start(&["bridge", "--group", "cmr"]);
    assert_eq!(unknown.wait_exit(PATIENCE).await.code(), Some(2));
    assert!(unknown.output().contains("there is no group `cmr`; there are: main, crm"), "{}", unknown.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_newest_event_says_stays() {
    let shop = Shop::open("contacts").await;
    let _worker = shop.start(&["worker"]);
    let _bridge = shop.start(&["bridge", "--group", "crm"]);
    let at = |hour: u32, name: &str| {
        let data = format!(r#"{{"user_id":"u1","email":"{name}@mail.example","name":"{name}"}}"#);
        let event = r#"{"type":"user.registered","time":"2026-03-01T0"#;
        format!(r#"{event}{hour}:00:00Z","data":{data}}}"#)
    };
    for (done, (hour, name)) in [(2, "Second"), (1, "First"), (3, "Third"), (2, "Second")].into_iter().enumerate() {
        shop.publish(&[at(hour, name)]).await;
        shop.wait_done("crm", KIND, done as u64 + 1).await;
    }
    let name: String =
        sqlx::query_scalar("SELECT name FROM crm_contacts").fetch_one(shop.database.pool()).await.unwrap();
    assert_eq!(name, "Third");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_poison_for_both_is_redriven_to_each() {
    let shop = Shop::open("poison-twice").await;
    let _worker = shop.start(&["worker"]);
    let bridge = shop.start(&["bridge"]);
    shop.kafka.put("user.registered", 0, None, Some(br#"{"user_id":"u1","email":"u1@mail.example"}"#), &[]).await;
    let letters = async || {
        let said = shop.run(&["dlq", "list", "--json"]).await;
        serde_json::from_str::<Value>(&said).unwrap().as_array().unwrap().clone()
    };
    wait_until("both have buried it", PATIENCE, async || letters().await.len() == 2).await;
    for letter in letters().await {
        shop.run(&["dlq", "edit", letter["id"].as_str().unwrap(), "--set", "name=U", "--by", "ada", "--why", "-"])
            .await;
    }
    shop.run(&["dlq", "redrive", "--type", "user.registered", "--by", "ada", "--why", "corrected", "--yes"]).await;
    shop.wait_done("crm", KIND, 1).await;
    shop.wait_done("email", "welcome-email", 1).await;
    assert_eq!((enqueued(&shop, "crm", KIND).await, enqueued(&shop, "email", "welcome-email").await), (1, 1));
    assert!(bridge.is_running());
}
