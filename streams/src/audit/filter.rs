//! Which entries are meant.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Utc};
use serde::{Serialize, Serializer};
use sqlx::{Postgres, QueryBuilder};

use super::AuditLog;

/// Entries that are all of this; what is empty lets every entry through.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct AuditFilter {
    /// Done by this user.
    pub user: Option<String>,
    /// Done to this.
    pub resource: Option<String>,
    /// Of this event type; `order.*`: of every type that begins with `order.`.
    pub event_type: Option<String>,
    /// Of one of these topics, as Kafka names them.
    pub topics: Vec<String>,
    /// Of this action.
    pub action: Option<String>,
    /// Set off by this request.
    pub correlation_id: Option<String>,
    /// Only what went wrong.
    pub errors: bool,
    /// That happened then or later.
    pub since: Option<DateTime<Utc>>,
    /// That happened before.
    pub until: Option<DateTime<Utc>>,
    /// Behind this entry, newest first.
    pub after: Option<AuditPlace>,
}

/// Where an entry stands in the order of what happened, newest first. As text: `1772366400000000-3-17`, the time in microseconds,
/// the chain, the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AuditPlace {
    at: DateTime<Utc>,
    chain: i32,
    number: i64,
}

impl AuditPlace {
    /// That of an entry.
    pub fn of(entry: &AuditLog) -> Self {
        Self { at: entry.occurred_at, chain: entry.chain, number: entry.number }
    }
}

impl fmt::Display for AuditPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.at.timestamp_micros(), self.chain, self.number)
    }
}

/// The first time that PostgreSQL knows, in 4713 BC: <https://www.postgresql.org/docs/current/datatype-datetime.html>.
const EARLIEST: i64 = -210_866_803_200_000_000;

impl FromStr for AuditPlace {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let read = || {
            let mut parts = text.rsplitn(3, '-');
            let (number, chain) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
            let micros = parts.next()?.parse().ok().filter(|micros| *micros >= EARLIEST)?;
            let at = DateTime::from_timestamp_micros(micros)?;
            Some(Self { at, chain, number })
        };
        read().ok_or_else(|| format!("`{text}` is no place in the audit log; each answer says where to go on"))
    }
}

impl Serialize for AuditPlace {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl AuditFilter {
    pub(super) fn push_where(&self, query: &mut QueryBuilder<Postgres>) {
        let texts = [
            (" AND user_id = ", &self.user),
            (" AND resource = ", &self.resource),
            (" AND action = ", &self.action),
            (" AND correlation_id = ", &self.correlation_id),
        ];
        for (column, wanted) in texts {
            if let Some(wanted) = wanted {
                query.push(column).push_bind(storable(wanted));
            }
        }
        if let Some(wanted) = &self.event_type {
            match wanted.strip_suffix('*') {
                Some(begin) => {
                    query.push(" AND starts_with(event_type, ").push_bind(storable(begin)).push(")");
                }
                None => {
                    query.push(" AND event_type = ").push_bind(storable(wanted));
                }
            }
        }
        if !self.topics.is_empty() {
            let topics: Vec<String> = self.topics.iter().map(|topic| storable(topic)).collect();
            query.push(" AND topic = ANY(").push_bind(topics).push(")");
        }
        if self.errors {
            query.push(" AND is_error");
        }
        if let Some(time) = self.since {
            query.push(" AND occurred_at >= ").push_bind(time);
        }
        if let Some(time) = self.until {
            query.push(" AND occurred_at < ").push_bind(time);
        }
        if let Some(AuditPlace { at, chain, number }) = self.after {
            // Said twice: the first part is one that an index knows.
            query.push(" AND occurred_at <= ").push_bind(at);
            query.push(" AND (occurred_at, chain, number) < (").push_bind(at);
            query.push(", ").push_bind(chain).push(", ").push_bind(number).push(")");
        }
    }
}

/// As it would stand in the table: PostgreSQL takes no NUL in a question, either.
fn storable(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_is_written_also_before_1970() {
        assert!("-8000000000000000000-1-1".parse::<AuditPlace>().is_err(), "PostgreSQL would refuse it");
        for text in ["1772366400000000-3-17", "-5-1-2"] {
            assert_eq!(text.parse::<AuditPlace>().unwrap().to_string(), text);
        }
        for wrong in ["", "1-2", "a-b-c", "1772366400000000-3-17-x"] {
            assert!(wrong.parse::<AuditPlace>().unwrap_err().contains("no place"), "{wrong}");
        }
    }
}
