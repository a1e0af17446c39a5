//! The kit for users' tests, used as they would: the same test inline and on a real Redis.

use std::{
    sync::atomic::{AtomicU32, Ordering::Relaxed},
    time::Duration,
};

use millgate::{
    App, Ctx, Done, Event, EventMeta, Job, JobError, JobOptions, Outbox, delay,
    email::{Mailer, PaymentReceipt, ReminderEmail, SendConfirmationEmail, SmtpConfig, Templates},
    inventory::UpdateInventory,
    on, priority,
    shop::{self, Item, MIGRATIONS, OrderCreated, PaymentCreated},
    testing::{Ran, TestApp, Verdict},
    unique,
};
use millgate_testkit::{Database, RedisSpace, SmtpServer};
use serde::{Deserialize, Serialize};

use crate::shop::PATIENCE;

const DAY: Duration = Duration::from_hours(24);

#[derive(Serialize, Deserialize, Event)]
#[event(type = "bell.rung", key = "door")]
struct BellRung {
    door: String,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Job)]
#[job(queue = "porter", max_attempts = 3)]
struct OpenDoor {
    door: String,
}

/// Opens a door at the third attempt; one that is locked never.
async fn open_door(job: OpenDoor, ctx: Ctx) -> Result<Done, JobError> {
    ctx.state::<AtomicU32>()?.fetch_add(1, Relaxed);
    match (job.door.as_str(), ctx.attempt) {
        ("locked", _) => Err(JobError::dead("locked", "there is no key")),
        ("stuck", 1..3) => Err(JobError::retry_after(Duration::from_mins(5), "it sticks")),
        ("late", 1) => Err(JobError::snooze(DAY)),
        ("broken", _) => panic!("it falls off its hinges"),
        _ => Ok(Done),
    }
}

fn porter() -> App {
    App::new("porter")
        .state(AtomicU32::new(0))
        .route(on::<BellRung>().enqueue_with(|e| (OpenDoor { door: e.door.clone() }, priority(1).unique(&e.door))))
        .worker(open_door)
}

/// The same application inline and on Redis.
fn both(app: fn() -> App) -> [TestApp; 2] {
    let url = RedisSpace::fresh("testing").config().url;
    [TestApp::inline(app()), TestApp::on_redis(app(), &url)]
}

fn door(name: &str) -> OpenDoor {
    OpenDoor { door: name.into() }
}

fn told(runs: &[Ran]) -> Vec<(String, u32, &'static str)> {
    let word = |verdict: &Verdict| match verdict {
        Verdict::Done => "done",
        Verdict::Retry { .. } => "retry",
        Verdict::Snooze { .. } => "snooze",
        Verdict::Cancel { .. } => "cancel",
        Verdict::Dead { .. } => "dead",
        Verdict::HandBack { .. } => "back",
    };
    runs.iter().map(|ran| (ran.job::<OpenDoor>().unwrap().door, ran.attempt, word(&ran.verdict))).collect()
}

#[tokio::test]
async fn an_event_is_routed_and_what_is_enqueued_can_be_asserted() {
    for app in both(porter) {
        let meta = EventMeta::new::<BellRung>("porch", app.now().await);
        app.publish_as(&BellRung { door: "front".into() }, meta.clone()).await;
        app.publish_as(&BellRung { door: "front".into() }, meta).await;
        app.publish(&BellRung { door: "back".into() }).await;
        let all = app.all_enqueued::<OpenDoor>().await;
        assert_eq!(all.iter().map(|job| job.door.as_str()).collect::<Vec<_>>(), ["front", "back"]);
        app.assert_enqueued::<OpenDoor>(|job| job.door == "back" && job.priority == 1 && job.run_at.is_none()).await;
        app.refute_enqueued::<OpenDoor>(|job| job.unique.as_deref() != Some(&job.door)).await;
        let runs = app.drain().await;
        assert_eq!(told(&runs), [("front".into(), 1, "done"), ("back".into(), 1, "done")]);
        assert_eq!(runs[0].id, all[0].id);
        app.refute_enqueued::<OpenDoor>(|_| true).await;
    }
}

#[tokio::test]
async fn retries_and_delays_come_due_when_time_passes() {
    for app in both(porter) {
        app.enqueue(&door("stuck"), JobOptions::default()).await;
        app.enqueue(&door("late"), delay(DAY)).await;
        let at = app.all_enqueued::<OpenDoor>().await[1].run_at.unwrap();
        let ahead = (at - app.now().await).to_std().unwrap();
        assert!(ahead <= DAY && ahead + PATIENCE > DAY, "{ahead:?}");
        assert_eq!(told(&app.drain().await), [("stuck".into(), 1, "retry")]);
        app.assert_enqueued::<OpenDoor>(|job| job.attempts == 1 && job.run_at.is_some()).await;
        app.pass(Duration::from_mins(5));
        assert_eq!(told(&app.drain().await), [("stuck".into(), 2, "retry")]);
        app.pass(DAY);
        let ran = told(&app.drain().await);
        assert!(ran.contains(&("stuck".into(), 3, "done")) && ran.contains(&("late".into(), 1, "snooze")), "{ran:?}");
        app.pass(DAY);
        // A snooze costs no attempt: it is the first one still.
        assert_eq!(told(&app.drain().await), [("late".into(), 1, "snooze")]);
    }
}

#[tokio::test]
async fn a_handler_gives_its_verdict_at_once() {
    for app in both(porter) {
        assert_eq!(app.perform(&door("front")).await, Verdict::Done);
        let Verdict::Dead { failure } = app.perform(&door("locked")).await else { panic!() };
        assert_eq!(failure.code, "locked");
        let Verdict::Retry { failure, .. } = app.perform(&door("broken")).await else { panic!() };
        assert_eq!(failure.to_string(), "panic: it falls off its hinges");
        app.refute_enqueued::<OpenDoor>(|_| true).await;
    }
}

#[tokio::test]
async fn the_next_is_the_same_inline_and_on_redis() {
    let mut orders = Vec::new();
    for app in both(porter) {
        for (number, level) in [7, 3, 3, 9].into_iter().enumerate() {
            app.enqueue(&door(&number.to_string()), priority(level)).await;
        }
        app.pass(Duration::from_mins(5));
        for (name, options) in [
            ("first", unique("k")),
            ("second", unique("k")),
            ("other", priority(0)),
            ("once", JobOptions::default().once("x", DAY)),
            ("twice", JobOptions::default().once("x", DAY)),
        ] {
            app.enqueue(&door(name), options).await;
        }
        orders.push(told(&app.drain().await));
    }
    assert_eq!(orders[0], orders[1]);
    assert_eq!(
        orders[0].iter().map(|run| run.0.as_str()).collect::<Vec<_>>(),
        ["1", "2", "other", "0", "3", "first", "once"]
    );
}

#[tokio::test]
#[should_panic(expected = "no such open-door is enqueued; there are: \n  {\"door\":\"front\"}, priority 5")]
async fn an_assertion_that_fails_shows_what_is_there() {
    let app = TestApp::inline(porter());
    app.enqueue(&door("front"), JobOptions::default()).await;
    app.assert_enqueued::<OpenDoor>(|job| job.door == "back").await;
}

#[tokio::test]
async fn nothing_is_left_in_redis() {
    let space = RedisSpace::fresh("testing");
    let keys = async |prefix: &str| space.command::<Vec<String>>(&["KEYS", &format!("*{prefix}*")]).await;
    let app = TestApp::on_redis(porter(), &space.config().url);
    app.enqueue(&door("front"), delay(DAY)).await;
    let prefix = app.prefix().unwrap().to_owned();
    assert!(!keys(&prefix).await.is_empty());
    drop(app);
    assert_eq!(keys(&prefix).await, [""; 0]);
}

#[tokio::test]
async fn the_shop_is_tested_without_a_worker() {
    let (database, smtp) = (Database::fresh(Some(&MIGRATIONS)).await, SmtpServer::start().await);
    millgate_events::migrate(database.pool()).await.unwrap();
    let config = SmtpConfig { url: smtp.url(), ..SmtpConfig::default() };
    sqlx::query("UPDATE stock SET available = 10 WHERE sku = 'lamp'").execute(database.pool()).await.unwrap();
    let url = RedisSpace::fresh("testing").config().url;
    let equipped = || {
        let (mailer, templates) = (Mailer::new(&config).unwrap(), Templates::new(&config).unwrap());
        shop::app().state(database.pool().clone()).state(Outbox::new("shop")).state(mailer).state(templates)
    };
    for (app, id) in [(TestApp::inline(equipped()), "o1"), (TestApp::on_redis(equipped(), &url), "o2")] {
        let order = OrderCreated {
            order_id: id.into(),
            customer_name: "Ada".into(),
            customer_email: format!("{id}@mail.example"),
            items: vec![Item { sku: "lamp".into(), quantity: 1 }],
            total_cents: 1_990,
            currency: "EUR".into(),
            ..OrderCreated::default()
        };
        app.publish(&order).await;
        app.assert_enqueued::<SendConfirmationEmail>(|job| job.to == order.customer_email && job.priority == 5).await;
        app.assert_enqueued::<UpdateInventory>(|job| job.items[0].sku == "lamp" && job.priority == 1).await;
        app.assert_enqueued::<ReminderEmail>(|job| job.run_at.is_some() && job.unique.as_deref() == Some(id)).await;
        let runs = app.drain().await;
        assert!(runs.len() == 2 && runs.iter().all(|ran| ran.verdict == Verdict::Done), "{runs:?}");

        let payment = PaymentCreated {
            payment_id: "p1".into(),
            order_id: id.into(),
            customer_email: order.customer_email.clone(),
            amount_cents: 1_990,
            currency: "EUR".into(),
            locale: None,
        };
        app.publish(&payment).await;
        app.refute_enqueued::<ReminderEmail>(|_| true).await;
        app.assert_enqueued::<PaymentReceipt>(|job| job.order_id == id).await;
        app.drain().await;
    }
    let stock: i32 =
        sqlx::query_scalar("SELECT available FROM stock WHERE sku = 'lamp'").fetch_one(database.pool()).await.unwrap();
    assert_eq!(stock, 8);
    assert_eq!(smtp.mails().len(), 4);
}
