//! The way in, by name and password or by a provider, and the way out.

use std::time::Instant;

use axum::{
    body::Bytes,
    extract::Query,
    http::{HeaderValue, StatusCode, header::RETRY_AFTER, request::Parts},
    response::{IntoResponse, Response},
};
use chrono::TimeDelta;
use serde::Deserialize;
use sha2::{Digest, Sha256};
use tracing::{info, warn};

use super::{
    Gate,
    guard::{encoded, to},
    oidc::{Begun, Returned},
    origin::{field, has_token, next},
    page::{self, LoginForm},
    session::set_cookie,
};
use crate::config::Auth;

/// What is remembered of a login at the provider, and for how long.
const BEGUN: &str = "millgate-login";
const PATIENCE: TimeDelta = TimeDelta::minutes(10);

#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    next: String,
    /// Somebody has just logged out: a provider that knows them would have them back at once.
    left: Option<String>,
}

impl Gate {
    /// The form; or the way to the provider.
    pub(super) async fn ask(&self, parts: &Parts) -> Response {
        let asked: Asked = Query::try_from_uri(&parts.uri).map(|query| query.0).unwrap_or_default();
        let goal = next(&self.base, &asked.next);
        match (&self.oidc, self.auth) {
            (_, Auth::Users) => self.form(parts, &goal, "", StatusCode::OK, None),
            (Some(_), _) if asked.left.is_some() => page::left(&self.base).into_response(),
            (Some(oidc), _) => match oidc.begin(goal).await {
                Ok((address, begun)) => {
                    let cookie = self.sessions.write(BEGUN, &begun, PATIENCE);
                    let mut response = to(&address);
                    set_cookie(response.headers_mut(), cookie);
                    response
                }
                Err(why) => self.no_login(parts, &why),
            },
            (None, _) => to(&goal),
        }
    }

    fn form(&self, parts: &Parts, goal: &str, name: &str, status: StatusCode, wrong: Option<&str>) -> Response {
        let (session, is_new) = self.nameless(self.sessions.of(&parts.headers));
        let form = LoginForm { base: &self.base, csrf: &session.csrf, next: goal, name, wrong };
        let mut response = (status, page::login(&form)).into_response();
        if is_new {
            set_cookie(response.headers_mut(), self.sessions.cookie(&session));
        }
        response
    }

    /// Looks at a name and a password.
    pub(super) async fn log_in(&self, parts: &Parts, body: &Bytes) -> Response {
        if self.auth != Auth::Users {
            return self.refuse(
                parts,
                StatusCode::NOT_FOUND,
                "There is nothing here",
                "nobody logs in here by a password",
            );
        }
        let text = |name| field(body, name).unwrap_or_default();
        let goal = next(&self.base, &text("next"));
        // A form that another site fills in would log people in as somebody else.
        let session = self.sessions.of(&parts.headers).filter(|session| session.name.is_none());
        if !session.is_some_and(|session| has_token(&parts.headers, body, &session.csrf)) {
            let wrong = "This page was too old, or your browser sent no cookie. Try once more. If it stays so: the cookie goes by \
                         HTTPS only (dashboard.cookie_secure), so open the page with https://.";
            return self.form(parts, &goal, &text("name"), StatusCode::FORBIDDEN, Some(wrong));
        }
        let (name, address) = (text("name"), self.client(parts));
        if let Err(wait) = self.attempts.begin(&name, address, Instant::now()) {
            let wrong = format!("Too many logins have failed. Try again in {} minutes.", wait.as_secs().div_ceil(60));
            let mut response = self.form(parts, &goal, &name, StatusCode::TOO_MANY_REQUESTS, Some(&wrong));
            response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(wait.as_secs().max(1)));
            return response;
        }
        let kept = self.config.users.get(&name).map(|user| user.password.as_str());
        if !self.passwords.is_right(kept, text("password")).await {
            warn!(name, ?address, "a login failed");
            return self.form(parts, &goal, &name, StatusCode::UNAUTHORIZED, Some("Name or password is wrong."));
        }
        self.attempts.went_well(&name, address);
        info!(name, ?address, "logged in");
        // Another session than the one before: who put that one into the browser is not let in with it.
        let session = self.sessions.begin(Some(&name), Vec::new(), &self.stamp(&name).unwrap_or_default());
        let mut response = to(&goal);
        set_cookie(response.headers_mut(), self.sessions.cookie(&session));
        response
    }

    /// Somebody comes back from the provider.
    pub(super) async fn returned(&self, parts: &Parts) -> Response {
        let Some(oidc) = &self.oidc else { return to(&format!("{}/", self.base)) };
        let returned: Returned = Query::try_from_uri(&parts.uri).map(|query| query.0).unwrap_or_default();
        let Some(begun) = self.sessions.read::<Begun>(&parts.headers, BEGUN) else {
            return self.no_login(parts, "it took too long, or was begun in another browser");
        };
        let (name, groups) = match oidc.end(&begun, &returned).await {
            Ok(found) => found,
            Err(why) => return self.no_login(parts, &why),
        };
        let groups: Vec<String> = groups.into_iter().filter(|group| self.config.groups.contains_key(group)).collect();
        if super::rights::Rights::of_groups(&self.config, &groups).is_none() {
            warn!(name, "somebody in no group that may look was refused");
            return self.refuse_nobody(parts, &name);
        }
        info!(name, address = ?self.client(parts), "logged in");
        let session = self.sessions.begin(Some(&name), groups, "");
        // The address was kept in a signed cookie, and checked before.
        let mut response = to(&begun.next);
        set_cookie(response.headers_mut(), self.sessions.cookie(&session));
        set_cookie(response.headers_mut(), self.sessions.forget(BEGUN));
        response
    }

    /// Ends the session.
    pub(super) fn log_out(&self, parts: &Parts, body: &Bytes) -> Response {
        let login = format!("{}/login?left=", self.base);
        let Some(session) = self.sessions.of(&parts.headers) else { return to(&login) };
        if !has_token(&parts.headers, body, &session.csrf) {
            return self.refuse_token(parts);
        }
        let mut response = to(&login);
        set_cookie(response.headers_mut(), self.sessions.leave(&session));
        response
    }

    fn no_login(&self, parts: &Parts, why: &str) -> Response {
        warn!(why, "a login by the provider failed");
        let text = format!("The login did not work: {why}. Try it once more.");
        self.refuse(parts, StatusCode::BAD_GATEWAY, "You are not logged in", &text)
    }

    /// What changes with somebody's password: their sessions end then.
    pub(super) fn stamp(&self, name: &str) -> Option<String> {
        let sum = Sha256::digest(&self.config.users.get(name)?.password);
        Some(encoded(&format!("{:x?}", &sum[..8])))
    }
}
