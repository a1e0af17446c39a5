//! Jobs.

use serde::Deserialize;

use super::{Answer, answer};
use crate::{
    see::{self, Bound, JobQuery},
    web::{trouble::Trouble, view::View},
};

/// Jobs in one answer, where nothing else is asked for, and at most.
const USUAL: usize = 50;
const MOST: usize = 1_000;

/// What jobs are found by.
pub(super) const QUERY: &[(&str, &str)] = &[
    ("queue", "in this queue"),
    ("state", "waiting, delayed, held, active, dead or done"),
    ("kind", "of this kind"),
    ("where", "FIELD=VALUE of the index, or payload.FIELD=VALUE"),
    ("since", "a time, or how long ago: 2h"),
    ("until", "the same"),
    ("limit", "so many at most"),
    ("from", "where the last answer said to go on"),
];

/// How much of a list is wanted.
#[derive(Deserialize)]
struct Part {
    /// Where to go on: `next` of the answer before.
    from: Option<String>,
    /// How many jobs.
    limit: Option<usize>,
}

/// `GET /api/jobs?queue=email&state=dead&where=payload.to=ann@example.org`.
pub(super) async fn list(view: View) -> Answer {
    answer(found(view).await)
}

async fn found(view: View) -> Result<see::JobList, Trouble> {
    let (query, part): (JobQuery, Part) = (view.query()?, view.query()?);
    let filter = query.read_masked(see::now(view.site()).await?, &view.site().mask).map_err(Trouble::Misunderstood)?;
    let bound = Bound::page(part.limit.unwrap_or(USUAL).clamp(1, MOST));
    let list = see::jobs(view.site(), &filter, part.from.as_deref(), bound, Some(&view.site().mask)).await?;
    list.map_err(Trouble::Misunderstood)
}

/// `GET /api/jobs/email/0mwqnde3n003`.
pub(super) async fn one(view: View) -> Answer {
    let names = [view.param("queue").to_owned()];
    let found = see::job(view.site(), &names, view.param("id"), Some(&view.site().mask)).await;
    answer(found.map_err(Trouble::from).and_then(|found| found.map_err(Trouble::NotFound)))
}
