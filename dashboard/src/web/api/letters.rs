//! Dead letters.

use axum::routing::get;
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{trouble::Trouble, view::View},
    Answer, answer,
    endpoint::Endpoint,
};
use crate::see::{self, LetterChoice};

/// Which letters.
const CHOICE: &[(&str, &str)] = &[
    ("fingerprint", "what they died of"),
    ("kind", "event or job"),
    ("topic", "where the event lay"),
    ("queue", "where the job was"),
    ("code", "the error in a word"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/dead-letters", get(letters), "Dead letters").query(CHOICE),
        Endpoint::get("/dead-letters/groups", get(groups), "Dead letters by what they died of").query(CHOICE),
        Endpoint::get("/dead-letters/{id}", get(letter), "A dead letter's whole story"),
    ]
}

/// `{"letters": […], "more_after": id}`; the fields of [`LetterChoice`] choose.
async fn letters(view: View) -> Answer {
    let found = async { Ok::<_, Trouble>(see::letters(view.site(), &view.query::<LetterChoice>()?).await?) };
    answer(found.await)
}

async fn groups(view: View) -> Answer {
    let found = async { Ok::<_, Trouble>(see::causes(view.site(), &view.query::<LetterChoice>()?).await?) };
    answer(found.await)
}

async fn letter(view: View) -> Answer {
    let missing = |id: &str| Trouble::NotFound(format!("there is no letter {id}"));
    let id: Uuid = view.param("id").parse().map_err(|_| missing(view.param("id")))?;
    let mask = |of: &str, value: Value| view.masked(of, value);
    let found = async { see::letter(view.site(), id, &mask).await?.ok_or_else(|| missing(&id.to_string())) };
    answer(found.await)
}
