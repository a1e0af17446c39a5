//! The kinds of mail that come with millgate, and their handlers.
//!
//! Each has 20 attempts: with the default backoff that is two hours, in which a mail server comes back.

use millgate_derive::Job;
use serde::{Deserialize, Serialize};

use super::{Attachment, Letter, deliver};
use crate::{Ctx, Done, JobError};

/// Confirms an order to whom it was placed by.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20, lane = "super::lane_of_domain")]
pub struct SendConfirmationEmail {
    /// The order.
    pub order_id: String,
    /// The customer's address.
    pub to: String,
    /// The customer's name.
    pub name: String,
    /// What was ordered.
    pub items: Vec<OrderLine>,
    /// What it costs, in hundredths of the currency.
    pub total_cents: i64,
    /// The currency: `EUR`.
    pub currency: String,
    /// The recipient's language: `de-AT`; in the default one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// So many of one thing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Which thing.
    pub sku: String,
    /// How many.
    pub quantity: i32,
}

/// Says that money has arrived.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20, lane = "super::lane_of_domain")]
pub struct PaymentReceipt {
    /// The payment.
    pub payment_id: String,
    /// The order that it pays.
    pub order_id: String,
    /// The customer's address.
    pub to: String,
    /// How much, in hundredths of the currency.
    pub amount_cents: i64,
    /// The currency: `EUR`.
    pub currency: String,
    /// The recipient's language: `de-AT`; in the default one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// Greets who has just signed up.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20, lane = "super::lane_of_domain")]
pub struct WelcomeEmail {
    /// The user.
    pub user_id: String,
    /// The user's address.
    pub to: String,
    /// The user's name.
    pub name: String,
    /// The recipient's language: `de-AT`; in the default one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// Says anything to anybody.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20, lane = "super::lane_of_domain")]
pub struct NotificationEmail {
    /// The address it goes to.
    pub to: String,
    /// The subject, for the template.
    pub subject: String,
    /// The text, for the template.
    pub body: String,
    /// Which template; `notification` if none is named, which is the text and a frame around it.
    #[serde(default)]
    pub template: Option<String>,
    /// The recipient's language: `de-AT`; in the default one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// What it brings along.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub attachments: Vec<Attachment>,
}

/// Reminds of an order that is not paid yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20, lane = "super::lane_of_domain")]
pub struct ReminderEmail {
    /// The order.
    pub order_id: String,
    /// The customer's address.
    pub to: String,
    /// The customer's name.
    pub name: String,
    /// The recipient's language: `de-AT`; in the default one if left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The recipient's time zone: `Europe/Vienna`; for quiet hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<String>,
}

impl Letter for SendConfirmationEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }
}

impl Letter for PaymentReceipt {
    fn to(&self) -> &str {
        &self.to
    }

    fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }
}

impl Letter for WelcomeEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }
}

impl Letter for NotificationEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn template(&self) -> &str {
        self.template.as_deref().unwrap_or("notification")
    }

    fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }

    fn attachments(&self) -> &[Attachment] {
        &self.attachments
    }

    fn can_unsubscribe(&self) -> bool {
        true
    }
}

impl Letter for ReminderEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn locale(&self) -> Option<&str> {
        self.locale.as_deref()
    }

    fn can_unsubscribe(&self) -> bool {
        true
    }
}

/// Does [`SendConfirmationEmail`]. Like all of these it needs [`Templates`](super::Templates) and a
/// [`Mailer`](super::Mailer) in the state.
pub async fn send_confirmation_email(job: SendConfirmationEmail, ctx: Ctx) -> Result<Done, JobError> {
    deliver(&job, &ctx).await
}

/// Does [`PaymentReceipt`].
pub async fn send_payment_receipt(job: PaymentReceipt, ctx: Ctx) -> Result<Done, JobError> {
    deliver(&job, &ctx).await
}

/// Does [`WelcomeEmail`].
pub async fn send_welcome_email(job: WelcomeEmail, ctx: Ctx) -> Result<Done, JobError> {
    deliver(&job, &ctx).await
}

/// Does [`NotificationEmail`].
pub async fn send_notification_email(job: NotificationEmail, ctx: Ctx) -> Result<Done, JobError> {
    deliver(&job, &ctx).await
}

/// Does [`ReminderEmail`].
pub async fn send_reminder_email(job: ReminderEmail, ctx: Ctx) -> Result<Done, JobError> {
    deliver(&job, &ctx).await
}
