//! Mail as it arrived.

use mailparse::{MailHeaderMap, ParsedMail};

/// A message that the [`SmtpServer`](crate::SmtpServer) kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// Who the envelope says it is from; this is not the From header.
    pub envelope_from: String,
    /// Who it was delivered to.
    pub envelope_to: Vec<String>,
    /// Its headers in order, encoded words and folded lines undone.
    pub headers: Vec<(String, String)>,
    /// Its first plain text part, decoded.
    pub text: Option<String>,
    /// Its first HTML part, decoded.
    pub html: Option<String>,
    /// The message as it came, without what the server added.
    pub raw: String,
}

impl Mail {
    /// The first header of that name, however it is capitalised.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(header, _)| header.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The subject; empty without one.
    pub fn subject(&self) -> &str {
        self.header("Subject").unwrap_or_default()
    }

    /// Reads a file of the server's folder: two lines of the envelope, then the message.
    pub(crate) fn parse(file: &[u8]) -> Self {
        let mail = mailparse::parse_mail(file).expect("a message");
        let envelope = |name| mail.headers.get_first_value(name).unwrap_or_default();
        let ours = |name: &str| name.starts_with("X-Envelope-");
        let to = envelope("X-Envelope-To");
        let raw = String::from_utf8_lossy(file);
        let raw = raw.split_inclusive('\n').skip_while(|line| ours(line)).collect();
        Self {
            envelope_from: envelope("X-Envelope-From"),
            envelope_to: to.split(", ").map(str::to_owned).collect(),
            headers: mail
                .headers
                .iter()
                .map(|header| (header.get_key(), header.get_value()))
                .filter(|(name, _)| !ours(name))
                .collect(),
            text: part(&mail, "text/plain"),
            html: part(&mail, "text/html"),
            raw,
        }
    }
}

fn part(mail: &ParsedMail<'_>, kind: &str) -> Option<String> {
    let found = mail.parts().find(|part| part.subparts.is_empty() && part.ctype.mimetype == kind);
    found.map(|part| part.get_body().expect("a body that can be decoded"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_parts_of_a_message_are_decoded() {
        let mail = Mail::parse(
            b"X-Envelope-From: shop@x\r\nX-Envelope-To: a@x, b@x\r\n\
            Subject: =?utf-8?b?R3LDvMOfZQ==?=\r\nX-Long: one\r\n two\r\n\
            Content-Type: multipart/alternative; boundary=\"=b\"\r\n\r\n\
            --=b\r\nContent-Type: text/plain; charset=utf-8\r\n\
            Content-Transfer-Encoding: quoted-printable\r\n\r\nGr=C3=BC=C3=9Fe\r\n\
            --=b\r\nContent-Type: text/html; charset=utf-8\r\n\
            Content-Transfer-Encoding: base64\r\n\r\nPGI+aGk8L2I+\r\n--=b--\r\n",
        );
        assert_eq!(mail.envelope_to, ["a@x", "b@x"]);
        assert_eq!(mail.subject(), "Grüße");
        assert_eq!(mail.header("x-long"), Some("one two"));
        assert_eq!(mail.text.as_deref().map(str::trim), Some("Grüße"));
        assert_eq!(mail.html.as_deref(), Some("<b>hi</b>"));
        assert!(mail.raw.starts_with("Subject:"));
    }
}
