//! Jobs from a program that is not in Rust: the example that goes with `docs/protocol.md`.

use millgate::email::{NotificationEmail, ReminderEmail};
use millgate_jobs::{JobId, JobState, JobView};
use millgate_testkit::{Binary, tool};

use crate::shop::{PATIENCE, Shop};

fn ids(said: &str, what: &str) -> Vec<JobId> {
    let line = said.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": "));
    let line = line.unwrap_or_else(|| panic!("no {what}: {said}"));
    line.split(' ').map(|id| id.parse().unwrap()).collect()
}

fn news(job: &JobView) -> NotificationEmail {
    assert_eq!(
        (job.kind.as_str(), job.version, job.state, job.priority),
        ("notification-email", 1, JobState::Waiting, 5)
    );
    serde_json::from_str(&job.payload).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_python_example_enqueues_what_a_rust_worker_does() {
    let shop = Shop::open("python").await;
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/enqueue.py");
    let config = shop.redis.config();
    let python = Binary::new(tool("PYTHON"))
        .arg(example)
        .env("MILLGATE", env!("CARGO_BIN_EXE_millgate"))
        .env("MILLGATE_REDIS_URL", config.url)
        .env("MILLGATE_REDIS_PREFIX", config.prefix)
        .env("PYTHONUTF8", "1")
        .spawn();
    let status = python.wait_exit(PATIENCE).await;
    let said = python.output();
    assert!(status.success(), "{said}");

    let email = shop.queues.queue("email");
    assert_eq!(email.check().await.unwrap(), [""; 0]);
    let (one, block, delayed) = (ids(&said, "one"), ids(&said, "block"), ids(&said, "delayed"));
    let waiting = email.page(JobState::Waiting, None, 100, None).await.unwrap();
    assert_eq!(waiting.ids, [one, block].concat());
    for (number, job) in email.look(&waiting.ids).await.unwrap().iter().enumerate() {
        let news = news(job);
        assert_eq!(news.to, format!("reader-{number}@mail.example"));
        assert_eq!((news.subject.as_str(), news.body.as_str()), ("Grüße", "Two\nlines,\tone tab."));
    }
    let reminder = &email.look(&delayed).await.unwrap()[0];
    assert_eq!(serde_json::from_str::<ReminderEmail>(&reminder.payload).unwrap().order_id, "order-7");
    assert_eq!((reminder.state, reminder.unique.as_deref()), (JobState::Delayed, Some("order-7")));
    assert_eq!((reminder.at.unwrap() - reminder.enqueued_at).num_hours(), 24);
    assert_eq!(email.find("order", "order-7", None, 10).await.unwrap(), delayed);
    assert!(said.ends_with(&format!("again: ~{}", delayed[0])), "{said}");

    let _worker = shop.start(&["worker", "--queues", "email"]);
    shop.wait_done("email", "notification-email", 41).await;
    assert_eq!(shop.smtp.mails_to("reader-40@mail.example").len(), 1);
    assert_eq!(email.check().await.unwrap(), [""; 0]);
}
