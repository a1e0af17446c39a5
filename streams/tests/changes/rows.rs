//! Tables of one's own that follow.

use std::sync::atomic::AtomicUsize;

use millgate_streams::changes::Changes;
use serde_json::{Value, json};

use crate::rig::{Directory, Rig, USERS, User, names, renamed, user};

fn with_bio(id: i64, name: &str, bio: &str) -> Value {
    let mut row = user(id, name);
    row["bio"] = bio.into();
    row
}

const ABSENT: &str = "__debezium_unavailable_value";

#[tokio::test]
async fn a_value_that_was_not_sent_overwrites_nothing() {
    let rig = Rig::fresh().await;
    // Nothing is remembered: the sink is told to leave it.
    let changes = || Changes::<User>::of(USERS).sink(Directory::default());
    rig.tell("c", 1, 10, Value::Null, with_bio(1, "Ann", "long")).await;
    rig.run(changes()).await;
    rig.tell("u", 1, 20, Value::Null, with_bio(1, "Anna", ABSENT)).await;
    rig.run(changes()).await;
    assert_eq!(rig.directory().await, [(1, "Anna".to_owned(), Some("long".to_owned()))]);
    // In one batch with the change that had it, even if the last one has it not.
    rig.tell("u", 1, 30, Value::Null, with_bio(1, "Anna", "longer")).await;
    rig.tell("u", 1, 40, Value::Null, with_bio(1, "Anne", ABSENT)).await;
    rig.run(changes()).await;
    assert_eq!(rig.directory().await, [(1, "Anne".to_owned(), Some("longer".to_owned()))]);
}

#[tokio::test]
async fn a_row_as_it_was_is_believed_only_where_it_is_whole() {
    let rig = Rig::fresh().await;
    rig.tell("c", 1, 10, Value::Null, with_bio(1, "Ann", "long")).await;
    rig.run(Changes::<User>::of(USERS).sink(Directory::default())).await;
    // As of a table whose replica identity is an index: the columns of the index, and nothing of the others.
    let before = json!({ "id": 1, "name": "Ann", "bio": null });
    rig.tell("u", 1, 20, before, with_bio(1, "Anna", ABSENT)).await;
    rig.run(Changes::<User>::of(USERS).sink(Directory::default())).await;
    assert_eq!(rig.directory().await, [(1, "Anna".to_owned(), Some("long".to_owned()))]);
    rig.tell("u", 1, 30, with_bio(1, "Anna", "longer"), with_bio(1, "Anne", ABSENT)).await;
    rig.run(Changes::<User>::of(USERS).replica_identity_full().sink(Directory::default())).await;
    assert_eq!(rig.directory().await, [(1, "Anne".to_owned(), Some("longer".to_owned()))]);
}

#[tokio::test]
async fn a_row_that_gets_another_key_keeps_its_long_values() {
    let rig = Rig::fresh().await;
    let changes = || Changes::<User>::of(USERS).remember_rows().sink(Directory::default());
    rig.tell("c", 1, 10, Value::Null, with_bio(1, "Ann", "long")).await;
    rig.run(changes()).await;
    // As Debezium tells it: one place in the log, two keys.
    let (old, new) = (r#"{"id":1}"#, r#"{"id":9}"#);
    rig.tell_at(0, "d", 1, 20, json!({"id": 1}), Value::Null, &[("__debezium.newkey", new)]).await;
    rig.kafka.put(USERS, 0, Some(old.as_bytes()), None, &[]).await;
    rig.run(changes()).await;
    assert_eq!(rig.directory().await, []);
    rig.tell_at(0, "c", 9, 20, Value::Null, with_bio(9, "Ann", ABSENT), &[("__debezium.oldkey", old)]).await;
    rig.run(changes()).await;
    assert_eq!(rig.directory().await, [(9, "Ann".to_owned(), Some("long".to_owned()))]);
    let remembered = "SELECT \"row\" FROM change_rows WHERE key = '{\"id\":9}'";
    let row: Value = sqlx::query_scalar(remembered).fetch_one(rig.database.pool()).await.unwrap();
    assert_eq!(row, with_bio(9, "Ann", "long"));
}

#[tokio::test]
async fn a_batch_that_fails_leaves_nothing_behind() {
    let rig = Rig::fresh().await;
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.tell("u", 1, 20, Value::Null, user(1, "Anna")).await;
    rig.run(Changes::of(USERS).sink(Directory(AtomicUsize::new(2))).publish(renamed)).await;
    assert_eq!(names(&rig.directory().await), [(1, "Anna")]);
    assert_eq!(rig.events().await.len(), 2);
}

#[tokio::test]
async fn what_is_unique_may_go_from_one_row_to_another() {
    let rig = Rig::fresh().await;
    sqlx::query("CREATE UNIQUE INDEX ON directory (email)").execute(rig.database.pool()).await.unwrap();
    let changes = || Changes::<User>::of(USERS).sink(Directory::default());
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.run(changes()).await;
    rig.tell("d", 1, 20, json!({"id": 1}), Value::Null).await;
    rig.tell("c", 2, 30, Value::Null, user(2, "Ann")).await;
    rig.run(changes()).await;
    assert_eq!(names(&rig.directory().await), [(2, "Ann")]);
}
