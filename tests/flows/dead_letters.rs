//! How the dead come to their topic and into their table.

use millgate_events::Record;
use millgate_testkit::{Proxy, wait_for, wait_until};
use sqlx::Row;

use crate::shop::{PATIENCE, Shop, notification, order};

async fn letters(shop: &Shop) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM dead_letters").fetch_one(shop.database.pool()).await.unwrap()
}

fn ids(records: &[Record]) -> Vec<&str> {
    records.iter().map(|record| record.headers.text("x-dlq-id").unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poison_event_and_a_dead_job_are_on_their_topics_and_in_the_table() {
    let mut shop = Shop::open("both-kinds").await;
    shop.set("MILLGATE_BRIDGE_DEAD_LETTER_TOPICS", "order=orders-dlq");
    shop.apply_topics().await;
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let headers = [
        ("ce_type", "order.created"),
        ("ce_id", "e-1"),
        ("ce_source", "/web"),
        ("ce_dataversion", "2"),
        ("traceparent", trace),
        ("saga-id", "s-1"),
    ];
    let offset = shop.kafka.put("order.created", 1, Some(b"k"), Some(b"{\xff\0"), &headers).await;
    shop.publish(&[notification("refused@mail.example")]).await;
    let poison = shop.kafka.records("orders-dlq", 1).await;
    let dead = shop.kafka.records("dead-letter-queue", 1).await;
    assert_eq!((poison.len(), dead.len()), (1, 1));
    wait_until("both are in the table", PATIENCE, async || letters(&shop).await == 2).await;
    let row = |kind: &'static str| {
        let select = "SELECT id::text AS letter, * FROM dead_letters WHERE kind = $1";
        sqlx::query(select).bind(kind).fetch_one(shop.database.pool())
    };

    let event = row("event").await.unwrap();
    assert_eq!(ids(&poison), [event.get::<&str, _>("letter")]);
    assert_eq!(event.get::<Vec<u8>, _>("payload"), b"{\xff\0");
    assert_eq!(event.get::<Vec<u8>, _>("key"), b"k");
    for (column, value) in [
        ("topic", shop.kafka.name("order.created")),
        ("event_type", "order.created".into()),
        ("event_id", "e-1".into()),
        ("saga_id", "s-1".into()),
        ("trace_id", "4bf92f3577b34da6a3ce929d0e0e4736".into()),
        ("code", "not_json".into()),
        ("fingerprint", poison[0].headers.text("x-dlq-fingerprint").unwrap().into()),
    ] {
        assert_eq!(event.get::<String, _>(column), value, "{column}");
    }
    assert_eq!((event.get::<i32, _>("record_partition"), event.get::<i64, _>("record_offset")), (1, offset));

    let job = row("job").await.unwrap();
    assert_eq!(ids(&dead), [job.get::<&str, _>("letter")]);
    for (column, value) in [
        ("queue", "email"),
        ("job_kind", "notification-email"),
        ("job_id", dead[0].headers.text("x-dlq-job-id").unwrap()),
        ("event_type", "notification.email"),
        ("code", "smtp_550"),
    ] {
        assert_eq!(job.get::<String, _>(column), value, "{column}");
    }
    let failures: serde_json::Value = job.get("failures");
    assert_eq!((&failures[0]["code"], &failures[0]["attempt"]), (&"smtp_550".into(), &1.into()));
    let on_topic: serde_json::Value = serde_json::from_str(dead[0].headers.text("x-dlq-attempts").unwrap()).unwrap();
    assert_eq!(on_topic, failures);
    shop.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_the_dead_wait_and_the_rest_goes_on() {
    let mut shop = Shop::open("letters-wait").await;
    let proxy = Proxy::to(&shop.database.address());
    shop.set("MILLGATE_POSTGRES_URL", shop.database.url_at(&proxy.address()));
    shop.set("MILLGATE_POSTGRES_CONNECT_TIMEOUT", "3s");
    proxy.cut();
    // The other group would bury the broken one, too.
    let bridge = shop.start(&["bridge", "--group", "main"]);
    let worker = shop.start(&["worker"]);
    shop.kafka.put("user.registered", 0, None, Some(b"{broken"), &[]).await;
    let welcome = |n: usize| format!(r#"{{"user_id":"u{n}","email":"u{n}@mail.example","name":"U"}}"#);
    shop.kafka.put("user.registered", 0, None, Some(welcome(0).as_bytes()), &[]).await;
    // A mail that one has to get does not wait for the database to say who is suppressed.
    let refused = welcome(9).replace("u9@", "refused@");
    shop.kafka.put("user.registered", 2, None, Some(refused.as_bytes()), &[]).await;
    bridge.wait_for_line("the table of dead letters cannot be used", PATIENCE).await;
    worker.wait_for_line("it stays in Redis", PATIENCE).await;

    shop.kafka.put("user.registered", 1, None, Some(welcome(1).as_bytes()), &[]).await;
    shop.wait_done("email", "welcome-email", 1).await;
    wait_until("the other partition is committed", PATIENCE, async || {
        shop.kafka.committed("user.registered").await[1] == Some(1)
    })
    .await;
    assert!(shop.kafka.committed("user.registered").await[0].unwrap_or_default() == 0, "nothing is skipped");
    assert_eq!(shop.stats("email").await.unburied, 1);
    // Both have been tried again by then, and are on the topic no more often for that.
    let tried = async |child: &millgate_testkit::Child, text: &str| child.output().matches(text).count() > 1;
    wait_until("the bridge has tried again", PATIENCE, async || tried(&bridge, "cannot hand off").await).await;
    wait_until("the worker has tried again", PATIENCE, async || tried(&worker, "it stays in Redis").await).await;
    assert_eq!(shop.kafka.records("dead-letter-queue", 2).await.len(), 2);

    proxy.restore();
    shop.wait_done("email", "welcome-email", 2).await;
    wait_until("the dead job has left Redis", PATIENCE, async || shop.stats("email").await.unburied == 0).await;
    assert_eq!(letters(&shop).await, 2);
    assert_eq!(shop.kafka.records("dead-letter-queue", 2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_goes_silent_does_not_keep_the_dead_for_ever() {
    let mut shop = Shop::open("letters-silence").await;
    let proxy = Proxy::to(&shop.database.address());
    shop.set("MILLGATE_POSTGRES_URL", shop.database.url_at(&proxy.address()));
    let _bridge = shop.start(&["bridge"]);
    let poison = || shop.kafka.put("order.created", 0, None, Some(b"{broken"), &[]);
    poison().await;
    wait_until("the first is stored", PATIENCE, async || letters(&shop).await == 1).await;
    proxy.strand();
    poison().await;
    wait_until("the second is stored, on another connection", PATIENCE, async || letters(&shop).await == 2).await;
    assert_eq!(shop.kafka.records("dead-letter-queue", 2).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_that_is_missing_is_told_before_anything_dies_and_can_be_made_later() {
    let shop = Shop::open("letters-table").await;
    let forget = "DROP TABLE dead_letters, dead_letter_actions; DELETE FROM millgate_migrations WHERE version = 1";
    sqlx::raw_sql(forget).execute(shop.database.pool()).await.unwrap();
    let bridge = shop.start(&["bridge"]);
    let line = bridge.wait_for_line("what dies will wait", PATIENCE).await;
    assert!(line.contains("create it with `millgate migrate`"), "{line}");
    shop.kafka.put("order.created", 0, None, Some(b"{broken"), &[]).await;
    bridge.wait_for_line("cannot hand off", PATIENCE).await;
    shop.run(&["migrate"]).await;
    wait_until("it is stored", PATIENCE, async || letters(&shop).await == 1).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bridge_that_dies_between_topic_and_offset_leaves_one_row() {
    let mut shop = Shop::open("letter-twice").await;
    // It never commits before it is killed.
    shop.set("MILLGATE_BRIDGE_COMMIT_INTERVAL", "1h");
    let bridge = shop.start(&["bridge"]);
    shop.kafka.put("order.created", 0, None, Some(b"{broken"), &[]).await;
    wait_until("it is stored", PATIENCE, async || letters(&shop).await == 1).await;
    bridge.kill9();
    let _bridge = shop.start(&["bridge"]);
    let records = shop.kafka.records("dead-letter-queue", 2).await;
    let ids = ids(&records);
    assert_eq!(ids[0], ids[1]);
    shop.publish(&[order(1)]).await;
    let enqueued = async || shop.stats("inventory").await.kinds.get("update-inventory").map(|kind| kind.enqueued);
    wait_for("what comes behind is handed off", PATIENCE, async || enqueued().await.filter(|jobs| *jobs > 0)).await;
    assert_eq!(letters(&shop).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_dealt_with_long_ago_is_removed_at_night_and_the_dead_stay() {
    let mut shop = Shop::open("letters-expire").await;
    shop.set("MILLGATE_POSTGRES_DEAD_LETTER_RETENTION", "30days");
    let bridge = shop.start(&["bridge"]);
    for partition in 0..3 {
        shop.kafka.put("order.created", partition, None, Some(b"{broken"), &[]).await;
    }
    wait_until("all are stored", PATIENCE, async || letters(&shop).await == 3).await;
    drop(bridge);
    for (partition, status, days) in [(0, "discarded", 31), (1, "redriven", 29)] {
        let age = "UPDATE dead_letters SET status = $2, settled_at = now() - make_interval(days => $3) \
            WHERE record_partition = $1";
        let age = sqlx::query(age).bind(partition).bind(status).bind(days);
        assert_eq!(age.execute(shop.database.pool()).await.unwrap().rows_affected(), 1);
    }
    let worker = shop.start(&["worker"]);
    wait_until("the schedule is there", PATIENCE, async || {
        shop.run(&["schedules", "list"]).await.contains("expire-dead-letters")
    })
    .await;
    shop.run(&["schedules", "run", "expire-dead-letters"]).await;
    shop.wait_done("maintenance", "expire-dead-letters", 1).await;
    let left: Vec<i32> = sqlx::query_scalar("SELECT record_partition FROM dead_letters ORDER BY 1")
        .fetch_all(shop.database.pool())
        .await
        .unwrap();
    assert_eq!(left, [1, 2], "one was discarded a month ago; one is too new, one is dead");
    assert!(worker.is_running());
}
