//! Looks names up, and gives only addresses that may be called: the connection is made to one of these and to no other.

use std::{error::Error, io, net::SocketAddr};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::network::Networks;

/// The machine's own resolver, without what may not be called.
pub(super) struct Resolver(pub(super) Networks);

/// A host that has no address that may be called.
#[derive(Debug, thiserror::Error)]
#[error("{host} is at no public address; webhook.allow_networks can allow others")]
pub(super) struct Private {
    pub(super) host: String,
}

impl Private {
    /// Whether this is why a request failed.
    pub(super) fn is_cause_of(error: &(dyn Error + 'static)) -> bool {
        let mut cause = Some(error);
        while let Some(error) = cause {
            if error.is::<Self>() {
                return true;
            }
            cause = error.source();
        }
        false
    }
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (networks, host) = (self.0.clone(), name.as_str().to_owned());
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if found.is_empty() {
                return Err(io::Error::new(io::ErrorKind::NotFound, format!("{host} has no address")).into());
            }
            let allowed: Vec<_> = found.into_iter().filter(|address| networks.allow(address.ip())).collect();
            if allowed.is_empty() {
                return Err(Private { host }.into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
