//! Sends mail by SMTP.

use std::sync::Arc;

use lettre::message::Mailbox;

use super::{
    Mail, MailError, SmtpConfig,
    mail::{file_name, read_sender, read_unsubscribe},
    way_out::WayOut,
};

/// The way out for mail: a sender, a server, and some connections to it; or a folder. Cheap to clone.
#[derive(Clone)]
pub struct Mailer {
    from: Arc<Mailbox>,
    unsubscribe: Arc<str>,
    way_out: Arc<WayOut>,
}

impl Mailer {
    /// Reads the settings. Connects to nothing yet; [`check`](Self::check) does.
    pub fn new(config: &SmtpConfig) -> Result<Self, MailError> {
        let from = read_sender(&config.from)?;
        let unsubscribe = read_unsubscribe(&config.unsubscribe)?.into();
        Ok(Self { from: Arc::new(from), unsubscribe, way_out: Arc::new(WayOut::new(config)?) })
    }

    /// Hands a mail over to the server. `Ok` means that the server has it, and answers for it; or that it is
    /// written, where `smtp.url` is a folder.
    pub async fn send(&self, mail: Mail) -> Result<(), MailError> {
        let name = file_name(&mail.message_id);
        let message = mail.compose(&self.from, &self.unsubscribe)?;
        self.way_out.send(&message, &name).await
    }

    /// Connects, greets, logs in, and says who answered: `mail.example.org at mail.example.org:587, encrypted`.
    pub async fn check(&self) -> Result<String, MailError> {
        self.way_out.check().await
    }
}
