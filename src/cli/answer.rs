//! Answers on standard output that may be long, and whose reader may stop listening: `millgate jobs list | head`.

use std::io::{ErrorKind, Write};

/// Writes all of it, or as much as somebody wants.
pub(super) fn write(text: &str) -> std::io::Result<()> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
