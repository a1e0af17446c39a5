//! `millgate dlq`: what an operator sees of the dead, and how they come back.

use std::{collections::BTreeSet, time::Duration};

use millgate::{
    email::{NotificationEmail, ReminderEmail},
    priority,
    testing::{Failure, Verdict},
    unique,
};
use millgate_events::{DeadLetterStore, DeadLetters, Producer};
use millgate_jobs::{Claimed, Hand, Job, NewJob, Queue};
use millgate_testkit::{wait_for, wait_until};
use millgate_workers::DeadLetterForwarder;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::shop::{PATIENCE, Shop, order};

const DAY: Duration = Duration::from_hours(24);

/// An operator, the queue `email`, and what brings its dead to their table.
struct Desk {
    shop: Shop,
    queue: Queue,
    hand: Hand,
    dead_letters: DeadLetters,
}

impl Desk {
    async fn open(name: &str) -> Self {
        let shop = Shop::open(name).await;
        let queue = shop.queues.queue("email");
        let producer = Producer::new(&shop.kafka.config(), "test").unwrap();
        let store = DeadLetterStore::new(shop.database.pool().clone());
        let dead_letters = DeadLetters::new(producer, "dead-letter-queue").stored_in(Some(store));
        Self { hand: Hand::new(&queue, DAY), shop, queue, dead_letters }
    }

    /// Enqueues jobs with ids of their own.
    async fn enqueue(&self, count: usize) {
        let job = |n: usize| NewJob::of(&mail(n), priority(3)).unwrap().with_id(format!("job-{n}"));
        self.queue.enqueue(&(0..count).map(job).collect::<Vec<_>>()).await.unwrap();
    }

    /// Lets all jobs that wait die, and brings them into the table.
    async fn bury(&self) {
        loop {
            let jobs = self.hand.claim(100).await.unwrap();
            if jobs.is_empty() {
                break;
            }
            let dead = |job: Claimed| {
                let message = format!("the server at RCPT: no mailbox {}", job.id);
                (job, Verdict::Dead { failure: Failure::new("smtp_550", message) })
            };
            self.hand.settle(&jobs.into_iter().map(dead).collect::<Vec<_>>()).await.unwrap();
        }
        let stop = CancellationToken::new();
        let forwarder = DeadLetterForwarder {
            queues: vec![self.queue.clone()],
            dead_letters: self.dead_letters.clone(),
            steps: None,
        };
        let forwarding = tokio::spawn(forwarder.run(stop.clone()));
        wait_until("the dead are buried", PATIENCE, async || self.shop.stats("email").await.unburied == 0).await;
        stop.cancel();
        forwarding.await.unwrap();
    }

    /// Takes all jobs that wait: their own ids. Each is there once.
    async fn waiting(&self) -> BTreeSet<String> {
        let mut ids = BTreeSet::new();
        loop {
            let jobs = self.hand.claim(100).await.unwrap();
            if jobs.is_empty() {
                return ids;
            }
            for job in &jobs {
                assert!(ids.insert(job.id.clone()), "{} is there twice", job.id);
            }
            let done = |job| (job, Verdict::Done);
            self.hand.settle(&jobs.into_iter().map(done).collect::<Vec<_>>()).await.unwrap();
        }
    }

    /// Runs `millgate dlq`; gives its exit code and what it said.
    async fn dlq(&self, arguments: &[&str]) -> (i32, String) {
        let child = self.shop.start(&[&["dlq"], arguments].concat());
        let status = child.wait_exit(PATIENCE).await;
        (status.code().unwrap(), child.output())
    }

    /// The same where it must end well.
    async fn well(&self, arguments: &[&str]) -> String {
        let (code, said) = self.dlq(arguments).await;
        assert_eq!(code, 0, "{arguments:?}: {said}");
        said
    }

    async fn json(&self, arguments: &[&str]) -> Value {
        let said = self.well(&[arguments, &["--json"]].concat()).await;
        serde_json::from_str(&said).unwrap_or_else(|error| panic!("{error}: {said}"))
    }

    async fn redrive(&self, which: &[&str]) -> (i32, String) {
        self.dlq(&[&["redrive"], which, &["--by", "ada", "--why", "the handler is corrected"]].concat()).await
    }

    async fn count(&self, status: &str) -> i64 {
        let count = "SELECT count(*) FROM dead_letters WHERE status = $1";
        sqlx::query_scalar(count).bind(status).fetch_one(self.shop.database.pool()).await.unwrap()
    }

    /// The id of the letter that is dead.
    async fn the_dead(&self) -> String {
        let letters = self.json(&["list"]).await;
        assert_eq!(letters.as_array().unwrap().len(), 1, "{letters:#}");
        letters[0]["id"].as_str().unwrap().to_owned()
    }
}

fn mail(number: usize) -> NotificationEmail {
    let to = format!("m{number}@mail.example");
    NotificationEmail { to, subject: "News".into(), body: "-".into(), ..NotificationEmail::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_counted_listed_by_pages_and_shown() {
    let desk = Desk::open("dlq-looks").await;
    assert!(desk.well(&["list"]).await.starts_with("no such letters"));
    desk.enqueue(5).await;
    desk.bury().await;
    let stats = desk.json(&["stats"]).await;
    assert_eq!(
        (&stats["total"], &stats["unprocessed"], &stats["by_status"]["dead"]),
        (&5.into(), &5.into(), &5.into())
    );
    let groups = stats["groups"].as_array().unwrap();
    assert_eq!(groups.len(), 1, "the same cause, whatever the id in its message: {groups:#?}");
    assert_eq!((&groups[0]["letters"], &groups[0]["what"]), (&5.into(), &"notification-email".into()));
    let fingerprint = groups[0]["fingerprint"].as_str().unwrap();
    assert!(desk.well(&["stats"]).await.contains(fingerprint));

    let (mut seen, mut after) = (BTreeSet::new(), None::<String>);
    loop {
        let behind = after.as_deref().map_or_else(Vec::new, |id| vec!["--after", id]);
        let page =
            desk.json(&[&["list", "--limit", "2", "--fingerprint", fingerprint], behind.as_slice()].concat()).await;
        let ids: Vec<_> =
            page.as_array().unwrap().iter().map(|letter| letter["id"].as_str().unwrap().to_owned()).collect();
        after = ids.last().cloned();
        if after.is_none() {
            break;
        }
        assert!(ids.into_iter().all(|id| seen.insert(id)));
    }
    assert_eq!(seen.len(), 5);
    for none in [["--code", "smtp_554"], ["--kind", "event"], ["--queue", "stock"], ["--until", "1h"], ["--job", "x"]] {
        assert!(desk.well(&[&["list"], none.as_slice()].concat()).await.starts_with("no such letters"), "{none:?}");
    }
    let all =
        ["--since", "1h", "--kind", "job", "--queue", "email", "--job", "notification-email", "--code", "smtp_550"];
    assert_eq!(desk.well(&[&["list"], all.as_slice()].concat()).await.lines().count(), 5);

    let shown = desk.well(&["show", seen.first().unwrap()]).await;
    for part in
        ["notification-email job-", "of queue email", "smtp_550: the server at RCPT", "@mail.example", fingerprint]
    {
        assert!(shown.contains(part), "{part}: {shown}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_letters_are_redriven_once_though_the_command_dies_in_the_midst() {
    let desk = Desk::open("dlq-once").await;
    desk.enqueue(200).await;
    desk.bury().await;
    let which = ["--job", "notification-email"];
    let signed = ["redrive", "--by", "ada", "--why", "corrected", "--yes"];
    let slow = desk.shop.start(&[&["dlq"], &signed[..], &which, &["--rate", "60/s"]].concat());
    wait_until("some are redriven", PATIENCE, async || desk.count("redriven").await >= 30).await;
    slow.kill9();
    let done = desk.count("redriven").await;
    assert!(done < 200, "{done}");
    // What dies between Redis and the table: done, and not noted.
    let forget = "UPDATE dead_letters SET status = 'redriving' WHERE id IN \
        (SELECT id FROM dead_letters WHERE status = 'redriven' LIMIT 20)";
    sqlx::query(forget).execute(desk.shop.database.pool()).await.unwrap();

    let both = [(); 2].map(|()| desk.shop.start(&[&["dlq"], &signed[..], &which, &["--json"]].concat()));
    let mut redriven = 0;
    for child in &both {
        assert!(child.wait_exit(PATIENCE).await.success(), "{}", child.output());
        let tally: Value = serde_json::from_str(&child.output()).unwrap();
        redriven += tally["redriven"].as_i64().unwrap();
    }
    assert_eq!((redriven, desk.count("redriven").await), (200 - done + 20, 200));
    assert_eq!(desk.shop.stats("email").await.waiting, 200);
    assert_eq!(desk.waiting().await.len(), 200, "with the ids they had");
    let (code, said) = desk.redrive(&which).await;
    assert_eq!((code, said.starts_with("0 letters are redriven")), (0, true), "{said}");
    assert!(desk.queue.check().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn once_the_cause_is_corrected_one_command_empties_the_table() {
    let desk = Desk::open("dlq-empty").await;
    let change = async |how: &'static str| {
        sqlx::raw_sql(how).execute(desk.shop.database.pool()).await.unwrap();
    };
    change("ALTER TABLE reservations ADD CONSTRAINT closed CHECK (order_id = 'none')").await;
    let _bridge = desk.shop.start(&["bridge"]);
    let _worker = desk.shop.start(&["worker", "--queues", "inventory"]);
    desk.shop.publish(&(0..30).map(order).collect::<Vec<_>>()).await;
    wait_until("all are dead", PATIENCE, async || desk.count("dead").await == 30).await;
    // Nothing is corrected yet: what dies while the command is at work is not taken again by it.
    let (code, said) = desk.redrive(&["--code", "validation_failed", "--yes", "--rate", "15/s"]).await;
    assert_eq!((code, said.starts_with("30 letters are redriven: 30 jobs")), (0, true), "{said}");
    wait_until("all are dead again", PATIENCE, async || desk.count("dead").await == 30).await;
    change("ALTER TABLE reservations DROP CONSTRAINT closed").await;
    let (code, said) = desk.redrive(&["--code", "validation_failed", "--yes"]).await;
    assert_eq!((code, said.starts_with("30 letters are redriven: 30 jobs")), (0, true), "{said}");
    desk.shop.wait_done("inventory", "update-inventory", 30).await;
    wait_until("nothing is left", PATIENCE, async || {
        let stats = desk.shop.stats("inventory").await;
        stats.waiting + stats.active + stats.delayed + stats.unburied == 0
    })
    .await;
    assert_eq!((desk.shop.done("inventory", "update-inventory").await, desk.shop.stock("lamp").await), (30, 970));
    assert_eq!((desk.count("dead").await, desk.count("redriven").await), (0, 60));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_changes_nothing_and_more_than_one_letter_wants_a_yes() {
    let desk = Desk::open("dlq-dry").await;
    desk.enqueue(2).await;
    desk.bury().await;
    let said = desk.well(&["redrive", "--queue", "email", "--dry-run", "--by", "ada"]).await;
    assert_eq!(said, "2 letters would be redriven: 2 jobs, and 0 events that come to 0 jobs");
    let (code, said) = desk.redrive(&["--queue", "email"]).await;
    assert_eq!(code, 2);
    assert!(said.contains("nothing was done yet") && said.contains("'the handler is corrected' --yes"), "{said}");
    let (code, said) = desk.dlq(&["discard", "--queue", "email", "--by", "ada", "--why", "old"]).await;
    assert_eq!((code, said.contains("2 letters would be discarded")), (2, true), "{said}");
    assert_eq!((desk.count("dead").await, desk.shop.stats("email").await.waiting), (2, 0));
    let audit = "SELECT count(*) FROM dead_letter_actions";
    assert_eq!(sqlx::query_scalar::<_, i64>(audit).fetch_one(desk.shop.database.pool()).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_discarded_is_kept_with_who_and_why() {
    let desk = Desk::open("dlq-discard").await;
    desk.enqueue(3).await;
    desk.bury().await;
    let one = desk.json(&["list", "--limit", "1"]).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(desk.well(&["discard", &one, "--by", "ada", "--why", "a test order"]).await, "1 letters are discarded");
    let shown = desk.well(&["show", &one]).await;
    assert!(shown.contains("discarded") && shown.contains("by ada, of 1 letters: a test order"), "{shown}");
    for command in ["discard", "redrive"] {
        let (code, said) = desk.dlq(&[command, &one, "--by", "ada", "--why", "again"]).await;
        assert_eq!((code, said.contains("is discarded already")), (1, true), "{said}");
    }
    let said = desk.well(&["discard", "--since", "1h", "--yes", "--by", "ada", "--why", "all of them"]).await;
    assert_eq!((said.as_str(), desk.count("discarded").await), ("2 letters are discarded", 3));
    assert_eq!(desk.json(&["stats"]).await["processed"], 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_back_again_and_again_is_left_alone() {
    let desk = Desk::open("dlq-loop").await;
    desk.enqueue(1).await;
    for redrives in 0..3 {
        desk.bury().await;
        let id = desk.the_dead().await;
        assert_eq!(desk.json(&["show", &id]).await["redrives"], redrives);
        let (code, said) = desk.redrive(&[&id]).await;
        assert_eq!(code, 0, "{said}");
    }
    desk.bury().await;
    let records = desk.shop.kafka.records("dead-letter-queue", 4).await;
    let last = records.iter().filter_map(|record| record.headers.text("x-dlq-redrives")).max();
    assert_eq!(last, Some("3"));
    let id = desk.the_dead().await;
    let (code, said) = desk.redrive(&[&id]).await;
    assert_eq!((code, said.contains("1 letters came back after 3 redrives")), (1, true), "{said}");
    assert_eq!(desk.shop.stats("email").await.waiting, 0);
    let (code, said) = desk.redrive(&[&id, "--force"]).await;
    assert_eq!((code, desk.waiting().await.len()), (0, 1), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_comes_back_with_its_options_and_not_beside_one_of_its_key() {
    let desk = Desk::open("dlq-options").await;
    let reminder = || ReminderEmail {
        order_id: "o1".into(),
        to: "a@mail.example".into(),
        name: "Ada".into(),
        ..ReminderEmail::default()
    };
    let options = || unique("o1").priority(1).max_attempts(7).index("order", "o1");
    desk.queue.enqueue(&[NewJob::of(&reminder(), options()).unwrap().with_id("reminder-1")]).await.unwrap();
    desk.bury().await;
    let id = desk.the_dead().await;
    let other = NewJob::of(&reminder(), options()).unwrap();
    desk.queue.enqueue(std::slice::from_ref(&other)).await.unwrap();
    let (code, said) = desk.redrive(&[&id]).await;
    assert_eq!((code, said.contains("another job holds its unique key")), (1, true), "{said}");
    assert_eq!((desk.waiting().await.len(), desk.count("dead").await), (1, 1));

    let (code, said) = desk.redrive(&[&id]).await;
    assert_eq!(code, 0, "{said}");
    let found = desk.queue.find("order", "o1", None, 5).await.unwrap();
    let job = &desk.queue.look(&found).await.unwrap()[0];
    assert_eq!((job.id.as_str(), job.priority, job.max_attempts), ("reminder-1", 1, 7));
    assert_eq!((job.kind.as_str(), job.unique.is_some()), (ReminderEmail::KIND, true));
    assert!(desk.queue.check().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_edited_and_goes_through_its_routes() {
    let desk = Desk::open("dlq-edit").await;
    let bridge = desk.shop.start(&["bridge", "--group", "main"]);
    let payload = br#"{"user_id":"u1","email":"u1@mail.example","name":7}"#;
    desk.shop.kafka.put("user.registered", 0, None, Some(payload), &[("own", "kept")]).await;
    wait_until("it is dead", PATIENCE, async || desk.count("dead").await == 1).await;
    bridge.sigterm();
    let id = desk.the_dead().await;
    let (code, said) = desk.redrive(&[&id]).await;
    assert_eq!(
        (code, said.contains("it still is poison: event user.registered has another shape")),
        (1, true),
        "{said}"
    );
    let edit = async |change: &str| desk.dlq(&["edit", &id, "--set", change, "--by", "ada", "--why", "a name"]).await;
    let (code, said) = edit("nmae=Ada").await;
    assert_eq!((code, said.contains("redriven it would stay dead")), (1, true), "{said}");
    let (code, said) = edit("address.city=Ulm").await;
    assert_eq!((code, said.contains("there is no address in the payload")), (2, true), "{said}");
    assert_eq!(edit("name=Ada").await.0, 0);
    let shown = desk.json(&["show", &id]).await;
    assert_eq!((&shown["payload"]["name"], &shown["edited"]["name"]), (&7.into(), &"Ada".into()));
    let whats: Vec<_> =
        shown["actions"].as_array().unwrap().iter().map(|action| action["what"].as_str().unwrap()).collect();
    assert_eq!(whats, ["redrive", "edit", "edit"]);

    let (code, said) = desk.redrive(&["--type", "user.registered"]).await;
    assert_eq!((code, said.as_str()), (0, "1 letters are redriven: 0 jobs, and 1 events that come to 1 jobs"));
    let mut jobs = desk.hand.claim(10).await.unwrap();
    let job = jobs.pop().unwrap();
    assert!(jobs.is_empty() && job.payload.contains(r#""name":"Ada""#), "{}", job.payload);
    assert_eq!(job.origin.as_ref().unwrap().event_type, "user.registered");
    let dead = Verdict::Dead { failure: Failure::new("smtp_550", "no") };
    desk.hand.settle(&[(job, dead)]).await.unwrap();
    desk.bury().await;
    let id = desk.the_dead().await;
    let shown = desk.json(&["show", &id]).await;
    assert_eq!((&shown["redrives"], &shown["kind"]), (&1.into(), &"job".into()), "its job knows that it came back");

    // A job is edited, too.
    let file = millgate_testkit::Folder::new("payload");
    let path = file.path().join("payload.json");
    std::fs::write(&path, "{\"user_id\": \"u1\",\n \"to\": \"other@mail.example\", \"name\": \"Ada\"}\n").unwrap();
    let edit = ["edit", &id, "--payload", path.to_str().unwrap(), "--by", "ada", "--why", "moved"];
    desk.well(&edit).await;
    assert_eq!(desk.redrive(&[&id]).await.0, 0);
    let worker = desk.shop.start(&["worker"]);
    wait_for("the mail arrives", PATIENCE, async || desk.shop.smtp.mails_to("other@mail.example").pop()).await;
    worker.sigterm();
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_meant_is_told() {
    let desk = Desk::open("dlq-wrong").await;
    let nobody = "0192f0c4-7a5b-7cc0-b1a8-00dead00beef";
    let signed = ["--by", "ada", "--why", "x"];
    for (code, arguments, reason) in [
        (2, vec!["redrive"], "name letters by their ids, or choose them"),
        (2, vec!["redrive", nobody, "--queue", "email"], "not both"),
        (2, vec!["redrive", "x"], "`x` is no letter's id"),
        (1, vec!["redrive", nobody], "there is no letter 0192f0c4"),
        (2, vec!["redrive", "--queue", "email", "--rate", "fast"], "`fast` is no rate"),
        (2, vec!["redrive", "--since", "yesterday"], "`yesterday` is neither a time"),
        (2, vec!["redrive", "--kind", "mail"], "`mail` is neither event nor job"),
        (2, vec!["edit", nobody], "--set"),
        (2, vec!["edit", nobody, "--set", "x"], "no PATH=VALUE"),
        (2, vec!["edit", nobody, "--set", "x=1"], "there is no letter"),
    ] {
        let (ended, said) = desk.dlq(&[arguments.as_slice(), &signed].concat()).await;
        assert_eq!((ended, said.contains(reason)), (code, true), "{arguments:?}: {said}");
    }
    let (code, said) = desk.dlq(&["redrive", nobody, "--by", "ada"]).await;
    assert_eq!((code, said.contains("--why")), (2, true), "{said}");
    let (code, said) = desk.dlq(&["list", "--status", "gone"]).await;
    assert_eq!((code, said.contains("`gone` is no state of a letter")), (2, true), "{said}");
    let (code, said) = desk.dlq(&["show", nobody]).await;
    assert_eq!((code, said.contains("there is no letter")), (1, true), "{said}");
    sqlx::query("DROP TABLE dead_letters").execute(desk.shop.database.pool()).await.unwrap();
    let (code, said) = desk.dlq(&["list"]).await;
    assert_eq!((code, said.contains("create it with `millgate migrate`")), (1, true), "{said}");
}
