//! Mail: five kinds of letters, the templates they are written with, and the server they leave by.
//!
//! A mail is sent at least once: a worker that dies between the server's answer and its own note of it sends the
//! same mail again. Both then carry the same Message-ID, by which a mailbox can tell.

mod attachment;
mod bounce;
mod config;
mod connection;
mod connections;
mod domains;
mod error;
mod jobs;
mod letter;
mod mail;
mod mailer;
mod samples;
mod server;
mod suppressions;
mod templates;
mod way_out;

pub use attachment::{Attached, Attachment, Attachments};
pub use config::SmtpConfig;
pub use domains::{DomainLimit, lane_of_domain, limit_domains};
pub use error::MailError;
pub use jobs::{
    NotificationEmail, OrderLine, PaymentReceipt, ReminderEmail, SendConfirmationEmail, WelcomeEmail,
    send_confirmation_email, send_notification_email, send_payment_receipt, send_reminder_email, send_welcome_email,
};
pub use letter::{Letter, deliver};
pub use mail::Mail;
pub use mailer::Mailer;
pub use suppressions::{Suppressed, Suppression, SuppressionError, Suppressions};
pub use templates::{Rendered, TemplateError, Templates};
