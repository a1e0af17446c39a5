//! Which letters a command is about, where they are not named one by one.

use std::{str::FromStr, time::Duration};

use chrono::{DateTime, Utc};
use millgate_events::{LetterFilter, LetterKind};

use crate::servers::Servers;

#[derive(clap::Args, Clone, Default)]
pub(super) struct Filter {
    /// Events or jobs
    #[arg(long, value_name = "event|job")]
    kind: Option<LetterKind>,
    /// Of records of this topic, or of jobs that go back to them
    #[arg(long)]
    topic: Option<String>,
    /// Of events of this type, or of jobs that go back to them
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
    /// Of jobs of this queue
    #[arg(long)]
    queue: Option<String>,
    /// Of jobs of this kind
    #[arg(long = "job", value_name = "KIND")]
    job_kind: Option<String>,
    /// Of this error code
    #[arg(long)]
    code: Option<String>,
    /// Of this error fingerprint, which `dlq stats` shows
    #[arg(long, value_name = "DIGITS")]
    fingerprint: Option<String>,
    /// That died then or later: a time, or how long ago
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// That died before
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
}

/// A point in time, or one so long ago.
#[derive(Clone, Copy, Debug, PartialEq)]
enum When {
    At(DateTime<Utc>),
    Ago(Duration),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let at = || DateTime::parse_from_rfc3339(text).ok().map(|time| Self::At(time.into()));
        let ago = || humantime::parse_duration(text).ok().map(Self::Ago);
        at().or_else(ago)
            .ok_or_else(|| format!("`{text}` is neither a time, as 2026-03-01T12:00:00Z, nor how long ago, as 2h"))
    }
}

impl When {
    fn before(self, now: DateTime<Utc>) -> DateTime<Utc> {
        match self {
            Self::At(time) => time,
            // Longer ago than there is time is before all letters.
            Self::Ago(span) => chrono::Duration::from_std(span)
                .ok()
                .and_then(|span| now.checked_sub_signed(span))
                .unwrap_or(DateTime::UNIX_EPOCH),
        }
    }
}

impl Filter {
    /// Whether it lets every letter through.
    pub(super) fn is_empty(&self) -> bool {
        let Self { kind, topic, event_type, queue, job_kind, code, fingerprint, since, until } = self;
        let texts = [topic, event_type, queue, job_kind, code, fingerprint];
        kind.is_none() && since.is_none() && until.is_none() && texts.iter().all(|text| text.is_none())
    }

    /// As the table wants it.
    pub(super) fn resolve(self, servers: &Servers, now: DateTime<Utc>) -> LetterFilter {
        let prefix = &servers.config.kafka.topic_prefix;
        let mut topics: Vec<String> = self.topic.into_iter().collect();
        if !prefix.is_empty() {
            topics.extend(topics.first().map(|topic| format!("{prefix}{topic}")));
        }
        LetterFilter {
            kind: self.kind,
            topics,
            event_type: self.event_type,
            queue: self.queue,
            job_kind: self.job_kind,
            code: self.code,
            fingerprint: self.fingerprint,
            since: self.since.map(|when| when.before(now)),
            until: self.until.map(|when| when.before(now)),
            ..LetterFilter::default()
        }
    }
}
