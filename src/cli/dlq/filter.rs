//! Which letters a command is about, where they are not named one by one.

use millgate_dashboard::see::{LetterChoice, When};
use millgate_events::LetterKind;

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

impl Filter {
    /// Whether it lets every letter through.
    pub(super) fn is_empty(&self) -> bool {
        let Self { kind, topic, event_type, queue, job_kind, code, fingerprint, since, until } = self;
        let texts = [topic, event_type, queue, job_kind, code, fingerprint];
        kind.is_none() && since.is_none() && until.is_none() && texts.iter().all(|text| text.is_none())
    }

    /// The same as others choose; letters in every state.
    pub(super) fn choice(self) -> LetterChoice {
        let Self { kind, topic, event_type, queue, job_kind, code, fingerprint, since, until } = self;
        LetterChoice {
            kind,
            topic,
            event_type,
            queue,
            job_kind,
            code,
            fingerprint,
            since,
            until,
            status: Some("all".into()),
            ..LetterChoice::default()
        }
    }
}
