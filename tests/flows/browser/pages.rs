//! Every page, as everybody may meet it: light, dark, on a phone, without scripts.

use millgate::Sagas;
use millgate_jobs::JobState;

use super::world::World;
use crate::shop::PATIENCE;

/// The key, as a browser is told it.
const ENTER: &str = "\u{E007}";

/// All pages of a busy shop, with something that each must show.
async fn all(world: &World) -> Vec<(String, String, &'static str)> {
    let queue = world.shop.queues.queue("email");
    let delayed = queue.page(JobState::Delayed, None, 1, None).await.unwrap().ids[0];
    let letter: uuid::Uuid = sqlx::query_scalar("SELECT id FROM dead_letters WHERE job_kind IS NOT NULL LIMIT 1")
        .fetch_one(world.shop.database.pool())
        .await
        .unwrap();
    let cause: String = sqlx::query_scalar("SELECT fingerprint FROM dead_letters WHERE job_kind IS NULL LIMIT 1")
        .fetch_one(world.shop.database.pool())
        .await
        .unwrap();
    let (chain, number): (i32, i64) = sqlx::query_as("SELECT chain, number FROM audit_logs WHERE is_error LIMIT 1")
        .fetch_one(world.shop.database.pool())
        .await
        .unwrap();
    let topic = world.shop.kafka.name("order.created");
    let group = world.shop.kafka.config().consumer_group;
    let [done, undone] = ["ada", "bob"].map(|customer| Sagas::id("booking", &format!("booking-of-{customer}")));
    [
        ("overview", "/".to_owned(), "The flow, now"),
        ("events", "/events".to_owned(), "order.created"),
        ("event", "/events/order-1?by=key".to_owned(), "send-confirmation-email attempt 1 done"),
        ("jobs", "/jobs".to_owned(), "reminder-email"),
        ("job", format!("/jobs/email/{delayed}"), "delayed until"),
        ("queues", "/queues".to_owned(), "email"),
        ("queue", "/queues/email".to_owned(), "send-confirmation-email"),
        ("dead-letters", "/dead".to_owned(), "order.exploded"),
        ("cause", format!("/dead/{cause}"), "order.exploded"),
        ("letter", format!("/dead/letter/{letter}"), "notification-email"),
        ("workers", "/workers".to_owned(), "bridge"),
        ("schedules", "/schedules".to_owned(), "expire-dead-letters"),
        ("schedule", "/schedules/expire-dead-letters".to_owned(), "expire-dead-letters"),
        ("topics", "/topics".to_owned(), "order.created"),
        ("topic", format!("/topics/{topic}"), "order-"),
        ("record", format!("/topics/{topic}/0/0"), "ce_type"),
        ("groups", "/groups".to_owned(), "main"),
        ("group", format!("/groups/{group}"), "order.created"),
        ("routes", "/routes".to_owned(), "order.created"),
        ("try", "/routes/try".to_owned(), "Try it out"),
        ("audit", "/audit".to_owned(), "Audit"),
        ("audit-log", "/audit-logs".to_owned(), "order/order-1"),
        ("audit-log-errors", "/audit-logs?errors=true&since=24h".to_owned(), "unknown_type"),
        ("audit-log-entry", format!("/audit-logs/{chain}/{number}"), "of chain"),
        ("sagas", "/sagas".to_owned(), "booking-of-ada"),
        ("sagas-that-match", "/sagas?status=compensated&saga=booking".to_owned(), "insufficient_funds"),
        ("saga", format!("/sagas/{done}"), "What it keeps"),
        ("saga-undone", format!("/sagas/{undone}"), "Turned back for"),
        ("group-of-stream", format!("/groups/{group}.audit"), "order.created"),
        ("tasks", "/tasks".to_owned(), "Nothing runs here"),
    ]
    .map(|(name, path, shows)| (name.to_owned(), path, shows))
    .to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_page_can_be_used_by_everybody() {
    let world = World::busy("pages").await;
    let browser = &world.browser;
    let mut wrong = Vec::new();
    for (name, path, shows) in all(&world).await {
        for look in ["light", "dark", "phone"] {
            match look {
                "dark" => browser.prefer_dark().await,
                "phone" => {
                    browser.prefer_light().await;
                    browser.resize(390, 844).await;
                }
                _ => browser.prefer_light().await,
            }
            world.goto(&path).await;
            browser.wait_for_text("main", shows).await;
            let page = format!("{name}, {look}");
            let hindrances = if look == "light" { browser.axe().await } else { browser.axe_of_looks().await };
            wrong.extend(hindrances.into_iter().map(|hindrance| format!("{page}: {hindrance}")));
            wrong.extend(browser.console_errors().await.into_iter().map(|error| format!("{page}: {error}")));
            // On a phone a page is as wide as the phone: what is wider scrolls by itself.
            if look == "phone" {
                let wide = browser.eval("return document.documentElement.scrollWidth - window.innerWidth").await;
                if wide.as_i64().unwrap() > 0 {
                    wrong.push(format!("{page}: {wide} pixels too wide"));
                }
            }
            if ["overview", "event", "job", "dead-letters", "saga-undone"].contains(&name.as_str()) {
                world.picture(&if look == "light" { name.clone() } else { format!("{name}-{look}") }).await;
            }
            if look == "phone" {
                browser.resize(1280, 900).await;
            }
        }
        browser.prefer_light().await;
        // Without scripts it stands still, and shows the same.
        browser.scripts(false).await;
        world.goto(&path).await;
        let html = browser.html().await;
        if !html.contains(shows) {
            wrong.push(format!("{name}: without scripts there is no `{shows}`"));
        }
        browser.scripts(true).await;
    }
    assert!(wrong.is_empty(), "{} things: {wrong:#?}", wrong.len());
}

/// Makes a saga wait for people, as one does whose compensation failed.
async fn stuck(world: &World) -> uuid::Uuid {
    let saga = Sagas::id("booking", "booking-of-bob");
    let failure = r#"{"step": "release-seats", "code": "unavailable", "message": "the hall does not answer"}"#;
    sqlx::query(
        "UPDATE sagas SET status = 'stuck', ended_at = NULL, progress = jsonb_set(jsonb_set(progress::jsonb, \
        '{steps,0,status}', '\"stuck\"'), '{steps,0,failure}', $2::jsonb)::text WHERE id = $1",
    )
    .bind(saga)
    .bind(failure)
    .execute(world.shop.database.pool())
    .await
    .unwrap();
    saga
}

#[tokio::test(flavor = "multi_thread")]
async fn a_saga_that_is_stuck_is_found_and_resolved_by_keys_alone() {
    let world = World::busy("stuck").await;
    let saga = stuck(&world).await;
    let browser = &world.browser;
    // From the overview, which tells it.
    world.goto("/").await;
    browser.wait_for_text("main", "saga booking is stuck").await;
    world.is_sound("overview with a stuck saga").await;
    world.goto("/sagas?status=stuck").await;
    browser.press("j").await;
    browser.wait_for("#sagas tbody tr.at").await;
    browser.press(ENTER).await;
    browser.wait_for_url(&format!("/sagas/{saga}")).await;
    browser.wait_for_text("main", "the hall does not answer").await;
    world.is_sound("stuck saga").await;
    // It wants to know why.
    let field = "main .acts form input[name='/why']";
    browser.eval(&format!("document.querySelector(\"{field}\").focus()")).await;
    browser.press("rang them up").await;
    browser.press(ENTER).await;
    browser.wait_for_text("h1", "Are you sure?").await;
    world.is_sound("asked whether it was taken back").await;
    browser.eval("document.querySelector(\"main button.danger\").focus()").await;
    browser.press(ENTER).await;
    browser.wait_for_text("main", "taken back").await;
    let status = async || {
        let status = "SELECT status FROM sagas WHERE id = $1";
        sqlx::query_scalar::<_, String>(status).bind(saga).fetch_one(world.shop.database.pool()).await.unwrap()
    };
    millgate_testkit::wait_until("it has ended", PATIENCE, async || status().await == "compensated").await;
    world.goto(&format!("/sagas/{saga}")).await;
    browser.wait_for_text("main", "rang them up").await;
    world.is_sound("resolved saga").await;
    world.goto("/audit").await;
    browser.wait_for_text("main", &saga.to_string()).await;
}
