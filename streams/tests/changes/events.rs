//! Events that follow from changes.

use millgate_streams::changes::{Change, Changes, Op};
use serde_json::{Value, json};

use crate::rig::{Renamed, Rig, USERS, User, renamed, user};

#[tokio::test]
async fn an_event_is_there_once_and_says_where_it_comes_from() {
    let rig = Rig::fresh().await;
    let changes = || Changes::of(USERS).replica_identity_full().publish(renamed);
    rig.tell("r", 1, 5, Value::Null, user(1, "Ann")).await;
    for _ in 0..2 {
        rig.tell("u", 1, 20, user(1, "Ann"), user(1, "Anna")).await;
        rig.tell("u", 1, 21, user(1, "Anna"), user(1, "Anne")).await;
    }
    rig.run(changes()).await;
    let events = rig.events().await;
    let payloads: Vec<_> = events.iter().map(|(_, _, payload)| payload.clone()).collect();
    assert_eq!(payloads, [json!({"id": 1, "to": "Anna"}), json!({"id": 1, "to": "Anne"})]);
    let (id, headers, _) = &events[0];
    assert_eq!(headers["ce_id"], **id);
    assert_eq!(headers["ce_source"], "crm");
    assert_eq!(headers["ce_time"], "2023-11-14T22:13:20.000Z", "when it was committed");
    assert_eq!(headers["ce_correlationid"], "shop/702", "the source's transaction");
    assert_eq!(headers["ce_correlationid"], events[1].1["ce_correlationid"]);
    let cause = format!("{}/20/Update/{{\"id\":1}}", rig.kafka.name(USERS));
    assert_eq!(headers["ce_causationid"], cause);

    // A stream that has lost all it knew makes the same ids of the same changes.
    let lose = "TRUNCATE change_rows, outbox; UPDATE stream_positions SET next_offset = 0";
    sqlx::raw_sql(lose).execute(rig.database.pool()).await.unwrap();
    // Whatever comes next shows that the tables are behind.
    rig.tell("u", 1, 21, user(1, "Anna"), user(1, "Anne")).await;
    rig.run(changes()).await;
    let ids = |events: &[(String, Value, Value)]| events.iter().map(|(id, ..)| id.clone()).collect::<Vec<_>>();
    assert_eq!(ids(&rig.events().await), ids(&events));
}

#[tokio::test]
async fn two_events_of_one_change_are_two() {
    let rig = Rig::fresh().await;
    let gone = |change: &Change<User>| {
        let id = change.key.as_ref()?.read::<i64>().ok()?;
        (change.op == Op::Delete).then(|| Renamed { id, to: String::new() })
    };
    rig.tell("c", 1, 10, Value::Null, user(1, "Ann")).await;
    rig.tell("d", 1, 20, json!({"id": 1}), Value::Null).await;
    rig.run(Changes::of(USERS).publish(renamed).publish(gone).publish(gone)).await;
    let events = rig.events().await;
    assert_eq!(events.len(), 3);
    assert_ne!(events[1].0, events[2].0);
}
