//! An HTTP server of a test's own, which answers as the test says.

use std::{collections::HashMap, sync::Arc};

use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::mpsc,
    task::JoinSet,
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct HttpRequest {
    /// `POST /payments HTTP/1.1`.
    pub line: String,
    /// By their names in lower case.
    pub headers: HashMap<String, String>,
    /// Its body.
    pub body: Vec<u8>,
}

impl HttpRequest {
    /// A header; empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// What the server does with a request.
#[derive(Debug, Clone)]
pub enum HttpAnswer {
    /// A status, headers (a line each, without the last line break), a body.
    Say(u16, &'static str, String),
    /// A status and a body without end.
    Endless(u16),
    /// Half a status line, and then the end of the connection.
    BreakOff,
    /// Nothing, for ever.
    Hang,
}

impl HttpAnswer {
    /// A status, and nothing more.
    pub fn status(status: u16) -> Self {
        Self::Say(status, "", String::new())
    }
}

/// An HTTP server on a port of its own, one request a connection.
#[derive(Debug)]
pub struct HttpReceiver {
    port: u16,
    requests: mpsc::UnboundedReceiver<HttpRequest>,
    _serving: JoinSet<()>,
}

impl HttpReceiver {
    /// Starts one that answers so.
    pub async fn start<F>(answer: impl Fn(HttpRequest) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = HttpAnswer> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (seen, requests) = mpsc::unbounded_channel();
        let answer = Arc::new(answer);
        let mut serving = JoinSet::new();
        serving.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((connection, _)) = listener.accept().await {
                let (answer, seen) = (answer.clone(), seen.clone());
                connections.spawn(async move {
                    // A client that hangs up is no error of the server's.
                    let _ = serve(connection, &*answer, seen).await;
                });
            }
        });
        Self { port, requests, _serving: serving }
    }

    /// Its port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:port` and the path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The next request, once it has come.
    pub async fn next(&mut self) -> HttpRequest {
        let next = tokio::time::timeout(std::time::Duration::from_mins(1), self.requests.recv());
        next.await.expect("no request comes").unwrap()
    }

    /// Requests that have come and were not looked at.
    pub fn rest(&mut self) -> Vec<HttpRequest> {
        std::iter::from_fn(|| self.requests.try_recv().ok()).collect()
    }
}

async fn serve<F>(
    connection: TcpStream,
    answer: &(impl Fn(HttpRequest) -> F + Sync),
    seen: mpsc::UnboundedSender<HttpRequest>,
) -> std::io::Result<()>
where
    F: Future<Output = HttpAnswer>,
{
    let mut connection = BufReader::new(connection);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        connection.read_line(&mut line).await?;
        match line.trim_end() {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    if head.is_empty() {
        return Ok(());
    }
    let line = head.remove(0);
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: HashMap<String, String> = head.iter().filter_map(header).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    connection.read_exact(&mut body).await?;
    let request = HttpRequest { line, headers, body };
    let _ = seen.send(request.clone());
    let mut connection = connection.into_inner();
    match answer(request).await {
        HttpAnswer::Say(status, headers, body) => {
            let headers = if headers.is_empty() { String::new() } else { format!("{headers}\r\n") };
            let length = body.len();
            let text = format!(
                "HTTP/1.1 {status} It is so\r\n{headers}content-length: {length}\r\nconnection: close\r\n\r\n{body}"
            );
            connection.write_all(text.as_bytes()).await
        }
        HttpAnswer::Endless(status) => {
            connection.write_all(format!("HTTP/1.1 {status} It is so\r\n\r\n").as_bytes()).await?;
            loop {
                connection.write_all(b"no end \x07 ").await?;
            }
        }
        HttpAnswer::BreakOff => connection.write_all(b"HTTP/1.1 2").await,
        HttpAnswer::Hang => std::future::pending().await,
    }
}
