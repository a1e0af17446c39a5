//! One mail, and the message it becomes.

use lettre::{
    Address, Message,
    address::Envelope,
    message::{
        Attachment, Mailbox, MultiPart, SinglePart,
        header::{ContentType, HeaderName, HeaderValue},
    },
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use url::Host;

use super::{Attached, MailError};

/// What stands as it is in a Message-ID; everything else is written as %XX, so that two ids never look alike.
const ID: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_');

/// RFC 3834: no vacation notice in answer to this.
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// RFC 2369 and RFC 8058: how one unsubscribes, at one click where it is a web page.
const LIST_UNSUBSCRIBE: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe");
const LIST_UNSUBSCRIBE_POST: HeaderName = HeaderName::new_from_ascii_str("List-Unsubscribe-Post");

/// Stands for the recipient in `smtp.unsubscribe`.
const ADDRESS: &str = "{address}";

/// One mail to one person.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mail {
    /// The address, and nothing but the address: `ada@example.org`.
    pub to: String,
    /// Whose address that is.
    pub name: Option<String>,
    /// One line. Line breaks in it become spaces.
    pub subject: String,
    /// The body for those who read plain text.
    pub text: String,
    /// The same as HTML.
    pub html: Option<String>,
    /// The part of the Message-ID before the @; a job's id.
    pub message_id: String,
    /// What it brings along.
    pub attachments: Vec<Attached>,
    /// Whether it says how one unsubscribes from such mails, where `smtp.unsubscribe` does.
    pub can_unsubscribe: bool,
}

impl Mail {
    /// The message, from `from`.
    pub(super) fn compose(self, from: &Mailbox, unsubscribe: &str) -> Result<Message, MailError> {
        let to = read_recipient(&self.to, self.name.as_deref())?;
        // From the addresses and not from the headers: lettre would read those again, with a parser of its own.
        let envelope = Envelope::new(Some(from.email.clone()), vec![to.email.clone()])?;
        let id = utf8_percent_encode(&self.message_id, ID);
        let mut builder = Message::builder();
        if self.can_unsubscribe && !unsubscribe.is_empty() {
            let address = utf8_percent_encode(to.email.as_ref(), NON_ALPHANUMERIC).to_string();
            let url = unsubscribe.replace(ADDRESS, &address);
            if url.starts_with("https://") {
                let one_click = "List-Unsubscribe=One-Click".to_owned();
                builder = builder.raw_header(HeaderValue::new(LIST_UNSUBSCRIBE_POST, one_click));
            }
            builder = builder.raw_header(HeaderValue::new(LIST_UNSUBSCRIBE, format!("<{url}>")));
        }
        let builder = builder
            .from(from.clone())
            .to(to)
            .subject(one_line(&self.subject))
            .message_id(Some(format!("<{id}@{}>", from.email.domain())))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            .envelope(envelope);
        let message = match (self.html, self.attachments) {
            (None, attached) if attached.is_empty() => builder.singlepart(SinglePart::plain(self.text)),
            (Some(html), attached) if attached.is_empty() => {
                builder.multipart(MultiPart::alternative_plain_html(self.text, html))
            }
            (html, attached) => {
                let mixed = MultiPart::mixed();
                let mixed = match html {
                    Some(html) => mixed.multipart(MultiPart::alternative_plain_html(self.text, html)),
                    None => mixed.singlepart(SinglePart::plain(self.text)),
                };
                let attach = |mixed: MultiPart, attached| Ok::<_, MailError>(mixed.singlepart(part(attached)?));
                builder.multipart(attached.into_iter().try_fold(mixed, attach)?)
            }
        };
        Ok(message?)
    }
}

fn part(attached: Attached) -> Result<SinglePart, MailError> {
    let name = one_line(&attached.name).replace(['/', '\\', '"'], "_");
    let content_type = ContentType::parse(&attached.content_type).map_err(|_| MailError::Attachment {
        name: attached.name.clone(),
        reason: format!("{:?} is no content type; it looks like application/pdf", attached.content_type),
        is_lasting: true,
    })?;
    Ok(Attachment::new(name).body(attached.bytes, content_type))
}

/// The file that a mail of this id becomes, without `.eml`.
pub(super) fn file_name(message_id: &str) -> String {
    utf8_percent_encode(message_id, ID).to_string()
}

/// Where one unsubscribes, as it can stand in a header.
pub(super) fn read_unsubscribe(url: &str) -> Result<&str, MailError> {
    let begins = url.is_empty() || ["https://", "http://", "mailto:"].iter().any(|begin| url.starts_with(begin));
    let plain = url.chars().all(|c| c.is_ascii_graphic() && !matches!(c, '<' | '>' | ','));
    if begins && plain {
        return Ok(url);
    }
    Err(MailError::Unsubscribe(url.to_owned()))
}

/// The From of every mail.
pub(super) fn read_sender(from: &str) -> Result<Mailbox, MailError> {
    let wrong = |reason: String| MailError::From { from: from.to_owned(), reason };
    if from.contains(char::is_control) {
        return Err(wrong("it has a line break or a control character".to_owned()));
    }
    let mailbox: Mailbox = from.parse().map_err(|_| wrong("it is no address".to_owned()))?;
    let sender = Mailbox::new(mailbox.name, ascii_domain(mailbox.email).map_err(wrong)?);
    // lettre reads the header that it writes, and would refuse every mail where that fails.
    let trial = Mail { to: sender.email.to_string(), ..Mail::default() };
    trial.compose(&sender, "").map_err(|error| wrong(error.to_string()))?;
    Ok(sender)
}

fn read_recipient(address: &str, name: Option<&str>) -> Result<Mailbox, MailError> {
    let wrong = |reason: String| MailError::Recipient { address: address.to_owned(), reason };
    if address.contains(|c: char| c.is_control() || c.is_whitespace()) {
        return Err(wrong("it has a space or a line break".to_owned()));
    }
    let email: Address = address.parse().map_err(|error| wrong(format!("{error}")))?;
    let name = name.map(one_line).filter(|name| !name.is_empty());
    Ok(Mailbox::new(name, ascii_domain(email).map_err(wrong)?))
}

/// The domain as the DNS has it, so that only a name before the @ can need a server that speaks UTF-8.
fn ascii_domain(address: Address) -> Result<Address, String> {
    if address.domain().is_ascii() {
        return Ok(address);
    }
    let domain = Host::parse(address.domain()).map_err(|error| error.to_string())?;
    Address::new(address.user(), domain.to_string()).map_err(|error| error.to_string())
}

/// Without line breaks and control characters: a header ends where its line ends.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_control() || c.is_whitespace());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail() -> Mail {
        Mail {
            to: "ada@example.org".into(),
            name: Some("Ada".into()),
            subject: "Hello".into(),
            text: "Hello Ada\n.\nBye".into(),
            message_id: "job-1".into(),
            ..Mail::default()
        }
    }

    fn written(mail: Mail) -> String {
        let from = read_sender("Millgate Shop <shop@millgate.example>").unwrap();
        String::from_utf8(mail.compose(&from, "").unwrap().formatted()).unwrap()
    }

    /// Names of the headers, in order.
    fn headers(message: &str) -> Vec<&str> {
        let (head, _) = message.split_once("\r\n\r\n").unwrap();
        let lines = head.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        lines.map(|line| line.split_once(": ").unwrap().0).collect()
    }

    #[test]
    fn a_mail_says_who_wrote_it_and_that_nobody_did() {
        let message = written(mail());
        for line in [
            "From: \"Millgate Shop\" <shop@millgate.example>\r\n",
            "To: Ada <ada@example.org>\r\n",
            "Subject: Hello\r\n",
            "Message-ID: <job-1@millgate.example>\r\n",
            "Auto-Submitted: auto-generated\r\n",
            "Content-Type: text/plain; charset=utf-8\r\n",
            "\r\n\r\nHello Ada\r\n.\r\nBye",
        ] {
            assert!(message.contains(line), "{line}: {message}");
        }
        let html = Mail { html: Some("<p>Hello".into()), ..mail() };
        let message = written(html);
        assert!(message.contains("Content-Type: multipart/alternative;"), "{message}");
        // The last part is the one that is shown, if it can be.
        assert!(message.find("text/plain") < message.find("text/html"), "{message}");
    }

    #[test]
    fn nothing_adds_a_header() {
        let plain = written(mail());
        for evil in [
            "x\r\nBcc: eve@example.org",
            "x\nBcc: eve@example.org",
            "x\rBcc: eve@example.org",
            "x\r\n\r\nbody",
            "x\u{2028}Bcc: eve@example.org",
            "x\0\u{85}\u{b}Bcc: eve@example.org",
            "\" <eve@example.org>, \"",
        ] {
            let message =
                written(Mail { subject: evil.into(), name: Some(evil.into()), message_id: evil.into(), ..mail() });
            assert_eq!(headers(&message), headers(&plain), "{message}");
            let (head, _) = message.split_once("\r\n\r\n").unwrap();
            assert!(head.chars().all(|c| !c.is_control() || "\r\n".contains(c)), "{head:?}");
        }
        let message = written(Mail { subject: " two\r\n lines ".into(), ..mail() });
        assert!(message.contains("Subject: two lines\r\n"), "{message}");
    }

    #[test]
    fn an_address_is_one_address() {
        let from = read_sender("shop@millgate.example").unwrap();
        for bad in [
            "",
            "ada",
            "ada@",
            "@example.org",
            "ada@exa mple.org",
            "ada@example.org, eve@example.org",
            "Ada <ada@example.org>",
            "ada@example.org\r\nRCPT TO:<eve@example.org>",
            "\"ada\r\n\"@example.org",
            "ada@example.org>",
            "ada@-",
        ] {
            let error = Mail { to: bad.into(), ..mail() }.compose(&from, "").unwrap_err();
            assert!(matches!(&error, MailError::Recipient { address, .. } if address == bad), "{bad}: {error}");
        }
        let message = written(Mail { to: "ada@bücher.example".into(), ..mail() });
        assert!(message.contains("To: Ada <ada@xn--bcher-kva.example>"), "{message}");
    }

    #[test]
    fn a_name_beyond_ascii_is_encoded() {
        let message =
            written(Mail { name: Some("Zoë".into()), subject: "Grüße".into(), text: "ß".into(), ..mail() });
        assert!(message.is_ascii(), "{message}");
        assert!(message.contains("To: =?utf-8?b?Wm/Dqw==?= <ada@example.org>"), "{message}");
    }

    #[test]
    fn the_sender_is_read_at_the_start() {
        for good in [
            "shop@example.org",
            "Shop <shop@example.org>",
            "\"Shop, Inc.\" <shop@example.org>",
            "Büro <b@bücher.example>",
        ] {
            read_sender(good).unwrap();
        }
        for bad in
            ["", "Shop", "Shop <shop>", "Shop <shop@example.org", "Shop\r\nBcc: x <shop@example.org>", "a@b, c@d"]
        {
            let error = read_sender(bad).unwrap_err().to_string();
            assert!(error.contains("it looks like `Shop <shop@example.org>`"), "{error}");
        }
    }

    #[test]
    fn an_attachment_keeps_its_name_and_adds_no_header() {
        let attached = |name: &str| Attached {
            name: name.into(),
            content_type: "application/pdf".into(),
            bytes: b"%PDF-1.7".into(),
        };
        let with = |name| written(Mail { attachments: vec![attached(name)], html: Some("<p>Hello".into()), ..mail() });
        let message = with("Rechnung Nr. 1001.pdf");
        for line in [
            "Content-Type: multipart/mixed;",
            "Content-Type: multipart/alternative;",
            "Content-Disposition: attachment; filename=\"Rechnung Nr. 1001.pdf\"\r\n",
            "Content-Type: application/pdf\r\n",
            "\r\n\r\n%PDF-1.7\r\n",
        ] {
            assert!(message.contains(line), "{line}: {message}");
        }
        for evil in ["x.pdf\"\r\nBcc: eve@example.org", "../../x.pdf", "a\r\n\r\nbody", "Z\u{fc}rich.pdf"] {
            let message = with(evil);
            assert!(message.is_ascii() && !message.contains("\nBcc:"), "{message}");
            assert!(!message.contains("filename=\"../"), "{message}");
            assert_eq!(message.matches("\r\n\r\n").count(), with("x.pdf").matches("\r\n\r\n").count(), "{message}");
        }
        let bad = Attached { content_type: "pdf\r\nBcc: eve@example.org".into(), ..attached("x.pdf") };
        let from = read_sender("shop@millgate.example").unwrap();
        let error = Mail { attachments: vec![bad], ..mail() }.compose(&from, "").unwrap_err();
        assert!(error.to_string().contains("is no content type"), "{error}");
    }

    #[test]
    fn who_may_unsubscribe_is_told_how() {
        let from = read_sender("shop@millgate.example").unwrap();
        let write = |mail: Mail, url| String::from_utf8(mail.compose(&from, url).unwrap().formatted()).unwrap();
        let bulk = || Mail { can_unsubscribe: true, to: "ada+x@example.org".into(), ..mail() };
        let page = write(bulk(), "https://shop.example/bye?a={address}");
        let url = "https://shop.example/bye?a=ada%2Bx%40example%2Eorg";
        assert!(page.contains(&format!("List-Unsubscribe: <{url}>\r\n")), "{page}");
        assert!(page.contains("List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"), "{page}");
        let by_mail = write(bulk(), "mailto:bye@shop.example");
        assert!(by_mail.contains("List-Unsubscribe: <mailto:bye@shop.example>\r\n"), "{by_mail}");
        for none in
            [by_mail.replace("List-Unsubscribe:", ""), write(mail(), "https://shop.example/bye"), written(bulk())]
        {
            assert!(!none.contains("List-Unsubscribe"), "{none}");
        }
        for bad in ["shop.example", "https://shop.example/ x", "https://shop.example/\r\nBcc: x", "https://x/>, <y"] {
            let error = read_unsubscribe(bad).unwrap_err().to_string();
            assert!(error.starts_with("smtp.unsubscribe"), "{error}");
        }
    }
}
