//! Which master has which slots.

use std::ops::RangeInclusive;

use redis::{ConnectionAddr, ConnectionInfo};

use crate::slot::{SLOTS, slot};

/// The masters, as somebody who should know has told.
#[derive(Default)]
pub(crate) struct Topology(Vec<Shard>);

pub(crate) struct Shard {
    pub(crate) slots: RangeInclusive<u16>,
    pub(crate) master: ConnectionInfo,
}

impl Topology {
    /// One master has everything.
    pub(crate) fn single(master: ConnectionInfo) -> Self {
        Self(vec![Shard { slots: 0..=SLOTS - 1, master }])
    }

    pub(crate) fn new(shards: Vec<Shard>) -> Self {
        Self(shards)
    }

    /// The master that has a key.
    pub(crate) fn master_of(&self, key: &str) -> Option<&ConnectionInfo> {
        let slot = slot(key);
        self.0.iter().find(|shard| shard.slots.contains(&slot)).map(|shard| &shard.master)
    }

    /// Every master once, however many ranges of slots it has.
    pub(crate) fn masters(&self) -> Vec<&ConnectionInfo> {
        let mut masters: Vec<&ConnectionInfo> = Vec::new();
        for Shard { master, .. } in &self.0 {
            if !masters.iter().any(|known| known.addr() == master.addr()) {
                masters.push(master);
            }
        }
        masters
    }
}

/// The same way in (login, TLS, database) at another address.
pub(crate) fn at(like: &ConnectionInfo, host: String, port: u16) -> ConnectionInfo {
    let addr = match like.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    like.clone().set_addr(addr)
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;

    use super::*;

    #[test]
    fn a_key_lies_on_the_master_of_its_slot() {
        let like = "rediss://user:pw@seed:1".into_connection_info().unwrap();
        let shard = |slots, host: &str| Shard { slots, master: at(&like, host.into(), 7000) };
        let topology =
            Topology::new(vec![shard(0..=5_461, "a"), shard(5_462..=12_000, "b"), shard(12_200..=16_383, "a")]);
        let address = |key| topology.master_of(key).map(|master| master.addr().to_string());
        // `bar` has slot 5061, `foo` 12182, which is nobody's.
        assert_eq!((address("bar"), address("foo")), (Some("a:7000".into()), None));
        let masters = topology.masters();
        assert_eq!(masters.len(), 2);
        assert!(masters.iter().all(|master| master.redis_settings().password() == Some("pw")));
        assert!(matches!(masters[0].addr(), ConnectionAddr::TcpTls { .. }));
        assert!(Topology::single(like).master_of("foo").is_some());
    }
}
