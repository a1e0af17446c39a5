//! Proxies that stand before the dashboard, and what they say of who asks.

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

use super::AccessError;
use crate::DashboardConfig;

/// Proxies whose headers are believed.
pub(super) struct Proxies {
    networks: Vec<IpNet>,
    name: HeaderName,
    groups: HeaderName,
}

impl Proxies {
    pub(super) fn new(config: &DashboardConfig) -> Result<Self, AccessError> {
        let networks = config.trusted_proxies.iter().map(|text| network(text));
        let header = |name: &String| name.parse().map_err(|_| AccessError::Header(name.clone()));
        Ok(Self {
            networks: networks.collect::<Result<_, _>>()?,
            name: header(&config.proxy_header)?,
            groups: header(&config.proxy_groups_header)?,
        })
    }

    /// Whether any is believed.
    pub(super) fn is_empty(&self) -> bool {
        self.networks.is_empty()
    }

    /// Whether what this one says is believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.networks.iter().any(|network| network.contains(&address))
    }

    /// Who asks, seen through the proxies that are trusted: the last address that none of them has.
    pub(super) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        let lists = headers.get_all("x-forwarded-for").iter().filter_map(|header| header.to_str().ok());
        let hops: Vec<&str> = lists.flat_map(|list| list.split(',')).map(str::trim).collect();
        let mut client = peer;
        for hop in hops.into_iter().rev() {
            if !self.trusts(client) {
                break;
            }
            match hop.parse() {
                Ok(address) => client = address,
                Err(_) => break,
            }
        }
        client.to_canonical()
    }

    /// The name and the groups that a proxy says.
    pub(super) fn says(&self, headers: &HeaderMap) -> Option<(String, Vec<String>)> {
        let text = |name: &HeaderName| headers.get(name).and_then(|header| std::str::from_utf8(header.as_bytes()).ok());
        let name = text(&self.name).map(str::trim).filter(|name| !name.is_empty())?;
        let groups = text(&self.groups).unwrap_or_default().split([',', '|']).map(str::trim);
        Some((name.to_owned(), groups.filter(|group| !group.is_empty()).map(str::to_owned).collect()))
    }

    /// The header that names who it is.
    pub(super) fn header(&self) -> &HeaderName {
        &self.name
    }
}

fn network(text: &str) -> Result<IpNet, AccessError> {
    let text = text.trim();
    let address = text.parse::<IpAddr>().map(IpNet::from);
    address.or_else(|_| text.parse()).map_err(|_| AccessError::Network(text.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn proxies(networks: &[&str]) -> Result<Proxies, AccessError> {
        let trusted_proxies = networks.iter().map(|&network| network.to_owned()).collect();
        Proxies::new(&DashboardConfig { trusted_proxies, ..DashboardConfig::default() })
    }

    #[test]
    fn who_asks_is_the_last_one_that_no_trusted_proxy_made_up() {
        let proxies = proxies(&["10.0.0.0/8", "::1"]).unwrap();
        let client = |peer: &str, forwarded: &str| {
            let headers = HeaderMap::from_iter([("x-forwarded-for".parse().unwrap(), forwarded.parse().unwrap())]);
            proxies.client(peer.parse().unwrap(), &headers).to_string()
        };
        assert_eq!(client("10.0.0.1", "1.1.1.1, 192.0.2.7, 10.0.0.2"), "192.0.2.7");
        assert_eq!(client("192.0.2.9", "1.1.1.1"), "192.0.2.9");
        assert_eq!(client("::ffff:10.0.0.1", "nonsense"), "10.0.0.1");
        assert_eq!(client("::1", ""), "::1");
    }

    #[test]
    fn a_network_has_to_be_one() {
        assert_eq!(
            proxies(&["localhost"]).err().unwrap().to_string(),
            "`localhost` is neither an address nor a network like 10.1.0.0/16"
        );
        assert!(proxies(&[]).unwrap().is_empty());
    }
}
