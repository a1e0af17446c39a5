//! From a record to an entry. Any record comes to one: what cannot be read as an event is recorded as just that.

use chrono::{DateTime, Utc};
use millgate_events::{Claims, DecodeError, EventMeta, Incoming, Record, TraceParent, Value};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::{
    Audit, AuditEvent, AuditLog, AuditSettings,
    rule::{first, text},
};

/// Longer names are cut: an index of PostgreSQL takes no more than 2,700 bytes.
const NAME: usize = 500;
const MESSAGE: usize = 2_000;
/// Words at the end of an event's type, or of a part of it, that say that something went wrong.
const FAILURES: [&str; 4] = ["failed", "failure", "error", "errors"];
/// Where such an event may say what it was.
const REASONS: [&str; 4] = ["error", "reason", "error_message", "message"];

/// Reads records of the topics of an audit.
pub(super) struct Reading<'a> {
    pub(super) audit: &'a Audit,
    pub(super) settings: &'a AuditSettings,
}

impl Reading<'_> {
    /// What is recorded of it, without its place in a chain.
    pub(super) fn entry(&self, record: &Record) -> AuditLog {
        let topic = self.plain(&record.topic);
        if !self.settings.dead_letter_topics.iter().any(|letters| letters == topic) {
            return self.of_event(record, topic, blank(record));
        }
        let header = |name| record.headers.text(name);
        let entry = blank(record);
        let entry = if header("x-dlq-kind") == Some("job") {
            self.of_job(record, entry)
        } else {
            // As it was on its own topic, so that it is known for the same event.
            let original = original(record);
            self.of_event(&original, self.plain(&original.topic), entry)
        };
        let error = [header("x-dlq-code"), header("__dlq.errors.message")];
        let error = error.into_iter().flatten().collect::<Vec<_>>().join(": ");
        AuditLog {
            action: "dead".into(),
            is_error: true,
            error: Some(cut(&error, MESSAGE)),
            // When it died: that is what is recorded here.
            occurred_at: header("x-dlq-failed-at").and_then(time).or(entry.record_time).unwrap_or(entry.occurred_at),
            ..entry
        }
    }

    fn plain<'t>(&self, topic: &'t str) -> &'t str {
        topic.strip_prefix(&*self.settings.topic_prefix).unwrap_or(topic)
    }

    fn of_event(&self, record: &Record, topic: &str, entry: AuditLog) -> AuditLog {
        let incoming = match Incoming::read(record, topic) {
            Ok(Some(incoming)) => incoming,
            Ok(None) => return AuditLog { action: "deleted".into(), ..unreadable(record, topic, entry) },
            Err(error) => {
                let (is_error, error) = (true, Some(cut(&format!("cannot be read: {error}"), MESSAGE)));
                return AuditLog {
                    is_error,
                    error,
                    ..self.with_hidden(record, topic, unreadable(record, topic, entry))
                };
            }
        };
        let is_claim = Claims::is_claim(record);
        let payload = if is_claim { Ok(Value::Null) } else { incoming.data().map(std::borrow::Cow::into_owned) };
        let meta = &*incoming.meta;
        match payload {
            Ok(mut payload) => {
                let is_masked = (self.settings.hide)(Some(&meta.event_type), None, &mut payload);
                let entry = self.with_meta(AuditEvent { meta, record, payload: &payload }, entry);
                if is_claim {
                    AuditLog { claim: record.headers.text("ce_dataref").map(name), ..entry }
                } else if is_masked {
                    with_json(payload.to_string().as_bytes(), entry)
                } else {
                    with_json(data(record).unwrap_or_default(), entry)
                }
            }
            // Nothing is wrong with it: it is kept as the bytes that it is.
            Err(DecodeError::WireFormat { .. }) => {
                with_value(record, self.with_meta(AuditEvent { meta, record, payload: &Value::Null }, entry))
            }
            Err(error) => {
                let entry = self.with_meta(AuditEvent { meta, record, payload: &Value::Null }, entry);
                let (is_error, error) = (true, Some(cut(&format!("cannot be read: {error}"), MESSAGE)));
                AuditLog { is_error, error, ..with_value(record, entry) }
            }
        }
    }

    /// The value of a record whose attributes cannot be read. If it is JSON, what nobody is shown is hidden by any type that it may be of,
    /// which is as much as its type can be believed here.
    fn with_hidden(&self, record: &Record, topic: &str, entry: AuditLog) -> AuditLog {
        let bytes = record.value.as_deref().unwrap_or_default();
        let json = (!Claims::is_claim(record)).then(|| serde_json::from_slice::<Value>(bytes).ok()).flatten();
        let Some(mut value) = json else { return with_value(record, entry) };
        let said = ["ce_type", "event-type"].map(|name| record.headers.text(name).map(str::to_owned));
        let within = ["type", "event_type", "eventType"].map(|name| Some(value.get(name)?.as_str()?.to_owned()));
        let mut is_masked = false;
        for of in said.into_iter().chain(within).flatten().chain([topic.to_owned()]) {
            is_masked |= (self.settings.hide)(Some(&of), None, &mut value);
            // Of an event with its attributes around it.
            if let Some(data) = value.get_mut("data") {
                is_masked |= (self.settings.hide)(Some(&of), None, data);
            }
        }
        if is_masked { with_json(value.to_string().as_bytes(), entry) } else { with_json(bytes, entry) }
    }

    /// A job that died, with what leads back to its event.
    fn of_job(&self, record: &Record, entry: AuditLog) -> AuditLog {
        let header = |name| record.headers.text(name);
        let kind = header("x-dlq-job-kind").unwrap_or("job");
        let letter = header("x-dlq-id").unwrap_or_default();
        let meta = EventMeta {
            id: header("x-dlq-event-id").unwrap_or(letter).to_owned(),
            source: header("x-dlq-event-source").unwrap_or_default().to_owned(),
            event_type: header("x-dlq-event-type").unwrap_or(kind).to_owned(),
            version: 1,
            time: entry.occurred_at,
            subject: header("x-dlq-job-id").map(str::to_owned),
            correlation_id: header("ce_correlationid").unwrap_or(letter).to_owned(),
            causation_id: None,
            trace: header("traceparent").and_then(TraceParent::parse),
            trace_state: None,
            baggage: None,
        };
        let bytes = record.value.as_deref().unwrap_or_default();
        let Ok(mut payload) = serde_json::from_slice(bytes) else {
            let entry = self.with_meta(AuditEvent { meta: &meta, record, payload: &Value::Null }, entry);
            return AuditLog { event_version: None, ..with_value(record, entry) };
        };
        let is_masked = (self.settings.hide)(Some(&meta.event_type), Some(kind), &mut payload);
        let entry = self.with_meta(AuditEvent { meta: &meta, record, payload: &payload }, entry);
        let entry = AuditLog { event_version: None, ..entry };
        if is_masked { with_json(payload.to_string().as_bytes(), entry) } else { with_json(bytes, entry) }
    }

    fn with_meta(&self, event: AuditEvent<'_>, entry: AuditLog) -> AuditLog {
        let AuditEvent { meta, record, payload } = event;
        let said =
            |headers: &[&str]| headers.iter().find_map(|name| record.headers.text(name)).filter(|it| !it.is_empty());
        let found =
            |headers: &[&str], rules| said(headers).map(name).or_else(|| first(rules, &event).map(|it| name(&it)));
        let error = first(&self.audit.error, &event);
        let is_error = error.is_some() || is_failure(&meta.event_type);
        let reason = || REASONS.iter().find_map(|reason| payload.get(reason).and_then(text));
        AuditLog {
            event_id: name(&meta.id),
            event_type: name(&meta.event_type),
            event_version: Some(meta.version.into()),
            event_source: Some(name(&meta.source)).filter(|source| !source.is_empty()),
            occurred_at: micros(meta.time),
            user_id: found(&["audit-user", "ce_authid"], &self.audit.user),
            resource: found(&["audit-resource"], &self.audit.resource)
                .or_else(|| meta.subject.as_deref().map(name))
                .or_else(|| key(record)),
            action: found(&["audit-action"], &self.audit.action)
                .unwrap_or_else(|| name(meta.event_type.rsplit('.').next().unwrap_or_default())),
            is_error,
            error: error.or_else(|| is_error.then(reason).flatten()).map(|error| cut(&error, MESSAGE)),
            correlation_id: Some(name(&meta.correlation_id)),
            causation_id: meta.causation_id.as_deref().map(name),
            trace_id: meta.trace.map(|trace| trace.trace_id()),
            ..entry
        }
    }
}

/// What is known of any record.
fn blank(record: &Record) -> AuditLog {
    let record_time = record.timestamp.and_then(DateTime::from_timestamp_millis);
    AuditLog {
        chain: 0,
        number: 0,
        recorded_at: DateTime::UNIX_EPOCH,
        topic: record.topic.to_string(),
        partition: record.partition,
        offset: record.offset,
        record_time,
        event_id: String::new(),
        event_type: String::new(),
        event_version: None,
        event_source: None,
        occurred_at: record_time.unwrap_or(DateTime::UNIX_EPOCH),
        user_id: None,
        resource: None,
        action: "unknown".into(),
        is_error: false,
        error: None,
        correlation_id: None,
        causation_id: None,
        trace_id: None,
        payload: None,
        raw: None,
        claim: None,
        hash: Vec::new(),
    }
}

/// What headers and key say of a record that is no event, or a deletion.
fn unreadable(record: &Record, topic: &str, entry: AuditLog) -> AuditLog {
    let said = |names: &[&str]| names.iter().find_map(|name| record.headers.text(name)).filter(|it| !it.is_empty());
    let place = || {
        let Record { topic, partition, offset, timestamp, .. } = record;
        format!("{topic}/{partition}/{offset}@{}", timestamp.unwrap_or_default())
    };
    AuditLog {
        event_id: said(&["ce_id", "event-id"]).map_or_else(|| name(&place()), name),
        event_type: name(said(&["ce_type", "event-type"]).unwrap_or(topic)),
        event_source: said(&["ce_source", "event-source"]).map(name),
        user_id: said(&["audit-user", "ce_authid"]).map(name),
        resource: said(&["audit-resource", "ce_subject"]).map(name).or_else(|| key(record)),
        correlation_id: said(&["ce_correlationid", "correlation-id"]).map(name),
        causation_id: said(&["ce_causationid", "causation-id"]).map(name),
        trace_id: record.headers.text("traceparent").and_then(TraceParent::parse).map(|trace| trace.trace_id()),
        ..entry
    }
}

/// The record that a letter is about, as it was on its topic.
fn original(letter: &Record) -> Record {
    let header = |name| letter.headers.text(name);
    let number = |name| header(name).and_then(|text| text.parse().ok());
    Record {
        topic: header("__dlq.errors.topic").map_or_else(|| letter.topic.clone(), Into::into),
        partition: header("__dlq.errors.partition").and_then(|text| text.parse().ok()).unwrap_or(letter.partition),
        offset: number("__dlq.errors.offset").unwrap_or(letter.offset),
        timestamp: number("x-dlq-original-timestamp").or(letter.timestamp),
        ..letter.clone()
    }
}

/// The bytes of the event's data.
fn data(record: &Record) -> Option<&[u8]> {
    #[derive(Deserialize)]
    struct Structured<'a> {
        #[serde(borrow)]
        data: Option<&'a RawValue>,
    }
    let value = record.value.as_deref()?;
    let is_structured =
        record.headers.text("content-type").is_some_and(|it| it.starts_with("application/cloudevents+json"));
    let inner = is_structured.then(|| serde_json::from_slice::<Structured<'_>>(value).ok()?.data).flatten();
    Some(inner.map_or(value, |data| data.get().as_bytes()))
}

/// With bytes that are JSON. What PostgreSQL would choke on as soon as somebody looks into it, it gets as bytes.
fn with_json(bytes: &[u8], entry: AuditLog) -> AuditLog {
    match std::str::from_utf8(bytes) {
        Ok(json) if !json.contains("\\u0000") => AuditLog { payload: Some(json.to_owned()), ..entry },
        _ => AuditLog { raw: Some(bytes.to_vec()), ..entry },
    }
}

/// With a value that is no JSON, or whose claim it is.
fn with_value(record: &Record, entry: AuditLog) -> AuditLog {
    if Claims::is_claim(record) {
        return AuditLog { claim: record.headers.text("ce_dataref").map(name), ..entry };
    }
    AuditLog { raw: record.value.as_ref().map(|value| value.to_vec()), ..entry }
}

fn key(record: &Record) -> Option<String> {
    let key = std::str::from_utf8(record.key.as_deref()?).ok()?;
    (!key.is_empty()).then(|| name(key))
}

fn is_failure(event_type: &str) -> bool {
    let is_one = |part: &str| {
        let end = |word: &str| part.len().checked_sub(word.len()).and_then(|at| part.get(at..));
        FAILURES.iter().any(|word| end(word).is_some_and(|end| end.eq_ignore_ascii_case(word)))
    };
    event_type.split(|c: char| !c.is_alphanumeric()).any(is_one)
}

fn time(text: &str) -> Option<DateTime<Utc>> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| micros(time.into()))
}

/// As exactly as PostgreSQL keeps it.
fn micros(time: DateTime<Utc>) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(time.timestamp_micros()).unwrap_or(time)
}

fn name(text: &str) -> String {
    cut(text, NAME)
}

/// Text that PostgreSQL takes: no NUL, and not too long.
fn cut(text: &str, most: usize) -> String {
    if text.len() <= most && !text.contains('\0') {
        return text.to_owned();
    }
    text.chars().take(most).map(|c| if c == '\0' { '\u{fffd}' } else { c }).collect()
}
