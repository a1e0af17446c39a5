//! Dead jobs on their way to the dead-letter topic.

use std::time::Duration;

use millgate_events::{DeadLetters, KafkaConfig, Producer};
use millgate_jobs::{JobOptions, NewJob, Origin};
use millgate_testkit::{KafkaSpace, wait_until};
use millgate_workers::{Ctx, DeadLetterForwarder, Done, Handlers, JobError};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::bench::{Bench, SOON, Work, config, new};

const TOPIC: &str = "dead";

struct Forwarding {
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

impl Forwarding {
    fn start(bench: &Bench, kafka: &KafkaSpace) -> Self {
        Self::with(bench, &kafka.config())
    }

    fn with(bench: &Bench, kafka: &KafkaConfig) -> Self {
        let producer = Producer::new(kafka, "test").unwrap();
        let dead_letters = DeadLetters::new(producer, TOPIC);
        let forwarder = DeadLetterForwarder { queues: vec![bench.queue()], dead_letters, steps: None };
        let stop = CancellationToken::new();
        Self { ended: tokio::spawn(forwarder.run(stop.clone())), stop }
    }

    async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(SOON * 2, self.ended).await.expect("the forwarder stops").unwrap();
    }
}

fn job(n: u32) -> NewJob {
    let origin = Origin {
        event_id: format!("event-{n}"),
        event_source: "shop".into(),
        event_type: "order.created".into(),
        correlation_id: "c".into(),
        traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
        record: "orders/0/7".into(),
        ..Origin::default()
    };
    new(&Work { n }, JobOptions::default().max_attempts(2))
        .caused_by(format!("job-{n}"), origin)
        .with_id(format!("job-{n}"))
}

/// Jobs that died after two attempts.
async fn dead(count: u32) -> Bench {
    let bench = Bench::new();
    bench.enqueue(&(0..count).map(job).collect::<Vec<_>>()).await;
    let mut handlers = Handlers::default();
    handlers.add::<Work>(|_, ctx: Ctx| async move {
        Err::<Done, _>(JobError::retry_with("broken", format!("attempt {}", ctx.attempt)))
    });
    let worker = bench.start(&handlers, &config());
    bench.until("all are dead", |stats| stats.unburied == u64::from(count)).await;
    worker.stop().await;
    bench
}

#[tokio::test]
async fn a_dead_job_goes_to_its_topic_with_its_story() {
    let bench = dead(1).await;
    let kafka = KafkaSpace::fresh("burying");
    kafka.create(TOPIC, 1).await;
    let forwarding = Forwarding::start(&bench, &kafka);
    let letter = kafka.records(TOPIC, 1).await.remove(0);
    assert_eq!(letter.key.as_deref(), Some(b"job-0".as_slice()));
    assert_eq!(letter.value.as_deref(), Some(br#"{"n":0}"#.as_slice()));
    for (name, value) in [
        ("x-dlq-kind", "job"),
        ("x-dlq-job-id", "job-0"),
        ("x-dlq-job-kind", "work"),
        ("x-dlq-job-queue", "main"),
        ("x-dlq-code", "broken"),
        ("__dlq.errors.message", "attempt 2"),
        ("__dlq.errors.delivery.count", "2"),
        ("x-dlq-event-id", "event-0"),
        ("x-dlq-event-source", "shop"),
        ("x-dlq-event-type", "order.created"),
        ("x-dlq-event-record", "orders/0/7"),
        ("ce_correlationid", "c"),
        ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ] {
        assert_eq!(letter.headers.text(name), Some(value), "{name}");
    }
    let time = |name| chrono::DateTime::parse_from_rfc3339(letter.headers.text(name).unwrap()).unwrap();
    assert!(time("x-dlq-first-failed-at") <= time("x-dlq-failed-at"));
    bench.until("it has left Redis", |stats| stats.unburied == 0).await;
    forwarding.stop().await;
    assert_eq!(bench.check().await.dead(), 1);
}

#[tokio::test]
async fn two_forwarders_write_each_job_once() {
    let bench = dead(250).await;
    let kafka = KafkaSpace::fresh("burying");
    kafka.create(TOPIC, 2).await;
    let both = [Forwarding::start(&bench, &kafka), Forwarding::start(&bench, &kafka)];
    bench.until("all have left Redis", |stats| stats.unburied == 0).await;
    for forwarding in both {
        forwarding.stop().await;
    }
    assert_eq!(kafka.records(TOPIC, 250).await.len(), 250);
    bench.check().await;
}

#[tokio::test]
async fn without_its_topic_a_dead_job_stays_and_goes_when_there_is_one() {
    let bench = dead(1).await;
    let kafka = KafkaSpace::fresh("burying");
    let impatient = KafkaConfig { delivery_timeout: Duration::from_millis(500), ..kafka.config() };
    let forwarding = Forwarding::with(&bench, &impatient);
    // Written in vain, it is nobody's again soon: not only after the lease of a forwarder that died, which is minutes.
    let job = bench.queue().find("id", "job-0", None, 1).await.unwrap();
    wait_until("it is kept for later", SOON, async || {
        let again = bench.queue().look(&job).await.unwrap()[0].at.unwrap();
        let pause = again.timestamp_millis() - bench.space.now().await;
        (1..60_000).contains(&pause)
    })
    .await;
    assert_eq!(bench.check().await.unburied, 1);
    kafka.create(TOPIC, 1).await;
    let letters = kafka.records(TOPIC, 1).await;
    assert_eq!(letters[0].headers.text("x-dlq-job-id"), Some("job-0"));
    bench.until("it has left Redis", |stats| stats.unburied == 0).await;
    forwarding.stop().await;
    assert_eq!(kafka.records(TOPIC, 1).await.len(), 1);
    bench.check().await;
}
