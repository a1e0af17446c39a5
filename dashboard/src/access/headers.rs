//! What every answer says to the browser about itself.

use axum::http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS},
};
use url::Url;

use crate::DashboardConfig;

/// Headers of every answer.
pub(super) struct Headers(Vec<(HeaderName, HeaderValue)>);

impl Headers {
    pub(super) fn new(config: &DashboardConfig) -> Self {
        // Whoever searches after their session has ended is sent on to the provider, which counts as the form's goal.
        let issuer = config.oidc.issuer.parse::<Url>().map(|url| format!(" {}", url.origin().ascii_serialization()));
        let policy = format!(
            "default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'{}",
            issuer.unwrap_or_default()
        );
        let headers = [
            (CONTENT_SECURITY_POLICY, policy.as_str()),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (X_FRAME_OPTIONS, "DENY"),
            // To us, so that the origin goes along with forms; to others nothing: addresses have ids in them.
            (REFERRER_POLICY, "same-origin"),
            (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
            (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        ];
        let value = |text: &str| HeaderValue::try_from(text).ok();
        Self(headers.into_iter().filter_map(|(name, text)| Some((name, value(text)?))).collect())
    }

    /// Puts them there. What says for itself how long it may be kept (style, script) keeps that; nothing else is kept.
    pub(super) fn put(&self, headers: &mut HeaderMap) {
        for (name, value) in &self.0 {
            headers.insert(name, value.clone());
        }
        headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    }
}
