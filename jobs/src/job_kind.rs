//! Kinds of jobs, for those who have only a name and arguments as JSON.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    Job, JobOptions, NewJob, QueueError,
    arguments::{ArgumentProblem, check},
    record::More,
};

/// A kind of job by its name.
#[derive(Debug, Clone)]
pub struct JobKind {
    name: String,
    queue: String,
    typed: Option<Typed>,
}

/// What its type knows.
#[derive(Debug, Clone, Copy)]
struct Typed {
    version: u32,
    job: fn(&Value, JobOptions, DateTime<Utc>) -> Result<NewJob, QueueError>,
    check: fn(&[&str]) -> Vec<ArgumentProblem>,
}

impl JobKind {
    /// The kind of a type.
    pub fn of<J: Job>() -> Self {
        let typed = Typed { version: J::VERSION, job: job_of::<J>, check: check::<J> };
        Self { name: J::KIND.to_owned(), queue: J::QUEUE.to_owned(), typed: Some(typed) }
    }

    /// A kind whose type is not known here: another program works on it.
    pub fn elsewhere(name: &str, queue: &str) -> Self {
        Self { name: name.to_owned(), queue: queue.to_owned(), typed: None }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where its jobs wait.
    pub fn queue(&self) -> &str {
        &self.queue
    }

    /// The version of its arguments' shape, if its type is known.
    pub fn version(&self) -> Option<u32> {
        self.typed.map(|typed| typed.version)
    }

    /// A job of this kind about something that happened at `time`. If its type is known, it is as if that had been
    /// used: its defaults count, and arguments of another shape are refused.
    pub fn job(&self, arguments: &Value, options: JobOptions, time: DateTime<Utc>) -> Result<NewJob, QueueError> {
        match self.typed {
            Some(typed) => (typed.job)(arguments, options, time),
            None => Ok(self.untyped(arguments, options, time)),
        }
    }

    fn untyped(&self, arguments: &Value, options: JobOptions, time: DateTime<Utc>) -> NewJob {
        NewJob {
            id: None,
            kind: self.name.clone(),
            queue: self.queue.clone(),
            priority: options.priority.unwrap_or(5).min(9),
            time: Some(time),
            version: 1,
            more: More {
                max_attempts: options.max_attempts,
                timeout_ms: options.timeout.map(crate::new_job::millis),
                time: Some(time.timestamp_millis()),
                ..More::default()
            },
            options,
            payload: arguments.to_string(),
            batch: None,
            following: Vec::new(),
        }
    }

    /// What is wrong with arguments of these names, as far as the type tells.
    pub fn check(&self, names: &[&str]) -> Vec<ArgumentProblem> {
        self.typed.map(|typed| (typed.check)(names)).unwrap_or_default()
    }
}

fn job_of<J: Job>(arguments: &Value, options: JobOptions, time: DateTime<Utc>) -> Result<NewJob, QueueError> {
    let job =
        J::deserialize(arguments).map_err(|error| QueueError::Arguments { kind: J::KIND, source: Arc::new(error) })?;
    NewJob::new(&job, options, time)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde::{Deserialize, Serialize};
    use serde_json::json;

    use super::*;
    use crate::{Lane, delay};

    #[derive(Serialize, Deserialize)]
    struct Ship {
        order: u64,
    }

    impl Job for Ship {
        const KIND: &'static str = "ship";
        const QUEUE: &'static str = "shipping";
        const VERSION: u32 = 2;
        const PRIORITY: u8 = 2;
        fn lane(&self) -> Option<Lane> {
            Some(Lane::ordered(self.order))
        }
    }

    #[test]
    fn a_job_by_name_is_the_job_of_its_type() {
        let time = DateTime::UNIX_EPOCH;
        let typed = NewJob::new(&Ship { order: 7 }, delay(Duration::from_secs(1)), time).unwrap();
        let kind = JobKind::of::<Ship>();
        let named = kind.job(&json!({ "order": 7 }), delay(Duration::from_secs(1)), time).unwrap();
        let window = Duration::from_secs(1);
        assert_eq!(named.record(window), typed.record(window));
        assert_eq!((named.priority, named.queue.as_str()), (2, "shipping"));
        let refused = kind.job(&json!({ "order": "x" }), JobOptions::default(), time).unwrap_err();
        assert!(refused.to_string().contains("ship"), "{refused}");
    }

    #[test]
    fn a_job_of_another_program_is_taken_as_it_is() {
        let kind = JobKind::elsewhere("webhook", "hooks");
        let job = kind.job(&json!({ "url": "u" }), JobOptions::default(), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((job.kind.as_str(), job.queue.as_str(), job.payload()), ("webhook", "hooks", r#"{"url":"u"}"#));
        assert!(kind.check(&["anything"]).is_empty());
    }
}
