//! What stands before every page: who is it, may this be, and where else to go.

use std::net::{IpAddr, SocketAddr};

use axum::{
    body::{Body, Bytes, to_bytes},
    extract::{ConnectInfo, Request},
    http::{
        HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, LOCATION},
        request::Parts,
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use url::form_urlencoded;

use super::{
    Gate, Viewer,
    origin::{changes, has_token, is_script},
    page,
    rights::Rights,
    session::{Session, Sessions, set_cookie},
};
use crate::config::Auth;

/// No form is larger: a job's arguments are edited in one.
const LARGEST: usize = 4 << 20;

/// Who asks, and in which session.
struct Known {
    viewer: Viewer,
    session: Session,
    /// The browser does not have it yet.
    is_new: bool,
}

impl Gate {
    /// Lets a request through, or answers it.
    pub(super) async fn pass(&self, request: Request, next: Next) -> Response {
        let mut response = self.answer(request, next).await;
        self.headers.put(response.headers_mut());
        response
    }

    async fn answer(&self, request: Request, next: Next) -> Response {
        let (parts, body) = request.into_parts();
        if self.auth == Auth::None && !self.origin.is_local_name(&parts.headers) {
            return self.refuse(&parts, StatusCode::FORBIDDEN, "This address is not this machine's", &format!(
                "Nobody is asked who they are here (dashboard.auth is \"none\"), so only this machine may look: open {}/ at localhost, or set dashboard.url to what browsers have.",
                self.base
            ));
        }
        let path = parts.uri.path().strip_prefix(self.base.as_str()).unwrap_or_default().to_owned();
        if is_open(&path) && !changes(&parts.method) {
            return next.run(Request::from_parts(parts, body)).await;
        }
        let body = match self.checked(&parts, body).await {
            Ok(body) => body,
            Err(refused) => return *refused,
        };
        match (parts.method.clone(), path.as_str()) {
            (Method::GET, "/login") => self.ask(&parts).await,
            (Method::POST, "/login") => self.log_in(&parts, &body).await,
            (Method::GET, "/oidc/callback") => self.returned(&parts).await,
            (Method::POST, "/logout") => self.log_out(&parts, &body),
            _ => self.let_in(parts, body, next).await,
        }
    }

    /// The body of a request that changes something, if that came from a page of ours. Others have none.
    async fn checked(&self, parts: &Parts, body: Body) -> Result<Bytes, Box<Response>> {
        if !changes(&parts.method) {
            return Ok(Bytes::new());
        }
        if !self.origin.is_ours(&parts.headers) {
            let text = "This came from a page of another site, and nothing was done. Behind a proxy that changes the header \
                        Host, dashboard.url has to say what browsers have.";
            return Err(Box::new(self.refuse(parts, StatusCode::FORBIDDEN, "This came from elsewhere", text)));
        }
        to_bytes(body, LARGEST).await.map_err(|_| {
            let text = format!("More than {LARGEST} bytes were sent, or not all of it came; nothing was done.");
            Box::new(self.refuse(parts, StatusCode::PAYLOAD_TOO_LARGE, "That is too much", &text))
        })
    }

    async fn let_in(&self, mut parts: Parts, body: Bytes, next: Next) -> Response {
        let Known { viewer, session, is_new } = match self.known(&parts) {
            Ok(known) => known,
            Err(refused) => return *refused,
        };
        let by_script = matches!(self.auth, Auth::None | Auth::Proxy) && is_script(&parts.headers);
        let has_token = || !is_new && has_token(&parts.headers, &body, &session.csrf);
        if changes(&parts.method) && !by_script && !has_token() {
            return self.refuse_token(&parts);
        }
        parts.extensions.insert(viewer);
        let mut response = next.run(Request::from_parts(parts, body.into())).await;
        if is_new {
            set_cookie(response.headers_mut(), self.sessions.cookie(&session));
        }
        if self.auth != Auth::None && is_stream(&response) {
            response = until_the_end(response, &session);
        }
        response
    }

    /// Who asks; or what they are told instead.
    fn known(&self, parts: &Parts) -> Result<Known, Box<Response>> {
        let session = self.sessions.of(&parts.headers);
        match self.auth {
            Auth::None => {
                let (session, is_new) = self.nameless(session);
                let viewer = Viewer { csrf: session.csrf.clone(), ..Viewer::everything("anybody") };
                Ok(Known { viewer, session, is_new })
            }
            Auth::Proxy => self.by_proxy(parts, session),
            Auth::Users | Auth::Oidc => {
                let known = session.and_then(|session| Some((self.rights(&session)?, session)));
                let Some((rights, session)) = known else { return Err(Box::new(self.send_to_login(parts))) };
                let name = session.name.clone().unwrap_or_default();
                let viewer = viewer(name, rights, &session, true);
                Ok(Known { viewer, session, is_new: false })
            }
        }
    }

    fn by_proxy(&self, parts: &Parts, session: Option<Session>) -> Result<Known, Box<Response>> {
        let refuse = |text: &str| {
            let title = "It is not known who you are";
            Err(Box::new(self.refuse(parts, StatusCode::UNAUTHORIZED, title, text)))
        };
        if !peer(parts).is_some_and(|peer| self.proxies.trusts(peer)) {
            return refuse(
                "A proxy says who comes to this dashboard, and this request came past it, or the proxy is not in \
                 dashboard.trusted_proxies. Go by the address that the proxy has.",
            );
        }
        let Some((name, groups)) = self.proxies.says(&parts.headers) else {
            let header = self.proxies.header();
            return refuse(&format!(
                "The proxy sent no header {header}, which says who it is (dashboard.proxy_header)."
            ));
        };
        let Some(rights) = Rights::of_groups(&self.config, &groups) else {
            return Err(Box::new(self.refuse_nobody(parts, &name)));
        };
        let own = session.filter(|session| session.name.as_ref() == Some(&name));
        let is_new = own.is_none();
        let session = own.unwrap_or_else(|| self.sessions.begin(Some(&name), Vec::new(), ""));
        Ok(Known { viewer: viewer(name, rights, &session, false), session, is_new })
    }

    /// A session of nobody's, for its token.
    pub(super) fn nameless(&self, session: Option<Session>) -> (Session, bool) {
        let own = session.filter(|session| session.name.is_none());
        let is_new = own.is_none();
        (own.unwrap_or_else(|| self.sessions.begin(None, Vec::new(), "")), is_new)
    }

    /// What somebody who logged in may do now: they may have been taken out of the configuration since.
    fn rights(&self, session: &Session) -> Option<Rights> {
        let name = session.name.as_deref()?;
        if self.auth == Auth::Oidc {
            return Rights::of_groups(&self.config, &session.groups);
        }
        let is_as_then = self.stamp(name).is_some_and(|stamp| stamp == session.stamp);
        Rights::of_user(&self.config, name).filter(|_| is_as_then)
    }

    fn send_to_login(&self, parts: &Parts) -> Response {
        if parts.method == Method::GET && self.wants_page(parts) {
            let here = parts.uri.path_and_query().map_or("/", |here| here.as_str());
            return to(&format!("{}/login?next={}", self.base, encoded(here)));
        }
        let text = "nobody is logged in here, or no longer; log in and do it again (docs/access.md)";
        self.refuse(parts, StatusCode::UNAUTHORIZED, "You are not logged in", text)
    }

    pub(super) fn refuse_token(&self, parts: &Parts) -> Response {
        let text = "The request carried no token of this session, or an old one, and nothing was done. Load the page again, and \
                    do it once more. Scripts send the token in the header x-csrf-token (docs/access.md).";
        self.refuse(parts, StatusCode::FORBIDDEN, "This page is out of date", text)
    }

    pub(super) fn refuse_nobody(&self, parts: &Parts, name: &str) -> Response {
        let text = format!(
            "{name} is in no group that may look here. Ask who runs millgate to add one of your groups \
             ([dashboard.groups.…]), or a dashboard.default_role."
        );
        self.refuse(parts, StatusCode::FORBIDDEN, "You may not look here", &text)
    }

    pub(super) fn refuse(&self, parts: &Parts, status: StatusCode, title: &str, text: &str) -> Response {
        page::refusal(&self.base, self.wants_page(parts), status, title, text)
    }

    fn wants_page(&self, parts: &Parts) -> bool {
        page::wants_page(&parts.uri, &self.base, &parts.headers)
    }

    /// The address of who asks, seen through trusted proxies.
    pub(super) fn client(&self, parts: &Parts) -> Option<IpAddr> {
        peer(parts).map(|peer| self.proxies.client(peer, &parts.headers))
    }
}

/// What everybody may see: how pages look.
fn is_open(path: &str) -> bool {
    path.starts_with("/assets/")
}

fn peer(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip())
}

fn viewer(name: String, rights: Rights, session: &Session, can_leave: bool) -> Viewer {
    Viewer { name, role: rights.role, queues: rights.queues, csrf: session.csrf.clone(), can_leave }
}

/// To another page, by `GET`.
pub(super) fn to(address: &str) -> Response {
    match HeaderValue::try_from(address) {
        Ok(address) => (StatusCode::SEE_OTHER, [(LOCATION, address)]).into_response(),
        Err(_) => StatusCode::BAD_REQUEST.into_response(),
    }
}

pub(super) fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn is_stream(response: &Response) -> bool {
    let kind = response.headers().get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"))
}

/// A page that is open must not show more once its session has ended.
fn until_the_end(response: Response, session: &Session) -> Response {
    let (parts, body) = response.into_parts();
    let end = tokio::time::sleep(Sessions::rest(session));
    Response::from_parts(parts, Body::from_stream(body.into_data_stream().take_until(end)))
}
