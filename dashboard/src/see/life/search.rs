//! Records of Kafka that nothing is noted of: where letters say that they lie, or where their time says that they may lie.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use humantime::format_duration;
use millgate_events::{Incoming, Logs, Place, Record, Scan, TraceParent, Wanted};
use uuid::Uuid;

use super::{LetterLife, Life, Look, gather::BEFORE};
use crate::Site;

/// For one question to Kafka.
const QUESTION: Duration = Duration::from_secs(5);
/// A search on Kafka is no longer, and looks at no more.
const SEARCH: Duration = Duration::from_secs(15);
const RECORDS: u64 = 200_000;

/// The way to the records.
pub(super) fn logs(site: &Site) -> Option<Logs> {
    Some(Logs::new(&site.readers.first()?.kafka, QUESTION))
}

/// Those of what is wanted, as far as they can be found within bounds; the life says how far that was.
pub(super) async fn look_on_kafka(site: &Site, life: &mut Life, look: &Look<'_>) -> Vec<Record> {
    let Some(logs) = logs(site) else { return Vec::new() };
    let mut places: Vec<Place> = Vec::new();
    for LetterLife { letter, .. } in &life.letters {
        if let (Some(topic), Some(partition), Some(offset)) = (&letter.topic, letter.partition, letter.offset) {
            places.push(Place { topic: topic.clone(), partition, offset });
        }
    }
    places.dedup();
    if !places.is_empty() {
        match logs.records(places).await {
            Ok(records) => return records.into_iter().flatten().collect(),
            Err(error) => life.problems.push(error.to_string()),
        }
    }
    let time = made_at(life.wanted.text()).map(|time| time - BEFORE);
    let Some(since) = look.since.or(time) else {
        let why = "Kafka was not: the id does not say its time; `--since 1h` says where to begin";
        life.searched.push(why.to_owned());
        return Vec::new();
    };
    let topics: BTreeSet<String> =
        site.readers.iter().flat_map(|reader| reader.routes.topics()).map(str::to_owned).collect();
    let names = topics.iter().cloned().collect::<Vec<_>>().join(", ");
    let scan = Scan {
        topics: topics.into_iter().collect(),
        since: Some(since),
        until: None,
        most: 100,
        records: RECORDS,
        within: SEARCH,
    };
    let prefix = topic_prefix(site);
    let wanted = life.wanted.clone();
    match logs.scan(scan, move |record| is_wanted(record, &wanted, &prefix)).await {
        Ok(scanned) => {
            let bound = if scanned.is_whole {
                "to their ends".to_owned()
            } else {
                format!("and no further (at most {RECORDS} records in {})", format_duration(SEARCH))
            };
            let since = since.format("%Y-%m-%d %H:%M:%S UTC");
            life.searched.push(format!("Kafka from {since} on, {} records, {bound}: {names}", scanned.looked_at));
            scanned.found
        }
        Err(error) => {
            life.problems.push(error.to_string());
            Vec::new()
        }
    }
}

/// What is put before the names of topics.
pub(super) fn topic_prefix(site: &Site) -> String {
    site.readers.first().map(|reader| reader.kafka.topic_prefix.clone()).unwrap_or_default()
}

/// The time in a UUID of version 7, as events get them.
fn made_at(id: &str) -> Option<DateTime<Utc>> {
    let uuid: Uuid = id.parse().ok()?;
    if uuid.get_version_num() != 7 {
        return None;
    }
    let (seconds, nanos) = uuid.get_timestamp()?.to_unix();
    DateTime::from_timestamp(i64::try_from(seconds).ok()?, nanos)
}

fn is_wanted(record: &Record, wanted: &Wanted, prefix: &str) -> bool {
    let headers = &record.headers;
    let text = wanted.text();
    let is = |names: [&str; 2]| names.iter().any(|name| headers.text(name) == Some(text));
    let is_event = || is(["ce_id", "event-id"]);
    let is_correlation = || is(["ce_correlationid", "correlation-id"]);
    let is_key = || record.key.as_deref() == Some(text.as_bytes()) || headers.text("ce_subject") == Some(text);
    let is_trace =
        || headers.text("traceparent").and_then(TraceParent::parse).is_some_and(|trace| trace.trace_id() == text);
    let by_headers = match wanted {
        Wanted::Event(_) => is_event(),
        Wanted::Correlation(_) => is_correlation(),
        Wanted::Key(_) => is_key(),
        Wanted::Trace(_) => is_trace(),
        Wanted::Job(_) => false,
        Wanted::Any(_) => is_event() || is_correlation() || is_key() || is_trace(),
    };
    // Only what has no attributes in its headers has them in its value.
    by_headers || (headers.text("ce_id").is_none() && in_value(record, wanted, prefix))
}

fn in_value(record: &Record, wanted: &Wanted, prefix: &str) -> bool {
    let topic = record.topic.strip_prefix(prefix).unwrap_or(&record.topic);
    let Ok(Some(incoming)) = Incoming::read(record, topic) else { return false };
    let (meta, text) = (&incoming.meta, wanted.text());
    let (is_event, is_correlation) = (meta.id == text, meta.correlation_id == text);
    let is_key = meta.subject.as_deref() == Some(text);
    match wanted {
        Wanted::Event(_) => is_event,
        Wanted::Correlation(_) => is_correlation,
        Wanted::Key(_) => is_key,
        Wanted::Trace(_) | Wanted::Job(_) => false,
        Wanted::Any(_) => is_event || is_correlation || is_key,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_an_id_is_in_it_if_it_is_of_version_7() {
        // The example of RFC 9562, A.6.
        let time = made_at("017f22e2-79b0-7cc3-98c4-dc0c0c07398f").unwrap();
        assert_eq!(time.to_rfc3339(), "2022-02-22T19:22:22+00:00");
        assert_eq!(made_at("919108f7-52d1-4320-9bac-f847db4148a8"), None);
        assert_eq!(made_at("order-17"), None);
    }
}
