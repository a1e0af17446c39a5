//! A few lines that change in place on a terminal, or are printed when they change where there is none.

use std::io::{IsTerminal, Write, stdout};

pub(super) struct Screen {
    last: Vec<String>,
    terminal: bool,
}

impl Screen {
    pub(super) fn new() -> Self {
        Self { last: Vec::new(), terminal: stdout().is_terminal() }
    }

    pub(super) fn show(&mut self, lines: &[String]) {
        if lines == self.last {
            return;
        }
        let mut out = stdout().lock();
        if self.terminal && !self.last.is_empty() {
            // Up to the first of our lines, and clear from there on.
            let _ = write!(out, "\x1b[{}A\x1b[J", self.last.len());
        }
        for line in lines {
            let _ = writeln!(out, "{line}");
        }
        if !self.terminal {
            let _ = writeln!(out);
        }
        // A terminal that went away is no reason to stop.
        let _ = out.flush();
        self.last = lines.to_vec();
    }
}
