//! Login by an OpenID provider: the authorization code flow with PKCE.
//!
//! The ID token comes from the provider's token endpoint, over TLS, by a request of ours. So TLS says whose it is, and its
//! signature need not (OpenID Connect Core 1.0, 3.1.3.7, point 6); all else about it is checked. docs/decisions/016.

use std::time::{Duration, Instant};

use axum::http::header::CONTENT_TYPE;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::Mutex;
use tracing::warn;
use url::{Url, form_urlencoded};

use super::{
    AccessError,
    session::{now, random, same},
};
use crate::{DashboardConfig, config::OidcConfig};

/// The provider has so long for each answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the provider says of itself is asked for again after this long.
const FRESH: Duration = Duration::from_hours(1);
/// Clocks may differ by so much, in seconds.
const LEEWAY: i64 = 60;
/// No answer of a provider is longer.
const LONGEST: usize = 1 << 20;

/// The provider.
pub(super) struct Oidc {
    config: OidcConfig,
    /// Where it sends people back to.
    redirect: String,
    client: reqwest::Client,
    known: Mutex<Option<(Instant, Provider)>>,
}

/// What the provider says of itself.
#[derive(Debug, Clone, Deserialize)]
struct Provider {
    issuer: String,
    authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default)]
    token_endpoint_auth_methods_supported: Vec<String>,
}

/// What is remembered, in a cookie, of a login that has begun.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    /// Where to go afterwards.
    pub(super) next: String,
}

/// What the provider sends people back with.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Returned {
    code: String,
    state: String,
    iss: Option<String>,
    error: Option<String>,
    error_description: Option<String>,
}

impl Oidc {
    pub(super) fn new(config: &DashboardConfig) -> Result<Self, AccessError> {
        let oidc = config.oidc.clone();
        if oidc.issuer.is_empty() || oidc.client_id.is_empty() {
            let told = "dashboard.auth is \"oidc\"; set dashboard.oidc.issuer and dashboard.oidc.client_id";
            return Err(AccessError::Oidc(told.into()));
        }
        if !is_safe(&oidc.issuer) {
            let told = "dashboard.oidc.issuer has to begin with https:// (http:// only on a loopback address): nothing \
                        else says whose its tokens are";
            return Err(AccessError::Oidc(told.into()));
        }
        if config.url.is_empty() && !config.is_local() {
            let told = "dashboard.auth is \"oidc\"; set dashboard.url to what browsers have before the path, such as \
                        https://ops.example.org: the provider sends people back there";
            return Err(AccessError::Oidc(told.into()));
        }
        let local = format!("http://{}", config.listen);
        let origin = if config.url.is_empty() { &local } else { config.url.trim_end_matches('/') };
        let client =
            reqwest::Client::builder().timeout(PATIENCE).redirect(reqwest::redirect::Policy::none()).build()?;
        let redirect = format!("{origin}{}/oidc/callback", config.base());
        Ok(Self { config: oidc, redirect, client, known: Mutex::default() })
    }

    /// Begins a login: where to go, and what to remember.
    pub(super) async fn begin(&self, next: String) -> Result<(String, Begun), String> {
        let begun = Begun { state: random(), nonce: random(), verifier: random(), next };
        let provider = self.provider().await?;
        let mut url: Url = provider
            .authorization_endpoint
            .parse()
            .map_err(|error| format!("the provider's authorization_endpoint is no address: {error}"))?;
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.config.client_id)
            .append_pair("redirect_uri", &self.redirect)
            .append_pair("scope", &self.config.scopes)
            .append_pair("state", &begun.state)
            .append_pair("nonce", &begun.nonce)
            .append_pair("code_challenge", &BASE64_URL_SAFE_NO_PAD.encode(Sha256::digest(&begun.verifier)))
            .append_pair("code_challenge_method", "S256");
        Ok((url.into(), begun))
    }

    /// Ends it: who it is, and in which groups; or why that is not known.
    pub(super) async fn end(&self, begun: &Begun, returned: &Returned) -> Result<(String, Vec<String>), String> {
        if !same(&returned.state, &begun.state) {
            return Err("this answer of the provider belongs to another login".into());
        }
        if let Some(error) = &returned.error {
            let more = returned.error_description.as_deref().unwrap_or_default();
            return Err(format!("the provider says: {error} {more}"));
        }
        let provider = self.provider().await?;
        if returned.iss.as_ref().is_some_and(|iss| *iss != provider.issuer) {
            return Err("this is the answer of another provider".into());
        }
        let token = self.token(&provider, &returned.code, &begun.verifier).await?;
        let claims = claims(&token).ok_or("the provider sent an ID token that cannot be read")?;
        check(&claims, &provider.issuer, &self.config.client_id, &begun.nonce, now().timestamp())?;
        let name = name(&claims, &self.config.name_claim).ok_or("the ID token does not say who it is")?;
        Ok((name, groups(&claims, &self.config.groups_claim)))
    }

    /// The ID token for a code.
    async fn token(&self, provider: &Provider, code: &str, verifier: &str) -> Result<String, String> {
        let OidcConfig { client_id, client_secret, .. } = &self.config;
        let methods = &provider.token_endpoint_auth_methods_supported;
        // By header if the provider does not say otherwise: so says OpenID Connect Discovery.
        let by_form = !methods.is_empty() && methods.iter().all(|method| method != "client_secret_basic");
        let form_secret = Some(client_secret.as_str()).filter(|secret| by_form && !secret.is_empty());
        let form = [
            ("grant_type", Some("authorization_code")),
            ("code", Some(code)),
            ("redirect_uri", Some(&self.redirect)),
            ("client_id", Some(client_id)),
            ("client_secret", form_secret),
            ("code_verifier", Some(verifier)),
        ];
        let given = form.into_iter().filter_map(|(name, value)| Some((name, value?)));
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        let kind = "application/x-www-form-urlencoded";
        let mut request = self.client.post(&provider.token_endpoint).header(CONTENT_TYPE, kind).body(form);
        if !by_form && !client_secret.is_empty() {
            // Each is encoded as in a form first (RFC 6749, 2.3.1).
            let encoded = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
            request = request.basic_auth(encoded(client_id), Some(encoded(client_secret)));
        }
        let answer = answer(request, &provider.token_endpoint).await?;
        let token = answer["id_token"].as_str();
        token.map(str::to_owned).ok_or_else(|| "the provider sent no ID token; is the scope openid asked for?".into())
    }

    /// What the provider says of itself.
    async fn provider(&self) -> Result<Provider, String> {
        let mut known = self.known.lock().await;
        if let Some((at, provider)) = &*known
            && at.elapsed() < FRESH
        {
            return Ok(provider.clone());
        }
        let issuer = &self.config.issuer;
        let url = format!("{}/.well-known/openid-configuration", issuer.trim_end_matches('/'));
        let found = answer(self.client.get(&url), &url).await?;
        let provider: Provider =
            serde_json::from_value(found).map_err(|error| format!("{url} is no description of a provider: {error}"))?;
        if provider.issuer != *issuer {
            return Err(format!(
                "dashboard.oidc.issuer is {issuer}, but its provider calls itself {}",
                provider.issuer
            ));
        }
        if !is_safe(&provider.authorization_endpoint) || !is_safe(&provider.token_endpoint) {
            return Err(format!("{url} names addresses that are not https://"));
        }
        *known = Some((Instant::now(), provider.clone()));
        Ok(provider)
    }
}

/// By TLS, or within this machine.
fn is_safe(url: &str) -> bool {
    let Ok(url) = url.parse::<Url>() else { return false };
    let is_local = match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_local)
}

/// The JSON that is answered.
async fn answer(request: reqwest::RequestBuilder, url: &str) -> Result<Value, String> {
    let failed = |error: reqwest::Error| format!("the provider does not answer: {}", error.without_url());
    let mut response = request.header("accept", "application/json").send().await.map_err(failed)?;
    let (status, mut body) = (response.status(), Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        body.extend_from_slice(&chunk);
        if body.len() > LONGEST {
            return Err(format!("the answer of {url} is too long"));
        }
    }
    if !status.is_success() {
        // To the log only: it may say more than is everybody's business.
        warn!(%status, url, answer = %String::from_utf8_lossy(&body[..body.len().min(500)]), "the provider refuses");
        return Err(format!("the provider answers {status} at {url}; the log has the rest"));
    }
    serde_json::from_slice(&body).map_err(|error| format!("the answer of {url} is no JSON: {error}"))
}

/// What a token claims, signed or not.
fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
    serde_json::from_slice(&BASE64_URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?).ok()
}

/// OpenID Connect Core 1.0, 3.1.3.7, without the signature.
fn check(claims: &Value, issuer: &str, client: &str, nonce: &str, now: i64) -> Result<(), &'static str> {
    let is_for_us = |audience: &Value| audience.as_str() == Some(client);
    let several = claims["aud"].as_array();
    let audience = several.map_or_else(|| is_for_us(&claims["aud"]), |several| several.iter().any(is_for_us));
    let party = &claims["azp"];
    let needs_party = several.is_some_and(|several| several.len() > 1);
    if claims["iss"].as_str() != Some(issuer) {
        Err("the ID token is another provider's")
    } else if !audience || (needs_party && party.is_null()) || (!party.is_null() && !is_for_us(party)) {
        Err("the ID token is for another program")
    } else if claims["exp"].as_i64().is_none_or(|end| end <= now - LEEWAY) {
        Err("the ID token has expired; do the clocks agree?")
    } else if claims["iat"].as_i64().is_some_and(|begin| begin > now + LEEWAY) {
        Err("the ID token is of a time to come; do the clocks agree?")
    } else if !claims["nonce"].as_str().is_some_and(|given| same(given, nonce)) {
        Err("the ID token belongs to another login")
    } else {
        Ok(())
    }
}

/// What the claim says; if it is not there the address, or else what is always there.
fn name(claims: &Value, claim: &str) -> Option<String> {
    let is_theirs = |claim: &&str| *claim != "email" || claims["email_verified"] != Value::Bool(false);
    let mut names =
        [claim, "email", "sub"].into_iter().filter(is_theirs).filter_map(|claim| at(claims, claim).as_str());
    names.find(|name| !name.trim().is_empty()).map(str::to_owned)
}

/// A list, or a single one.
fn groups(claims: &Value, claim: &str) -> Vec<String> {
    let claim = at(claims, claim);
    let several = claim.as_array().map_or_else(|| std::slice::from_ref(claim), Vec::as_slice);
    several.iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// A claim of that name, or one within another.
fn at<'a>(claims: &'a Value, path: &str) -> &'a Value {
    // Names that are addresses have dots in them.
    claims.get(path).unwrap_or_else(|| path.split('.').fold(claims, |value, name| &value[name]))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_token_is_of_that_provider_for_us_in_time_and_for_this_login() {
        let good = json!({ "iss": "https://sso", "aud": "millgate", "exp": 1000, "iat": 900, "nonce": "n" });
        let told = |change: &Value| {
            let mut claims = good.clone();
            claims.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
            check(&claims, "https://sso", "millgate", "n", 950).err().unwrap_or_default()
        };
        assert_eq!(told(&json!({})), "");
        assert_eq!(told(&json!({ "aud": ["other", "millgate"], "azp": "millgate" })), "");
        assert_eq!(told(&json!({ "exp": 900 })), "");
        for (change, reason) in [
            (json!({ "iss": "https://sso/" }), "another provider's"),
            (json!({ "aud": "other" }), "another program"),
            (json!({ "aud": ["other", "millgate"] }), "another program"),
            (json!({ "azp": "other" }), "another program"),
            (json!({ "exp": 890 }), "expired"),
            (json!({ "exp": null }), "expired"),
            (json!({ "iat": 2000 }), "a time to come"),
            (json!({ "nonce": "m" }), "another login"),
            (json!({ "nonce": null }), "another login"),
        ] {
            assert!(told(&change).contains(reason), "{change}: {}", told(&change));
        }
    }

    #[test]
    fn names_and_groups_are_where_providers_have_them() {
        let claims = json!({
            "sub": "17", "email": "ann@example.org", "email_verified": false, "groups": "sre",
            "realm_access": { "roles": ["ops", 7] }, "https://example.org/groups": ["a"],
        });
        assert_eq!(name(&claims, "preferred_username").as_deref(), Some("17"));
        assert_eq!(name(&json!({ "email": "a@b" }), "nick").as_deref(), Some("a@b"));
        assert_eq!(groups(&claims, "groups"), ["sre"]);
        assert_eq!(groups(&claims, "realm_access.roles"), ["ops"]);
        assert_eq!(groups(&claims, "https://example.org/groups"), ["a"]);
        assert!(groups(&claims, "nothing").is_empty());
    }
}
