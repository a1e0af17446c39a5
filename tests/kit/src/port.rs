//! Ports for servers of a test's own.

use std::{
    collections::HashSet,
    net::TcpListener,
    sync::{LazyLock, Mutex},
};

use uuid::Uuid;

/// Below the range that Linux takes the near ends of connections from: a port chosen now can then
/// not be lost to some client before the server is started, or while it is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 10_000;

/// A port that nobody listens on, and that nobody else in this process is given.
pub fn free_port() -> u16 {
    static GIVEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    let mut given = GIVEN.lock().unwrap();
    loop {
        // Random, because other test processes choose at the same time.
        let random = Uuid::new_v4().as_u64_pair().0 % u64::from(COUNT);
        let port = FIRST + u16::try_from(random).unwrap();
        if !given.contains(&port) && TcpListener::bind(("127.0.0.1", port)).is_ok() {
            given.insert(port);
            return port;
        }
    }
}
