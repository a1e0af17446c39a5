//! Where the shared servers are.

use std::{
    net::{TcpStream, ToSocketAddrs},
    time::Duration,
};

const PATIENCE: Duration = Duration::from_secs(5);

pub(crate) fn kafka_brokers() -> String {
    let brokers = variable("TEST_KAFKA_BROKERS", "127.0.0.1:19092");
    need("Kafka", brokers.split(',').next().unwrap_or_default());
    brokers
}

pub(crate) fn redis_url() -> String {
    let url = variable("TEST_REDIS_URL", "redis://127.0.0.1:16379/0");
    need("Redis", host_and_port(&url));
    url
}

pub(crate) fn postgres_url() -> String {
    let url = variable("TEST_POSTGRES_URL", "postgres://millgate:millgate@127.0.0.1:15432/millgate");
    need("PostgreSQL", host_and_port(&url));
    url
}

fn variable(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}

/// `scheme://user:password@host:port/rest` → `host:port`.
pub(crate) fn host_and_port(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let rest = rest.split(['/', '?']).next().unwrap_or_default();
    rest.rsplit_once('@').map_or(rest, |(_, host)| host)
}

/// A test that cannot reach its server says what to do, rather than to time out somewhere.
fn need(server: &str, address: &str) {
    let mut found = address.to_socket_addrs().into_iter().flatten();
    assert!(
        found.any(|address| TcpStream::connect_timeout(&address, PATIENCE).is_ok()),
        "{server} does not answer at {address}: run `make services-up`"
    );
}
