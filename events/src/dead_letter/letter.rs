//! One dead letter, as a record for its topic.
//!
//! Headers are those that Kafka's own brokers write for share groups (KIP-1191), `__dlq.errors.*`, and ours
//! under `x-dlq-`. All are UTF-8 text. The original's headers are kept, duplicates and nulls too, up to
//! [`HEADER_LIMIT`]; the record's own time is now (a copy with the original's time could be deleted by
//! retention at once), and the original's is in a header.

use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::fingerprint::fingerprint;
use crate::{Headers, OutRecord, Record};

/// Ids of letters are version 5 UUIDs under this one.
const LETTER_IDS: Uuid = Uuid::from_u128(0x6d69_6c6c_6761_7465_8000_646c_7100_0001);

/// Names that a dead letter adds, and that a redrive takes off again.
pub const DEAD_LETTER_HEADERS: [&str; 2] = ["__dlq.errors.", "x-dlq-"];

/// Bytes of the original's headers that are kept, and of the failures of a job's attempts.
pub(super) const HEADER_LIMIT: usize = 8 * 1024;

/// What it was that could not be used.
#[derive(Debug)]
pub enum Origin<'a> {
    /// A record that cannot become jobs.
    Event {
        /// The record.
        record: &'a Record,
        /// The consumer group that gave it up.
        group: &'a str,
    },
    /// A job that cannot be done.
    Job {
        /// Its id.
        id: &'a str,
        /// What its queue called it: no other job, nor another run of this one after a redrive, is called so.
        key: &'a str,
        /// Its kind.
        kind: &'a str,
        /// Its queue.
        queue: &'a str,
        /// All of its record but the payload, for putting it back.
        head: &'a str,
        /// Its payload, as enqueued.
        payload: Bytes,
        /// How often it ran.
        attempts: u32,
        /// How often it was redriven before.
        redrives: u32,
        /// Headers that lead back to its event.
        headers: Headers,
    },
}

/// One failed attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attempt {
    /// When it failed.
    pub at: DateTime<Utc>,
    /// Which one it was, from 1.
    pub attempt: u32,
    /// Why, in a word.
    pub code: String,
    /// Why, in a sentence.
    pub message: String,
}

/// One entry for the dead-letter topic.
#[derive(Debug)]
pub struct DeadLetter<'a> {
    /// What.
    pub origin: Origin<'a>,
    /// Why, in a word: `not_json`, `out_of_stock`.
    pub code: &'a str,
    /// Why, in a sentence.
    pub message: &'a str,
    /// When it was first found unusable.
    pub first_failed_at: DateTime<Utc>,
    /// When it was given up.
    pub failed_at: DateTime<Utc>,
    /// The failures, oldest first; of many the last.
    pub failures: Vec<Attempt>,
}

impl<'a> DeadLetter<'a> {
    /// A record that a consumer group gives up at its first sight.
    pub fn of_event(record: &'a Record, group: &'a str, code: &'a str, message: &'a str, now: DateTime<Utc>) -> Self {
        let failure = Attempt { at: now, attempt: 1, code: code.to_owned(), message: message.to_owned() };
        let origin = Origin::Event { record, group };
        Self { origin, code, message, first_failed_at: now, failed_at: now, failures: vec![failure] }
    }

    /// Its id, which follows from what died: written again it is the same letter.
    pub fn id(&self) -> Uuid {
        let name = match &self.origin {
            // With its time: another record has that place once the topic was deleted and made anew.
            Origin::Event { record, group } => {
                let Record { topic, partition, offset, timestamp, .. } = record;
                format!("event\n{group}\n{topic}\n{partition}\n{offset}\n{}", timestamp.unwrap_or_default())
            }
            // With the time of its death: a job can be retried, and die once more.
            Origin::Job { queue, key, .. } => format!("job\n{queue}\n{key}\n{}", self.failed_at.timestamp_millis()),
        };
        Uuid::new_v5(&LETTER_IDS, name.as_bytes())
    }

    /// What it has in common with others of the same cause.
    pub fn fingerprint(&self) -> String {
        fingerprint(self.code, self.message)
    }

    pub(super) fn redrives(&self) -> u32 {
        match &self.origin {
            Origin::Event { .. } => 0,
            Origin::Job { redrives, .. } => *redrives,
        }
    }
}

impl DeadLetter<'_> {
    pub(super) fn to_record(&self, topic: &str) -> OutRecord {
        let (key, value, mut headers) = match &self.origin {
            Origin::Event { record, group } => {
                let mut headers = original_headers(&record.headers);
                headers.push("x-dlq-kind", "event");
                headers.push("__dlq.errors.topic", record.topic.to_string());
                headers.push("__dlq.errors.partition", record.partition.to_string());
                headers.push("__dlq.errors.offset", record.offset.to_string());
                headers.push("__dlq.errors.group", (*group).to_owned());
                headers.push("__dlq.errors.delivery.count", "1");
                if let Some(time) = record.timestamp {
                    headers.push("x-dlq-original-timestamp", time.to_string());
                }
                (record.key.clone(), record.value.clone(), headers)
            }
            Origin::Job { id, kind, queue, payload, attempts, redrives, headers, .. } => {
                let mut headers = headers.clone();
                headers.push("x-dlq-kind", "job");
                headers.push("x-dlq-job-id", (*id).to_owned());
                headers.push("x-dlq-job-kind", (*kind).to_owned());
                headers.push("x-dlq-job-queue", (*queue).to_owned());
                headers.push("x-dlq-redrives", redrives.to_string());
                headers.push("x-dlq-attempts", self.failures_as_json());
                headers.push("__dlq.errors.delivery.count", attempts.to_string());
                (Some(Bytes::copy_from_slice(id.as_bytes())), Some(payload.clone()), headers)
            }
        };
        headers.push("__dlq.errors.message", self.message.to_owned());
        headers.push("x-dlq-id", self.id().to_string());
        headers.push("x-dlq-code", self.code.to_owned());
        headers.push("x-dlq-fingerprint", self.fingerprint());
        headers.push("x-dlq-first-failed-at", text(self.first_failed_at));
        headers.push("x-dlq-failed-at", text(self.failed_at));
        OutRecord { topic: topic.to_owned(), key, value, headers }
    }

    /// The last failures, as many as there is room for.
    fn failures_as_json(&self) -> String {
        let mut failures = self.failures.as_slice();
        loop {
            // Its parts are numbers and texts; those can always be written.
            let json = serde_json::to_string(failures).unwrap_or_default();
            match failures {
                [_, rest @ ..] if json.len() > HEADER_LIMIT => failures = rest,
                _ => return json,
            }
        }
    }
}

fn text(time: DateTime<Utc>) -> String {
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The original's headers without those of an earlier death, up to the limit.
fn original_headers(original: &Headers) -> Headers {
    let mut kept = Headers::new();
    let mut bytes = 0;
    let ours = |name: &str| DEAD_LETTER_HEADERS.iter().any(|prefix| name.starts_with(prefix));
    for (name, value) in original.iter().filter(|(name, _)| !ours(name)) {
        bytes += name.len() + value.map_or(0, Bytes::len);
        if bytes > HEADER_LIMIT {
            kept.push("x-dlq-headers-cut", "true");
            break;
        }
        kept.push_raw(name.to_owned(), value.cloned());
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(headers: Headers) -> Record {
        Record {
            topic: "t".into(),
            partition: 1,
            offset: 7,
            timestamp: Some(5),
            key: Some(Bytes::from_static(b"k")),
            value: Some(Bytes::from_static(b"\xff{")),
            headers,
        }
    }

    fn letter(record: &Record) -> OutRecord {
        DeadLetter::of_event(record, "g", "not_json", "broken", DateTime::UNIX_EPOCH).to_record("dlq")
    }

    #[test]
    fn bytes_and_headers_are_kept_and_the_place_is_told() {
        let mut headers: Headers = [("a", "1"), ("a", "2"), ("x-dlq-code", "earlier")].into_iter().collect();
        headers.push_raw("null", None);
        let out = letter(&record(headers));
        assert_eq!(out.value.as_deref(), Some(b"\xff{".as_slice()));
        let names: Vec<_> = out.headers.iter().map(|(name, _)| name).collect();
        assert_eq!(names[..3], ["a", "a", "null"]);
        for (name, value) in [
            ("__dlq.errors.topic", "t"),
            ("__dlq.errors.partition", "1"),
            ("__dlq.errors.offset", "7"),
            ("__dlq.errors.group", "g"),
            ("__dlq.errors.message", "broken"),
            ("x-dlq-code", "not_json"),
            ("x-dlq-original-timestamp", "5"),
        ] {
            assert_eq!(out.headers.text(name), Some(value), "{name}");
        }
        assert_eq!(names.iter().filter(|name| **name == "x-dlq-code").count(), 1);
    }

    fn job(failures: Vec<Attempt>) -> DeadLetter<'static> {
        DeadLetter {
            origin: Origin::Job {
                id: "own",
                key: "0mwqnd2k100f",
                kind: "mail",
                queue: "email",
                head: "mail",
                payload: Bytes::from_static(b"{}"),
                attempts: 30,
                redrives: 2,
                headers: Headers::new(),
            },
            code: "smtp_550",
            message: "refused",
            first_failed_at: DateTime::UNIX_EPOCH,
            failed_at: DateTime::UNIX_EPOCH,
            failures,
        }
    }

    #[test]
    fn an_id_follows_from_what_died() {
        let (one, other) = (record(Headers::new()), Record { offset: 8, ..record(Headers::new()) });
        let id = |record: &Record, group: &str| {
            DeadLetter::of_event(record, group, "not_json", "broken", DateTime::UNIX_EPOCH).id()
        };
        assert_eq!(id(&one, "g"), id(&one, "g"));
        assert_ne!(id(&one, "g"), id(&one, "h"));
        assert_ne!(id(&one, "g"), id(&other, "g"));
        let again = DeadLetter { failed_at: DateTime::UNIX_EPOCH + chrono::Duration::seconds(1), ..job(Vec::new()) };
        assert_eq!(job(Vec::new()).id(), job(Vec::new()).id());
        assert_ne!(job(Vec::new()).id(), again.id(), "a job that was retried by hand dies another death");
    }

    #[test]
    fn the_last_failures_go_with_a_job() {
        let failure = |attempt| Attempt {
            at: DateTime::UNIX_EPOCH,
            attempt,
            code: "smtp_450".into(),
            message: "m".repeat(1_000),
        };
        let out = job((1..=20).map(failure).collect()).to_record("dlq");
        let failures: Vec<Attempt> = serde_json::from_str(out.headers.text("x-dlq-attempts").unwrap()).unwrap();
        assert_eq!(failures.last(), Some(&failure(20)));
        assert!((3..20).contains(&failures.len()), "{}", failures.len());
        assert_eq!(out.headers.text("x-dlq-redrives"), Some("2"));
    }

    #[test]
    fn headers_are_capped() {
        let mut headers = Headers::new();
        headers.push("small", "1");
        headers.push("huge", vec![b'x'; HEADER_LIMIT]);
        let out = letter(&record(headers));
        assert_eq!(out.headers.text("small"), Some("1"));
        assert_eq!(out.headers.text("huge"), None);
        assert_eq!(out.headers.text("x-dlq-headers-cut"), Some("true"));
    }
}
