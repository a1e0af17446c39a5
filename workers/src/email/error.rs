//! What can go wrong between a letter and the mail server.

use std::time::Duration;

use lettre::transport::smtp;

/// An error from sending mail, with what to do about it.
///
/// `?` in a handler makes a [`JobError`](crate::JobError) of it that is tried again, or dead, as fits.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MailError {
    /// A URL that names no mail server. The text never shows the password.
    #[error(
        "smtp.url cannot be used: {0}; it looks like smtp://host:25, \
         smtp://user:password@host:587?tls=required or smtps://user:password@host:465, or file:///folder"
    )]
    Url(String),
    /// A sender that cannot stand in a From header.
    #[error("smtp.from cannot be used: {from:?}: {reason}; it looks like `Shop <shop@example.org>`")]
    From {
        /// What was given.
        from: String,
        /// What is wrong with it.
        reason: String,
    },
    /// What cannot stand in a List-Unsubscribe header.
    #[error(
        "smtp.unsubscribe cannot be used: {0:?}; it looks like https://shop.example/unsubscribe?address={{address}}, \
         or mailto:unsubscribe@shop.example"
    )]
    Unsubscribe(String),
    /// A recipient that no mail can be addressed to.
    #[error("nobody can be written to at {address:?}: {reason}")]
    Recipient {
        /// What was given.
        address: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A letter that does not become a message.
    #[error("the mail cannot be composed: {0}")]
    Compose(#[from] lettre::error::Error),
    /// A document that a mail should bring along and cannot.
    #[error("the attachment {name:?} cannot be had: {reason}")]
    Attachment {
        /// Where it should be.
        name: String,
        /// What was found there.
        reason: String,
        /// Whether it will not be there later either.
        is_lasting: bool,
    },
    /// A folder that mails cannot be written to.
    #[error("smtp.url: mails cannot be written to the folder {folder}: {source}")]
    Folder {
        /// The folder.
        folder: String,
        /// Why.
        source: std::io::Error,
    },
    /// Certificates that cannot be used.
    #[error("smtp.ca_file: {path} cannot be used: {reason}; it holds certificates in PEM")]
    CaFile {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// No connection, no TLS, or no login: nothing that the mail could help.
    #[error("the mail server {server} cannot be used: {source}; check smtp.url and that the server runs")]
    Connect {
        /// Host and port.
        server: String,
        /// What lettre says.
        source: smtp::Error,
    },
    /// The server said no, or hung up.
    #[error("the mail server {server} at {step}: {source}")]
    Step {
        /// Host and port.
        server: String,
        /// What was asked of it: `RCPT`.
        step: &'static str,
        /// What lettre says.
        source: smtp::Error,
    },
    /// The server answered something that is no answer to what it was asked.
    #[error("the mail server {server} answers {step} with {answer:?}, and that makes no sense there")]
    Confused {
        /// Host and port.
        server: String,
        /// What was asked of it.
        step: &'static str,
        /// What it said.
        answer: String,
    },
    /// The server said nothing.
    #[error(
        "the mail server {server} is silent: no answer to {step} within {within:?}; \
         check it, or raise smtp.timeout"
    )]
    Silent {
        /// Host and port.
        server: String,
        /// What was asked of it.
        step: &'static str,
        /// How long it was given.
        within: Duration,
    },
}

impl MailError {
    /// Whether the server itself said no, so that both sides agree on where in the dialogue they are.
    pub(super) fn is_answer(&self) -> bool {
        matches!(self, Self::Step { source, .. } if source.status().is_some())
    }
}
