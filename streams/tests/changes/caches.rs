//! Keys of caches that go when rows change.

use std::time::Duration;

use millgate_streams::changes::{Change, Changes};
use serde_json::{Value, json};

use crate::rig::{Rig, USERS, User, user};

/// A key by the primary key, which is always known, and one by each e-mail address that is.
fn keys(rig: &Rig) -> impl Fn(&Change<User>) -> Vec<String> + Send + Sync + use<> {
    let prefix = rig.prefix.clone();
    move |change| {
        let id = change.key.as_ref().map_or_else(|| "all".to_owned(), ToString::to_string);
        let emails = change.rows().map(|user| format!("{prefix}:{}", user.email));
        emails.chain([format!("{prefix}:{id}")]).collect()
    }
}

const KEYS: [&str; 5] = ["1", "2", "all", "ann@example.com", "anna@example.com"];

#[tokio::test]
async fn keys_of_the_row_as_it_was_and_as_it_is_go() {
    let rig = Rig::fresh().await;
    rig.fill(&KEYS).await;
    rig.tell("u", 1, 10, user(1, "Ann"), user(1, "Anna")).await;
    rig.run(Changes::of(USERS).replica_identity_full().invalidate(keys(&rig))).await;
    assert_eq!(rig.filled(&KEYS).await, ["2", "all"]);
}

#[tokio::test]
async fn what_a_delete_makes_up_is_not_believed() {
    let rig = Rig::fresh().await;
    let prefix = rig.prefix.clone();
    rig.fill(&["1", ""]).await;
    // As Debezium tells it of a table with the default replica identity.
    rig.tell("d", 1, 10, json!({"id": 1, "name": "", "email": "", "bio": null}), Value::Null).await;
    rig.run(Changes::of(USERS).invalidate(move |change: &Change<User>| {
        assert_eq!(change.rows().count(), 0);
        change.key.as_ref().map(|key| format!("{prefix}:{key}"))
    }))
    .await;
    assert_eq!(rig.filled(&["1", ""]).await, [""]);
}

#[tokio::test]
async fn rows_that_are_remembered_are_known_without_full_replica_identity() {
    let rig = Rig::fresh().await;
    let changes = || Changes::of(USERS).remember_rows().invalidate(keys(&rig));
    rig.tell("r", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.run(changes()).await;
    rig.fill(&KEYS).await;
    rig.tell("u", 1, 20, Value::Null, user(1, "Anna")).await;
    rig.run(changes()).await;
    assert_eq!(rig.filled(&KEYS).await, ["2", "all"]);
    rig.fill(&KEYS).await;
    rig.tell("d", 1, 30, json!({"id": 1, "name": "", "email": ""}), Value::Null).await;
    rig.run(changes()).await;
    assert_eq!(rig.filled(&KEYS).await, ["2", "all", "ann@example.com"]);
}

#[tokio::test]
async fn a_truncate_takes_the_keys_of_all_rows() {
    let rig = Rig::fresh().await;
    let changes = || Changes::of(USERS).remember_rows().invalidate(keys(&rig));
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.run(changes()).await;
    rig.fill(&KEYS).await;
    rig.tell("t", 0, 20, Value::Null, Value::Null).await;
    rig.run(changes()).await;
    assert_eq!(rig.filled(&KEYS).await, ["2", "anna@example.com"], "those of the row, and that of the table");
}

#[tokio::test]
async fn a_key_that_is_held_off_cannot_be_filled_with_what_was_read_before() {
    let rig = Rig::fresh().await;
    rig.fill(&["1"]).await;
    let cache = rig.redis.queues().cache();
    rig.tell("u", 1, 10, Value::Null, user(1, "Anna")).await;
    rig.run(Changes::of(USERS).hold_off(Duration::from_mins(10)).invalidate(keys(&rig))).await;
    let key = rig.key("1");
    assert_eq!(cache.get(&key).await.unwrap().as_deref(), Some(""));
    assert!(!cache.put_new(&key, "stale", Duration::from_mins(1)).await.unwrap());
    cache.remove(&[&key]).await.unwrap();
    assert!(cache.put_new(&key, "fresh", Duration::from_mins(1)).await.unwrap());
    assert_eq!(rig.filled(&["1"]).await, ["1"]);
}
