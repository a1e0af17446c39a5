//! Who may look and act.
//!
//! [`Access`] stands before everything that is served. It finds out who asks (by name and password, by a proxy, by a
//! provider), puts the [`Viewer`] into the request's extensions, and refuses what would change something and does not
//! come from a page of ours. What a viewer may do, [`act`](crate::act) asks.

mod attempts;
mod error;
mod guard;
mod headers;
mod login;
mod mask;
mod oidc;
mod origin;
mod page;
mod password;
mod proxies;
mod rights;
mod session;
mod viewer;

use std::sync::Arc;

use axum::{
    Router,
    extract::{Request, State},
    middleware::{self, Next},
};

pub(crate) use self::mask::restore;
use self::{
    attempts::Attempts, headers::Headers, oidc::Oidc, origin::Origin, password::Passwords, proxies::Proxies,
    session::Sessions,
};
pub use self::{
    error::AccessError,
    mask::{HIDDEN, Mask},
    password::hash_password,
    viewer::{Role, Viewer},
};
use crate::{
    DashboardConfig,
    config::{Auth, UserConfig},
};

/// Lets in who may look, and nobody else.
#[derive(Clone)]
pub struct Access(Arc<Gate>);

/// What is needed to judge a request.
struct Gate {
    config: DashboardConfig,
    auth: Auth,
    /// The path that all of it is mounted under.
    base: String,
    sessions: Sessions,
    origin: Origin,
    headers: Headers,
    proxies: Proxies,
    passwords: Passwords,
    attempts: Attempts,
    oidc: Option<Oidc>,
}

impl Access {
    /// What the configuration says. Refuses one with which others could come in without being asked.
    pub fn open(config: &DashboardConfig) -> Result<Self, AccessError> {
        config.check_access()?;
        config.users.iter().try_for_each(|(name, user)| user.check_password(name))?;
        let auth = config.auth;
        Ok(Self(Arc::new(Gate {
            auth,
            base: config.base().to_owned(),
            sessions: Sessions::new(config)?,
            origin: Origin::new(config)?,
            headers: Headers::new(config),
            proxies: Proxies::new(config)?,
            passwords: Passwords::new(),
            attempts: Attempts::default(),
            oidc: (auth == Auth::Oidc).then(|| Oidc::new(config)).transpose()?,
            config: config.clone(),
        })))
    }

    /// Puts it before these routes. Serve them with
    /// [`into_make_service_with_connect_info`](Router::into_make_service_with_connect_info)`::<SocketAddr>()`: whom a
    /// proxy's word is taken from, and how often somebody tries, is a question of their address.
    pub fn protect(&self, router: Router) -> Router {
        let pass = |State(Self(gate)): State<Self>, request: Request, next: Next| async move {
            gate.pass(request, next).await
        };
        router.layer(middleware::from_fn_with_state(self.clone(), pass))
    }
}

impl DashboardConfig {
    /// What is wrong with who may look, if anything; the passwords of users aside.
    pub fn check_access(&self) -> Result<(), AccessError> {
        rights::default_role(self)?;
        Sessions::new(self)?;
        Origin::new(self)?;
        let proxies = Proxies::new(self)?;
        match self.auth {
            Auth::None if !self.is_local() => Err(AccessError::Open { listen: self.listen.clone() }),
            Auth::Users if self.users.is_empty() => Err(AccessError::NoUsers),
            Auth::Proxy if proxies.is_empty() => Err(AccessError::NoProxy),
            Auth::Oidc => Oidc::new(self).map(drop),
            Auth::None | Auth::Users | Auth::Proxy => Ok(()),
        }
    }
}

impl UserConfig {
    /// What is wrong with the password of the user of that name, if anything.
    pub fn check_password(&self, name: &str) -> Result<(), AccessError> {
        if password::is_hash(&self.password) { Ok(()) } else { Err(AccessError::Password(name.to_owned())) }
    }
}
