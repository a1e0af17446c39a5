//! A job as it lies in Redis: `kind@version {more}`, a line feed, and its arguments as JSON.

use serde::{Deserialize, Serialize};

use crate::Origin;

/// What is said of a job beside its kind and arguments, and concerns no script. Most jobs have none of it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct More {
    /// An id of its own.
    #[serde(rename = "i", default, skip_serializing_if = "Option::is_none")]
    pub(crate) id: Option<String>,
    #[serde(rename = "m", default, skip_serializing_if = "Option::is_none")]
    pub(crate) max_attempts: Option<u32>,
    #[serde(rename = "t", default, skip_serializing_if = "Option::is_none")]
    pub(crate) timeout_ms: Option<u64>,
    /// When what it is about happened: milliseconds since 1970.
    #[serde(rename = "e", default, skip_serializing_if = "Option::is_none")]
    pub(crate) time: Option<i64>,
    #[serde(rename = "o", default, skip_serializing_if = "Option::is_none")]
    pub(crate) origin: Option<Box<Origin>>,
    /// What became of the batch that this job is the callback of.
    #[serde(rename = "b", default, skip_serializing_if = "Option::is_none")]
    pub(crate) batch: Option<BatchOutcome>,
    /// The schedule's tick, milliseconds since 1970, and its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) tick: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) schedule: Option<String>,
    /// How often it came back from the dead letters.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub(crate) redrives: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde wants a reference")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

/// What became of a batch of jobs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOutcome {
    /// The batch's id.
    pub id: String,
    /// How many jobs it had.
    pub total: u32,
    /// How many of them are dead so far: if any, the callback came at the first, and others may still run.
    pub dead: u32,
    /// How many were cancelled.
    pub cancelled: u32,
}

/// A record, taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Record<'a> {
    pub(crate) kind: &'a str,
    pub(crate) version: u32,
    pub(crate) more: More,
    pub(crate) payload: &'a str,
}

impl<'a> Record<'a> {
    /// Reads a record, with options in front or without.
    pub(crate) fn read(text: &'a str) -> Result<Self, String> {
        let text = match text.strip_prefix('+') {
            Some(rest) => rest.split_once('\n').ok_or("it has options and nothing after them")?.1,
            None => text,
        };
        let (head, payload) = text.split_once('\n').ok_or("it has no line for its kind")?;
        let (head, more) = match head.split_once(' ') {
            Some((head, more)) => (head, read_more(more)?),
            None => (head, More::default()),
        };
        let (kind, version) = kind_and_version(head)?;
        Ok(Self { kind, version, more, payload })
    }
}

/// The options in front of a record, as they are; nothing, where there are none or they cannot be read.
pub(crate) fn read_options(record: &str) -> serde_json::Value {
    let options = record.strip_prefix('+').and_then(|rest| rest.split_once('\n'));
    options.and_then(|(options, _)| serde_json::from_str(options).ok()).unwrap_or_default()
}

/// `kind@version`, or just `kind` for version 1.
pub(crate) fn kind_and_version(head: &str) -> Result<(&str, u32), String> {
    match head.split_once('@') {
        None => Ok((head, 1)),
        Some((kind, version)) => {
            let version = version.parse().map_err(|_| format!("`{version}` is no version"))?;
            Ok((kind, version))
        }
    }
}

pub(crate) fn read_more(text: &str) -> Result<More, String> {
    serde_json::from_str(text).map_err(|error| format!("what is said of it is no JSON: {error}"))
}

/// What happened to a job so far, as `lua/record.lua` describes it.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Past {
    #[serde(rename = "a", default)]
    pub(crate) attempts: u32,
    #[serde(rename = "f", default)]
    pub(crate) failures: Vec<PastFailure>,
    #[serde(rename = "p", default)]
    pub(crate) progress: Option<f64>,
    #[serde(rename = "l", default)]
    pub(crate) log: Vec<LogLine>,
}

/// A failed attempt.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PastFailure {
    pub(crate) at: i64,
    pub(crate) attempt: u32,
    pub(crate) code: String,
    pub(crate) message: String,
}

/// A line of a job's own log.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct LogLine {
    pub(crate) at: i64,
    pub(crate) line: String,
}

impl Past {
    /// Nothing is the past of most jobs.
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        if text.is_empty() {
            return Ok(Self::default());
        }
        serde_json::from_str(text).map_err(|error| format!("its past is no JSON: {error}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_with_options_and_without() {
        let plain = Record::read("mail\n{\"to\":1}").unwrap();
        assert_eq!((plain.kind, plain.version, plain.payload), ("mail", 1, "{\"to\":1}"));
        let full = Record::read("+{\"p\":5}\nmail@3 {\"m\":8}\n{}").unwrap();
        assert_eq!((full.kind, full.version, full.more.max_attempts, full.payload), ("mail", 3, Some(8), "{}"));
    }

    #[test]
    fn what_is_no_record_is_refused_with_a_reason() {
        for (text, reason) in [("", "kind"), ("+{}", "options"), ("mail@x\n{}", "version"), ("mail {\n{}", "JSON")] {
            assert!(Record::read(text).unwrap_err().contains(reason), "{text:?}");
        }
    }
}
