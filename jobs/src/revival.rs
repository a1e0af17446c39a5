//! Dead jobs that come back: from a dead letter into the queue they died in.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::{
    Enqueued, JobId, Queue, QueueError,
    enqueue::Call,
    new_job::millis,
    record::{More, Record},
};

/// A dead job that is to run again, with all its attempts, and all its options but those that have had their effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revival {
    kind: String,
    record: String,
    payload: usize,
}

impl Revival {
    /// From the head that its [`DeadJob`](crate::DeadJob) had, with these arguments, for the `redrives`-th time. The same
    /// `once` within `window` is the same revival, and is taken in once. Else why it cannot be.
    pub fn new(head: &str, payload: &str, redrives: u32, once: &str, window: Duration) -> Result<Self, String> {
        let (mut options, line) = split(head);
        let text = format!("{line}\n{payload}");
        let Record { kind, more, .. } = Record::read(&text)?;
        if kind.is_empty() {
            return Err("it has no kind".into());
        }
        let kind = kind.to_owned();
        let more = More { redrives, ..more };
        // Its own id was seen before, and so was what it was to be taken in once by; it has waited, and its batch is over.
        for name in ["o", "ow", "at", "d", "b"] {
            options.remove(name);
        }
        // A cancel of its key reaches it as it would have then.
        if let (true, false, Some(time)) = (options.contains_key("u"), options.contains_key("e"), more.time) {
            options.insert("e".into(), time.into());
        }
        options.insert("y".into(), once.into());
        options.insert("yw".into(), millis(window).into());
        if let Some(id) = &more.id {
            let term = Value::from(format!("id={id}"));
            let terms = options.entry("x").or_insert_with(|| Value::Array(Vec::new()));
            if let Some(terms) = terms.as_array_mut().filter(|terms| !terms.contains(&term)) {
                terms.push(term);
            }
        }
        let record = format!("{}\n{payload}", write(&options, line, &more)?);
        Ok(Self { kind, record, payload: payload.len() })
    }
}

/// What a dead job's record begins with, its payload left out; filled in what else only its id says: its priority, that
/// id, and its time, so that a run after a redrive is the same job to its handler. Nothing, if it cannot be read.
pub(crate) fn head_of(id: JobId, record: &str) -> String {
    let (mut options, rest) = split(record);
    let line = rest.split('\n').next().unwrap_or_default();
    let Ok(Record { more, .. }) = Record::read(record) else { return String::new() };
    options.insert("p".into(), id.priority().into());
    let own = Some(more.id.clone().unwrap_or_else(|| id.to_string()));
    let more = More { id: own, time: Some(more.time.unwrap_or_else(|| id.born())), ..more };
    write(&options, line, &more).unwrap_or_default()
}

/// The options in front, and the rest.
pub(crate) fn split(record: &str) -> (Map<String, Value>, &str) {
    match record.strip_prefix('+').and_then(|text| text.split_once('\n')) {
        Some((options, rest)) => (serde_json::from_str(options).unwrap_or_default(), rest),
        None => (Map::new(), record),
    }
}

/// Options, the line of kind, version and more, and arguments: a record.
pub(crate) fn join(options: &Map<String, Value>, line: &str, arguments: &Value) -> String {
    if options.is_empty() {
        return format!("{line}\n{arguments}");
    }
    format!("+{}\n{line}\n{arguments}", Value::Object(options.clone()))
}

/// Options and the line of kind, version and more.
pub(crate) fn write(options: &Map<String, Value>, line: &str, more: &More) -> Result<String, String> {
    let head = line.split(' ').next().unwrap_or_default();
    let [options, more] =
        [serde_json::to_string(options), serde_json::to_string(more)].map(|text| text.map_err(|e| e.to_string()));
    Ok(format!("+{}\n{head} {}", options?, more?))
}

impl Queue {
    /// Puts dead jobs back in, in order. On an error some may be in; the same call again adds just the rest.
    pub async fn revive(&self, jobs: &[Revival]) -> Result<Vec<Enqueued>, QueueError> {
        let limit = self.queues.config.max_payload;
        if let Some(job) = jobs.iter().find(|job| job.payload > limit) {
            return Err(QueueError::TooLarge { kind: job.kind.clone(), bytes: job.payload, limit });
        }
        let mut results = Vec::with_capacity(jobs.len());
        for jobs in jobs.chunks(REVIVED) {
            let mut call = Call::default();
            for job in jobs {
                call.add_record(&job.kind, job.record.clone());
            }
            self.send(&call, &mut results).await?;
        }
        Ok(results)
    }
}

/// Jobs in one call.
const REVIVED: usize = 100;

#[cfg(test)]
mod tests {
    use super::*;

    const WEEK: Duration = Duration::from_hours(7 * 24);

    fn revived(record: &str) -> (Value, More, String) {
        let id: JobId = "0mwqnd2k1003".parse().unwrap();
        let Revival { record, .. } = Revival::new(&head_of(id, record), "{}", 2, "letter", WEEK).unwrap();
        let read = Record::read(&record).unwrap();
        (Value::Object(split(&record).0), read.more.clone(), format!("{}@{}", read.kind, read.version))
    }

    #[test]
    fn a_plain_job_keeps_its_priority_id_and_time() {
        let (options, more, kind) = revived("mail@3 {\"m\":8}\n{\"old\":1}");
        assert_eq!(options, serde_json::json!({ "p": 3, "y": "letter", "yw": 604_800_000, "x": ["id=0mwqnd2k1003"] }));
        assert_eq!((more.id.as_deref(), more.max_attempts, more.redrives), (Some("0mwqnd2k1003"), Some(8), 2));
        assert!(more.time.is_some());
        assert_eq!(kind, "mail@3");
    }

    #[test]
    fn what_had_its_effect_is_left_out_and_the_rest_stays() {
        let record = "+{\"p\":3,\"o\":\"own\",\"ow\":5,\"at\":7,\"b\":\"batch\",\"u\":\"mail:k\",\"l\":\"lane\",\"x\":[\"order=7\"]}\n\
                      mail {\"i\":\"own\",\"e\":9}\n{}";
        let (options, more, _) = revived(record);
        let left = serde_json::json!({
            "p": 3, "u": "mail:k", "e": 9, "l": "lane", "x": ["order=7", "id=own"], "y": "letter", "yw": 604_800_000,
        });
        assert_eq!(options, left);
        assert_eq!((more.id.as_deref(), more.time), (Some("own"), Some(9)));
    }

    #[test]
    fn what_is_no_record_is_refused() {
        assert_eq!(head_of(JobId::NONE, "nonsense"), "");
        assert!(Revival::new("", "{}", 1, "letter", WEEK).is_err());
    }
}
