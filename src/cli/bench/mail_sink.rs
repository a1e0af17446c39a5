//! A mail server that takes everything and keeps nothing but counts.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
};

use tokio::{
    io::{self, AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_util::task::AbortOnDropHandle;

use super::clock::{self, Micros};

/// Longer lines than any client of ours writes; a client that never ends one must not fill the memory.
const LINE: usize = 16 * 1024;

/// Dropped, it is gone.
pub(super) struct MailSink {
    pub(super) address: SocketAddr,
    counts: Arc<Counts>,
    _listening: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Counts {
    connections: AtomicU64,
    mails: AtomicU64,
    first: AtomicI64,
    last: AtomicI64,
}

/// What has come so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Caught {
    pub(super) connections: u64,
    pub(super) mails: u64,
    /// When the first mail was begun.
    pub(super) first: Micros,
    /// When the last one was taken.
    pub(super) last: Micros,
}

impl MailSink {
    /// On a port of its own.
    pub(super) async fn open() -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, counts) = (listener.local_addr()?, Arc::new(Counts::default()));
        let counting = counts.clone();
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counting.connections.fetch_add(1, Ordering::Relaxed);
                let counts = counting.clone();
                // An error is the client hanging up.
                tokio::spawn(async move { converse(stream, &counts).await });
            }
        });
        Ok(Self { address, counts, _listening: AbortOnDropHandle::new(listening) })
    }

    pub(super) fn caught(&self) -> Caught {
        Caught {
            connections: self.counts.connections.load(Ordering::Relaxed),
            mails: self.counts.mails.load(Ordering::Relaxed),
            first: self.counts.first.load(Ordering::Relaxed),
            last: self.counts.last.load(Ordering::Relaxed),
        }
    }

    /// Begins to count anew.
    pub(super) fn forget(&self) {
        self.counts.connections.store(0, Ordering::Relaxed);
        self.counts.mails.store(0, Ordering::Relaxed);
        self.counts.first.store(0, Ordering::Relaxed);
    }
}

async fn converse(mut stream: TcpStream, counts: &Counts) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (reader, mut writer) = stream.split();
    let mut reader = BufReader::with_capacity(LINE, reader);
    let mut line = Vec::with_capacity(LINE);
    writer.write_all(b"220 bench\r\n").await?;
    while read_line(&mut reader, &mut line).await? {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        let answer: &[u8] = match &*verb {
            b"MAIL" => {
                // Only the first finds a zero.
                let _ = counts.first.compare_exchange(0, clock::now(), Ordering::Relaxed, Ordering::Relaxed);
                b"250 OK\r\n"
            }
            b"DATA" => {
                writer.write_all(b"354 go on\r\n").await?;
                while read_line(&mut reader, &mut line).await? && line != b".\r\n" {}
                counts.mails.fetch_add(1, Ordering::Relaxed);
                counts.last.store(clock::now(), Ordering::Relaxed);
                b"250 taken\r\n"
            }
            b"QUIT" => return writer.write_all(b"221 bye\r\n").await,
            _ => b"250 OK\r\n",
        };
        writer.write_all(answer).await?;
    }
    Ok(())
}

/// Whether there was one more.
async fn read_line(reader: &mut (impl AsyncBufReadExt + Unpin), line: &mut Vec<u8>) -> io::Result<bool> {
    line.clear();
    let read = reader.read_until(b'\n', line).await?;
    Ok(read > 0 && read < LINE)
}
