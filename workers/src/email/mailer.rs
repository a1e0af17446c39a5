//! Sends mail by SMTP.

use std::sync::Arc;

use lettre::message::Mailbox;

use super::{Mail, MailError, SmtpConfig, connections::Connections, mail::read_sender, server::Server};

/// The way out for mail: a sender, a server, and some connections to it. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Arc<Mailbox>,
    connections: Arc<Connections>,
}

impl Mailer {
    /// Reads the settings. Connects to nothing yet; [`check`](Self::check) does.
    pub fn new(config: &SmtpConfig) -> Result<Self, MailError> {
        let from = read_sender(&config.from)?;
        let connections = Connections::new(Server::new(config)?, config.pool_size);
        Ok(Self { from: Arc::new(from), connections: Arc::new(connections) })
    }

    /// Hands a mail over to the server. `Ok` means that the server has it, and answers for it.
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let message = mail.compose(&self.from)?;
        let bytes = message.formatted();
        self.connections.run(async |connection| connection.deliver(message.envelope(), &bytes).await).await
    }

    /// Connects, greets, logs in, and says who answered: `mail.example.org at mail.example.org:587, encrypted`.
    pub async fn check(&self) -> Result<String, MailError> {
        self.connections.open().await?.greet().await
    }
}
