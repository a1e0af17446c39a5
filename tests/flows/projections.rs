//! `millgate projections` and `millgate store`, as an application of one's own has them: the example.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::Relaxed},
};

use millgate::{Event, EventStore, Expected, Metadata, StreamId};
use millgate_events::{ProjectionStatus, ProjectionStore};
use millgate_testkit::{Binary, Child, Database, KafkaSpace, RedisSpace, wait_until};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use uuid::Uuid;

use crate::{
    http::{address, wait_health, wait_metric},
    shop::PATIENCE,
};

/// As the example has them.
#[derive(Serialize, Deserialize, Event)]
#[event(type = "user.created", topic = "user.events", key = "id")]
struct UserCreated {
    id: String,
    email: String,
    name: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "user.email_changed", topic = "user.events", key = "id")]
struct EmailChanged {
    id: String,
    new_email: String,
}

struct Accounts {
    database: Database,
    kafka: KafkaSpace,
    redis: RedisSpace,
    store: EventStore,
}

impl Accounts {
    async fn open() -> Self {
        let database = Database::fresh(None).await;
        let store = EventStore::new(database.pool().clone(), "accounts");
        let (kafka, redis) = (KafkaSpace::fresh("projections"), RedisSpace::fresh("projections"));
        let accounts = Self { database, kafka, redis, store };
        let (code, said) = accounts.run(&["migrate"]).await;
        assert_eq!(code, Some(0), "{said}");
        accounts
    }

    fn start(&self, arguments: &[&str]) -> Child {
        let (kafka, redis) = (self.kafka.config(), self.redis.config());
        Binary::example("accounts")
            .env("KAFKA_BROKERS", kafka.brokers)
            .env("KAFKA_CONSUMER_GROUP", kafka.consumer_group)
            .env("MILLGATE_KAFKA_TOPIC_PREFIX", kafka.topic_prefix)
            .env("MILLGATE_TOPICS_PARTITIONS", "1")
            .env("MILLGATE_POSTGRES_URL", self.database.url())
            .env("MILLGATE_REDIS_URL", redis.url)
            .env("MILLGATE_REDIS_PREFIX", redis.prefix)
            .env("MILLGATE_PROJECTIONS_BATCH_SIZE", "20")
            .env("MILLGATE_PROJECTIONS_POLL_INTERVAL", "200ms")
            .env("MILLGATE_HTTP_LISTEN", "127.0.0.1:0")
            .folder(std::env::temp_dir())
            .args(arguments.iter().copied())
            .spawn()
    }

    async fn run(&self, arguments: &[&str]) -> (Option<i32>, String) {
        let child = self.start(arguments);
        let status = child.wait_exit(PATIENCE).await;
        (status.code(), child.output())
    }

    async fn create(&self, id: usize) {
        let event = UserCreated { id: format!("u{id}"), email: format!("u{id}@example.com"), name: "Ada".into() };
        let stream = StreamId::new("user", &event.id).unwrap();
        self.store.append(&stream, Expected::NoStream, &[event], &Metadata::default().by("ada")).await.unwrap();
    }

    async fn change(store: &EventStore, id: usize, n: usize) {
        let event = EmailChanged { id: format!("u{id}"), new_email: format!("u{id}.{n}@example.com") };
        let stream = StreamId::new("user", &event.id).unwrap();
        store.append(&stream, Expected::Any, &[event], &Metadata::default()).await.unwrap();
    }

    async fn status(&self) -> Vec<ProjectionStatus> {
        ProjectionStore::new(self.database.pool().clone()).list().await.unwrap()
    }

    /// Waits until all is in the tables; and looks whether it is so, once each.
    async fn check(&self, build: i64) {
        wait_until("it has caught up", PATIENCE, async || {
            let all = self.status().await;
            matches!(&*all, [status] if status.build == build && status.lag == 0)
        })
        .await;
        let wrong = "SELECT count(*) FROM users_by_email AS u FULL JOIN ( \
                SELECT data->>'id' AS id, count(*) - 1 AS changes, \
                    (array_agg(COALESCE(data->>'new_email', data->>'email') ORDER BY version DESC))[1] AS email \
                FROM store_events GROUP BY 1) AS e ON u.id = e.id AND u.changes = e.changes AND u.email = e.email \
            WHERE u.id IS NULL OR e.id IS NULL";
        let wrong: i64 = sqlx::query_scalar(wrong).fetch_one(self.database.pool()).await.unwrap();
        assert_eq!(wrong, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn roles_that_are_killed_while_they_project_and_rebuild_leave_rows_that_are_right() {
    let accounts = Accounts::open().await;
    for id in 0..9 {
        accounts.create(id).await;
    }
    let done = Arc::new(AtomicBool::new(false));
    let writing = {
        let (store, done) = (accounts.store.clone(), done.clone());
        tokio::spawn(async move {
            let mut n = 0;
            while !done.load(Relaxed) {
                n += 1;
                Accounts::change(&store, n % 9, n).await;
            }
        })
    };
    let beside = accounts.start(&["projections", "run"]);
    let mut applied = 0;
    for _ in 0..4 {
        let role = accounts.start(&["projections", "run"]);
        role.wait_for_line("metrics and health at", PATIENCE).await;
        wait_until("it gets on", PATIENCE, async || {
            accounts.status().await.first().is_some_and(|status| status.applied >= applied + 150)
        })
        .await;
        role.kill9();
        applied = accounts.status().await[0].applied;
    }
    beside.kill9();
    let (code, said) = accounts.run(&["projections", "rebuild", "users_by_email"]).await;
    assert_eq!((code, &*said), (Some(0), "users_by_email is built anew, as build 2, by `millgate projections run`"));
    // Killed in the middle of a rebuild, or of the swap: while events come there is always something to do.
    for kill in 1..=3 {
        let role = accounts.start(&["projections", "run"]);
        wait_until("it builds", PATIENCE, async || {
            accounts.status().await.iter().any(|status| status.build == 2 && status.applied >= kill * 60)
        })
        .await;
        role.kill9();
    }
    let role = accounts.start(&["projections", "run"]);
    wait_until("the new one is live", PATIENCE, async || accounts.status().await.len() == 1).await;
    done.store(true, Relaxed);
    writing.await.unwrap();
    accounts.check(2).await;
    role.sigterm();
    assert!(role.wait_exit(PATIENCE).await.success(), "{}", role.output());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_into_a_projection_that_is_killed_goes_on_and_puts_each_event_in_once() {
    const EVENTS: u64 = 309;
    let accounts = Accounts::open().await;
    let replays = async || {
        let (_, said) = accounts.run(&["replay", "list", "--json"]).await;
        serde_json::from_str::<Value>(&said).unwrap().as_array().unwrap().clone()
    };
    for id in 0..9 {
        accounts.create(id).await;
    }
    for n in 0..300 {
        Accounts::change(&accounts.store, n % 9, n).await;
    }
    let into = ["--into", "projection:users_by_email"];
    let (code, said) = accounts.run(&[&["replay", "--yes"], &into[..]].concat()).await;
    assert!(code == Some(1) && said.contains("it has no tables yet"), "{said}");
    let role = accounts.start(&["projections", "run"]);
    accounts.check(1).await;
    for part in [["--from", "1h"], ["--correlation", "r-1"], ["--key", "u1"], ["--type", "user.created"]] {
        let (code, said) = accounts.run(&[&["replay", "--dry-run"], &into[..], &part[..]].concat()).await;
        assert!(code == Some(1) && said.contains("some of them applied again would count twice"), "{part:?}: {said}");
    }
    let (_, dry) = accounts.run(&[&["replay", "--dry-run", "--json"], &into[..]].concat()).await;
    let dry: Value = serde_json::from_str(&dry).unwrap();
    assert_eq!((&dry["tally"]["selected"], &dry["tally"]["looked_at"]), (&EVENTS.into(), &EVENTS.into()));
    assert_eq!(dry["tally"]["topics"]["user"]["user.email_changed"]["events"], 300);
    // What nobody knows of any more.
    let spoil = "UPDATE users_by_email SET changes = changes + 1000";
    sqlx::query(spoil).execute(accounts.database.pool()).await.unwrap();

    let slow = ["replay", "--rate", "100/s", "--yes", "--by", "ada", "--why", "somebody wrote into it"];
    let first = accounts.start(&[&slow[..], &into[..]].concat());
    wait_until("it gets on", PATIENCE, async || {
        accounts.status().await.iter().any(|status| status.build == 2 && status.applied >= 40)
    })
    .await;
    first.kill9();
    wait_until("it is known to be cut off", PATIENCE, async || replays().await[0]["status"] == "cut-off").await;
    let id = replays().await[0]["id"].as_str().unwrap().to_owned();
    let cut_off = accounts.status().await.remove(1);
    assert_eq!((cut_off.build, cut_off.replay.as_ref()), (2, Some(&id)));
    assert!(cut_off.applied < 309, "it was killed in the midst");
    // Runners leave it alone, and go on with the tables that are read.
    accounts.create(9).await;
    wait_until("the live one has it", PATIENCE, async || accounts.status().await[0].lag == 0).await;
    assert_eq!(accounts.status().await.remove(1).position, cut_off.position);
    let (_, said) = accounts.run(&["projections", "list"]).await;
    assert!(said.contains(&format!("users_by_email  being built by replay {id}")), "{said}");
    let (code, said) = accounts.run(&[&["replay", "--yes"], &into[..]].concat()).await;
    assert!(code == Some(1) && said.contains("it is being built already"), "{said}");
    let spoilt = "SELECT count(*) FROM users_by_email WHERE changes >= 1000";
    let spoilt: i64 = sqlx::query_scalar(spoilt).fetch_one(accounts.database.pool()).await.unwrap();
    assert_eq!(spoilt, 9, "what is read is not touched before the end");

    let (code, said) = accounts.run(&["replay", "resume", &id]).await;
    assert!(code == Some(0) && said.contains(&format!("replay {id} is done")), "{said}");
    accounts.check(2).await;
    let status = accounts.status().await.remove(0);
    assert_eq!((status.applied, status.replay), (310, None), "each once, with the one that came meanwhile");
    let (_, shown) = accounts.run(&["replay", "show", &id, "--json"]).await;
    let shown: Value = serde_json::from_str(&shown).unwrap();
    for part in ["looked_at", "selected", "topics"] {
        assert_eq!(shown["tally"][part], dry["tally"][part], "a dry run counts what is then done");
    }
    assert_eq!((&shown["offsets_done"], &shown["why"]), (&shown["offsets"], &"somebody wrote into it".into()));
    // Runners have it again.
    accounts.create(10).await;
    accounts.check(2).await;
    let (_, said) = accounts.run(&["audit"]).await;
    assert!(said.contains(&format!("replay {id} is done: {EVENTS} records into projection users_by_email")), "{said}");
    assert!(role.is_running());
}

#[tokio::test(flavor = "multi_thread")]
async fn how_far_projections_are_is_said_everywhere() {
    let accounts = Accounts::open().await;
    let (code, said) = accounts.run(&["projections", "list"]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("users_by_email  has no tables yet: `millgate projections run`"), "{said}");
    let role = accounts.start(&["projections", "run"]);
    let at = address(&role).await;
    accounts.create(1).await;
    accounts.check(1).await;
    wait_health(&at, "/readyz", 200).await;
    let labels = ["projection=\"users_by_email\"", "state=\"live\""];
    wait_metric(&at, "millgate_projection_events_applied_total", &labels, 1.0).await;
    wait_metric(&at, "millgate_projection_lag", &labels, 0.0).await;
    let (code, said) = accounts.run(&["projections", "list"]).await;
    assert_eq!(code, Some(0));
    assert!(said.contains("users_by_email  live, version 1, build 1: 1 events applied, up to date since"), "{said}");

    // A user who is created twice is none that this projection knows how to have.
    let twice = UserCreated { id: "u1".into(), email: "again@example.com".into(), name: "Ada".into() };
    let stream = StreamId::new("user", "u1").unwrap();
    accounts.store.append(&stream, Expected::Any, &[twice], &Metadata::default()).await.unwrap();
    let parts = wait_health(&at, "/readyz", 503).await;
    let detail = parts["projections"]["detail"].as_str().unwrap();
    assert!(detail.contains("projection users_by_email fails at event") && detail.contains("duplicate key"), "{parts}");
    wait_health(&at, "/healthz", 200).await;
    wait_metric(&at, "millgate_projection_failed", &labels, 1.0).await;
    wait_metric(&at, "millgate_projection_lag", &labels, 1.0).await;
    let (code, said) = accounts.run(&["projections", "list"]).await;
    assert_eq!(code, Some(1));
    assert!(said.contains("1 behind, for") && said.contains("stands still: projection users_by_email fails"), "{said}");
    let (_, said) = accounts.run(&["projections", "list", "--json"]).await;
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((&json[0]["lag"], &json[0]["state"]), (&1.into(), &"live".into()));

    // The way out.
    assert!(said.contains("\"failed_type\": \"user.created\""), "{said}");
    let event = json[0]["failed_event"].as_str().unwrap();
    let (_, said) = accounts.run(&["projections", "list"]).await;
    let skip = format!("millgate projections skip users_by_email --event {event}");
    assert!(said.contains("that is user.created, version 2 of user-u1") && said.contains(&skip), "{said}");
    let other = Uuid::new_v4().to_string();
    let why = ["--why", "created twice by hand"];
    let (code, said) =
        accounts.run(&[&["projections", "skip", "users_by_email", "--event", &other], &why[..]].concat()).await;
    assert_eq!(code, Some(2), "{said}");
    assert!(said.contains(&format!("it stands still at event {event}")), "{said}");
    let (code, said) =
        accounts.run(&[&["projections", "skip", "users_by_email", "--event", event], &why[..]].concat()).await;
    assert_eq!(code, Some(0), "{said}");
    accounts.create(2).await;
    wait_until("it goes on", PATIENCE, async || accounts.status().await[0].lag == 0).await;
    wait_health(&at, "/readyz", 200).await;
    let (_, said) = accounts.run(&["projections", "list"]).await;
    assert!(said.contains("2 events applied, 1 passed over, up to date since"), "{said}");
    let (_, said) = accounts.run(&["audit"]).await;
    assert!(said.contains(&format!("projection users_by_email passes over event {event}")), "{said}");
    let (code, said) = accounts.run(&["projections", "rebuild", "users"]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("no such projection; there are: users_by_email"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_and_their_events_are_shown() {
    let accounts = Accounts::open().await;
    accounts.create(1).await;
    accounts.create(2).await;
    Accounts::change(&accounts.store, 1, 7).await;
    let (code, said) = accounts.run(&["store", "streams", "user-"]).await;
    assert_eq!(code, Some(0));
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines.len(), 2, "{said}");
    assert!(lines[0].starts_with("user-u1 ") && lines[0].contains(" 2 events since "), "{said}");
    let (_, said) = accounts.run(&["store", "show", "user-u1"]).await;
    let lines: Vec<&str> = said.lines().collect();
    assert!(lines[0].contains("user.created v1  by ada  {\"email\":\"u1@example.com\""), "{said}");
    assert!(lines[1].starts_with("     2  ") && lines[1].contains("user.email_changed v1  {"), "{said}");
    let (_, said) = accounts.run(&["store", "show", "user-u1", "--from", "2", "--json"]).await;
    let json: Value = serde_json::from_str(&said).unwrap();
    assert_eq!((json.as_array().unwrap().len(), &json[0]["version"]), (1, &2.into()));
    assert_eq!(json[0]["data"]["new_email"], "u1.7@example.com");
    assert!(json[0]["metadata"]["correlation"].is_string(), "{said}");
    let (code, said) = accounts.run(&["store", "show", "user-u9"]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("stream user-u9 has no events"), "{said}");
    let (code, said) = accounts.run(&["store", "show", "user"]).await;
    assert_eq!(code, Some(2));
    assert!(said.contains("`user` is no name of a stream; it looks like account-17"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_people_want_becomes_events_of_users_rows_and_records() {
    let accounts = Accounts::open().await;
    let (code, said) = accounts.run(&["topics", "apply"]).await;
    assert_eq!(code, Some(0), "{said}");
    let roles: [&[&str]; 4] = [&["bridge"], &["worker", "--queues", "accounts"], &["relay"], &["projections", "run"]];
    let _roles = roles.map(|role| accounts.start(role));
    let users = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/users.jsonl");
    let (code, said) = accounts.run(&["publish", users]).await;
    assert_eq!(code, Some(0), "{said}");
    let rows = async || {
        let rows = "SELECT id, email, changes FROM users_by_email ORDER BY id";
        // There is no table yet when it is first asked for.
        sqlx::query_as::<_, (String, String, i64)>(rows).fetch_all(accounts.database.pool()).await.unwrap_or_default()
    };
    let row = |id: &str, email: &str, changes| (id.to_owned(), email.to_owned(), changes);
    let wanted = [row("u1", "ada@home.example", 1), row("u2", "bob@mail.example", 0)];
    wait_until("both are there", PATIENCE, async || rows().await == wanted).await;
    let records = accounts.kafka.records("user.events", 3).await;
    let of_ada = records.iter().filter(|record| record.key.as_deref() == Some(b"u1"));
    let types: Vec<&str> = of_ada.filter_map(|record| record.headers.text("ce_type")).collect();
    assert_eq!(types, ["user.created", "user.email_changed"]);
}
