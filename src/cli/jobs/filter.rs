//! Which jobs a command is about, where they are not named one by one.

use chrono::{DateTime, Utc};
use millgate_dashboard::see::{JobFilter, Term, moment};
use millgate_jobs::JobState;

#[derive(clap::Args, Clone, Default)]
pub(super) struct Filter {
    /// Of this queue; of all if none is named
    #[arg(long, value_name = "QUEUE")]
    pub(super) queue: Option<String>,
    /// In this state: waiting, delayed, held, active, dead or done
    #[arg(long)]
    state: Option<JobState>,
    /// Of this kind
    #[arg(long)]
    kind: Option<String>,
    /// Indexed under this; every job with an id of its own is under `id=…`. A field of the arguments, as
    /// `payload.customer.email=ann@example.org`, is searched for in each job
    #[arg(long = "where", value_name = "FIELD=VALUE")]
    term: Option<Term>,
    /// Not before this: delayed jobs by when they run, done ones by when they were done, others by when they were
    /// enqueued. A time, or how long ago, as 2h, or how far ahead, as +2h
    #[arg(long, value_name = "TIME", value_parser = is_time)]
    since: Option<String>,
    /// Not after this
    #[arg(long, value_name = "TIME", value_parser = is_time)]
    until: Option<String>,
}

fn is_time(text: &str) -> Result<String, String> {
    moment::read(text, DateTime::UNIX_EPOCH).map(|_| text.to_owned())
}

impl Filter {
    /// As it is looked for.
    pub(super) fn resolve(&self, now: DateTime<Utc>) -> JobFilter {
        // What could not be read is refused by then.
        let time = |text: &Option<String>| text.as_ref().and_then(|text| moment::read(text, now).ok());
        JobFilter {
            queue: self.queue.clone(),
            state: self.state,
            kind: self.kind.clone(),
            term: self.term.clone(),
            since: time(&self.since),
            until: time(&self.until),
        }
    }
}
