//! A page as a stream: its content whenever that has changed.

use std::{convert::Infallible, time::Duration};

use axum::response::sse::{Event, KeepAlive, Sse};
use futures::{Stream, stream};

use super::{
    page::{Page, rendered},
    trouble::Trouble,
    view::View,
};

/// A page is looked at this often.
const EVERY: Duration = Duration::from_secs(2);

/// Events: `main` with the page's new content, `trouble` with why there is none.
pub(super) fn stream<F, Fut>(view: View, render: F) -> Sse<impl Stream<Item = Result<Event, Infallible>> + use<F, Fut>>
where
    F: Fn(View) -> Fut + Clone + Send + Sync + 'static,
    Fut: Future<Output = Result<Page, Trouble>> + Send + 'static,
{
    let begin = (view, render, None::<String>);
    let changes = stream::unfold(begin, |(view, render, mut last)| async move {
        loop {
            if last.is_some() {
                tokio::time::sleep(EVERY).await;
            }
            let (name, content) = match rendered(&view, &render).await {
                Ok(page) => ("main", page.main.replace(&view.web.csrf_mark, &view.viewer.csrf)),
                Err(trouble) => ("trouble", trouble.text().to_owned()),
            };
            if last.as_ref() != Some(&content) {
                let event = Event::default().event(name).data(&content);
                return Some((Ok(event), (view, render, Some(content))));
            }
            last = Some(content);
        }
    });
    Sse::new(changes).keep_alive(KeepAlive::default())
}
