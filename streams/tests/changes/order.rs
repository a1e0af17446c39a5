//! Changes that come again, late, or beside a snapshot.

use std::time::Duration;

use millgate_streams::changes::Changes;
use serde_json::{Value, json};

use crate::rig::{Directory, Rig, USERS, User, names, renamed, user};

fn followed() -> Changes<User> {
    Changes::of(USERS).sink(Directory::default()).publish(renamed)
}

#[tokio::test]
async fn an_older_change_is_passed_over() {
    let rig = Rig::fresh().await;
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.tell("u", 1, 30, Value::Null, user(1, "Anna")).await;
    rig.tell("u", 1, 20, Value::Null, user(1, "Anne")).await;
    rig.run(followed()).await;
    // In another batch, too.
    rig.tell("u", 1, 20, Value::Null, user(1, "Anne")).await;
    let changes = followed();
    let stats = changes.stats();
    rig.run(changes).await;
    assert_eq!((stats.read().applied, stats.read().past), (0, 1));
    assert_eq!(names(&rig.directory().await), [(1, "Anna")]);
    assert_eq!(rig.events().await.len(), 2);
}

#[tokio::test]
async fn an_older_change_brings_no_row_back() {
    let rig = Rig::fresh().await;
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.tell("d", 1, 30, json!({"id": 1}), Value::Null).await;
    rig.kafka.put(USERS, 0, Some(br#"{"id":1}"#), None, &[]).await;
    rig.run(followed()).await;
    rig.tell("u", 1, 20, Value::Null, user(1, "Anna")).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), []);
    // A later one does.
    rig.tell("c", 1, 40, Value::Null, user(1, "Ann")).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(1, "Ann")]);
}

#[tokio::test]
async fn rows_that_are_gone_are_forgotten_in_the_end() {
    let rig = Rig::fresh().await;
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.tell("c", 2, 20, Value::Null, user(2, "Bob")).await;
    rig.tell("d", 1, 30, json!({"id": 1}), Value::Null).await;
    rig.run(followed()).await;
    let kept = async || {
        let read = "SELECT key FROM change_rows WHERE stream = 'users' ORDER BY key";
        sqlx::query_scalar::<_, String>(read).fetch_all(rig.database.pool()).await.unwrap()
    };
    assert_eq!(kept().await, [r#"{"id":1}"#, r#"{"id":2}"#]);
    rig.tell("u", 2, 40, Value::Null, user(2, "Bob")).await;
    rig.run(followed().forget_after(Duration::ZERO)).await;
    assert_eq!(kept().await, [r#"{"id":2}"#]);
}

#[tokio::test]
async fn what_debezium_sends_again_comes_to_nothing() {
    let rig = Rig::fresh().await;
    for _ in 0..2 {
        rig.tell("r", 1, 5, Value::Null, user(1, "Ann")).await;
        rig.tell("u", 1, 10, Value::Null, user(1, "Anna")).await;
        rig.tell("c", 2, 20, Value::Null, user(2, "Bob")).await;
        rig.tell("d", 2, 30, json!({"id": 2}), Value::Null).await;
    }
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(1, "Anna")]);
    assert_eq!(rig.events().await.len(), 2);
}

#[tokio::test]
async fn a_transaction_that_was_open_at_the_snapshot_is_later_than_it() {
    let rig = Rig::fresh().await;
    rig.tell("r", 1, 100, Value::Null, user(1, "Ann")).await;
    rig.run(followed()).await;
    // Written before the place where the snapshot was taken, and committed after it.
    rig.tell("u", 1, 90, Value::Null, user(1, "Anna")).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(1, "Anna")]);
    // An older snapshot than the change changes nothing; a newer one tells how the row is.
    rig.tell("r", 1, 80, Value::Null, user(1, "Old")).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(1, "Anna")]);
    rig.tell("r", 1, 120, Value::Null, user(1, "Anne")).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(1, "Anne")]);
}

#[tokio::test]
async fn a_truncate_takes_what_is_older_than_it() {
    let rig = Rig::fresh().await;
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.tell("c", 2, 30, Value::Null, user(2, "Bob")).await;
    // In one batch with changes before and after it.
    rig.tell("t", 0, 20, Value::Null, Value::Null).await;
    rig.tell("c", 3, 40, Value::Null, user(3, "Cid")).await;
    rig.tell("u", 1, 15, Value::Null, user(1, "Anna")).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(2, "Bob"), (3, "Cid")]);
    rig.tell("u", 3, 48, Value::Null, user(3, "Cyd")).await;
    rig.tell("t", 0, 20, Value::Null, Value::Null).await;
    rig.tell("u", 1, 16, Value::Null, user(1, "Anna")).await;
    rig.run(followed()).await;
    rig.tell("u", 3, 47, Value::Null, user(3, "Cid")).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(2, "Bob"), (3, "Cyd")], "the same again");
    rig.tell("t", 0, 50, Value::Null, Value::Null).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), []);
}

#[tokio::test]
async fn partitions_need_not_agree_on_when_a_table_was_emptied() {
    let rig = Rig::with_partitions(2).await;
    rig.tell("t", 0, 20, Value::Null, Value::Null).await;
    rig.run(followed()).await;
    for (id, lsn) in [(1, 10), (2, 30)] {
        rig.tell_at(1, "c", id, lsn, Value::Null, user(id, "Ann"), &[]).await;
    }
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), [(2, "Ann")]);
}

#[tokio::test]
async fn thousands_of_rows_are_emptied() {
    let rig = Rig::fresh().await;
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.run(followed()).await;
    // As many as come in some pages.
    for write in [
        "INSERT INTO directory SELECT i, 'x', 'x' FROM generate_series(2, 2500) AS i",
        "INSERT INTO change_rows (stream, id, key, lsn, snapshot) SELECT 'users', sha256(key::bytea), key, 10, false \
         FROM (SELECT format('{\"id\":%s}', i) FROM generate_series(2, 2500) AS i) AS made (key)",
    ] {
        sqlx::query(write).execute(rig.database.pool()).await.unwrap();
    }
    rig.tell("t", 0, 20, Value::Null, Value::Null).await;
    rig.run(followed()).await;
    assert_eq!(names(&rig.directory().await), []);
}
