//! The audit log.

use axum::routing::get;
use serde_json::Value;

use super::{
    super::{trouble::Trouble, view::View},
    Answer, answer,
    endpoint::Endpoint,
};
use crate::see::{self, AuditChoice};

/// Which entries.
const CHOICE: &[(&str, &str)] = &[
    ("user", "who did it"),
    ("resource", "what it was done to"),
    ("type", "the event's type; order.*: all that begin so"),
    ("topic", "where the event lay"),
    ("action", "what was done"),
    ("correlation", "the request that set it off"),
    ("errors", "true: only what went wrong"),
    ("since", "what happened then or later: a time, or 24h"),
    ("until", "what happened before"),
    ("after", "where the last answer ended: its more_after"),
    ("limit", "at most so many; 50, and no more than 1000"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/audit-logs", get(entries), "What happened, by the application's events").query(CHOICE),
        Endpoint::get("/audit-logs/{chain}/{number}", get(entry), "An entry of the audit log"),
    ]
}

/// `{"entries": […], "more_after": place}`; the fields of [`AuditChoice`] choose.
async fn entries(view: View) -> Answer {
    let mask = |of: &str, value: Value| view.masked(of, value);
    let found = async { Ok::<_, Trouble>(see::audit_logs(view.site(), &view.query::<AuditChoice>()?, &mask).await?) };
    answer(found.await)
}

async fn entry(view: View) -> Answer {
    let missing = || Trouble::NotFound("there is no such entry in the audit log".to_owned());
    let place = (view.param("chain").parse().ok()).zip(view.param("number").parse().ok());
    let (chain, number) = place.ok_or_else(missing)?;
    let mask = |of: &str, value: Value| view.masked(of, value);
    let found = async { see::audit_log(view.site(), chain, number, &mask).await?.ok_or_else(missing) };
    answer(found.await)
}
