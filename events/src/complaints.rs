//! What the Kafka client has to say, at a bearable rate.
//!
//! While brokers are away librdkafka reports it several times a second, for each connection. Once in a while is enough
//! for people; the rest is on the debug level.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use rdkafka::{ClientContext, config::RDKafkaLogLevel, error::KafkaError};
use tracing::{debug, warn};

const QUIET: Duration = Duration::from_secs(10);

/// Says at most one thing in ten seconds.
#[derive(Debug, Default)]
pub(crate) struct Complaints(Mutex<Option<Instant>>);

impl Complaints {
    /// Something went wrong that the client will try again by itself.
    pub(crate) fn hear(&self, error: &KafkaError, reason: &str) {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < QUIET) {
            debug!(%error, reason, "Kafka");
            return;
        }
        *last = Some(Instant::now());
        warn!(%error, reason, "Kafka cannot be reached just now; trying on");
    }
}

/// A client's log lines: connections that fail are errors to it, and told by [`Complaints`] already.
pub(crate) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            warn!(facility, message, "Kafka client");
        }
        _ => debug!(facility, message, "Kafka client"),
    }
}

/// The context of clients that need nothing more: producers and admins.
#[derive(Debug, Default)]
pub(crate) struct Listening(Complaints);

impl ClientContext for Listening {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.hear(&error, reason);
    }
}

/// The context of clients that answer one question: what goes wrong is in the answer.
#[derive(Debug, Default)]
pub(crate) struct Silent;

impl ClientContext for Silent {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        debug!(%error, reason, "Kafka");
    }
}

impl rdkafka::consumer::ConsumerContext for Silent {}
