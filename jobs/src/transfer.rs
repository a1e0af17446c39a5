//! Moving jobs from one queue to another.

use serde_json::{Map, Value};

use crate::{JobId, JobState, JobView, Queue, QueueError, enqueue::Call, look::STEP, new_job::millis};

impl Queue {
    /// Moves jobs that wait, are delayed, held or dead to another queue, with all their options; there they begin anew.
    /// Gives how many were moved.
    ///
    /// They are enqueued there and then removed here. Between the two a job is in both queues; the same call again mends
    /// that, as each has an id there (the one that it has here), by which it is recognised within the dedupe window. A
    /// job of a batch leaves it, as if it were cancelled.
    pub async fn transfer(&self, ids: &[JobId], to: &Self) -> Result<usize, QueueError> {
        let window = millis(to.queues.config.dedupe_window);
        let mut moved = 0;
        for ids in ids.chunks(STEP) {
            let (mut call, mut taken) = (Call::default(), Vec::new());
            for (view, record) in self.look_up(ids).await? {
                if !matches!(view.state, JobState::Active | JobState::Done) {
                    taken.push(view.key);
                    call.add_record(&view.kind, moved_record(&view, &record, window));
                }
            }
            if !taken.is_empty() {
                to.send(&call, &mut Vec::new()).await?;
                moved += self.remove(&taken).await?;
            }
        }
        Ok(moved)
    }
}

/// The record, with its options as they are to be in the other queue.
fn moved_record(view: &JobView, record: &str, window: u64) -> String {
    let (options, rest) = match record.strip_prefix('+') {
        Some(text) => text.split_once('\n').unwrap_or((text, "")),
        None => ("", record),
    };
    let mut options: Map<String, Value> = serde_json::from_str(options).unwrap_or_default();
    options.remove("b");
    options.remove("d");
    match view.at.filter(|_| view.state == JobState::Delayed) {
        Some(at) => options.insert("at".into(), at.timestamp_millis().into()),
        None => options.remove("at"),
    };
    options.insert("p".into(), view.priority.into());
    if !options.contains_key("o") {
        options.insert("o".into(), view.id.clone().into());
        options.insert("ow".into(), window.into());
    }
    format!("+{}\n{rest}", Value::Object(options))
}
