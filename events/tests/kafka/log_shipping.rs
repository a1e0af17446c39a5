//! Lines on their way, with and without a Kafka.

use std::time::Duration;

use millgate_events::{LogShipping, LogShippingConfig, Size};
use millgate_testkit::{KafkaServer, KafkaSpace, free_port, wait_until};

use crate::bench::SOON;

fn config(buffer: u64) -> LogShippingConfig {
    LogShippingConfig {
        buffer: Size::of(buffer),
        flush_timeout: Duration::from_millis(300),
        ..LogShippingConfig::default()
    }
}

#[tokio::test]
async fn lines_lie_on_their_topics_and_the_last_ones_too() {
    let space = KafkaSpace::fresh("lines");
    space.create("logs-shop-topic", 1).await;
    space.create("logs-error-topic", 1).await;
    let config = LogShippingConfig { flush_timeout: SOON, ..config(1 << 20) };
    let shipping = LogShipping::start(&space.config(), &config, "shop").unwrap();
    for n in 0..50 {
        shipping.ship(format!("line {n}").as_bytes(), n % 10 == 0);
    }
    // Nobody waited: it is the end that does.
    shipping.close();
    assert_eq!((shipping.counts(), shipping.bytes()), ((55, 0), 0));
    let lines = space.records("logs-shop-topic", 50).await;
    let texts: Vec<String> =
        lines.iter().map(|line| String::from_utf8(line.value.clone().unwrap().to_vec()).unwrap()).collect();
    assert_eq!(texts, (0..50).map(|n| format!("line {n}")).collect::<Vec<_>>(), "in their order");
    assert_eq!(space.records("logs-error-topic", 5).await.len(), 5);
    shipping.ship(b"late", false);
    assert_eq!(shipping.counts(), (55, 1));
}

#[tokio::test]
async fn without_a_kafka_lines_are_dropped_and_counted_and_take_no_more_memory_than_they_may() {
    let space = KafkaSpace::at(&format!("127.0.0.1:{}", free_port()), "lines");
    let shipping = LogShipping::start(&space.config(), &config(100_000), "shop").unwrap();
    // On the thread that also runs everything else: if this waited for anything, it would for ever.
    for _ in 0..100_000 {
        shipping.ship(&[b'x'; 200], false);
        assert!(shipping.bytes() <= 100_000, "{}", shipping.bytes());
    }
    let (shipped, dropped) = shipping.counts();
    assert_eq!(shipped, 0);
    // A line of 200 bytes counts for 456.
    assert!((99_700..100_000).contains(&dropped), "{dropped}");
    shipping.close();
    assert_eq!(shipping.counts().0, 0);
}

#[tokio::test]
async fn after_an_outage_lines_are_shipped_again() {
    let server = KafkaServer::start().await;
    let space = server.space("lines");
    space.create("logs-shop-topic", 1).await;
    let shipping = LogShipping::start(&space.config(), &config(50_000), "shop").unwrap();
    shipping.ship(b"before", false);
    wait_until("it is shipped", SOON, async || shipping.counts().0 == 1).await;
    server.freeze();
    for _ in 0..1_000 {
        shipping.ship(&[b'x'; 200], false);
    }
    server.thaw();
    wait_until("there is room again", SOON, async || shipping.bytes() == 0).await;
    shipping.ship(b"after", false);
    wait_until("lines are shipped again", SOON, async || shipping.bytes() == 0).await;
    let (shipped, dropped) = shipping.counts();
    assert_eq!(shipped + dropped, 1_002, "each is counted once");
    let lines = space.records("logs-shop-topic", usize::try_from(shipped).unwrap()).await;
    assert_eq!(lines.last().unwrap().value.as_deref(), Some(b"after".as_slice()));
}
