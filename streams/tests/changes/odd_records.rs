//! Records that are no changes of the table: they hold nobody up.

use millgate_streams::changes::Changes;
use serde_json::{Value, json};

use crate::rig::{Directory, Rig, USERS, envelope, names, user};

#[tokio::test]
async fn they_go_to_the_dead_letters_and_the_others_go_on() {
    let rig = Rig::fresh().await;
    let key: Option<&[u8]> = Some(br#"{"id":1}"#);
    let put = async |key, value: &str| {
        rig.kafka.put(USERS, 0, key, Some(value.as_bytes()), &[]).await;
    };
    put(key, "{no json").await;
    put(key, "[]").await;
    // Flattened by a transform.
    put(key, &user(1, "Ann").to_string()).await;
    put(key, &envelope("x", 10, Value::Null, user(1, "Ann")).to_string()).await;
    put(key, &envelope("u", 10, Value::Null, Value::Null).to_string()).await;
    put(key, &envelope("u", 10, Value::Null, json!({"id": "one"})).to_string()).await;
    put(None, &envelope("c", 10, Value::Null, user(1, "Ann")).to_string()).await;
    put(Some(b"1"), &envelope("c", 10, Value::Null, user(1, "Ann")).to_string()).await;
    put(
        key,
        &envelope("c", 10, Value::Null, json!({"id": 1, "name": "__debezium_unavailable_value", "email": ""}))
            .to_string(),
    )
    .await;
    // These are told, and tell nothing.
    rig.kafka.put(USERS, 0, key, None, &[]).await;
    put(None, r#"{"op": "m", "message": {"prefix": "note", "content": "aGVsbG8="}, "source": {"lsn": 11}}"#).await;
    rig.tell("c", 2, 20, Value::Null, user(2, "Bob")).await;
    let changes = Changes::of(USERS).sink(Directory::default());
    let stats = changes.stats();
    rig.run(changes).await;
    assert_eq!(names(&rig.directory().await), [(2, "Bob")]);
    let dead = rig.dead().await;
    let codes: Vec<&str> = dead.iter().map(|(code, _)| code.as_str()).collect();
    assert_eq!(
        codes,
        [
            "not_json",
            "no_envelope",
            "no_envelope",
            "no_envelope",
            "no_envelope",
            "bad_shape",
            "no_key",
            "no_envelope",
            "unavailable_value"
        ]
    );
    assert!(dead[2].1.contains("ExtractNewRecordState"), "{}", dead[2].1);
    assert!(dead[8].1.contains("did not send name"), "{}", dead[8].1);
    let counts = stats.read();
    assert_eq!((counts.applied, counts.put_aside, counts.tombstones, counts.messages), (1, 9, 1, 1));
    let letters = rig.kafka.records("dead-letters", 9).await;
    assert_eq!(letters[0].value.as_deref(), Some(b"{no json".as_slice()));
    let group = format!("{}.users", rig.kafka.config().consumer_group);
    assert_eq!(letters[0].headers.text("__dlq.errors.group"), Some(group.as_str()));
}

#[tokio::test]
async fn a_row_that_should_be_whole_and_is_not_is_told() {
    let rig = Rig::fresh().await;
    rig.tell("u", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.run(Changes::of(USERS).replica_identity_full().sink(Directory::default())).await;
    let [(code, message)] = &rig.dead().await[..] else { panic!("not one") };
    assert_eq!(code, "no_before");
    assert!(message.contains("ALTER TABLE public.users REPLICA IDENTITY FULL"), "{message}");
}

#[tokio::test]
async fn zeros_in_texts_and_very_long_keys_hold_nobody_up() {
    let rig = Rig::fresh().await;
    let long = "k".repeat(10_000);
    let key = json!({"id": 1, "long": long}).to_string();
    let zero = envelope("c", 10, Value::Null, json!({"id": 1, "name": "\u{0}", "email": "", "bio": null})).to_string();
    rig.kafka.put(USERS, 0, Some(br#"{"id":1}"#), Some(zero.as_bytes()), &[]).await;
    let fine = envelope("c", 10, Value::Null, user(1, "Ann")).to_string();
    rig.kafka.put(USERS, 0, Some(key.as_bytes()), Some(fine.as_bytes()), &[]).await;
    let changes = Changes::<Value>::of(USERS).remember_rows();
    let running = rig.start("users", changes);
    rig.settled("users", USERS).await;
    running.end().await;
    let read = "SELECT \"row\" ->> 'name' FROM change_rows";
    let rows: Vec<String> = sqlx::query_scalar(read).fetch_all(rig.database.pool()).await.unwrap();
    assert_eq!(rows, ["Ann"]);
    assert_eq!(rig.dead().await[0].0, "bad_shape");
}
