//! Which letters are meant.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use sqlx::{Postgres, QueryBuilder};
use uuid::Uuid;

use super::{LetterKind, LetterStatus};

/// Letters that are all of this; what is empty lets every letter through.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LetterFilter {
    /// Of these ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<Uuid>,
    /// In one of these states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub statuses: Vec<LetterStatus>,
    /// Events or jobs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<LetterKind>,
    /// From one of these topics, as Kafka names them.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topics: Vec<String>,
    /// Of this event type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_type: Option<String>,
    /// Jobs of this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<String>,
    /// Jobs of this kind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub job_kind: Option<String>,
    /// Of this error code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Of this error fingerprint.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// That died at this time or later.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub since: Option<DateTime<Utc>>,
    /// That died before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// That were stored no later: those that die while a command is at work are not its concern.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stored_by: Option<DateTime<Utc>>,
    /// That had been redriven less often when they died.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redrives_below: Option<i32>,
    /// Whose redrive, if one was begun, was begun later than this.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub begun_after: Option<DateTime<Utc>>,
}

impl LetterFilter {
    /// Letters that nothing was done about, and those whose redrive was cut off.
    #[must_use]
    pub fn open(self) -> Self {
        Self { statuses: vec![LetterStatus::Dead, LetterStatus::Redriving], ..self }
    }

    /// Whether it says anything about which letters are meant, beyond what became of them.
    pub fn chooses(&self) -> bool {
        let names = [&self.event_type, &self.queue, &self.job_kind, &self.code, &self.fingerprint];
        let is_named = !self.ids.is_empty() || !self.topics.is_empty() || names.iter().any(|name| name.is_some());
        is_named || self.kind.is_some() || self.since.is_some() || self.until.is_some()
    }

    pub(super) fn push_where(&self, query: &mut QueryBuilder<Postgres>) {
        if !self.ids.is_empty() {
            query.push(" AND id = ANY(").push_bind(self.ids.clone()).push(")");
        }
        if !self.statuses.is_empty() {
            // As words and not as parameters: only so can the index of those that are open be used.
            let words: Vec<_> = self.statuses.iter().map(|status| format!("'{status}'")).collect();
            query.push(format!(" AND status IN ({})", words.join(", ")));
        }
        if let Some(kind) = self.kind {
            query.push(" AND kind = ").push_bind(kind.as_str());
        }
        if !self.topics.is_empty() {
            query.push(" AND topic = ANY(").push_bind(self.topics.clone()).push(")");
        }
        let texts = [
            (" AND event_type = ", &self.event_type),
            (" AND queue = ", &self.queue),
            (" AND job_kind = ", &self.job_kind),
            (" AND code = ", &self.code),
            (" AND fingerprint = ", &self.fingerprint),
        ];
        for (column, wanted) in texts {
            if let Some(wanted) = wanted {
                query.push(column).push_bind(wanted.clone());
            }
        }
        let times = [
            (" AND failed_at >= ", self.since),
            (" AND failed_at < ", self.until),
            (" AND stored_at <= ", self.stored_by),
        ];
        for (column, time) in times {
            if let Some(time) = time {
                query.push(column).push_bind(time);
            }
        }
        if let Some(most) = self.redrives_below {
            query.push(" AND redrives < ").push_bind(most);
        }
        if let Some(time) = self.begun_after {
            query.push(" AND (redriving_since IS NULL OR redriving_since > ").push_bind(time).push(")");
        }
    }
}
