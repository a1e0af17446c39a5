//! `millgate jobs` and `millgate queues`: what an operator sees, and what comes of it.

use std::time::Duration;

use millgate::{
    JobOptions, delay,
    email::{NotificationEmail, ReminderEmail, WelcomeEmail},
    testing::{Failure, Verdict},
    unique,
};
use millgate_jobs::{Claimed, Hand, Job, JobId, JobState, NewJob, Queue};
use millgate_testkit::{Binary, Folder, RedisSpace};
use serde_json::Value;

use crate::shop::PATIENCE;

const DAY: Duration = Duration::from_hours(24);

/// An operator, and the queue `email`.
struct Desk {
    redis: RedisSpace,
    queue: Queue,
    hand: Hand,
}

impl Desk {
    fn new() -> Self {
        let redis = RedisSpace::fresh("desk");
        let queue = redis.queues().queue("email");
        let hand = Hand::new(&queue, DAY);
        Self { redis, queue, hand }
    }

    /// Runs `millgate`; gives its exit code and what it said.
    async fn millgate(&self, arguments: &str) -> (i32, String) {
        let config = self.redis.config();
        let millgate = Binary::new(env!("CARGO_BIN_EXE_millgate"))
            .env("MILLGATE_REDIS_URL", config.url)
            .env("MILLGATE_REDIS_PREFIX", config.prefix)
            .args(arguments.split_whitespace())
            .spawn();
        let status = millgate.wait_exit(PATIENCE).await;
        (status.code().unwrap(), millgate.output())
    }

    /// The same where it must end well.
    async fn well(&self, arguments: &str) -> String {
        let (code, said) = self.millgate(arguments).await;
        assert_eq!(code, 0, "{arguments}: {said}");
        said
    }

    async fn json(&self, arguments: &str) -> Value {
        let said = self.well(&format!("{arguments} --json")).await;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    async fn enqueue<J: Job>(&self, job: J, options: JobOptions) -> JobId {
        let job = NewJob::of(&job, options).unwrap();
        self.queue.enqueue(&[job]).await.unwrap()[0].id().unwrap()
    }

    async fn state(&self, id: JobId) -> Option<JobState> {
        self.queue.look(&[id]).await.unwrap().first().map(|job| job.state)
    }

    /// Takes the job that is next.
    async fn take(&self) -> Option<Claimed> {
        self.hand.claim(1).await.unwrap().pop()
    }

    /// Runs the job that is next, with that end.
    async fn end(&self, verdict: Verdict) {
        let job = self.take().await.unwrap();
        self.hand.settle(&[(job, verdict)]).await.unwrap();
    }

    /// Checks that the queue is sound, by the command that says so.
    async fn sound(&self) {
        assert_eq!(self.well("jobs check --queue email").await, "email: sound");
    }
}

fn mail(number: usize) -> NotificationEmail {
    NotificationEmail {
        to: format!("m{number}@mail.example"),
        subject: "News".into(),
        body: "-".into(),
        ..NotificationEmail::default()
    }
}

fn reminder(order: &str) -> ReminderEmail {
    ReminderEmail {
        order_id: order.into(),
        to: "ada@mail.example".into(),
        name: "Ada".into(),
        ..ReminderEmail::default()
    }
}

fn welcome(user: &str) -> WelcomeEmail {
    WelcomeEmail { user_id: user.into(), to: "ada@mail.example".into(), name: "Ada".into(), locale: None }
}

fn failure() -> Failure {
    Failure::new("smtp_450", "the mailbox is busy")
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_by_queue_state_kind_and_index() {
    let desk = Desk::new();
    let mails: Vec<_> = (0..5).map(|n| NewJob::of(&mail(n), JobOptions::default()).unwrap()).collect();
    desk.queue.enqueue(&mails).await.unwrap();
    let later = desk.enqueue(reminder("o7"), delay(DAY).index("order", "o7")).await;
    let ordered = || JobOptions::default().ordered_by("ada");
    desk.enqueue(welcome("u1"), ordered()).await;
    let held = desk.enqueue(welcome("u2"), ordered()).await;

    let all = desk.well("jobs list").await;
    assert_eq!(all.lines().count(), 8, "{all}");
    assert!(all.contains(r#"{"to":"m0@mail.example""#), "{all}");
    let delayed = desk.well("jobs list --state delayed").await;
    assert!(delayed.starts_with(later.as_str()) && delayed.contains("in 23h 59m"), "{delayed}");
    assert_eq!(delayed.lines().count(), 1, "{delayed}");
    assert_eq!(desk.well("jobs list --where order=o7").await.lines().count(), 1);
    assert!(desk.well("jobs list --where order=o7 --state waiting").await.contains("no such jobs"));
    assert!(desk.well("jobs list --queue inventory").await.contains("no such jobs"));
    let some = desk.json("jobs list --queue email --kind notification-email --limit 3").await;
    let to: Vec<_> = some.as_array().unwrap().iter().map(|job| job["arguments"]["to"].as_str().unwrap()).collect();
    assert_eq!(to, ["m0@mail.example", "m1@mail.example", "m2@mail.example"]);
    let cut = desk.well("jobs list --kind notification-email --limit 3").await;
    assert!(cut.ends_with("… and more: --limit 30 shows them, --state, --kind and --where choose"), "{cut}");
    let one = desk.json("jobs list --state held").await;
    assert_eq!(one[0]["key"], held.as_str());

    let (code, said) = desk.millgate("jobs list --queue mail").await;
    assert!(code == 2 && said.contains("there is no queue `mail`") && said.contains("email, inventory"), "{said}");
    let (code, said) = desk.millgate("jobs list --state asleep").await;
    assert!(code == 2 && said.contains("`asleep` is no state; there are waiting"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_shown_with_its_story_and_why_it_is_not_running() {
    let desk = Desk::new();
    let why = async |id: JobId| {
        let shown = desk.json(&format!("jobs show {id}")).await;
        shown["why"].as_str().unwrap().to_owned()
    };
    let id = desk.enqueue(mail(1), JobOptions::default()).await;
    assert!(why(id).await.contains("none runs: is there a worker? `millgate worker --queues email`"));
    desk.queue.pause().await.unwrap();
    assert!(why(id).await.contains("its queue is paused: `millgate queues resume email`"));
    desk.queue.resume().await.unwrap();

    let job = desk.take().await.unwrap();
    job.notes(&desk.queue).progress(40.0).await.unwrap();
    job.notes(&desk.queue).log("half of the list").await.unwrap();
    assert_eq!(why(id).await, "it runs");
    desk.hand.settle(&[(job, Verdict::Retry { after: DAY, failure: failure() })]).await.unwrap();
    let said = desk.well(&format!("jobs show {id}")).await;
    for part in [
        " (in 23h 59m), for its next attempt; `millgate jobs run-now",
        "in email, priority 5",
        r#"arguments  {"to":"m1@mail.example""#,
        "attempts   1 of 20",
        "smtp_450: the mailbox is busy",
        "progress   40 %",
        "half of the list",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }

    desk.enqueue(welcome("u1"), JobOptions::default().ordered_by("ada")).await;
    let held = desk.enqueue(welcome("u2"), JobOptions::default().ordered_by("ada")).await;
    assert!(why(held).await.starts_with("held behind others of its lane `ada`"));
    let own = NewJob::of(&mail(2), JobOptions::default()).unwrap().with_id("event-17");
    desk.queue.enqueue(&[own]).await.unwrap();
    assert_eq!(desk.json("jobs show event-17").await["id"], "event-17");
    let (code, said) = desk.millgate("jobs show event-18").await;
    assert!(
        code == 1 && said.contains("there is no job event-18 in crm, email, inventory, maintenance, orders"),
        "{said}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_that_are_named_are_acted_on_and_what_cannot_be_is_said() {
    let desk = Desk::new();
    let dead = desk.enqueue(mail(1), JobOptions::default()).await;
    desk.end(Verdict::Dead { failure: failure() }).await;
    let later = desk.enqueue(reminder("o7"), delay(DAY)).await;

    let (code, said) = desk.millgate(&format!("jobs retry {dead} {later}")).await;
    assert_eq!(code, 1, "{said}");
    assert!(said.contains("1 jobs run again"), "{said}");
    assert!(said.contains(&format!("job {later} is delayed; `millgate jobs run-now` lets it run")), "{said}");
    assert_eq!(desk.state(dead).await, Some(JobState::Waiting));
    assert_eq!(desk.well(&format!("jobs run-now --dry-run {later}")).await, "1 jobs would run now");
    assert_eq!(desk.state(later).await, Some(JobState::Delayed));
    desk.well(&format!("jobs run-now {later}")).await;
    assert_eq!(desk.state(later).await, Some(JobState::Waiting));

    let running = desk.take().await.unwrap();
    let said = desk.well(&format!("jobs cancel {dead} {later}")).await;
    assert_eq!(said, "1 jobs are cancelled, 1 run and are told to stop");
    let (code, said) = desk.millgate(&format!("jobs delete {dead}")).await;
    assert!(code == 1 && said.contains("is active; `millgate jobs cancel` tells it to stop"), "{said}");
    desk.hand.settle(&[(running, Verdict::Cancel { reason: "told to".into() })]).await.unwrap();
    assert_eq!((desk.state(dead).await, desk.state(later).await), (None, None));
    desk.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_chosen_by_a_filter_and_nothing_is_done_without_a_yes() {
    let desk = Desk::new();
    // More than a step; in blocks.
    let mails: Vec<_> = (0..700).map(|n| NewJob::of(&mail(n), JobOptions::default()).unwrap()).collect();
    desk.queue.enqueue(&mails).await.unwrap();
    let other = desk.enqueue(reminder("o7"), unique("o7")).await;

    let cancel = "jobs cancel --queue email --kind notification-email";
    let (code, said) = desk.millgate(cancel).await;
    assert_eq!(code, 2, "{said}");
    assert!(said.contains("700 jobs would be cancelled, and nothing was done yet; to do it: "), "{said}");
    assert!(said.ends_with("jobs cancel --queue email --kind notification-email --yes"), "{said}");
    assert_eq!(desk.json(&format!("{cancel} --dry-run")).await["jobs"], 700);
    assert_eq!(desk.json(&format!("{cancel} --yes")).await["done"], 700);
    assert_eq!(desk.well(&format!("{cancel} --yes")).await, "0 jobs are cancelled");
    assert_eq!(desk.state(other).await, Some(JobState::Waiting));
    desk.sound().await;

    desk.end(Verdict::Dead { failure: failure() }).await;
    assert_eq!(desk.well("jobs retry --queue email --yes").await, "1 jobs run again");
    assert_eq!(desk.well("jobs delete --state waiting --where id=none --yes").await, "0 jobs are deleted");
    assert_eq!(desk.well("jobs delete --state waiting --yes").await, "1 jobs are deleted");
    desk.sound().await;

    for (wrong, message) in [
        ("jobs delete", "name jobs by their ids, or choose them"),
        ("jobs delete 0mh2k3j4000a --kind x", "not both"),
        ("jobs retry --state done", "`jobs retry` is for jobs that are dead; not for done ones"),
        ("jobs cancel --where order", "`order` is no FIELD=VALUE"),
    ] {
        let (code, said) = desk.millgate(wrong).await;
        assert!(code == 2 && said.contains(message), "{wrong}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_moved_to_another_queue() {
    let desk = Desk::new();
    let inventory = desk.redis.queues().queue("inventory");
    let later = desk.enqueue(reminder("o7"), delay(DAY)).await;
    desk.enqueue(mail(1), JobOptions::default()).await;
    assert_eq!(desk.well(&format!("jobs move --to inventory {later}")).await, "1 jobs are moved to inventory");
    let (code, said) = desk.millgate("jobs move --to inventory --queue email").await;
    assert!(code == 2 && said.contains("1 jobs would be moved to inventory, and nothing was done yet"), "{said}");
    assert_eq!(desk.json("jobs move --to inventory --queue email --yes").await["done"], 1);
    let stats = inventory.stats().await.unwrap();
    assert_eq!((stats.waiting, stats.delayed), (1, 1));
    assert_eq!(
        desk.well("jobs check").await,
        "crm: sound\nemail: sound\ninventory: sound\nmaintenance: sound\norders: sound\nwebhooks: sound"
    );
    let (code, said) = desk.millgate("jobs move --to inventry --queue email").await;
    assert!(code == 2 && said.contains("there is no queue `inventry`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_done_is_in_the_audit_and_is_undone() {
    let desk = Desk::new();
    assert_eq!(desk.well("audit").await, "nobody has done anything yet");
    let later = desk.enqueue(reminder("o7"), delay(DAY)).await;
    let deleted = desk.json(&format!("jobs delete {later}")).await;
    let entry = deleted["audit"][0].as_str().unwrap();
    let listed = desk.well("audit list").await;
    assert!(
        listed.contains("1 jobs are deleted; `millgate audit undo ") && listed.contains("command line"),
        "{listed}"
    );
    assert_eq!(desk.well(&format!("audit undo {entry}")).await, "1 jobs are back in queue email");
    assert_eq!(desk.json(&format!("jobs show {later}")).await["state"], "delayed");
    let (code, said) = desk.millgate(&format!("audit undo {entry}")).await;
    assert!(code == 2 && said.contains("it is undone already"), "{said}");
    let (code, said) = desk.millgate("audit undo 7-0").await;
    assert!(code == 2 && said.contains("there is no action 7-0"), "{said}");
    assert_eq!(desk.json("audit").await.as_array().unwrap().len(), 2);
    desk.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_is_edited_and_found_by_its_arguments() {
    let desk = Desk::new();
    let folder = Folder::new("edit");
    desk.enqueue(mail(1), JobOptions::default()).await;
    let id = desk.enqueue(mail(2), delay(DAY)).await;
    let by_field = "jobs list --where payload.to=m2@mail.example";
    assert!(desk.well(by_field).await.starts_with(id.as_str()));
    assert_eq!(desk.json("jobs list --state delayed --since +23h --until +25h").await.as_array().unwrap().len(), 1);
    assert!(desk.well("jobs list --state delayed --until +23h").await.contains("no such jobs"));
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let misfit = file("misfit.json", r#"{"to":7}"#);
    let (code, said) = desk.millgate(&format!("jobs edit {id} --payload {misfit}")).await;
    assert!(code == 2 && said.contains("have another shape than it takes"), "{said}");
    let broken = file("broken.json", "{");
    let (code, said) = desk.millgate(&format!("jobs edit {id} --payload {broken}")).await;
    assert!(code == 2 && said.contains("is no JSON"), "{said}");
    let fits = serde_json::to_string(&mail(3)).unwrap();
    let said = desk.well(&format!("jobs edit {id} --payload {}", file("fits.json", &fits))).await;
    assert!(said.contains("runs again with other arguments"), "{said}");
    assert!(desk.well(by_field).await.contains("no such jobs"));
    assert_eq!(desk.json(&format!("jobs show {id}")).await["arguments"]["to"], "m3@mail.example");
    assert_eq!(desk.state(id).await, Some(JobState::Waiting));
    desk.sound().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_check_finds_what_is_wrong() {
    let desk = Desk::new();
    desk.enqueue(mail(1), JobOptions::default()).await;
    assert_eq!(
        desk.well("jobs check").await,
        "crm: sound\nemail: sound\ninventory: sound\nmaintenance: sound\norders: sound\nwebhooks: sound"
    );
    let counts = format!("{{{}:email}}:counts", desk.redis.config().prefix);
    desk.redis.command::<i64>(&["HINCRBY", &counts, "waiting", "1"]).await;
    let (code, said) = desk.millgate("jobs check").await;
    assert!(code == 1 && said.contains("email: counts say 2 wait, and there are 1"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_is_printed_whole() {
    let desk = Desk::new();
    let script = desk.well("jobs script stats").await;
    assert!(script.starts_with("-- In front of all scripts.") && script.ends_with('}'), "{script}");
    let (code, said) = desk.millgate("jobs script enqueu").await;
    assert!(code == 2 && said.contains("there is no script `enqueu`; there are: cancel, check, claim"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_drained_resumed_and_limited() {
    let desk = Desk::new();
    desk.enqueue(mail(1), JobOptions::default()).await;
    assert!(desk.well("queues pause email").await.contains("\n  paused: no worker takes jobs from it"));
    assert!(desk.take().await.is_none());
    let said = desk.well("queues drain email").await;
    assert!(said.contains("paused") && said.contains("\n  draining: it takes no more jobs"), "{said}");
    let more = NewJob::of(&mail(2), JobOptions::default()).unwrap();
    assert!(desk.queue.enqueue(std::slice::from_ref(&more)).await.unwrap_err().to_string().contains("queues resume"));
    let said = desk.well("queues resume email").await;
    assert!(said.starts_with("email: 1 waiting (the oldest for ") && !said.contains("paused"), "{said}");

    desk.well("queues limit email --max-jobs 1 --rate 10/1s --keep-done 5 --keep-done-for 7d --ageing 30s").await;
    let said = desk.well("queues limit email --concurrency 3 --rate none").await;
    assert!(
        said.contains("\n  limits: max-jobs 1, concurrency 3, ageing 30s, keep-done 5, keep-done-for 7days"),
        "{said}"
    );
    assert!(desk.queue.enqueue(&[more]).await.unwrap_err().to_string().contains("max_jobs"));
    desk.end(Verdict::Done).await;
    let shown = desk.json("queues").await;
    assert_eq!((&shown["email"]["kept"], &shown["email"]["waiting"]), (&Value::from(1), &Value::from(0)));
    for (wrong, message) in [
        ("queues limit email --rate fast", "`fast` is no rate such as 10/1s, nor `none`"),
        ("queues limit email --concurrency 0", "`0` is no number from 1 on, nor `none`"),
        ("queues limit email --keep-done none", "keep-done-for says for how long"),
        ("queues pause mail", "there is no queue `mail`"),
    ] {
        let (code, said) = desk.millgate(wrong).await;
        assert!(code == 2 && said.contains(message), "{wrong}: {said}");
    }
}
