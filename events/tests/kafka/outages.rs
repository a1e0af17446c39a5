//! Brokers that are not there yet, or not there any more.

use std::time::Duration;

use millgate_events::{Consumer, Event, KafkaConfig, KafkaError};
use millgate_testkit::KafkaServer;

use crate::bench::{Ordered, SOON, consuming, numbers, ordered, producer, put_numbers, wait_committed};

#[tokio::test]
async fn both_ends_may_start_before_their_broker_and_outlive_it() {
    let server = KafkaServer::start().await;
    let space = server.space("outage");
    space.create(Ordered::TOPIC, 1).await;
    server.kill9();
    let patient = KafkaConfig { delivery_timeout: Duration::from_mins(2), ..space.config() };
    let producer = producer(&patient);
    let hasty = KafkaConfig { delivery_timeout: Duration::from_millis(500), ..space.config() };
    let error = crate::bench::producer(&hasty).publish(&ordered("o", 0)).await.unwrap_err();
    assert!(matches!(error, KafkaError::Timeout(_)) && error.is_transient(), "{error}");
    let mut consumer = Consumer::start(consuming(patient)).unwrap();

    let early = producer.send(&ordered("o", 1)).unwrap();
    server.restart().await;
    assert_eq!(early.await.unwrap().offset, 0);
    let batch = tokio::time::timeout(SOON, consumer.next()).await.expect("a batch comes").unwrap();
    assert_eq!(batch.records.len(), 1);
    batch.token.settle();
    // The broker is away for longer than a session lasts: what is not committed by then comes again.
    wait_committed(&space, &[Some(1)]).await;

    server.kill9();
    let during = producer.send(&ordered("o", 2)).unwrap();
    server.restart().await;
    assert_eq!(during.await.unwrap().offset, 1);
    let batch = tokio::time::timeout(SOON, consumer.next()).await.expect("a batch comes").unwrap();
    assert_eq!(batch.records.last().unwrap().offset, 1, "it goes on by itself");
    batch.token.settle();
    consumer.close().await.unwrap();
    assert_eq!(space.committed(Ordered::TOPIC).await, [Some(2)]);
}

#[tokio::test]
async fn a_close_without_a_broker_is_bounded() {
    let server = KafkaServer::start().await;
    let space = server.space("outage");
    space.create(Ordered::TOPIC, 1).await;
    put_numbers(&space, 0, 0..3).await;
    let mut consumer = Consumer::start(consuming(space.config())).unwrap();
    numbers(&mut consumer, 3).await;
    server.kill9();
    // Well or not: what could not be committed comes again.
    let _ = tokio::time::timeout(SOON, consumer.close()).await.expect("it ends");
}
