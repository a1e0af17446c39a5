//! A job's arguments, replaced.

use serde_json::Value;

use crate::{
    Acted, JobId, JobKind, JobOptions, JobState, JobView, Queue, QueueError,
    look::{Found, acted},
    revival::{join, split},
};

impl Queue {
    /// Gives a job that waits, is delayed or dead other arguments, and lets it run now; a dead one gets all its attempts
    /// anew. Its options stay as they are. Where `kind` is that of its version, arguments of another shape are refused, and
    /// what its type says a job is found by follows them.
    pub async fn edit(&self, id: JobId, arguments: &Value, kind: Option<&JobKind>) -> Result<Acted, QueueError> {
        let Some(Found { view, record, .. }) = self.look_up(&[id]).await?.pop() else { return Ok(Acted::Gone) };
        let record = edited(&view, &record, arguments, kind)?;
        if !matches!(view.state, JobState::Waiting | JobState::Delayed | JobState::Dead) {
            return Ok(Acted::Not(view.state));
        }
        let (bytes, limit) = (arguments.to_string().len(), self.queues.config.max_payload);
        if bytes > limit {
            return Err(QueueError::TooLarge { kind: view.kind, bytes, limit });
        }
        let mut call = self.prepare(&self.queues.scripts.edit);
        call.arg(id.as_str()).arg(record);
        Ok(acted(&self.run::<String>(&call).await?))
    }
}

/// The record with other arguments.
fn edited(view: &JobView, record: &str, arguments: &Value, kind: Option<&JobKind>) -> Result<String, QueueError> {
    let (mut options, rest) = split(record);
    let line = rest.split('\n').next().unwrap_or_default();
    let typed = kind.filter(|kind| kind.name() == view.kind && kind.version() == Some(view.version));
    if let Some(kind) = typed {
        let terms =
            |arguments: &Value| kind.job(arguments, JobOptions::default(), view.time).map(|job| job.options.index);
        let now = terms(arguments)?;
        let before =
            serde_json::from_str(&view.payload).ok().and_then(|before| terms(&before).ok()).unwrap_or_default();
        // What its route said it is found by stays.
        if let Some(Value::Array(found_by)) = options.get_mut("x") {
            found_by.retain(|term| !before.iter().any(|before| term == before));
            found_by.extend(now.into_iter().map(Value::from));
        }
    }
    Ok(join(&options, line, arguments))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(record: &str) -> JobView {
        crate::look::view("0mwqnd2k100f".parse().unwrap_or(JobId::NONE), JobState::Dead, "", record, "", false)
    }

    #[test]
    fn everything_but_the_arguments_stays() {
        for (record, wanted) in [
            ("mail@2 {\"m\":8}\n{\"to\":1}", "mail@2 {\"m\":8}\n{\"to\":2}"),
            (
                "+{\"l\":\"lane\",\"x\":[\"a=1\"]}\nmail\n{\"to\":1}",
                "+{\"l\":\"lane\",\"x\":[\"a=1\"]}\nmail\n{\"to\":2}",
            ),
        ] {
            let edited = edited(&view(record), record, &serde_json::json!({ "to": 2 }), None).unwrap();
            assert_eq!(edited, wanted);
        }
    }
}
