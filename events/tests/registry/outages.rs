//! A registry that is away, or is something else.

use std::time::Duration;

use millgate_events::{
    BadValue, BadWire, Claims, RegistryError, SchemaRegistry, SchemaRegistryConfig, ValueError, Values,
};
use millgate_testkit::{HttpAnswer, HttpReceiver, Proxy, SchemaKind, SchemaRegistryServer};
use serde_json::json;

use crate::bench::{at, framed, json, record, subject};

fn open(config: &SchemaRegistryConfig) -> Values {
    Values::new(Claims::default(), SchemaRegistry::open(config, "").unwrap())
}

/// What is said of a value while the registry cannot be asked: nothing of the value.
async fn away(values: &Values, schema: u32) -> String {
    match values.open(&record(framed(schema, b"\x06tea"))).await.unwrap_err() {
        ValueError::Registry(away) if away.is_transient() => away.to_string(),
        other => panic!("{other:?}"),
    }
}

const WORD: &str = r#"{"type": "record", "name": "Word", "fields": [{"name": "word", "type": "string"}]}"#;

#[tokio::test]
async fn a_registry_that_is_away_is_waited_for_and_what_is_known_is_read_without_it() {
    let server = SchemaRegistryServer::shared().await;
    let proxy = Proxy::to(server.address());
    let url = SchemaRegistryServer::url_at(&proxy.address());
    let values = open(&SchemaRegistryConfig { timeout: Duration::from_secs(3), ..at(&url) });
    let first = server.register(&subject(), SchemaKind::Avro, WORD).await;
    let second = server.register(&subject(), SchemaKind::Avro, &WORD.replace("Word", "Term")).await;
    let of = |schema| record(framed(schema, b"\x06tea"));

    proxy.cut();
    let told = away(&values, first).await;
    assert!(told.contains(&url), "{told}");
    proxy.restore();
    assert_eq!(json(&values, &of(first)).await, json!({ "word": "tea" }), "it is asked again");

    proxy.stall();
    away(&values, second).await;
    assert_eq!(json(&values, &of(first)).await, json!({ "word": "tea" }), "what is known needs no registry");
    proxy.restore();
    assert_eq!(json(&values, &of(second)).await, json!({ "word": "tea" }));
}

#[tokio::test]
async fn what_was_not_there_is_asked_for_again() {
    let (server, values) =
        (SchemaRegistryServer::shared().await, open(&at(&SchemaRegistryServer::shared().await.url())));
    let known = server.register(&subject(), SchemaKind::Avro, WORD).await;
    // Ids are given out in turn; others may be registering, too.
    let next = known + 50;
    assert!(values.open(&record(framed(next, b"\x06tea"))).await.unwrap().is_err());
    loop {
        let field = subject().replace('-', "_");
        let schema = WORD.replace("\"word\"", &format!("\"{field}\""));
        let given = server.register(&subject(), SchemaKind::Avro, &schema).await;
        if given >= next {
            break;
        }
    }
    // It may be that of another test, and then this is no value of it.
    let again = values.open(&record(framed(next, b"\x06tea"))).await.unwrap();
    assert!(!matches!(again, Err(BadValue::Wire(BadWire::Unknown { .. }))), "{again:?}");
}

#[tokio::test]
async fn whoever_is_no_registry_or_lets_nobody_in_says_nothing_of_schemas() {
    let server = SchemaRegistryServer::shared().await;
    // 404, and not a word of a registry.
    let elsewhere = open(&at(&format!("http://{}/nowhere", server.address())));
    away(&elsewhere, 1).await;
    assert!(matches!(elsewhere.registry().check().await, Err(RegistryError::Away { .. })));

    let mut refuses = HttpReceiver::start(async |_| HttpAnswer::status(401)).await;
    let config = at(&refuses.url(""));
    let user = open(&SchemaRegistryConfig { username: "shop".into(), password: "secret".into(), ..config.clone() });
    let told = away(&user, 17).await;
    assert!(told.contains("401"), "{told}");
    let asked = refuses.next().await;
    assert!(asked.line.starts_with("GET /schemas/ids/17"), "{}", asked.line);
    // `shop:secret` in base64.
    assert_eq!(asked.header("authorization"), "Basic c2hvcDpzZWNyZXQ=");
    let token = open(&SchemaRegistryConfig { token: "t0ken".into(), ..config });
    away(&token, 17).await;
    assert_eq!(refuses.next().await.header("authorization"), "Bearer t0ken");

    let page =
        HttpReceiver::start(async |_| HttpAnswer::Say(200, "Content-Type: text/html", "<html>Welcome".into())).await;
    away(&open(&at(&page.url(""))), 17).await;
}

#[tokio::test]
async fn the_second_of_two_urls_is_asked_if_the_first_does_not_answer() {
    let server = SchemaRegistryServer::shared().await;
    let gone = Proxy::to(server.address());
    gone.cut();
    let urls = format!("{}, {}/", SchemaRegistryServer::url_at(&gone.address()), server.url());
    let values = open(&at(&urls));
    values.registry().check().await.unwrap();
    let schema = server.register(&subject(), SchemaKind::Avro, WORD).await;
    assert_eq!(json(&values, &record(framed(schema, b"\x06tea"))).await, json!({ "word": "tea" }));
}
