//! A mail server that takes everything and keeps nothing but the count. Like a real one it refuses some addresses:
//! `refused@…` for good, `later@…` the first time.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
};

use mailin_embedded::{Handler, Response, Server, SslConfig, response};

/// Each connection takes a thread for as long as it is open, and clients keep theirs open.
const THREADS: u32 = 32;

#[derive(Clone)]
struct Catcher {
    mails: Arc<AtomicU64>,
    came_before: Arc<AtomicBool>,
}

impl Handler for Catcher {
    fn helo(&mut self, _: IpAddr, _: &str) -> Response {
        response::OK
    }

    fn rcpt(&mut self, to: &str) -> Response {
        if to.starts_with("refused@") {
            response::NO_MAILBOX
        } else if to.starts_with("later@") && !self.came_before.swap(true, Ordering::Relaxed) {
            Response::custom(450, "try again later".into())
        } else {
            response::OK
        }
    }

    fn data_end(&mut self) -> Response {
        self.mails.fetch_add(1, Ordering::Relaxed);
        response::OK
    }
}

/// Starts it on a port of its own; `mails` counts what arrives.
pub(super) fn start(mails: Arc<AtomicU64>) -> io::Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let mut server = Server::new(Catcher { mails, came_before: Arc::default() });
    server.with_name("millgate.example").with_num_threads(THREADS).with_tcp_listener(listener);
    server.with_ssl(SslConfig::None).map_err(|error| io::Error::other(error.to_string()))?;
    std::thread::Builder::new().name("millgate-mails".into()).spawn(move || {
        if let Err(error) = server.serve() {
            tracing::error!(%error, "the mail catcher ended");
        }
    })?;
    Ok(address)
}
