//! Events of services that publish in Confluent's wire format.

use millgate_events::{Claims, DEAD_LETTER_HEADERS, Event, OutRecord, SchemaRegistry, SchemaRegistryConfig, Values};
use millgate_testkit::{Proxy, SchemaKind, SchemaRegistryServer, unique, wait_until};

use crate::bench::{Bench, DEAD, Ordered, Pack, Running, SOON, config, ordered, routes};

fn values(url: String) -> Values {
    let types = vec!["com.shop.Order=order.created".into()];
    let config = SchemaRegistryConfig { url, types, ..SchemaRegistryConfig::default() };
    Values::new(Claims::default(), SchemaRegistry::open(&config, "").unwrap())
}

fn bridge(bench: &Bench, values: &Values) -> Running {
    Running::with_values(routes(), values.clone(), &bench.kafka.config(), &bench.redis.config(), &config())
}

/// An order in Avro: `order` and `event_id`, each a length in zigzag and its bytes.
fn avro(schema: u32, order: &str, id: &str) -> OutRecord {
    let text = |text: &str| [&[u8::try_from(text.len() * 2).unwrap()], text.as_bytes()].concat();
    let value = [&[0][..], &schema.to_be_bytes(), &text(order), &text(id)].concat();
    OutRecord { topic: Ordered::TOPIC.into(), value: Some(value.into()), ..OutRecord::default() }
}

/// A schema that nobody else has.
fn schema() -> String {
    format!(
        r#"{{"type": "record", "name": "Order", "namespace": "com.shop", "doc": "{}", "fields": [
        {{"name": "order", "type": "string"}}, {{"name": "event_id", "type": "string"}}]}}"#,
        unique("order")
    )
}

#[tokio::test]
async fn avro_comes_to_jobs_and_what_cannot_be_read_to_dead_letters_that_can_be_brought_back() {
    let (server, bench) = (SchemaRegistryServer::shared().await, Bench::new(1).await);
    bench.kafka.create(DEAD, 1).await;
    let known = server.register(&unique("orders"), SchemaKind::Avro, &schema()).await;
    // Nobody is given this id while the test begins.
    let later = known + 20;
    let cut_off = avro(known, "o-3", "j-3");
    let cut_off = OutRecord { value: cut_off.value.map(|value| value.slice(..8)), ..cut_off };
    let records = [
        avro(known, "o-1", "j-1"),
        avro(later, "o-2", "j-2"),
        cut_off,
        OutRecord { value: Some(vec![0, 0].into()), ..avro(known, "", "") },
        ordered("o-4"),
    ];
    bench.publish(records.clone()).await;
    let bridge = bridge(&bench, &values(server.url()));
    bench.wait_all_committed().await;
    assert_eq!((bridge.counts().dead, bench.orders::<Pack>().await), (3, vec!["o-1".into(), "o-4".into()]));
    let jobs = bench.jobs(<Pack as millgate_jobs::Job>::QUEUE).await;
    let ids: Vec<_> =
        jobs.iter().filter_map(|job| job.origin.as_ref()).map(|origin| origin.event_id.as_str()).collect();
    assert!(ids.contains(&"j-1"), "the event's id is in its value: {ids:?}");

    let letters = bench.kafka.records(DEAD, 3).await;
    let told: Vec<_> = letters.iter().map(|letter| letter.headers.text("x-dlq-code").unwrap()).collect();
    assert_eq!(told, ["schema_unknown", "wire_unreadable", "wire_too_short"]);
    let message = letters[0].headers.text("__dlq.errors.message").unwrap();
    assert!(message.contains(&format!("schema {later} is not in the registry {}", server.url())), "{message}");
    for (letter, record) in letters.iter().zip(&records[1..4]) {
        assert_eq!(letter.value, record.value, "the bytes as they came");
    }

    // As a redrive does it, once the registry has the schema.
    while server.register(&unique("orders"), SchemaKind::Avro, &schema()).await < later {}
    let ours = |name: &str| DEAD_LETTER_HEADERS.iter().any(|prefix| name.starts_with(prefix));
    let mut again = OutRecord { topic: Ordered::TOPIC.into(), value: letters[0].value.clone(), ..OutRecord::default() };
    for (name, value) in letters[0].headers.iter().filter(|(name, _)| !ours(name)) {
        again.headers.push_raw(name.to_owned(), value.cloned());
    }
    bench.publish([again]).await;
    wait_until("it comes through", SOON, async || bench.orders::<Pack>().await.contains(&"o-2".to_owned())).await;
    bridge.stop().await;
}

#[tokio::test]
async fn without_its_registry_a_partition_waits_and_others_go_on() {
    let (server, bench) = (SchemaRegistryServer::shared().await, Bench::new(2).await);
    let proxy = Proxy::to(server.address());
    let known = server.register(&unique("orders"), SchemaKind::Avro, &schema()).await;
    let put = async |partition, record: &OutRecord| {
        let headers: Vec<_> =
            record.headers.iter().map(|(name, value)| (name, std::str::from_utf8(value.unwrap()).unwrap())).collect();
        bench.kafka.put(Ordered::TOPIC, partition, None, record.value.as_deref(), &headers).await;
    };
    proxy.cut();
    put(0, &avro(known, "java", "j-1")).await;
    put(0, &ordered("behind")).await;
    let bridge = bridge(&bench, &values(SchemaRegistryServer::url_at(&proxy.address())));
    for number in 1..=3 {
        put(1, &ordered(format!("other-{number}"))).await;
        wait_until("the other goes on", SOON, async || bench.enqueued::<Pack>().await == number).await;
    }
    wait_until("it is committed", SOON, async || bench.kafka.committed("orders").await[1] == Some(3)).await;
    assert_eq!(bench.kafka.committed("orders").await[0].unwrap_or(0), 0, "what cannot be read just now waits");
    assert_eq!(bridge.counts().dead, 0);

    proxy.restore();
    bench.wait_all_committed().await;
    let counts = bridge.stop().await;
    assert_eq!((counts.handed_off, counts.dead, bench.enqueued::<Pack>().await), (5, 0, 5));
}
