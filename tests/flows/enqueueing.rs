//! Jobs from a program that is not in Rust: the example that goes with `docs/protocol.md`.

use millgate::email::{NotificationEmail, ReminderEmail};
use millgate_jobs::{JobId, JobState, JobView, script_text};
use millgate_testkit::{Binary, RedisSpace, tool};

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

/// The keys of a queue, as the table in `docs/protocol.md` has them.
fn documented_keys(base: &str) -> Vec<String> {
    let text = include_str!("../../docs/protocol.md");
    let rows = text.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | `"));
    let rows = rows.filter(|(number, _)| number.starts_with(|first: char| first.is_ascii_digit()));
    let names = rows.flat_map(|(_, rest)| match rest.split('`').next().unwrap() {
        "wait0" => (0..10).map(|priority| format!("wait{priority}")).collect(),
        name => vec![name.to_owned()],
    });
    names.map(|name| format!("{base}:{name}")).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_that_is_ill_formed_is_read_as_far_as_it_goes_and_the_queue_stays_sound() {
    let redis = RedisSpace::fresh("protocol");
    let queue = redis.queues().queue("email");
    let keys = documented_keys(&format!("{{{}:email}}", redis.config().prefix));
    assert_eq!(keys.len(), 38, "{keys:?}");
    let (script, number) = (script_text("enqueue").unwrap(), keys.len().to_string());
    let mut call = vec!["EVAL", script.as_str(), number.as_str()];
    call.extend(keys.iter().map(String::as_str));
    let records = [
        r#"+{"p":5,"o":"a","ow":60000}"#,
        r#"+{"p":5,"o":"b"}"#, // remembered for how long?
        r#"+{"p":12}"#,
        r#"+{"p":5,"u":7}"#,
        r#"+{"p":5"#,
        r"+{}",
        r#"+{"d":60000,"u":"mail:7"}"#,
        "",
    ]
    .map(|options| format!("{options}\nmail\n{{}}").trim_start().to_owned());
    let many = records.len().to_string();
    call.extend(["0", "tests 1", "60000", "mail", "+", many.as_str()]);
    call.extend(records.iter().map(String::as_str));

    let answer: String = redis.command(&call).await;
    let words: Vec<&str> = answer.split(' ').collect();
    let taken: Vec<JobId> = words.iter().map(|id| id.parse().unwrap()).collect();
    let states: Vec<_> = queue.look(&taken).await.unwrap().iter().map(|job| job.state).collect();
    assert_eq!(states[..6], [JobState::Waiting; 6]);
    assert_eq!(states[6..], [JobState::Delayed, JobState::Waiting]);
    assert_eq!(queue.check().await.unwrap(), [""; 0]);
    assert_eq!(redis.command::<String>(&call).await, answer, "the answer to a call that is repeated");
    assert_eq!(queue.stats().await.unwrap().enqueued(), 8);
}
