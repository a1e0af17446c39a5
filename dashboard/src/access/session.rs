//! Sessions: what a browser's cookie says of who it is, signed.

use std::{
    collections::HashMap,
    net::SocketAddr,
    sync::{Mutex, PoisonError},
};

use axum::http::{
    HeaderMap, HeaderValue,
    header::{COOKIE, SET_COOKIE},
};
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use chrono::{DateTime, TimeDelta, Utc};
use cookie::{Cookie, CookieJar, Key, SameSite};
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use sha2::{Digest, Sha256, Sha512};
use uuid::Uuid;

use super::AccessError;
use crate::DashboardConfig;

/// Sessions that were left early, and are remembered until they would have ended.
const MOST: usize = 10_000;

/// What a browser's cookie says of who it is. It is signed, and not secret to whoever has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Session {
    id: Uuid,
    /// Nobody, before a login.
    pub(super) name: Option<String>,
    /// Those of their groups that the configuration knows.
    pub(super) groups: Vec<String>,
    /// What changes with their password.
    pub(super) stamp: String,
    /// The token that their forms carry.
    pub(super) csrf: String,
    until: DateTime<Utc>,
}

/// Makes and reads cookies.
pub(super) struct Sessions {
    key: Key,
    /// The name of the cookie.
    name: String,
    path: String,
    is_secure: bool,
    lifetime: TimeDelta,
    left: Mutex<HashMap<Uuid, DateTime<Utc>>>,
}

impl Sessions {
    pub(super) fn new(config: &DashboardConfig) -> Result<Self, AccessError> {
        let key = match config.secret.as_str() {
            "" => Key::generate(),
            secret if secret.len() < 32 => return Err(AccessError::Secret),
            secret => Key::from(&Sha512::digest(secret)),
        };
        // Cookies know no ports, and several dashboards may run on one machine.
        let port = config.listen.parse().map_or(0, |address: SocketAddr| address.port());
        let name = if port == 0 { "millgate-session".to_owned() } else { format!("millgate-session-{port}") };
        let path = if config.base().is_empty() { "/" } else { config.base() };
        let lifetime = TimeDelta::from_std(config.session_lifetime).unwrap_or(TimeDelta::days(1));
        Ok(Self { key, name, path: path.to_owned(), is_secure: config.is_secure(), lifetime, left: Mutex::default() })
    }

    /// A new session, with a token of its own.
    pub(super) fn begin(&self, name: Option<&str>, groups: Vec<String>, stamp: &str) -> Session {
        let (csrf, name) = (random(), name.map(str::to_owned));
        Session { id: Uuid::new_v4(), name, groups, stamp: stamp.to_owned(), csrf, until: now() + self.lifetime }
    }

    /// The session that a request belongs to, if it has not ended.
    pub(super) fn of(&self, headers: &HeaderMap) -> Option<Session> {
        let session: Session = self.read(headers, &self.name)?;
        let left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        (session.until > now() && !left.contains_key(&session.id)).then_some(session)
    }

    /// How long it goes on.
    pub(super) fn rest(session: &Session) -> std::time::Duration {
        (session.until - now()).to_std().unwrap_or_default()
    }

    /// The cookie of a session.
    pub(super) fn cookie(&self, session: &Session) -> HeaderValue {
        self.write(&self.name, session, session.until - now())
    }

    /// Ends a session before its time, and gives the cookie that takes it from the browser.
    pub(super) fn leave(&self, session: &Session) -> HeaderValue {
        let (mut left, now) = (self.left.lock().unwrap_or_else(PoisonError::into_inner), now());
        left.retain(|_, until| *until > now);
        if left.len() < MOST {
            left.insert(session.id, session.until);
        }
        self.forget(&self.name)
    }

    /// A signed cookie with anything in it.
    pub(super) fn write<T: Serialize>(&self, name: &str, value: &T, age: TimeDelta) -> HeaderValue {
        let value = BASE64_URL_SAFE_NO_PAD.encode(serde_json::to_vec(value).unwrap_or_default());
        let mut jar = CookieJar::new();
        jar.signed_mut(&self.key).add(Cookie::new(name.to_owned(), value));
        let signed = jar.get(name).map(|cookie| cookie.value().to_owned()).unwrap_or_default();
        self.header(name, &signed, age.num_seconds())
    }

    /// What is in a signed cookie.
    pub(super) fn read<T: DeserializeOwned>(&self, headers: &HeaderMap, name: &str) -> Option<T> {
        let cookies = headers.get_all(COOKIE).iter().filter_map(|header| header.to_str().ok());
        // There may be others of that name, of another path or of a neighbour: any that we signed.
        let signed = cookies.flat_map(Cookie::split_parse).flatten().filter(|cookie| cookie.name() == name);
        let mut values = signed.filter_map(|cookie| {
            let mut jar = CookieJar::new();
            jar.add_original(cookie.into_owned());
            let value = jar.signed(&self.key).get(name)?.value().to_owned();
            serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(value).ok()?).ok()
        });
        values.next()
    }

    /// What takes a cookie from the browser.
    pub(super) fn forget(&self, name: &str) -> HeaderValue {
        self.header(name, "", 0)
    }

    /// `Lax`: one who follows a link to a page, from a mail or an alert, is logged in there. Nothing changes by a link;
    /// what changes something carries the token.
    fn header(&self, name: &str, value: &str, seconds: i64) -> HeaderValue {
        let mut cookie = Cookie::new(name, value);
        cookie.set_http_only(true);
        cookie.set_same_site(SameSite::Lax);
        cookie.set_secure(self.is_secure);
        let text = format!("{cookie}; Path={}; Max-Age={seconds}", self.path);
        // Name, base64 and a path of plain letters: it is always one.
        HeaderValue::try_from(text).unwrap_or_else(|_| HeaderValue::from_static(""))
    }
}

/// Adds a cookie to what goes to the browser.
pub(super) fn set_cookie(headers: &mut HeaderMap, cookie: HeaderValue) {
    headers.append(SET_COOKIE, cookie);
}

/// 244 random bits, as text.
pub(super) fn random() -> String {
    format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple())
}

/// Whether both are the same, without the time it takes saying where they differ.
pub(super) fn same(one: &str, other: &str) -> bool {
    Sha256::digest(one) == Sha256::digest(other)
}

#[expect(clippy::disallowed_methods, reason = "whether a session has ended is a question of now")]
pub(super) fn now() -> DateTime<Utc> {
    Utc::now()
}
