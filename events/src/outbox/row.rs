//! A row of the outbox, and the record that it becomes.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use sqlx::FromRow;
use uuid::Uuid;

use crate::{EventMeta, Headers, OutRecord};

/// Larger ones a broker may refuse, which one learns too late to keep back what comes behind.
const SAFE: usize = 256 * 1024;

/// An event on its way to Kafka.
#[derive(Debug, FromRow)]
pub(super) struct Row {
    pub(super) position: i64,
    pub(super) id: Uuid,
    pub(super) topic: String,
    pub(super) key: String,
    #[sqlx(rename = "type")]
    event_type: String,
    payload: Option<String>,
    headers: String,
    created: DateTime<Utc>,
    /// How often it was refused; none if its key is not stuck.
    pub(super) tries: Option<i32>,
}

impl Row {
    /// Whether what comes behind it with the same key has to wait for its ack.
    pub(super) fn goes_first(&self) -> bool {
        self.tries.is_some() || self.payload.as_ref().is_some_and(|payload| payload.len() > SAFE)
    }

    /// What goes to Kafka, taken out of the row; or else why it never can.
    pub(super) fn record(&mut self, source: &str) -> Result<OutRecord, String> {
        let own: Map<String, Value> =
            serde_json::from_str(&self.headers).map_err(|error| format!("its headers are no JSON object: {error}"))?;
        let mut headers = Headers::new();
        // A row of the outbox's own API has all of them.
        if !own.contains_key("ce_id") || !own.contains_key("ce_source") {
            for (name, value) in self.meta(source).to_headers("application/json").iter() {
                if !own.contains_key(name) {
                    headers.push_raw(name.to_owned(), value.cloned());
                }
            }
        }
        for (name, value) in own {
            match value {
                Value::Null => headers.push_raw(name, None),
                Value::String(text) => headers.push(name, text),
                other => headers.push(name, other.to_string()),
            }
        }
        Ok(OutRecord {
            topic: self.topic.clone(),
            key: Some(self.key.clone().into()),
            value: self.payload.take().map(Into::into),
            headers,
        })
    }

    /// What is said of an event that says nothing itself.
    fn meta(&self, source: &str) -> EventMeta {
        EventMeta {
            id: self.id.to_string(),
            source: source.to_owned(),
            event_type: self.event_type.clone(),
            version: 1,
            time: self.created,
            subject: Some(self.key.clone()),
            correlation_id: self.id.to_string(),
            causation_id: None,
            trace: None,
            trace_state: None,
            baggage: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(headers: &str) -> Row {
        Row {
            position: 1,
            id: Uuid::nil(),
            topic: "orders".into(),
            key: "o1".into(),
            event_type: "order.created".into(),
            payload: Some("{}".into()),
            headers: headers.into(),
            created: DateTime::UNIX_EPOCH,
            tries: None,
        }
    }

    #[test]
    fn what_a_row_says_goes_before_what_is_said_for_it() {
        let record = row(r#"{"ce_source": "billing", "ce_dataversion": 2, "x-none": null}"#).record("shop").unwrap();
        for (name, value) in [
            ("ce_specversion", "1.0"),
            ("ce_id", "00000000-0000-0000-0000-000000000000"),
            ("ce_source", "billing"),
            ("ce_type", "order.created"),
            ("ce_dataversion", "2"),
            ("ce_subject", "o1"),
            ("ce_time", "1970-01-01T00:00:00.000Z"),
        ] {
            assert_eq!(record.headers.text(name), Some(value), "{name}");
        }
        let sources = record.headers.iter().filter(|(name, _)| *name == "ce_source").count();
        assert_eq!(sources, 1);
        assert!(record.headers.iter().any(|(name, value)| name == "x-none" && value.is_none()));
    }

    #[test]
    fn headers_that_are_no_object_are_said_to_be() {
        assert!(row("[1]").record("shop").unwrap_err().contains("no JSON object"));
    }
}
