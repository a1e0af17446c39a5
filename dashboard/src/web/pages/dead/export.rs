//! Letters as a file, however many: read as the reader takes them.

use axum::{
    body::Body,
    http::header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    response::{IntoResponse, Response},
};
use futures::stream;
use millgate_events::StoredLetter;

use super::{
    super::super::{csv, trouble::Trouble, view::View},
    pairs, query,
};
use crate::see::{self, LetterChoice, LetterPage, what_died};

/// Letters in one look.
const STEP: u32 = 1_000;
/// Letters in a file.
const MOST: usize = 100_000;

/// The address of a file of these letters.
pub(super) fn address(choice: &LetterChoice, format: &'static str) -> String {
    let mut pairs = pairs(choice);
    pairs.push(("format", format.to_owned()));
    format!("/dead/export{}", query(&pairs))
}

#[derive(serde::Deserialize)]
struct Format {
    #[serde(default)]
    format: String,
}

/// `?format=csv`, or JSON: an object a line.
pub(super) async fn export(view: View) -> Result<Response, Trouble> {
    let (choice, Format { format }): (LetterChoice, Format) = (view.query()?, view.query()?);
    let is_csv = format == "csv";
    let choice = LetterChoice { limit: Some(STEP), ..choice };
    // What cannot be had is told before the file begins.
    let first = see::letters(view.site(), &choice).await?;
    let begin = (view, choice, Some(first), 0);
    let chunks = stream::unfold(begin, move |(view, choice, page, given)| async move {
        let LetterPage { letters, more_after, .. } = page?;
        let head = if is_csv && given == 0 { head() } else { String::new() };
        let lines: String = letters.iter().map(|letter| if is_csv { row(letter) } else { json(letter) }).collect();
        let given = given + letters.len();
        let choice = LetterChoice { after: more_after, ..choice };
        let next = match more_after {
            Some(_) if given < MOST => see::letters(view.site(), &choice).await.ok(),
            _ => None,
        };
        Some((Ok::<_, std::convert::Infallible>(head + &lines), (view, choice, next, given)))
    });
    let (kind, name) = if is_csv {
        ("text/csv; charset=utf-8", "attachment; filename=\"dead-letters.csv\"")
    } else {
        ("application/x-ndjson", "attachment; filename=\"dead-letters.jsonl\"")
    };
    Ok(([(CONTENT_TYPE, kind), (CONTENT_DISPOSITION, name)], Body::from_stream(chunks)).into_response())
}

fn head() -> String {
    csv::line(&[
        "id",
        "kind",
        "status",
        "what",
        "code",
        "message",
        "fingerprint",
        "queue",
        "job_id",
        "event_id",
        "topic",
        "partition",
        "offset",
        "attempts",
        "redrives",
        "failed_at",
    ])
}

fn row(letter: &StoredLetter) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let cells = [
        letter.id.to_string(),
        letter.kind.to_string(),
        letter.status.to_string(),
        what_died(letter).to_owned(),
        letter.code.clone(),
        letter.message.clone(),
        letter.fingerprint.clone(),
        text(&letter.queue),
        text(&letter.job_id),
        text(&letter.event_id),
        text(&letter.topic),
        letter.partition.map(|number| number.to_string()).unwrap_or_default(),
        letter.offset.map(|number| number.to_string()).unwrap_or_default(),
        letter.attempts.to_string(),
        letter.redrives.to_string(),
        letter.failed_at.to_rfc3339(),
    ];
    csv::line(&cells)
}

fn json(letter: &StoredLetter) -> String {
    serde_json::to_string(letter).map(|line| line + "\n").unwrap_or_default()
}
