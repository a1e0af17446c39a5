//! One conversation with the mail server, in which no answer is waited for without end.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use lettre::{
    address::Envelope,
    transport::smtp::{
        self,
        authentication::DEFAULT_MECHANISMS,
        client::{AsyncSmtpConnection, Tls},
        commands::{Data, Mail, Noop, Quit, Rcpt, Rset},
        extension::{Extension, MailBodyParameter, MailParameter},
        response::{Response, Severity},
    },
};

use super::{MailError, server::Server};

/// A connection that has said EHLO, and has logged in where the URL says so.
///
/// Dropped in the middle of a step, it is closed: its next answer would belong to that step.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    server: Arc<Server>,
    used: Instant,
}

impl Connection {
    /// Connects, with TLS and login as the server's URL says.
    pub(super) async fn open(server: Arc<Server>) -> Result<Self, MailError> {
        let implicit = match &server.tls {
            Tls::Wrapper(parameters) => Some(parameters.clone()),
            _ => None,
        };
        let address = (server.host.as_str(), server.port);
        let timeout = Some(server.timeout);
        let connecting = AsyncSmtpConnection::connect_tokio1(address, timeout, &server.hello, implicit, None);
        let mut smtp = within(&server, "a connection", connecting).await?.map_err(unusable(&server))?;
        match &server.tls {
            Tls::Opportunistic(_) if !smtp.can_starttls() => {}
            Tls::Required(parameters) | Tls::Opportunistic(parameters) => {
                let upgrade = smtp.starttls(parameters.clone(), &server.hello);
                within(&server, "STARTTLS", upgrade).await?.map_err(unusable(&server))?;
            }
            _ => {}
        }
        if let Some(login) = &server.login {
            let login = smtp.auth(DEFAULT_MECHANISMS, login);
            within(&server, "AUTH", login).await?.map_err(unusable(&server))?;
        }
        Ok(Self { smtp, server, used: Instant::now() })
    }

    /// Hands one mail over. It is the server's once this returns `Ok`, and not before.
    pub(super) async fn deliver(&mut self, envelope: &Envelope, message: &[u8]) -> Result<(), MailError> {
        let sender = envelope.from().cloned();
        let parameters = self.parameters(envelope, message)?;
        self.command("MAIL", Mail::new(sender, parameters)).await?;
        for recipient in envelope.to() {
            self.command("RCPT", Rcpt::new(recipient.clone(), Vec::new())).await?;
        }
        let answer = self.step("DATA", async |smtp| smtp.command(Data).await).await?;
        self.expect("DATA", &answer, Severity::PositiveIntermediate)?;
        let answer = match str::from_utf8(message) {
            Ok(text) => self.step("the message", async |smtp| smtp.command(content(text)).await).await?,
            Err(_) => self.step("the message", async |smtp| smtp.message(message).await).await?,
        };
        self.expect("the message", &answer, Severity::PositiveCompletion)
    }

    /// Whether the server is still there, and ready for a mail. Takes back what a mail before left unfinished.
    pub(super) async fn is_ready(&mut self) -> bool {
        // Exactly 250: a server that closes may announce that with a 221, or a 421, when it is next asked.
        let answer = self.step("RSET", async |smtp| smtp.command(Rset).await).await;
        answer.is_ok_and(|answer| answer.has_code(250))
    }

    /// How long it has had nothing to do.
    pub(super) fn idle(&self) -> Duration {
        self.used.elapsed()
    }

    /// Asks for nothing, and says who answered.
    pub(super) async fn greet(mut self) -> Result<String, MailError> {
        self.command("NOOP", Noop).await?;
        let encrypted = if self.smtp.is_encrypted() { "encrypted" } else { "not encrypted" };
        let login = if self.server.login.is_some() { ", logged in" } else { "" };
        let greeting = format!("{} at {}, {encrypted}{login}", self.smtp.server_info().name(), self.server);
        // It has said all that we wanted to know; how it takes the farewell is no matter.
        let _ = self.command("QUIT", Quit).await;
        Ok(greeting)
    }

    /// What the server has to know before it sees bytes beyond ASCII.
    fn parameters(&self, envelope: &Envelope, message: &[u8]) -> Result<Vec<MailParameter>, MailError> {
        let mut parameters = Vec::new();
        let mut addresses = envelope.from().into_iter().chain(envelope.to());
        if let Some(address) = addresses.find(|address| !address.user().is_ascii()) {
            if !self.smtp.server_info().supports_feature(Extension::SmtpUtfEight) {
                return Err(MailError::Recipient {
                    address: address.to_string(),
                    reason: format!("the mail server {} takes only ASCII before the @", self.server),
                });
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        // Bodies are encoded; it takes such an address for a header to be beyond ASCII.
        if !message.is_ascii() {
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        Ok(parameters)
    }

    /// A command that is either done or refused.
    async fn command(&mut self, step: &'static str, command: impl std::fmt::Display) -> Result<(), MailError> {
        let answer = self.step(step, async |smtp| smtp.command(command).await).await?;
        self.expect(step, &answer, Severity::PositiveCompletion)
    }

    async fn step(
        &mut self,
        step: &'static str,
        work: impl AsyncFnOnce(&mut AsyncSmtpConnection) -> Result<Response, smtp::Error>,
    ) -> Result<Response, MailError> {
        self.used = Instant::now();
        let answer = within(&self.server, step, work(&mut self.smtp)).await?;
        answer.map_err(|source| MailError::Step { server: self.server.to_string(), step, source })
    }

    /// lettre takes any answer that is not an error. A 250 where a 354 is due means that we count differently than
    /// the server does, and what it says next would be about something else.
    fn expect(&self, step: &'static str, answer: &Response, due: Severity) -> Result<(), MailError> {
        if answer.code().severity == due {
            return Ok(());
        }
        let answer = format!("{} {}", answer.code(), answer.first_line().unwrap_or_default());
        Err(MailError::Confused { server: self.server.to_string(), step, answer })
    }
}

/// A message as it goes over the line, with its end. lettre sends the end by itself, which the system keeps back until the
/// server has acknowledged what came before: 40 ms a mail.
///
/// Lines that begin with a dot get a second one: RFC 5321, section 4.5.2.
fn content(message: &str) -> String {
    let dot = if message.starts_with('.') { "." } else { "" };
    format!("{dot}{}\r\n.\r\n", message.replace("\r\n.", "\r\n.."))
}

/// lettre's own timeout ends with the TCP handshake: <https://github.com/lettre/lettre/issues/1027>.
async fn within<T>(server: &Server, step: &'static str, work: impl Future<Output = T>) -> Result<T, MailError> {
    tokio::time::timeout(server.timeout, work).await.map_err(|_| MailError::Silent {
        server: server.to_string(),
        step,
        within: server.timeout,
    })
}

fn unusable(server: &Server) -> impl Fn(smtp::Error) -> MailError {
    |source| MailError::Connect { server: server.to_string(), source }
}

#[cfg(test)]
mod tests {
    use super::content;

    #[test]
    fn lines_that_begin_with_a_dot_do_not_end_the_message() {
        assert_eq!(content("a\r\n.\r\n..b\r\nc."), "a\r\n..\r\n...b\r\nc.\r\n.\r\n");
        assert_eq!(content(".a"), "..a\r\n.\r\n");
    }
}
