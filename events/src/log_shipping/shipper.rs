//! The thread that sends lines.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use rdkafka::{
    ClientContext, Message as _,
    config::RDKafkaLogLevel,
    error::{KafkaError as Client, RDKafkaErrorCode as Code},
    producer::{BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext},
};
use tracing::{info, warn};

use super::LogShippingConfig;
use crate::{KafkaConfig, KafkaError, metrics};

/// The target of what is said about shipping, which is never shipped.
pub const LOG_SHIPPING: &str = "millgate_log_shipping";

/// What a line takes beside its text.
const MORE_BYTES: usize = 256;
/// So often it is looked what came of lines, where there are none to be sent.
const BEAT: Duration = Duration::from_millis(100);
/// A line that Kafka has not taken for so long is dropped: newer ones are of more use.
const PATIENCE: &str = "10000";

/// Ships lines. Cheap to clone; all clones share one buffer.
#[derive(Clone)]
pub struct LogShipping(Arc<Inner>);

struct Inner {
    lines: mpsc::Sender<Line>,
    counts: Arc<Counts>,
    most: usize,
    has_errors: bool,
    flush_timeout: Duration,
    ended: Mutex<mpsc::Receiver<()>>,
}

struct Line {
    text: Arc<[u8]>,
    is_error: bool,
}

/// What is under way, and what became of the rest.
#[derive(Debug, Default)]
struct Counts {
    /// Bytes that are under way.
    bytes: AtomicUsize,
    shipped: AtomicU64,
    dropped: AtomicU64,
    /// Whether nothing more comes.
    closing: AtomicBool,
    /// Why the last line was not taken; empty since one was.
    trouble: Mutex<String>,
}

impl Counts {
    fn dropped(&self, reason: &str) {
        self.dropped.fetch_add(1, Relaxed);
        metrics().log_line(false);
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        if trouble.is_empty() {
            reason.clone_into(&mut trouble);
        }
    }

    fn shipped(&self) {
        self.shipped.fetch_add(1, Relaxed);
        metrics().log_line(true);
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }
}

impl LogShipping {
    /// Begins to ship lines of an application. Connects in the background; Kafka need not be up.
    pub fn start(kafka: &KafkaConfig, config: &LogShippingConfig, application: &str) -> Result<Self, KafkaError> {
        let most = usize::try_from(config.buffer.bytes()).unwrap_or(usize::MAX);
        let counts = Arc::new(Counts::default());
        let mut settings = kafka.producer();
        settings
            .set("client.id", format!("{}-logs", kafka.client_id))
            // A line that comes twice, or out of order, is better than none.
            .set("enable.idempotence", "false")
            .set("acks", "1")
            .set("linger.ms", "50")
            .set("message.timeout.ms", PATIENCE)
            .set("queue.buffering.max.messages", "1000000")
            .set("queue.buffering.max.kbytes", (most / 1024).clamp(1, 2_000_000).to_string());
        let context = Quiet(counts.clone());
        let producer: BaseProducer<Quiet> =
            settings.create_with_context(context).map_err(|error| KafkaError::Config(error.to_string()))?;
        let (topic, error_topic) = config.topics(application);
        let (lines, take) = mpsc::channel();
        let (end, ended) = mpsc::channel();
        let has_errors = error_topic.is_some();
        let sender = Sender {
            producer,
            topic: kafka.topic(&topic),
            error_topic: error_topic.map(|topic| kafka.topic(&topic)),
            key: format!("{}/{}", kafka.client_id, std::process::id()),
            counts: counts.clone(),
            flush_timeout: config.flush_timeout,
            told: false,
        };
        thread::spawn(move || {
            sender.run(&take);
            drop(end);
        });
        let (flush_timeout, ended) = (config.flush_timeout, Mutex::new(ended));
        Ok(Self(Arc::new(Inner { lines, counts, most, has_errors, flush_timeout, ended })))
    }

    /// Ships a line, or drops it. Never waits.
    pub fn ship(&self, text: &[u8], is_error: bool) {
        let Inner { lines, counts, most, has_errors, .. } = &*self.0;
        let size = weight(text, is_error && *has_errors);
        let before = counts.bytes.fetch_add(size, Relaxed);
        let fits = before.saturating_add(size) <= *most && !counts.closing.load(Relaxed);
        if fits && lines.send(Line { text: text.into(), is_error }).is_ok() {
            return;
        }
        counts.bytes.fetch_sub(size, Relaxed);
        counts.dropped("there is no room for more lines");
    }

    /// How many records Kafka has, and how many lines or records were dropped.
    pub fn counts(&self) -> (u64, u64) {
        (self.0.counts.shipped.load(Relaxed), self.0.counts.dropped.load(Relaxed))
    }

    /// Bytes of lines that are under way.
    pub fn bytes(&self) -> usize {
        self.0.counts.bytes.load(Relaxed)
    }

    /// Waits until Kafka has what was shipped, for `log_shipping.flush_timeout` at most. Lines that come later are dropped.
    pub fn close(&self) {
        self.0.counts.closing.store(true, Relaxed);
        let ended = self.0.ended.lock().unwrap_or_else(PoisonError::into_inner);
        // Ends when the thread has; that takes as long again for the last answers at most.
        let _ = ended.recv_timeout(self.0.flush_timeout + BEAT * 2);
    }
}

/// What a line counts for until it is answered for: errors go twice.
fn weight(text: &[u8], is_twice: bool) -> usize {
    (text.len() + MORE_BYTES) * if is_twice { 2 } else { 1 }
}

struct Sender {
    producer: BaseProducer<Quiet>,
    topic: String,
    error_topic: Option<String>,
    /// Lines of a process keep their order.
    key: String,
    counts: Arc<Counts>,
    flush_timeout: Duration,
    /// Whether an outage was told.
    told: bool,
}

impl Sender {
    fn run(mut self, lines: &mpsc::Receiver<Line>) {
        loop {
            match lines.recv_timeout(BEAT) {
                Ok(line) => self.send(&line),
                Err(RecvTimeoutError::Timeout) if !self.counts.closing.load(Relaxed) => {}
                Err(_) => break,
            }
            self.producer.poll(Duration::ZERO);
            self.tell();
        }
        if self.producer.flush(self.flush_timeout).is_err() {
            let left = self.producer.in_flight_count();
            warn!(target: LOG_SHIPPING, left, "the last log lines are not on Kafka");
        }
    }

    fn send(&self, line: &Line) {
        self.send_to(&self.topic, line);
        if let Some(topic) = self.error_topic.as_ref().filter(|_| line.is_error) {
            self.send_to(topic, line);
        }
    }

    fn send_to(&self, topic: &str, line: &Line) {
        let size = weight(&line.text, false);
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(topic, size).key(self.key.as_bytes()).payload(&*line.text);
        let began = Instant::now();
        while let Err((error, back)) = self.producer.send(record) {
            let is_full = error.rdkafka_error_code() == Some(Code::QueueFull);
            if !is_full || (self.counts.closing.load(Relaxed) && began.elapsed() > self.flush_timeout) {
                self.counts.bytes.fetch_sub(size, Relaxed);
                return self.counts.dropped(&error.to_string());
            }
            // Whoever logs meanwhile finds no room at last, and does not wait for this.
            self.producer.poll(BEAT);
            record = back;
        }
    }

    /// Says once that lines are dropped, and once that they go on: to standard error, not to Kafka.
    fn tell(&mut self) {
        let trouble = self.counts.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let dropped = self.counts.dropped.load(Relaxed);
        if !trouble.is_empty() && !self.told {
            self.told = true;
            warn!(target: LOG_SHIPPING, topic = self.topic, reason = trouble, "log lines are dropped; they are not on Kafka");
        } else if trouble.is_empty() && self.told {
            self.told = false;
            info!(target: LOG_SHIPPING, dropped, "log lines are shipped again");
        }
    }
}

/// A client that says nothing itself: what it has to say is about lines, and would be a line.
struct Quiet(Arc<Counts>);

impl ClientContext for Quiet {
    fn log(&self, _: RDKafkaLogLevel, _: &str, _: &str) {}

    fn error(&self, _: Client, _: &str) {}
}

impl ProducerContext for Quiet {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, size: usize) {
        self.0.bytes.fetch_sub(size, Relaxed);
        match result {
            Ok(_) => self.0.shipped(),
            Err((error, message)) => {
                self.0.dropped(&KafkaError::of_delivery(error.clone(), message.topic(), size).to_string());
            }
        }
    }
}
