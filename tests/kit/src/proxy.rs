//! A way to a server that a test can cut, stall and mend.

use std::{
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
};

/// What the way does with connections.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Open,
    /// Nothing moves, and nobody is told.
    Stalled,
    /// What clients say arrives; answers do not.
    Muted,
    /// Connections break, and new ones break at once.
    Cut,
    /// The test is over.
    Gone,
}

/// The way, and how often connections were left behind: older ones than the last time never move again. And how often
/// all that there were were broken.
#[derive(Debug, Clone, Copy)]
struct State {
    way: Way,
    strandings: usize,
    breaks: usize,
}

/// Hands bytes on between clients and a server, on a thread of its own.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    state: watch::Sender<State>,
    server: Arc<Mutex<String>>,
}

impl Proxy {
    /// A way to `server`, `host:port`. The server need not be up.
    pub fn to(server: &str) -> Self {
        let (sender, state) = watch::channel(State { way: Way::Open, strandings: 0, breaks: 0 });
        let server = Arc::new(Mutex::new(server.to_owned()));
        let target = server.clone();
        let listener = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        listener.set_nonblocking(true).unwrap();
        thread::Builder::new()
            .name("proxy".into())
            .spawn(move || {
                let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
                runtime.block_on(accept(listener, target, state));
            })
            .unwrap();
        Self { port, state: sender, server }
    }

    /// `127.0.0.1:port`: what a client is to use in place of the server's address.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Breaks all connections; new ones lead to another server.
    pub fn redirect(&self, server: &str) {
        server.clone_into(&mut self.server.lock().unwrap());
        self.state.send_modify(|state| state.breaks += 1);
    }

    /// Breaks all connections; new ones break at once, too.
    pub fn cut(&self) {
        self.go(Way::Cut);
    }

    /// Leaves connections open and moves nothing; new ones are accepted and then silent.
    pub fn stall(&self) {
        self.go(Way::Stalled);
    }

    /// Hands on what clients say, and keeps back what the server answers.
    pub fn mute(&self) {
        self.go(Way::Muted);
    }

    /// All is well again. What was stalled moves on; what was cut stays so, and can be made anew.
    pub fn restore(&self) {
        self.go(Way::Open);
    }

    /// Leaves the connections there are open and silent for good, as a firewall does that forgot them; new ones work.
    pub fn strand(&self) {
        self.state.send_modify(|state| state.strandings += 1);
    }

    fn go(&self, way: Way) {
        self.state.send_modify(|state| state.way = way);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.go(Way::Gone);
    }
}

async fn accept(listener: std::net::TcpListener, server: Arc<Mutex<String>>, mut state: watch::Receiver<State>) {
    let listener = TcpListener::from_std(listener).unwrap();
    loop {
        let client = tokio::select! {
            client = listener.accept() => client,
            _ = state.wait_for(|state| state.way == Way::Gone) => return,
        };
        if let Ok((client, _)) = client {
            let server = server.lock().unwrap().clone();
            tokio::spawn(connect(client, server, state.clone()));
        }
    }
}

/// One connection, until either end closes it or the way is cut.
async fn connect(client: TcpStream, server: String, state: watch::Receiver<State>) {
    let mut cut = state.clone();
    let State { strandings: born, breaks, .. } = *state.borrow();
    let work = async {
        pass(&state, born, false).await;
        let server = TcpStream::connect(server).await.ok()?;
        // Small packets, asked and answered: waiting for more to send would slow each of them.
        client.set_nodelay(true).ok()?;
        server.set_nodelay(true).ok()?;
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        tokio::join!(
            hand_on(from_client, to_server, &state, born, false),
            hand_on(from_server, to_client, &state, born, true)
        );
        Some(())
    };
    tokio::select! {
        _ = work => {}
        _ = cut.wait_for(|state| matches!(state.way, Way::Cut | Way::Gone) || state.breaks != breaks) => {}
    }
}

/// Waits while the way is stalled; for ever, if the connection was left behind.
async fn pass(state: &watch::Receiver<State>, born: usize, is_answer: bool) {
    let passes = |way| way == Way::Open || (way == Way::Muted && !is_answer);
    // What is kept back when the way is cut, or gone, is lost: both end the connection elsewhere, as does an error.
    let _ = state.clone().wait_for(|state| passes(state.way) && state.strandings == born).await;
}

async fn hand_on(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    state: &watch::Receiver<State>,
    born: usize,
    is_answer: bool,
) {
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(bytes @ 1..) = from.read(&mut buffer).await {
        pass(state, born, is_answer).await;
        if to.write_all(&buffer[..bytes]).await.is_err() {
            return;
        }
    }
    // One direction has ended; the other may still have something to say.
    let _ = tokio::time::timeout(Duration::from_secs(5), to.shutdown()).await;
}
