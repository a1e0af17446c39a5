//! Reminders: not of what is closed, and not at night.

use std::time::Duration;

use chrono::{TimeDelta, Utc};
use millgate::{delay, email::ReminderEmail};
use millgate_jobs::{JobState, NewJob};
use millgate_testkit::{wait_for, wait_until};

use crate::shop::{PATIENCE, Shop};

fn reminder(order: &str, zone: Option<&str>) -> ReminderEmail {
    ReminderEmail {
        order_id: order.into(),
        to: format!("{order}@mail.example"),
        name: "Ada".into(),
        time_zone: zone.map(str::to_owned),
        ..ReminderEmail::default()
    }
}

async fn enqueue(shop: &Shop, reminder: &ReminderEmail) {
    let job = NewJob::of(reminder, delay(Duration::ZERO)).unwrap();
    shop.queues.queue("email").enqueue(&[job]).await.unwrap();
}

fn event(kind: &str, data: &str) -> String {
    format!(r#"{{"type":"{kind}","data":{data}}}"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_is_reminded_of_an_order_that_is_closed() {
    let shop = Shop::open("closed").await;
    let _bridge = shop.start(&["bridge"]);
    let _worker = shop.start(&["worker"]);
    let paid =
        r#"{"payment_id":"p1","order_id":"paid","customer_email":"a@mail.example","amount_cents":1,"currency":"EUR"}"#;
    let canceled = r#"{"order_id":"canceled"}"#;
    shop.publish(&[event("payment.created", paid), event("order.canceled", canceled)]).await;
    shop.wait_done("orders", "close-order", 2).await;
    // Enqueued by hand: no cancel reaches these.
    for order in ["paid", "canceled", "open"] {
        enqueue(&shop, &reminder(order, None)).await;
    }
    wait_until("all have come to their end", PATIENCE, async || {
        let kind = shop.stats("email").await.kinds.get("reminder-email").cloned().unwrap_or_default();
        kind.done + kind.cancelled == 3
    })
    .await;
    let kind = &shop.stats("email").await.kinds["reminder-email"];
    assert_eq!((kind.done, kind.cancelled, kind.dead), (1, 2, 0));
    let reminded: Vec<_> = ["paid", "canceled", "open"]
        .into_iter()
        .filter(|order| !shop.smtp.mails_to(&format!("{order}@mail.example")).is_empty())
        .collect();
    assert_eq!(reminded, ["open"]);
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "the program under test looks at the clock, too")]
async fn at_night_a_reminder_waits_for_the_morning_and_spends_no_attempt() {
    let mut shop = Shop::open("quiet").await;
    // Quiet for the next hours where it is now, and not where it is twelve hours later.
    let now = Utc::now();
    let (from, to) = (now - TimeDelta::hours(1), now + TimeDelta::hours(5));
    shop.set("MILLGATE_SHOP_QUIET_HOURS", format!("{}-{}", from.format("%H:%M"), to.format("%H:%M")));
    let worker = shop.start(&["worker"]);
    enqueue(&shop, &reminder("night", None)).await;
    enqueue(&shop, &reminder("nowhere", Some("Europe/Nowhere"))).await;
    enqueue(&shop, &reminder("day", Some("Etc/GMT-12"))).await;
    wait_until("the other side of the world is reminded", PATIENCE, async || {
        !shop.smtp.mails_to("day@mail.example").is_empty()
    })
    .await;
    let queue = shop.queues.queue("email");
    let waiting = wait_for("two are put off", PATIENCE, async || {
        let page = queue.page(JobState::Delayed, None, 10, Some("reminder-email")).await.ok()?;
        (page.ids.len() == 2).then_some(page.ids)
    })
    .await;
    for job in queue.look(&waiting).await.unwrap() {
        let morning = job.at.unwrap();
        assert!((morning - to).abs() <= TimeDelta::minutes(1), "{morning} {to}");
        assert_eq!(job.attempts, 0);
    }
    assert_eq!(shop.smtp.mails().len(), 1);
    worker.wait_for_line("no such time zone", PATIENCE).await;

    shop.set("MILLGATE_SHOP_TIME_ZONE", "Europe/Nowhere");
    let refused = shop.start(&["worker"]);
    assert_eq!(refused.wait_exit(PATIENCE).await.code(), Some(2), "{}", refused.output());
    assert!(refused.output().contains("is no time zone; it looks like Europe/Vienna"), "{}", refused.output());
}
