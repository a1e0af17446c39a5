//! Sagas.

use axum::routing::get;

use super::{
    super::{trouble::Trouble, view::View},
    Answer, answer,
    endpoint::Endpoint,
};
use crate::see::{self, SagaChoice};

/// Which sagas.
const CHOICE: &[(&str, &str)] = &[
    ("status", "running, compensating, stuck, completed, compensated, or open: all that have not ended"),
    ("saga", "of this name"),
    ("key", "about this"),
    ("after", "where the last answer said to go on"),
];

pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint::get("/sagas", get(sagas), "Sagas, the newest first").query(CHOICE),
        Endpoint::get(
            "/sagas/{id}",
            get(saga),
            "A saga's steps, state and timeline; by its id, or by what it is about",
        ),
    ]
}

/// `{"sagas": […], "next": where to go on}`.
async fn sagas(view: View) -> Answer {
    let found = async { Ok::<_, Trouble>(see::sagas(view.site(), &view.query::<SagaChoice>()?).await?) };
    answer(found.await)
}

async fn saga(view: View) -> Answer {
    answer(see::saga(view.site(), view.param("id")).await)
}
