//! Why there is no page.

use axum::{
    http::{HeaderMap, StatusCode, header::ACCEPT},
    response::{IntoResponse, Response},
};
use maud::html;
use millgate_jobs::{QueueError, ScheduleError};
use serde_json::json;

use super::layout;
use crate::{act::ActError, see::SeeError};

/// Why there is no page, and what to do about it.
#[derive(Debug, Clone)]
pub(crate) enum Trouble {
    /// What was asked for cannot be meant.
    Misunderstood(String),
    /// What it is about is not there.
    NotFound(String),
    /// Who looks may not.
    Forbidden(String),
    /// A server does not answer.
    Away(String),
}

impl Trouble {
    /// A process that does not run, or does no more.
    pub(crate) fn no_process(id: &str) -> Self {
        Self::NotFound(QueueError::NoProcess(id.to_owned()).to_string())
    }

    pub(crate) fn text(&self) -> &str {
        let (Self::Misunderstood(text) | Self::NotFound(text) | Self::Forbidden(text) | Self::Away(text)) = self;
        text
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Misunderstood(_) => StatusCode::BAD_REQUEST,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Away(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// As the API says it.
    pub(crate) fn as_json(&self) -> Response {
        (self.status(), axum::Json(json!({ "error": self.text() }))).into_response()
    }
}

impl From<QueueError> for Trouble {
    fn from(error: QueueError) -> Self {
        Self::Away(error.to_string())
    }
}

impl From<SeeError> for Trouble {
    fn from(error: SeeError) -> Self {
        let text = error.to_string();
        match error {
            SeeError::Misunderstood(_) => Self::Misunderstood(text),
            SeeError::Missing(_) => Self::NotFound(text),
            SeeError::Away(_) => Self::Away(text),
        }
    }
}

impl From<ScheduleError> for Trouble {
    fn from(error: ScheduleError) -> Self {
        ActError::from(error).into()
    }
}

impl From<ActError> for Trouble {
    fn from(error: ActError) -> Self {
        let text = error.to_string();
        match error {
            ActError::Forbidden { .. } => Self::Forbidden(text),
            ActError::Refused(_) => Self::Misunderstood(text),
            ActError::Gone(_) => Self::NotFound(text),
            ActError::Away(_) => Self::Away(text),
        }
    }
}

impl IntoResponse for Trouble {
    fn into_response(self) -> Response {
        let title = match self {
            Self::Misunderstood(_) => "That cannot be meant",
            Self::NotFound(_) => "There is nothing here",
            Self::Forbidden(_) => "That is not allowed",
            Self::Away(_) => "A server does not answer",
        };
        let main = html! {
            h1 { (title) }
            p { (self.text()) }
        };
        (self.status(), layout::bare(title, &main)).into_response()
    }
}

pub(super) async fn no_such_page(headers: HeaderMap) -> Response {
    let trouble = Trouble::NotFound("no page has this address".into());
    let wants_json = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"application/json"));
    if wants_json { trouble.as_json() } else { trouble.into_response() }
}
