//! From a function to a page, as a document and as a stream.

use std::sync::Arc;

use axum::{
    http::{HeaderMap, header::ACCEPT},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get},
};
use maud::Markup;

use super::{Web, cache::Rendered, layout, live, trouble::Trouble, view::View};

/// A page's content.
pub(crate) struct Page {
    /// In the window's title.
    pub(crate) title: String,
    /// The entry of the menu that it belongs to.
    pub(crate) section: &'static str,
    /// What is shown.
    pub(crate) main: Markup,
}

impl Page {
    pub(crate) fn new(title: impl Into<String>, section: &'static str, main: Markup) -> Self {
        Self { title: title.into(), section, main }
    }
}

/// Serves a page: `GET` gives the document, and with `Accept: text/event-stream` what becomes of it.
pub(super) fn page<F, Fut>(render: F) -> MethodRouter<Arc<Web>>
where
    F: Fn(View) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Page, Trouble>> + Send + 'static,
{
    get(async move |view: View, headers: HeaderMap| {
        let is_live = headers.get(ACCEPT).is_some_and(|accept| accept.as_bytes().starts_with(b"text/event-stream"));
        if is_live {
            return live::stream(view, render).into_response();
        }
        match rendered(&view, &render).await {
            Ok(rendered) => layout::document(&view, &rendered).await.into_response(),
            Err(trouble) => Response::from(trouble.into_response()),
        }
    })
}

/// The page as this viewer sees it, with everybody's mark in place of their token.
pub(super) async fn rendered<F, Fut>(view: &View, render: &F) -> Result<Arc<Rendered>, Trouble>
where
    F: Fn(View) -> Fut,
    Fut: Future<Output = Result<Page, Trouble>>,
{
    let key = format!("{:?} {:?} {}", view.viewer.role, view.viewer.queues, view.here());
    let make = || async {
        let Page { title, section, main } = render(view.clone()).await?;
        Ok(Rendered { title, section, main: main.into_string() })
    };
    view.web.cache.get(key, make).await
}
