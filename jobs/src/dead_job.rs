//! Dead jobs, on their way to the dead-letter topic.

use chrono::{DateTime, Utc};
use serde::Deserialize;

use crate::{
    Failure, Origin,
    new_job::{Body, from_millis},
};

/// A dead job on its way to the dead-letter topic.
#[derive(Debug, Clone)]
pub struct DeadJob {
    /// Its id.
    pub id: String,
    /// Its kind.
    pub kind: String,
    /// Its arguments as JSON.
    pub payload: String,
    /// How often it ran.
    pub attempts: u32,
    /// Why it died.
    pub failure: Failure,
    /// When it first failed.
    pub first_failed_at: DateTime<Utc>,
    /// When it failed last.
    pub failed_at: DateTime<Utc>,
    /// The event it goes back to, if any.
    pub origin: Option<Origin>,
}

/// A job's changing state, as `lua/prelude.lua` describes it.
#[derive(Deserialize)]
struct Run {
    a: u32,
    #[serde(default)]
    f: Vec<RunFailure>,
}

#[derive(Deserialize)]
struct RunFailure {
    at: i64,
    code: String,
    message: String,
}

impl DeadJob {
    /// Reads what lies in Redis. An entry that is broken still has to reach the dead-letter topic, with the bytes there are.
    pub(crate) fn read(id: &str, body: &str, run: &str) -> Self {
        Self::of(id, body, run).unwrap_or_else(|reason| Self {
            id: id.to_owned(),
            kind: "unknown".into(),
            payload: body.to_owned(),
            attempts: 0,
            failure: Failure::new("undecodable", reason),
            first_failed_at: DateTime::UNIX_EPOCH,
            failed_at: DateTime::UNIX_EPOCH,
            origin: None,
        })
    }

    fn of(id: &str, body: &str, run: &str) -> Result<Self, String> {
        let body: Body = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let run: Run = serde_json::from_str(run).map_err(|error| error.to_string())?;
        let (first, last) = run.f.first().zip(run.f.last()).ok_or("it has no failure")?;
        Ok(Self {
            id: id.to_owned(),
            kind: body.kind,
            payload: body.payload.get().to_owned(),
            attempts: run.a,
            failure: Failure::new(&last.code, &last.message),
            first_failed_at: from_millis(first.at),
            failed_at: from_millis(last.at),
            origin: body.origin,
        })
    }
}
