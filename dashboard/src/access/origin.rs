//! Whether a request comes from a page of ours, and carries its token.

use axum::{
    body::Bytes,
    http::{
        HeaderMap, Method,
        header::{CONTENT_TYPE, COOKIE, HOST, ORIGIN},
    },
};
use url::{Url, form_urlencoded};

use super::{AccessError, session::same};
use crate::DashboardConfig;

const FIELD: &str = "csrf";
const HEADER: &str = "x-csrf-token";
const FETCH_SITE: &str = "sec-fetch-site";

/// Whether a request may change something, which needs a token.
pub(super) fn changes(method: &Method) -> bool {
    !matches!(*method, Method::GET | Method::HEAD)
}

/// Where pages of ours are, as browsers see it.
pub(super) struct Origin {
    /// `https://ops.example.org`, if it is said.
    url: Option<Url>,
}

impl Origin {
    pub(super) fn new(config: &DashboardConfig) -> Result<Self, AccessError> {
        if config.url.is_empty() {
            return Ok(Self { url: None });
        }
        let url: Url = config.url.parse().map_err(|_| AccessError::Url)?;
        let plain = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.query().is_none();
        if plain && url.has_host() { Ok(Self { url: Some(url) }) } else { Err(AccessError::Url) }
    }

    /// Whether a browser says that a page of ours sent this, or nothing says otherwise.
    pub(super) fn is_ours(&self, headers: &HeaderMap) -> bool {
        let text = |name: &str| headers.get(name).map(|header| header.to_str().unwrap_or("null"));
        if let Some(site) = text(FETCH_SITE) {
            return site == "same-origin";
        }
        let Some(origin) = text(ORIGIN.as_str()) else { return true };
        let Ok(origin) = origin.parse::<Url>() else { return false };
        if self.url.as_ref().is_some_and(|url| url.origin() == origin.origin()) {
            return true;
        }
        let own = |host: &str| format!("{}://{host}", origin.scheme()).parse::<Url>();
        text(HOST.as_str()).is_some_and(|host| own(host).is_ok_and(|own| own.origin() == origin.origin()))
    }

    /// Whether a browser was sent here by a name of this machine, or by the one that is configured. Any other name may
    /// be a stranger's, who had it point here.
    pub(super) fn is_local_name(&self, headers: &HeaderMap) -> bool {
        let Some(host) = headers.get(HOST) else { return true };
        let Ok(url) = format!("http://{}", host.to_str().unwrap_or_default()).parse::<Url>() else { return false };
        let configured = self.url.as_ref().and_then(Url::host);
        let is_local = match url.host() {
            Some(url::Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
            Some(url::Host::Ipv4(address)) => address.is_loopback(),
            Some(url::Host::Ipv6(address)) => address.is_loopback(),
            None => false,
        };
        is_local || (configured.is_some() && url.host() == configured)
    }
}

/// Whether a request carries this token, in a header or in a field of its form.
pub(super) fn has_token(headers: &HeaderMap, body: &Bytes, token: &str) -> bool {
    if let Some(given) = headers.get(HEADER) {
        return given.to_str().is_ok_and(|given| same(given, token));
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.starts_with("application/x-www-form-urlencoded") && field(body, FIELD).is_some_and(|given| same(&given, token))
}

/// A field of a form.
pub(super) fn field(body: &[u8], name: &str) -> Option<String> {
    form_urlencoded::parse(body).find(|(known, _)| known == name).map(|(_, value)| value.into_owned())
}

/// Whether this cannot be a browser: it sends JSON, which no page of another site may, and nothing that browsers always
/// send along.
pub(super) fn is_script(headers: &HeaderMap) -> bool {
    let json = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/json"));
    json && [COOKIE.as_str(), ORIGIN.as_str(), FETCH_SITE].iter().all(|name| !headers.contains_key(*name))
}

/// Where to go after a login: a page of ours, or the first one.
pub(super) fn next(base: &str, wanted: &str) -> String {
    let is_path = wanted.starts_with('/') && !wanted.starts_with("//");
    // Browsers take `\` for `/`, and leave out what is not seen.
    let is_plain = wanted.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    let is_below = wanted.strip_prefix(base).is_some_and(|rest| rest.starts_with('/') && !rest.starts_with("//"));
    if is_path && is_plain && is_below { wanted.to_owned() } else { format!("{base}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|&(name, value)| (name.parse().unwrap(), value.parse().unwrap())).collect()
    }

    fn origin(url: &str) -> Result<Origin, AccessError> {
        Origin::new(&DashboardConfig { url: url.into(), ..DashboardConfig::default() })
    }

    #[test]
    fn what_a_page_of_another_site_sends_is_not_ours() {
        let ours = |url: &str, list: &[(&'static str, &str)]| origin(url).unwrap().is_ours(&headers(list));
        assert!(ours("", &[("host", "a:1")]));
        assert!(ours("", &[("host", "a:1"), ("origin", "http://a:1")]));
        assert!(ours("", &[("host", "a"), ("origin", "https://a")]));
        assert!(ours("https://ops.example.org", &[("host", "a"), ("origin", "https://ops.example.org")]));
        assert!(ours("", &[("sec-fetch-site", "same-origin"), ("origin", "http://b")]));
        for list in [
            [("host", "a:1"), ("origin", "http://a:2")],
            [("host", "a:1"), ("origin", "null")],
            [("sec-fetch-site", "same-site"), ("host", "a")],
            [("sec-fetch-site", "cross-site"), ("host", "a")],
            [("host", "ops.example.org"), ("origin", "http://evil.example")],
        ] {
            assert!(!ours("https://ops.example.org", &list), "{list:?}");
        }
    }

    #[test]
    fn a_name_that_a_stranger_has_point_here_is_not_local() {
        let local = |host: &str| origin("http://ops.test:8088").unwrap().is_local_name(&headers(&[("host", host)]));
        for host in ["localhost:8088", "127.0.0.1", "[::1]:8088", "jobs.localhost", "ops.test:8088"] {
            assert!(local(host), "{host}");
        }
        for host in ["evil.example:8088", "10.0.0.1", "localhost.evil.example", ""] {
            assert!(!local(host), "{host}");
        }
    }

    #[test]
    fn one_goes_on_to_pages_of_ours_only() {
        assert_eq!(next("", "/queues?state=dead"), "/queues?state=dead");
        assert_eq!(next("/millgate", "/millgate/jobs"), "/millgate/jobs");
        for evil in ["//evil.example", "/\\evil.example", "https://evil.example", "/\t/evil.example", "", "evil"] {
            assert_eq!(next("", evil), "/", "{evil}");
        }
        for other in ["/other", "/millgate//evil", "/millgatevil"] {
            assert_eq!(next("/millgate", other), "/millgate/", "{other}");
        }
    }

    #[test]
    fn an_address_has_no_path() {
        for url in ["ops.example.org", "https://ops.example.org/millgate", "file:///ops"] {
            assert!(origin(url).is_err(), "{url}");
        }
    }
}
