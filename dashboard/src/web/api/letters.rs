//! Dead letters.

use std::sync::Arc;

use axum::{Router, routing::get};
use serde_json::Value;
use uuid::Uuid;

use super::{
    super::{Web, trouble::Trouble, view::View},
    Answer, answer,
};
use crate::see::{self, LetterChoice};

pub(super) fn routes() -> Router<Arc<Web>> {
    Router::new()
        .route("/dead-letters", get(letters))
        .route("/dead-letters/groups", get(groups))
        .route("/dead-letters/{id}", get(letter))
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
    let id: Uuid = view.param("id").parse().map_err(|_| missing(view.param("id")).as_json())?;
    let mask = |of: &str, value: Value| view.masked(of, value);
    let found = async { see::letter(view.site(), id, &mask).await?.ok_or_else(|| missing(&id.to_string())) };
    answer(found.await)
}
