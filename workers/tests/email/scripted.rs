//! An SMTP server that says what a test wants said.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

/// Answers one line of the client, on the connection of that number. `None` is silence.
type Answer = dyn Fn(usize, &str) -> Option<String> + Send + Sync;

/// An answer that is none: the connection is closed.
pub(crate) const HANG_UP: &str = "(hang up)";

/// Listens until the test process ends.
pub(crate) struct Scripted {
    port: u16,
    heard: Arc<Mutex<Vec<String>>>,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Scripted {
    /// `answer` is asked first, also with `""` for the greeting; an empty answer means the usual one.
    pub(crate) fn start(answer: impl Fn(usize, &str) -> Option<String> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let mails = Arc::new(Mutex::new(Vec::new()));
        let server = Self { port, heard: heard.clone(), mails: mails.clone() };
        thread::spawn(move || {
            for (number, stream) in listener.incoming().enumerate() {
                let (answer, heard, mails) = (answer.clone(), heard.clone(), mails.clone());
                // An error is the client hanging up.
                thread::spawn(move || converse(number, &stream.unwrap(), &*answer, (&heard, &mails)).ok());
            }
        });
        server
    }

    /// `127.0.0.1:port`.
    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// `smtp://127.0.0.1:port`.
    pub(crate) fn url(&self) -> String {
        format!("smtp://{}", self.address())
    }

    /// All that clients have said, each line with the number of its connection: `0 MAIL FROM:<a@b>`.
    pub(crate) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }

    /// The mails that came whole, answered or not.
    pub(crate) fn mails(&self) -> Vec<String> {
        self.mails.lock().unwrap().clone()
    }
}

fn converse(
    number: usize,
    mut stream: &TcpStream,
    answer: &Answer,
    (heard, mails): (&Mutex<Vec<String>>, &Mutex<Vec<String>>),
) -> std::io::Result<()> {
    let mut mail = String::new();
    let mut lines = BufReader::new(stream.try_clone()?).lines();
    let mut line = String::new();
    let mut in_data = false;
    loop {
        let usual = match line.get(..4).unwrap_or_default() {
            "" => "220 scripted",
            "EHLO" => "250-scripted\r\n250 AUTH PLAIN",
            "DATA" => "354 go on",
            _ => "250 OK",
        };
        if !in_data || line == "." {
            in_data = line == "DATA";
            match answer(number, &line).as_deref() {
                None => {}
                Some(HANG_UP) => return Ok(()),
                Some("") => write!(stream, "{usual}\r\n")?,
                Some(other) => write!(stream, "{other}\r\n")?,
            }
        }
        let Some(next) = lines.next() else { return Ok(()) };
        line = next?;
        if in_data && line != "." {
            mail += &line;
            mail.push('\n');
        } else {
            heard.lock().unwrap().push(format!("{number} {line}"));
            if in_data {
                mails.lock().unwrap().push(std::mem::take(&mut mail));
            }
        }
    }
}

/// Long enough that a client with a short timeout has given up.
pub(crate) fn late() -> String {
    thread::sleep(Duration::from_millis(600));
    String::new()
}
