//! The pages of those who are not let in, or not yet.

use axum::{
    http::{HeaderMap, StatusCode, Uri, header::ACCEPT},
    response::{Html, IntoResponse, Response},
};
use maud::{DOCTYPE, Markup, html};
use serde_json::json;

use crate::web::asset;

/// Whether somebody reads the answer, rather than a program.
pub(super) fn wants_page(uri: &Uri, base: &str, headers: &HeaderMap) -> bool {
    let below = uri.path().strip_prefix(base).unwrap_or_default();
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    !below.starts_with("/api") && accept.contains("text/html")
}

/// Why it is not answered, to a person or to a program.
pub(super) fn refusal(base: &str, to_person: bool, status: StatusCode, title: &str, text: &str) -> Response {
    if !to_person {
        return (status, axum::Json(json!({ "error": text }))).into_response();
    }
    let main = html! {
        h1 { (title) }
        p { (text) }
        p { a.button href=(format!("{base}/")) { "To the first page" } }
    };
    (status, document(base, title, &main)).into_response()
}

/// What the form of the login says.
pub(super) struct LoginForm<'a> {
    pub(super) base: &'a str,
    pub(super) csrf: &'a str,
    pub(super) next: &'a str,
    /// What was typed before.
    pub(super) name: &'a str,
    /// Why that did not do.
    pub(super) wrong: Option<&'a str>,
}

/// The form.
pub(super) fn login(form: &LoginForm<'_>) -> Html<String> {
    let main = html! {
        h1 { "Log in" }
        @if let Some(wrong) = form.wrong { p.notice.bad role="alert" { (wrong) } }
        form.login method="post" action=(format!("{}/login", form.base)) {
            input type="hidden" name="csrf" value=(form.csrf);
            input type="hidden" name="next" value=(form.next);
            p { label for="name" { "Name" } br; input #name name="name" value=(form.name) autocomplete="username" required autofocus; }
            p { label for="password" { "Password" } br; input #password type="password" name="password" autocomplete="current-password" required; }
            button.main { "Log in" }
        }
    };
    document(form.base, "Log in", &main)
}

/// After the way out.
pub(super) fn left(base: &str) -> Html<String> {
    let main = html! {
        h1 { "You are logged out" }
        p { "The provider that you logged in with may still know you." }
        p { a.button href=(format!("{base}/login")) { "Log in again" } }
    };
    document(base, "You are logged out", &main)
}

fn document(base: &str, title: &str, main: &Markup) -> Html<String> {
    let document = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { (title) " · millgate" }
                link rel="icon" type="image/svg+xml" href=(asset(base, "icon.svg"));
                link rel="stylesheet" href=(asset(base, "dashboard.css"));
            }
            body { main.bare #main { (main) } }
        }
    };
    Html(document.into_string())
}
