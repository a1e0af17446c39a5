//! The `[dashboard]` section.

use std::{collections::BTreeMap, fmt, net::SocketAddr, time::Duration};

use serde::{Deserialize, Serialize};

use crate::access::Role;

/// Where the dashboard is, and who may look.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct DashboardConfig {
    /// `host:port`. Port 0: any free one, which the log says.
    pub listen: String,
    /// The path that it is mounted under behind a proxy: `/millgate`. Empty: at the root.
    pub path: String,
    /// What browsers have before the path, if that is not what `listen` says: `https://ops.example.org`.
    pub url: String,
    /// How it is known who looks.
    pub auth: Auth,
    /// Who may log in, by name.
    pub users: BTreeMap<String, UserConfig>,
    /// What members of a group may do, by the group's name as the proxy or the provider says it.
    pub groups: BTreeMap<String, GroupConfig>,
    /// What those may do whom the proxy or the provider names, and who are in no group that is listed: `viewer`,
    /// `operator`, `admin`. Empty: nothing.
    pub default_role: String,
    /// The header in which the proxy says who it is.
    pub proxy_header: String,
    /// The header in which the proxy says their groups, with commas between.
    pub proxy_groups_header: String,
    /// Addresses and networks of proxies, whose headers are believed.
    pub trusted_proxies: Vec<String>,
    /// The provider that says who it is.
    pub oidc: OidcConfig,
    /// Signs sessions, in 32 letters at least. Empty: a random one, so that sessions end with the process.
    pub secret: String,
    /// A session ends this long after its login.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// Whether browsers send the cookie by HTTPS only.
    pub cookie_secure: CookieSecure,
    /// Fields of events and jobs that are never shown, by name or by path, beside those that are marked in the code.
    pub mask: Vec<String>,
}

/// How it is known who looks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Auth {
    /// Nobody asks. On a loopback address only.
    #[default]
    None,
    /// By name and password.
    Users,
    /// By a proxy that has asked.
    Proxy,
    /// By an OpenID provider.
    Oidc,
}

/// Whether browsers send the cookie by HTTPS only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CookieSecure {
    /// Unless it listens on a loopback address, or `url` says `http:`.
    #[default]
    Auto,
    /// By HTTPS only.
    Always,
    /// By HTTP, too.
    Never,
}

/// Somebody who may log in.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserConfig {
    /// What `millgate dashboard hash-password` makes of their password.
    pub password: String,
    /// What they may do.
    pub role: Role,
    /// In these queues; elsewhere they look. `crm.*` is every queue that begins with `crm.`. Empty: everywhere.
    #[serde(default)]
    pub queues: Vec<String>,
}

/// What members of a group may do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GroupConfig {
    /// What they may do.
    pub role: Role,
    /// In these queues, as of a user.
    #[serde(default)]
    pub queues: Vec<String>,
}

/// The provider that says who it is.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OidcConfig {
    /// Its address, as its tokens say it: `https://sso.example.org/realms/ops`.
    pub issuer: String,
    /// What it calls this dashboard.
    pub client_id: String,
    /// What it knows this dashboard by. Empty: nothing, where the provider allows that.
    pub client_secret: String,
    /// What is asked for, with spaces between.
    pub scopes: String,
    /// The claim with the name, as the audit has it. If a token lacks it: `email`, else `sub`.
    pub name_claim: String,
    /// The claim with the groups; in a claim within a claim with a dot: `realm_access.roles`.
    pub groups_claim: String,
}

impl Default for DashboardConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8088".into(),
            path: String::new(),
            url: String::new(),
            auth: Auth::default(),
            users: BTreeMap::new(),
            groups: BTreeMap::new(),
            default_role: String::new(),
            proxy_header: "X-Forwarded-User".into(),
            proxy_groups_header: "X-Forwarded-Groups".into(),
            trusted_proxies: Vec::new(),
            oidc: OidcConfig::default(),
            secret: String::new(),
            session_lifetime: Duration::from_hours(12),
            cookie_secure: CookieSecure::default(),
            mask: Vec::new(),
        }
    }
}

impl Default for OidcConfig {
    fn default() -> Self {
        Self {
            issuer: String::new(),
            client_id: String::new(),
            client_secret: String::new(),
            scopes: "openid profile email".into(),
            name_claim: "preferred_username".into(),
            groups_claim: "groups".into(),
        }
    }
}

impl DashboardConfig {
    /// The path that it is mounted under, without a slash at its end.
    pub(crate) fn base(&self) -> &str {
        self.path.trim_end_matches('/')
    }

    /// Whether only this machine can reach it.
    pub fn is_local(&self) -> bool {
        self.listen.parse().is_ok_and(|address: SocketAddr| address.ip().is_loopback())
    }

    /// Whether the cookie goes by HTTPS only.
    pub(crate) fn is_secure(&self) -> bool {
        match self.cookie_secure {
            CookieSecure::Always => true,
            CookieSecure::Never => false,
            CookieSecure::Auto if self.url.is_empty() => !self.is_local(),
            CookieSecure::Auto => self.url.starts_with("https:"),
        }
    }
}

/// Without the secret, nor those of others.
impl fmt::Debug for DashboardConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DashboardConfig")
            .field("listen", &self.listen)
            .field("path", &self.path)
            .field("url", &self.url)
            .field("auth", &self.auth)
            .field("users", &self.users)
            .field("groups", &self.groups)
            .field("default_role", &self.default_role)
            .field("trusted_proxies", &self.trusted_proxies)
            .field("oidc", &self.oidc)
            .field("session_lifetime", &self.session_lifetime)
            .field("mask", &self.mask)
            .finish_non_exhaustive()
    }
}

/// Without the password.
impl fmt::Debug for UserConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UserConfig").field("role", &self.role).field("queues", &self.queues).finish_non_exhaustive()
    }
}

/// Without the secret.
impl fmt::Debug for OidcConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OidcConfig")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("scopes", &self.scopes)
            .finish_non_exhaustive()
    }
}
