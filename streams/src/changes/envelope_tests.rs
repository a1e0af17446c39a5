use chrono::{DateTime, NaiveDateTime, Utc};
use millgate_events::Headers;
use serde_json::json;

use super::*;
use crate::changes::unavailable::is_unavailable;

/// As a real Debezium wrote them: `streams/tests/changes/debezium.rs`.
const PLAIN: &str = include_str!("../../tests/changes/envelopes/plain.jsonl");
const WRAPPED: &str = include_str!("../../tests/changes/envelopes/wrapped.jsonl");

#[derive(Deserialize)]
struct Line {
    key: Option<String>,
    value: Option<String>,
    headers: Vec<(String, Option<String>)>,
}

fn record(key: Option<&str>, value: Option<&str>) -> Record {
    Record {
        topic: "db.public.users".into(),
        partition: 0,
        offset: 0,
        timestamp: None,
        key: key.map(|key| key.to_owned().into()),
        value: value.map(|value| value.to_owned().into()),
        headers: Headers::new(),
    }
}

fn told(file: &str) -> Vec<Told> {
    let lines = file.lines().map(|line| serde_json::from_str::<Line>(line).unwrap());
    let records = lines.map(|line| {
        let mut record = record(line.key.as_deref(), line.value.as_deref());
        for (name, value) in line.headers {
            record.headers.push_raw(name, value.map(Into::into));
        }
        record
    });
    records.map(|record| read(&record).unwrap()).collect()
}

fn changes(file: &str) -> Vec<Envelope> {
    let change = |told| if let Told::Change(envelope) = told { Some(*envelope) } else { None };
    told(file).into_iter().filter_map(change).collect()
}

/// What was done to which row, and under which key it was before.
fn outline(envelope: &Envelope) -> (Op, String, Option<String>) {
    let text = |key: &RowKey| key.to_string();
    (envelope.op, envelope.key.as_ref().map(text).unwrap_or_default(), envelope.moved_from.as_ref().map(text))
}

#[test]
fn plain_and_wrapped_envelopes_tell_the_same_way() {
    let of = |op, key: &str| (op, key.to_owned(), None);
    let moved = |key: &str, from: &str| (Op::Create, key.to_owned(), Some(from.to_owned()));
    let plain: Vec<_> = changes(PLAIN).iter().map(outline).take(8).collect();
    let (create, update, delete, read) = (Op::Create, Op::Update, Op::Delete, Op::Read);
    assert_eq!(
        plain,
        [
            of(read, "1"),
            of(read, "2"),
            of(update, "1"),
            of(create, "3"),
            of(update, "3"),
            of(delete, "3"),
            moved("30", "3"),
            of(delete, "2")
        ]
    );
    let wrapped: Vec<_> = changes(WRAPPED).iter().map(outline).take(4).collect();
    assert_eq!(wrapped, [of(read, "1"), of(update, "1"), of(delete, "1"), moved("10", "1")]);
    for (file, table) in [(PLAIN, "users"), (WRAPPED, "albums")] {
        assert!(told(file).contains(&Told::Tombstone));
        let truncate = changes(file).into_iter().find(|envelope| envelope.op == Op::Truncate).unwrap();
        assert_eq!((truncate.key, truncate.after), (None, None));
        for Envelope { source, moves, op, .. } in changes(file) {
            assert_eq!(
                (source.connector.as_str(), source.schema.as_str(), source.table.as_str()),
                ("postgresql", "public", table)
            );
            assert!(source.lsn.is_some() && source.tx_id.is_some() && source.committed_at.is_some(), "{source:?}");
            assert!(!moves || op == Op::Delete);
        }
    }
    assert!(changes(PLAIN)[5].moves && !changes(PLAIN)[7].moves);
}

#[test]
fn values_that_were_not_sent_are_known_in_every_type() {
    let albums = changes(WRAPPED);
    let absent = |envelope: &Envelope| -> Vec<String> {
        let row = envelope.after.as_ref().unwrap().iter();
        row.filter(|(_, value)| is_unavailable(value)).map(|(column, _)| column.clone()).collect()
    };
    assert_eq!(absent(&albums[0]), [""; 0]);
    assert_eq!(absent(&albums[1]).len(), 7, "all but id and title: {:?}", absent(&albums[1]));
    // Others that Debezium can be told to write.
    for value in [
        json!({"__debezium_unavailable_value": "__debezium_unavailable_value"}),
        json!("5f5f646562657a69756d5f756e617661696c61626c655f76616c7565"),
    ] {
        assert!(is_unavailable(&value), "{value}");
    }
    for value in [json!([]), json!({}), json!(""), json!(null), json!([95, 95]), json!(["x"])] {
        assert!(!is_unavailable(&value), "{value}");
    }
}

#[test]
fn a_delete_makes_up_what_it_does_not_know() {
    let before = |envelope: &Envelope| envelope.before.clone().unwrap();
    assert_eq!(before(&changes(WRAPPED)[2])["title"], "", "which is why it is not believed");
    assert_eq!(before(&changes(PLAIN)[7])["name"], "Bob", "with REPLICA IDENTITY FULL");
}

#[test]
fn columns_become_fields_as_the_docs_say() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct User {
        id: i64,
        balance: String,
        born: i32,
        #[serde(with = "chrono::naive::serde::ts_microseconds")]
        seen: NaiveDateTime,
        at: DateTime<Utc>,
    }
    let row = changes(PLAIN)[3].after.clone().unwrap();
    let user = User::deserialize(Value::Object(row)).unwrap();
    let expected = User {
        id: 3,
        balance: "12.50".into(),
        born: 11_016,
        seen: "2026-01-02T03:04:05.678901".parse().unwrap(),
        at: "2026-01-02T01:04:05Z".parse().unwrap(),
    };
    assert_eq!(user, expected);
}

#[test]
fn keys_are_read_with_and_without_a_schema() {
    let value = json!({"op": "c", "after": {}}).to_string();
    let key = |key: &str| match read(&record(Some(key), Some(&value))) {
        Ok(Told::Change(envelope)) => envelope.key.unwrap().json(),
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(key(r#"{"b": 2, "a": "x"}"#), r#"{"a":"x","b":2}"#);
    assert_eq!(key(r#"{"schema": {"type": "struct"}, "payload": {"id": 1}}"#), r#"{"id":1}"#);
    assert_eq!(
        key(r#"{"schema": "public", "payload": 7}"#),
        r#"{"payload":7,"schema":"public"}"#,
        "columns of a table"
    );
}

#[test]
fn nothing_wrapped_is_a_tombstone_and_a_message_is_no_change() {
    let of = |value: Value| read(&record(None, Some(&value.to_string()))).unwrap();
    assert_eq!(of(json!({"schema": null, "payload": null})), Told::Tombstone);
    assert_eq!(of(json!({"op": "m", "source": {}, "message": {"prefix": "p", "content": ""}})), Told::Message);
    assert_eq!(read(&record(Some("{}"), None)).unwrap(), Told::Tombstone);
}
