//! What others write is shown, and never done.

use millgate::{Sagas, email::NotificationEmail};
use millgate_jobs::{Failure, Hand, JobOptions, NewJob, Verdict};
use std::time::Duration;

use super::world::World;
use crate::shop::{PATIENCE, Shop};

/// Closes whatever it may stand in, and says when it is done.
const EVIL: &str = "\"'></textarea></pre></script><script>window.evil=1</script><img src=x onerror=\"window.evil=2\"><svg onload=window.evil=3>{{7*7}}";

#[tokio::test(flavor = "multi_thread")]
async fn what_stands_in_any_field_is_text() {
    let mut shop = Shop::open("hostile").await;
    for variable in ["MILLGATE_SHOP_AUDIT", "MILLGATE_SHOP_SAGAS"] {
        shop.set(variable, "true");
    }
    shop.run(&["migrate"]).await;
    shop.apply_topics().await;
    let data = serde_json::json!({
        "order_id": format!("order-{EVIL}"), "customer_name": EVIL, "customer_email": "ada@mail.example",
        "items": [{ "sku": EVIL, "quantity": 1 }], "total_cents": 1_990, "currency": "EUR",
    });
    let line = serde_json::json!({ "type": "order.created", "id": format!("event-{EVIL}"), "data": data }).to_string();
    let world = World::of(shop, &["bridge", "worker", "relay", "saga run", "streams run"]).await;
    let booking = serde_json::json!({
        "booking_id": EVIL, "customer": EVIL, "email": EVIL, "seats": [EVIL], "amount_cents": 1,
    });
    let booking = serde_json::json!({ "type": "booking.requested", "data": booking }).to_string();
    world.shop.publish(&[line, booking]).await;
    let headers = [
        ("ce_specversion", "1.0"),
        ("ce_id", EVIL),
        ("ce_source", EVIL),
        ("ce_type", EVIL),
        ("ce_correlationid", EVIL),
        (EVIL, EVIL),
    ];
    world.shop.kafka.put("order.created", 0, Some(EVIL.as_bytes()), Some(EVIL.as_bytes()), &headers).await;

    let key = hostile_job(&world).await;
    millgate_testkit::wait_until("poison is dead", PATIENCE, async || world.letters().await >= 1).await;
    let (letter, cause): (uuid::Uuid, String) = sqlx::query_as("SELECT id, fingerprint FROM dead_letters LIMIT 1")
        .fetch_one(world.shop.database.pool())
        .await
        .unwrap();
    let saga = Sagas::id("booking", EVIL);
    millgate_testkit::wait_until("there is no such seat", PATIENCE, async || {
        let ended = "SELECT count(*) FROM sagas WHERE id = $1 AND ended_at IS NOT NULL";
        let ended: i64 = sqlx::query_scalar(ended).bind(saga).fetch_one(world.shop.database.pool()).await.unwrap();
        ended == 1
    })
    .await;
    let recorded = "SELECT chain, number FROM audit_logs WHERE is_error LIMIT 1";
    let recorded = async || sqlx::query_as(recorded).fetch_optional(world.shop.database.pool()).await.unwrap();
    let (chain, number): (i32, i64) = millgate_testkit::wait_for("poison is recorded", PATIENCE, recorded).await;
    let topic = world.shop.kafka.name("order.created");
    let escaped: String = EVIL.bytes().fold(String::new(), |text, byte| format!("{text}%{byte:02X}"));
    let pages = [
        "/".to_owned(),
        "/events".into(),
        format!("/events/event-{escaped}"),
        format!("/events/{escaped}"),
        format!("/events?type={escaped}"),
        "/jobs".into(),
        "/jobs?queue=evil".into(),
        format!("/jobs?queue=evil&where=field%3D{escaped}"),
        format!("/jobs?queue={escaped}"),
        format!("/jobs?kind={escaped}&since={escaped}"),
        format!("/jobs/evil/{key}"),
        format!("/jobs/evil/{escaped}"),
        format!("/queues/{escaped}"),
        "/dead".into(),
        format!("/dead/{cause}"),
        format!("/dead/{escaped}"),
        format!("/dead/letter/{letter}"),
        format!("/workers/{escaped}"),
        format!("/schedules/{escaped}"),
        format!("/topics/{topic}"),
        format!("/topics/{topic}/0/0"),
        format!("/topics/{escaped}"),
        format!("/groups/{escaped}"),
        format!("/find?id={escaped}"),
        format!("/audit?done={escaped}"),
        "/sagas".into(),
        format!("/sagas/{saga}"),
        format!("/sagas/{escaped}"),
        format!("/sagas?status={escaped}"),
        format!("/sagas?saga={escaped}&key={escaped}"),
        "/audit-logs".into(),
        format!("/audit-logs?user={escaped}&resource={escaped}"),
        format!("/audit-logs?since={escaped}"),
        format!("/audit-logs/{chain}/{number}"),
        format!("/audit-logs/{escaped}/1"),
        format!("/nowhere/{escaped}"),
    ];
    let browser = &world.browser;
    for page in pages {
        world.goto(&page).await;
        browser.wait_for("main").await;
        assert_eq!(browser.eval("return window.evil ?? null").await, serde_json::Value::Null, "{page}");
        assert_eq!(browser.count("main img, main script, main svg[onload]").await, 0, "{page}");
        // The policy would have stopped it, too; but nothing may come so far.
        let errors = browser.console_errors().await;
        assert!(errors.iter().all(|error| !error.contains("Content Security Policy")), "{page}: {errors:?}");
    }
    // It was there.
    world.goto(&format!("/jobs/evil/{key}")).await;
    browser.wait_for_text("main", "window.evil=1").await;
}

/// A job of a queue that nobody works on, with everything that a job can have: its key.
async fn hostile_job(world: &World) -> millgate_jobs::JobId {
    let queue = world.shop.queues.queue("evil");
    let mail =
        NotificationEmail { to: EVIL.into(), subject: EVIL.into(), body: EVIL.into(), ..NotificationEmail::default() };
    let options = JobOptions { index: vec![format!("field={EVIL}")], ..JobOptions::default() };
    queue.enqueue(&[NewJob::of(&mail, options).unwrap().with_id(EVIL)]).await.unwrap();
    let hand = Hand::new(&queue, Duration::from_hours(1));
    let jobs = hand.claim(1).await.unwrap();
    let failure = Failure::new(EVIL, EVIL);
    let verdict = Verdict::Retry { failure, after: Duration::from_hours(1) };
    hand.settle(&[(jobs.into_iter().next().unwrap(), verdict)]).await.unwrap();
    queue.page(millgate_jobs::JobState::Delayed, None, 1, None).await.unwrap().ids[0]
}
