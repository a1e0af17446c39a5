//! Answers of mail servers that say that there is nobody to write to.

use std::error::Error;

use super::MailError;

impl MailError {
    /// Whether the server said for good that there is no such recipient, so that no other mail to it will ever arrive.
    ///
    /// RFC 3463: of 5.y.z only 5.1.0 to 5.1.3, 5.1.6 and 5.1.10 are about the recipient's address; 5.7.1, say, is about us
    /// or about this mail, and 5.2.2 is a mailbox that is full. Where there is no such code a 550, 551 or 553 to RCPT
    /// counts (RFC 5321, 4.2.3).
    pub fn is_hard_bounce(&self) -> bool {
        let Self::Step { step: "RCPT", source, .. } = self else { return false };
        let Some(status) = source.status().map(u16::from).filter(|_| source.is_permanent()) else { return false };
        // lettre keeps the text of an answer as the error's cause.
        let said = source.source().map(ToString::to_string).unwrap_or_default();
        match enhanced_code(&said) {
            Some(code) => matches!(code, (5, 1, 0..=3 | 6 | 10)),
            None => matches!(status, 550 | 551 | 553),
        }
    }
}

/// The `5.1.1` at the beginning of an answer's text.
fn enhanced_code(said: &str) -> Option<(u16, u16, u16)> {
    let mut parts = said.split_whitespace().next()?.splitn(3, '.').map(str::parse);
    match (parts.next()?, parts.next()?, parts.next()?) {
        (Ok(class), Ok(subject), Ok(detail)) => Some((class, subject, detail)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_stands_at_the_beginning() {
        assert_eq!(enhanced_code("5.1.1 no such mailbox"), Some((5, 1, 1)));
        assert_eq!(enhanced_code("5.1.10 null MX"), Some((5, 1, 10)));
        for none in ["", "no such mailbox", "5.1", "5.1.x y", "<ada@5.1.1>: unknown"] {
            assert_eq!(enhanced_code(none), None, "{none}");
        }
    }
}
