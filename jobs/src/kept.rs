//! Jobs as they were: to be put back where they were removed, or into another queue.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Enqueued, JobId, JobState, Queue, QueueError,
    look::{Found, STEP},
    new_job::millis,
    record::Record,
    revival::{split, write},
};

/// A job as it was at a moment, with all that lies of it in Redis.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeptJob {
    /// What its queue called it.
    pub key: JobId,
    /// Its id: one of its own, or that of the queue.
    pub id: String,
    /// Where it was.
    pub state: JobState,
    /// When it was to run, or was done: milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    at: Option<i64>,
    /// Its record, with its options as they are to be when it comes back.
    record: String,
    /// What happened to it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    past: String,
}

impl KeptJob {
    pub(crate) fn of(found: Found) -> Self {
        let Found { view, record, past } = found;
        let (mut options, rest) = split(&record);
        // It is in no batch any more: without it that goes on.
        for name in ["b", "d", "at", "y", "yw"] {
            options.remove(name);
        }
        let at = view.at.filter(|_| matches!(view.state, JobState::Delayed | JobState::Done));
        let at = at.map(|at| at.timestamp_millis());
        if let Some(at) = at.filter(|_| view.state == JobState::Delayed) {
            options.insert("at".into(), at.into());
        }
        options.insert("p".into(), view.priority.into());
        // A cancel of its key reaches it as it would have.
        if options.contains_key("u") && !options.contains_key("e") {
            options.insert("e".into(), view.time.timestamp_millis().into());
        }
        if options.get("o").and_then(Value::as_str) != Some(&view.id) {
            let term = Value::from(format!("id={}", view.id));
            let terms = options.entry("x").or_insert_with(|| Value::Array(Vec::new()));
            if let Some(terms) = terms.as_array_mut().filter(|terms| !terms.contains(&term)) {
                terms.push(term);
            }
        }
        let (line, payload) = rest.split_once('\n').unwrap_or((rest, ""));
        let head = Record::read(&record).map(|record| record.more).and_then(|mut more| {
            more.id.get_or_insert_with(|| view.id.clone());
            more.time.get_or_insert_with(|| view.time.timestamp_millis());
            write(&options, line, &more)
        });
        // One that cannot be read comes back as it was.
        let head = head.unwrap_or_else(|_| format!("+{}\n{line}", Value::Object(options)));
        Self { key: view.key, id: view.id, state: view.state, at, record: format!("{head}\n{payload}"), past }
    }

    /// The same as it is to begin anew in another queue.
    pub(crate) fn anew(self) -> Self {
        let state = if self.state == JobState::Delayed { self.state } else { JobState::Waiting };
        Self { state, past: String::new(), ..self }
    }

    /// How many bytes it has.
    pub fn bytes(&self) -> usize {
        self.record.len() + self.past.len()
    }
}

impl Queue {
    /// Jobs as they are now, for [`put_back`](Self::put_back); those that a worker has, or that are gone, are left out.
    pub async fn keep(&self, ids: &[JobId]) -> Result<Vec<KeptJob>, QueueError> {
        let found = self.look_up(ids).await?;
        Ok(found.into_iter().filter(|found| found.view.state != JobState::Active).map(KeptJob::of).collect())
    }

    /// Puts jobs back that were removed from this queue: each in the state that it had, with all its options and what
    /// happened to it, at the end of its line. It gets another key, and is found by the id that it had.
    ///
    /// One that is here, or was put back before, stays as it is. One whose unique key another job has by now, or was
    /// cancelled since, does not come back.
    pub async fn put_back(&self, jobs: &[KeptJob]) -> Result<Vec<Enqueued>, QueueError> {
        self.take_in(jobs, false, |job| format!("{} put back", job.key)).await
    }

    /// Takes jobs in that were elsewhere before. Where the queue's limits count it may refuse them all. `wish` names what
    /// one is taken in by: the same again, within the dedupe window, changes nothing.
    pub(crate) async fn take_in(
        &self,
        jobs: &[KeptJob],
        is_limited: bool,
        wish: impl Fn(&KeptJob) -> String,
    ) -> Result<Vec<Enqueued>, QueueError> {
        let window = millis(self.queues.config.dedupe_window);
        let mut results = Vec::with_capacity(jobs.len());
        for jobs in jobs.chunks(STEP) {
            let mut call = self.prepare(&self.queues.scripts.put_back);
            call.arg(u8::from(is_limited));
            for job in jobs {
                let state = if job.state == JobState::Held { JobState::Waiting } else { job.state };
                let at = job.at.map(|at| at.to_string()).unwrap_or_default();
                call.arg(state.as_str())
                    .arg(at)
                    .arg(&job.id)
                    .arg(wish(job))
                    .arg(window)
                    .arg(&job.record)
                    .arg(&job.past);
            }
            for word in self.run::<Vec<String>>(&call).await? {
                results.push(Enqueued::read(&word, "put_back")?);
            }
        }
        Ok(results)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::look::view;

    fn kept(state: JobState, when: &str, record: &str) -> (Value, String) {
        let view = view("0mwqnd2k1003".parse().unwrap(), state, when, record, "", false);
        let kept = KeptJob::of(Found { view, record: record.into(), past: String::new() });
        let (options, rest) = split(&kept.record);
        (Value::Object(options), rest.to_owned())
    }

    #[test]
    fn a_plain_job_is_found_by_the_id_that_it_had() {
        let (options, rest) = kept(JobState::Waiting, "", "mail@3 {\"m\":8}\n{\"to\":1}");
        assert_eq!(options, serde_json::json!({ "p": 3, "x": ["id=0mwqnd2k1003"] }));
        assert!(rest.starts_with("mail@3 {") && rest.ends_with("\n{\"to\":1}"), "{rest}");
        assert_eq!(Record::read(&rest).unwrap().more.id.as_deref(), Some("0mwqnd2k1003"));
    }

    #[test]
    fn a_job_comes_back_when_it_was_due_and_to_no_batch() {
        let record = "+{\"d\":5,\"b\":\"batch\",\"o\":\"own\",\"u\":\"mail:k\"}\nmail {\"i\":\"own\",\"e\":9}\n{}";
        let (options, _) = kept(JobState::Delayed, "1700", record);
        assert_eq!(options, serde_json::json!({ "p": 3, "at": 1700, "o": "own", "u": "mail:k", "e": 9 }));
    }
}
