//! What is clicked is done: in Redis, Kafka and PostgreSQL.

use std::time::Duration;

use millgate::{delay, email::NotificationEmail};
use millgate_jobs::{JobState, NewJob, Queue};
use millgate_testkit::wait_until;

use super::world::World;
use crate::shop::PATIENCE;

const HOUR: Duration = Duration::from_hours(1);

fn mail(n: usize) -> NotificationEmail {
    NotificationEmail {
        to: format!("ada-{n}@mail.example"),
        subject: "News".into(),
        body: "Lamps.".into(),
        ..NotificationEmail::default()
    }
}

async fn delayed(queue: &Queue, count: usize) {
    let jobs: Vec<_> = (0..count).map(|n| NewJob::of(&mail(n), delay(HOUR)).unwrap()).collect();
    queue.enqueue(&jobs).await.unwrap();
}

async fn first(queue: &Queue, state: JobState) -> Option<millgate_jobs::JobId> {
    queue.page(state, None, 1, None).await.unwrap().ids.first().copied()
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_run_edited_deleted_and_put_back() {
    let world = World::open("acting", &[]).await;
    let (browser, queue) = (&world.browser, world.shop.queues.queue("email"));
    delayed(&queue, 3).await;
    let id = first(&queue, JobState::Delayed).await.unwrap();

    // One, from its page.
    world.goto(&format!("/jobs/email/{id}")).await;
    browser.wait_for_text("#why", "delayed until").await;
    browser.click("#acts form.act button").await;
    wait_until("it may run", PATIENCE, async || queue.stats().await.unwrap().waiting == 1).await;

    // Others, chosen by their boxes; the question says how many.
    world.goto("/jobs?queue=email&state=delayed").await;
    browser.click("#jobs thead input[data-all]").await;
    browser.wait_for_text("#chosen strong", "2 chosen").await;
    browser.click("#chosen form.act button").await;
    browser.wait_for_text("main", "Are you sure?").await;
    browser.wait_for_text("main", "2").await;
    browser.click("button.danger").await;
    wait_until("they may run", PATIENCE, async || queue.stats().await.unwrap().waiting == 3).await;

    // All that match are deleted, and come back.
    world.goto("/jobs?queue=email&state=waiting").await;
    browser.click("#all-that-match summary").await;
    let delete = "document.querySelectorAll('#matching form.act').forEach(form => { if (form.textContent.includes('Delete')) form.querySelector('button').click() })";
    browser.eval(delete).await;
    browser.click("button.danger").await;
    wait_until("they are gone", PATIENCE, async || queue.stats().await.unwrap().waiting == 0).await;
    browser.click(".notice button").await;
    wait_until("they are back", PATIENCE, async || queue.stats().await.unwrap().waiting == 3).await;

    // One gets other arguments.
    let id = first(&queue, JobState::Waiting).await.unwrap();
    world.goto(&format!("/jobs/email/{id}")).await;
    browser.click("#edit summary").await;
    let other = serde_json::to_string(&NotificationEmail { to: "bob@mail.example".into(), ..mail(0) }).unwrap();
    browser.fill("#edit textarea", &other).await;
    browser.click("#edit form.act button").await;
    wait_until("it has them", PATIENCE, async || {
        let ids = queue.all(JobState::Waiting, None).await.unwrap();
        queue.look(&ids).await.unwrap().iter().any(|job| job.payload.contains("bob@mail.example"))
    })
    .await;
    world.goto("/audit").await;
    let audit = browser.texts("main").await.join(" ");
    for deed in ["run", "delete", "put", "edit"] {
        assert!(audit.contains(deed), "{deed}: {audit}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_letters_are_discarded_taken_back_and_redriven() {
    let world = World::busy("redrive").await;
    let browser = &world.browser;
    let cause: String = sqlx::query_scalar("SELECT fingerprint FROM dead_letters WHERE job_kind IS NOT NULL")
        .fetch_one(world.shop.database.pool())
        .await
        .unwrap();
    world.goto(&format!("/dead/{cause}")).await;
    browser.fill("#discard input[name='/why']", "nobody wants it").await;
    browser.click("#discard form.act button").await;
    browser.click("button.danger").await;
    wait_until("it is discarded", PATIENCE, async || world.letters().await == 1).await;
    browser.click(".notice button").await;
    wait_until("it is dead again", PATIENCE, async || world.letters().await == 2).await;

    let before = world.shop.stats("email").await.kinds["notification-email"].enqueued;
    world.goto(&format!("/dead/{cause}")).await;
    browser.fill("#redrive input[name='/why']", "42").await;
    browser.click("#redrive form.act button").await;
    browser.click("button.danger").await;
    wait_until("it came back to its queue", PATIENCE, async || {
        world.shop.stats("email").await.kinds["notification-email"].enqueued > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_is_quieted_a_schedule_paused_and_limits_are_set() {
    let world = World::open("operate", &["worker"]).await;
    let browser = &world.browser;
    world.goto("/workers").await;
    browser.wait_for_text("#processes", "worker").await;
    let press = |row: &str, name: &str| {
        format!(
            "[...document.querySelectorAll('{row}')].find(row => row.textContent.includes('worker'))\
             .querySelectorAll('form.act').forEach(form => {{ if (form.textContent.includes('{name}')) form.querySelector('button').click() }})"
        )
    };
    browser.eval(&press("#processes tbody tr", "Quiet")).await;
    browser.wait_for_text("#processes", "quiet").await;

    world.goto("/schedules").await;
    browser.wait_for_text("#schedules", "expire-dead-letters").await;
    let pause = "[...document.querySelectorAll('#schedules tbody tr')].find(row => row.textContent.includes('expire-dead-letters'))\
        .querySelectorAll('form.act').forEach(form => { if (form.textContent.includes('Pause')) form.querySelector('button').click() })";
    browser.eval(pause).await;
    browser.wait_for_text("#schedules", "paused").await;

    world.goto("/queues/email").await;
    browser.fill("#limits input[name='/limits/concurrency']", "7").await;
    browser.click("#limits button").await;
    wait_until("the limit holds", PATIENCE, async || world.shop.stats("email").await.limits.concurrency == Some(7))
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_would_become_of_an_event_is_shown_before_it_is_published() {
    let world = World::open("try", &[]).await;
    let browser = &world.browser;
    world.goto("/routes/try").await;
    browser.fill("#event", &crate::shop::order(7)).await;
    browser.click("main button.main").await;
    browser.wait_for_text("#outcome", "send-confirmation-email").await;
    assert_eq!(world.shop.kafka.ends("order.created").await.iter().sum::<i64>(), 0);
}
