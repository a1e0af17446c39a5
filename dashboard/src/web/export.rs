//! Jobs as files: all that a filter lets through.

use std::{io, sync::Arc};

use axum::{
    Router,
    body::Body,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};
use chrono::SecondsFormat;
use futures::{Stream, stream};
use millgate_jobs::JobState;

use super::{Web, csv, trouble::Trouble, view::View};
use crate::see::{self, JobFilter, JobQuery, JobSearch, SeenJob};

/// So many jobs are in a file at most.
const MOST: usize = 100_000;
/// Jobs in one step.
const STEP: usize = 200;

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/jobs.csv", get(async |view| export(view, Format::Csv).await))
        .route("/jobs.json", get(async |view| export(view, Format::Json).await))
}

#[derive(Clone, Copy)]
enum Format {
    Csv,
    Json,
}

async fn export(view: View, format: Format) -> Result<Response, Trouble> {
    let query: JobQuery = view.query()?;
    let filter = query.read_masked(see::now(view.site()).await?, &view.site().mask).map_err(Trouble::Misunderstood)?;
    let (kind, name) = match format {
        Format::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"jobs.csv\""),
        Format::Json => ("application/json", "attachment; filename=\"jobs.json\""),
    };
    let body = Body::from_stream(text(view, filter, format));
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], body).into_response())
}

/// How far a file is.
enum At {
    Begin,
    /// Behind so many jobs, where the search goes on.
    Behind(usize, Option<String>),
    End,
}

/// The file, piece by piece.
fn text(view: View, filter: JobFilter, format: Format) -> impl Stream<Item = io::Result<String>> {
    stream::try_unfold((view, filter, At::Begin), move |(view, filter, at)| async move {
        let (count, place) = match at {
            At::Begin => {
                let begin = if let Format::Csv = format { COLUMNS } else { "[" };
                return Ok(Some((begin.to_owned(), (view, filter, At::Behind(0, Some(String::new()))))));
            }
            At::Behind(count, place) => (count, place.filter(|_| count < MOST)),
            At::End => return Ok(None),
        };
        let Some(place) = place else {
            let end = if let Format::Csv = format { "" } else { "\n]\n" };
            return Ok(Some((end.to_owned(), (view, filter, At::End))));
        };
        let search = JobSearch::new(view.site(), &filter, &JobState::ALL);
        // An empty place is the beginning; all others are of this search.
        let mut search = if place.is_empty() { search } else { search.from(&place).map_err(io::Error::other)? };
        let found = search.next(STEP.min(MOST - count)).await.map_err(io::Error::other)?;
        let next = search.place();
        let mut out = String::new();
        let mut many = count;
        let (queue, jobs) = found.unwrap_or_default();
        for job in jobs {
            let job = SeenJob::new(&queue, job, Some(&view.site().mask));
            match format {
                Format::Csv => out.push_str(&line(&job)),
                Format::Json => {
                    out.push_str(if many == 0 { "\n" } else { ",\n" });
                    out.push_str(&serde_json::to_string(&job).unwrap_or_default());
                }
            }
            many += 1;
        }
        Ok(Some((out, (view, filter, At::Behind(many, next)))))
    })
}

const COLUMNS: &str = "queue,key,id,kind,version,state,priority,attempts,max_attempts,enqueued_at,at,lane,unique,\
                       event_id,error_code,error,arguments\r\n";

fn line(SeenJob { queue, job, arguments }: &SeenJob) -> String {
    let point = |at: chrono::DateTime<chrono::Utc>| at.to_rfc3339_opts(SecondsFormat::Millis, true);
    let failure = job.failures.last();
    let cells = [
        queue.clone(),
        job.key.to_string(),
        job.id.clone(),
        job.kind.clone(),
        job.version.to_string(),
        job.state.to_string(),
        job.priority.to_string(),
        job.attempts.to_string(),
        job.max_attempts.to_string(),
        point(job.enqueued_at),
        job.at.map(point).unwrap_or_default(),
        job.lane.clone().unwrap_or_default(),
        job.unique.clone().unwrap_or_default(),
        job.origin.as_ref().map(|origin| origin.event_id.clone()).unwrap_or_default(),
        failure.map(|failure| failure.code.clone()).unwrap_or_default(),
        failure.map(|failure| failure.message.clone()).unwrap_or_default(),
        arguments.to_string(),
    ];
    csv::line(&cells)
}
