//! Putting events on their topics.

use std::{
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use futures::{FutureExt, StreamExt, future::join_all, stream};
use rdkafka::{
    producer::{DeliveryFuture, FutureProducer, FutureRecord, Producer as _},
    util::Timeout,
};
use tracing::{Instrument, error};

use crate::{
    Claims, Event, EventMeta, KafkaConfig, KafkaError, OutRecord, RegistryError, SPANS, Values, complaints::Listening,
    metrics, spans::sending,
};

/// Where a record came to lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// Topic, as Kafka names it.
    pub topic: String,
    /// Partition.
    pub partition: i32,
    /// Offset.
    pub offset: i64,
}

/// Records of a batch whose values are on their way to the claim store, or to the registry, at a time.
const CLOSED_AT_ONCE: usize = 4;

/// Publishes events. Cheap to clone; all clones share one client.
///
/// `Ok` from any of its methods that wait means: acked by all in-sync replicas. Retries, with a pause
/// that doubles, and the order within a partition are the client's work (it is idempotent).
#[derive(Clone)]
pub struct Producer {
    /// `None` until something is to be published: what publishes nothing needs no broker.
    client: Arc<Mutex<Option<FutureProducer<Listening>>>>,
    config: Arc<KafkaConfig>,
    source: Arc<str>,
    values: Values,
}

impl Producer {
    /// A producer for the service named `source`. Connects when it is first given something to publish; settings that Kafka's
    /// client does not take are refused here.
    pub fn new(config: &KafkaConfig, source: &str) -> Result<Self, KafkaError> {
        config.producer().create_native_config().map_err(|error| KafkaError::Config(error.to_string()))?;
        Ok(Self {
            client: Arc::default(),
            config: Arc::new(config.clone()),
            source: source.into(),
            values: Values::default(),
        })
    }

    /// The same producer, with large values going to that store. Without this they are refused by Kafka.
    #[must_use]
    pub fn with_claims(self, claims: Claims) -> Self {
        self.with_values(claims)
    }

    /// The same producer, with values going by that store and that registry.
    #[must_use]
    pub fn with_values(self, values: impl Into<Values>) -> Self {
        Self { values: values.into(), ..self }
    }

    /// Where large values go.
    pub fn claims(&self) -> &Claims {
        self.values.claims()
    }

    /// Where large values go, and by which schemas values are written.
    pub fn values(&self) -> &Values {
        &self.values
    }

    /// The client, or a new one: at first, and when an idempotent producer has lost its place (the end of a log that was cut
    /// off, say), which never sends again.
    fn client(&self) -> Result<FutureProducer<Listening>, KafkaError> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = &*client {
            let Some((code, reason)) = old.client().fatal_error() else { return Ok(old.clone()) };
            error!(%code, reason, "the Kafka producer cannot go on; making a new one");
        }
        let new = connect(&self.config)?;
        *client = Some(new.clone());
        Ok(new)
    }

    /// The service in whose name it publishes.
    pub fn source(&self) -> &str {
        &self.source
    }

    /// What is put before every topic's name.
    pub(crate) fn topic_prefix(&self) -> &str {
        &self.config.topic_prefix
    }

    /// Attributes for a new event that happens now.
    pub fn meta<E: Event>(&self) -> EventMeta {
        EventMeta::new::<E>(&self.source, now())
    }

    /// Publishes one event and waits for the acks.
    pub async fn publish<E: Event>(&self, event: &E) -> Result<Published, KafkaError> {
        self.publish_as(event, self.meta::<E>()).await
    }

    /// The same, with attributes of the caller's choice.
    pub async fn publish_as<E: Event>(&self, event: &E, meta: EventMeta) -> Result<Published, KafkaError> {
        self.values.registry().learn::<E>();
        self.publish_record(encode(event, meta)?).await
    }

    /// Publishes many and waits for all; the answers are in the events' order.
    pub async fn publish_batch<E: Event>(&self, events: &[E]) -> Vec<Result<Published, KafkaError>> {
        self.values.registry().learn::<E>();
        self.publish_all(events.iter().map(|event| encode(event, self.meta::<E>())).collect()).await
    }

    /// Publishes many records and waits for all; the answers are in the records' order.
    pub async fn publish_records(&self, records: Vec<OutRecord>) -> Vec<Result<Published, KafkaError>> {
        self.publish_all(records.into_iter().map(Ok).collect()).await
    }

    /// All values are closed before the first record is sent: one that had to wait for a server would come after those behind
    /// it.
    async fn publish_all(&self, records: Vec<Result<OutRecord, KafkaError>>) -> Vec<Result<Published, KafkaError>> {
        let records = if self.values.are_plain() {
            records
        } else {
            let close = |record: Result<_, KafkaError>| async move { self.values.close(record?, now()).await };
            stream::iter(records).map(close).buffered(CLOSED_AT_ONCE).collect().await
        };
        join_all(records.into_iter().map(|record| async move { self.deliver_traced(record?).await })).await
    }

    /// Hands one event to the client and does not wait. Drop the [`Delivery`] to forget it, or await it later.
    ///
    /// What does not wait does not go by the claim store or the schema registry either: a value that is too large for Kafka is
    /// refused, as is one whose topic is written in the wire format.
    pub fn send<E: Event>(&self, event: &E) -> Result<Delivery, KafkaError> {
        if self.values.registry().writes(E::TOPIC) {
            return Err(RegistryError::Unasked { topic: E::TOPIC.to_owned() }.into());
        }
        let mut record = encode(event, self.meta::<E>())?;
        let _sending = sending(&self.config.topic(&record.topic), &mut record.headers);
        self.send_record(&record)
    }

    /// Publishes a record and waits for the acks. A value whose topic is written in the wire format becomes that; one over the
    /// limit of the claim store goes there, before the record that refers to it; anything else is sent as it is.
    pub async fn publish_record(&self, record: OutRecord) -> Result<Published, KafkaError> {
        self.deliver_traced(self.values.close(record, now()).await?).await
    }

    /// The same for a record that goes as it is: no step of its trace.
    pub(crate) async fn publish_as_is(&self, record: OutRecord) -> Result<Published, KafkaError> {
        self.deliver(&self.values.close(record, now()).await?).await
    }

    async fn deliver_traced(&self, mut record: OutRecord) -> Result<Published, KafkaError> {
        let span = sending(&self.config.topic(&record.topic), &mut record.headers);
        let published = self.deliver(&record).instrument(span.clone()).await;
        if let Err(problem) = &published {
            span.in_scope(|| error!(target: SPANS, error = %problem));
        }
        published
    }

    async fn deliver(&self, record: &OutRecord) -> Result<Published, KafkaError> {
        loop {
            match self.send_record(record) {
                Ok(delivery) => return delivery.await,
                // The client frees its queue as deliveries come in, and has no signal for it.
                Err(KafkaError::QueueFull) => tokio::time::sleep(Duration::from_millis(5)).await,
                Err(error) => return Err(error),
            }
        }
    }

    /// Hands a record to the client as it is, and does not wait.
    pub fn send_record(&self, record: &OutRecord) -> Result<Delivery, KafkaError> {
        let topic = self.config.topic(&record.topic);
        let bytes = record.value.as_ref().map_or(0, Bytes::len);
        let mut out = FutureRecord::<[u8], [u8]>::to(&topic).headers(record.headers.to_kafka());
        out.key = record.key.as_deref();
        out.payload = record.value.as_deref();
        match self.client()?.send_result(out) {
            Ok(future) => Ok(Delivery { future, topic: topic.into(), bytes }),
            Err((error, _)) => {
                let refused = KafkaError::of_delivery(error, &topic, bytes);
                // Who finds the queue full tries again.
                if !matches!(refused, KafkaError::QueueFull) {
                    metrics().produced(&topic.into(), false);
                }
                Err(refused)
            }
        }
    }

    /// Waits until everything handed over is acked or has failed, at most `timeout`.
    pub async fn flush(&self, timeout: Duration) -> Result<(), KafkaError> {
        let Some(client) = self.client.lock().unwrap_or_else(PoisonError::into_inner).clone() else { return Ok(()) };
        tokio::task::spawn_blocking(move || client.flush(Timeout::After(timeout)))
            .await
            .map_err(|_| KafkaError::Closed)?
            .map_err(|error| KafkaError::Timeout(error.to_string()))
    }
}

fn connect(config: &KafkaConfig) -> Result<FutureProducer<Listening>, KafkaError> {
    let client = config.producer().create_with_context(Listening::default());
    client.map_err(|error| KafkaError::Config(error.to_string()))
}

/// A record on its way; resolves when it is acked or has failed.
#[must_use = "a delivery that nobody awaits may fail unseen"]
pub struct Delivery {
    future: DeliveryFuture,
    topic: Arc<str>,
    bytes: usize,
}

impl Future for Delivery {
    type Output = Result<Published, KafkaError>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = std::task::ready!(self.future.poll_unpin(cx));
        metrics().produced(&self.topic, matches!(answer, Ok(Ok(_))));
        Poll::Ready(match answer {
            Ok(Ok(at)) => Ok(Published { topic: self.topic.to_string(), partition: at.partition, offset: at.offset }),
            Ok(Err((error, _))) => Err(KafkaError::of_delivery(error, &self.topic, self.bytes)),
            Err(_) => Err(KafkaError::Closed),
        })
    }
}

/// The event as a record in `CloudEvents`' binary mode.
fn encode<E: Event>(event: &E, mut meta: EventMeta) -> Result<OutRecord, KafkaError> {
    let value = serde_json::to_vec(event).map_err(|source| KafkaError::Encode { event_type: E::TYPE, source })?;
    let key = event.key();
    meta.subject.get_or_insert_with(|| key.clone());
    Ok(OutRecord {
        topic: E::TOPIC.to_owned(),
        key: Some(key.into()),
        value: Some(value.into()),
        headers: meta.to_headers("application/json"),
    })
}

/// The one place where an event gets the time of this machine's clock.
#[expect(clippy::disallowed_methods, reason = "an event that is not given a time happens now")]
pub(crate) fn now() -> chrono::DateTime<chrono::Utc> {
    chrono::Utc::now()
}
