//! The kinds of mail that come with millgate, and their handlers.
//!
//! Each has 20 attempts: with the default backoff that is two hours, in which a mail server comes back.

use millgate_derive::Job;
use minijinja::{Value, value::Serde};
use serde::{Deserialize, Serialize};

use super::{Letter, deliver};
use crate::{Ctx, Done, JobError};

/// Confirms an order to whom it was placed by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20)]
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
}

/// So many of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// Which thing.
    pub sku: String,
    /// How many.
    pub quantity: i32,
}

/// Says that money has arrived.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20)]
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
}

/// Greets who has just signed up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20)]
pub struct WelcomeEmail {
    /// The user.
    pub user_id: String,
    /// The user's address.
    pub to: String,
    /// The user's name.
    pub name: String,
}

/// Says anything to anybody.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20)]
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
}

/// Reminds of an order that is not paid yet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
#[job(queue = "email", max_attempts = 20)]
pub struct ReminderEmail {
    /// The order.
    pub order_id: String,
    /// The customer's address.
    pub to: String,
    /// The customer's name.
    pub name: String,
}

impl Letter for SendConfirmationEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
}

impl Letter for PaymentReceipt {
    fn to(&self) -> &str {
        &self.to
    }
}

impl Letter for WelcomeEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }
}

impl Letter for NotificationEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn template(&self) -> &str {
        self.template.as_deref().unwrap_or("notification")
    }
}

impl Letter for ReminderEmail {
    fn to(&self) -> &str {
        &self.to
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
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

/// One letter of each kind with its template, to try the templates on.
pub(super) fn samples() -> [(String, Value); 5] {
    [
        sample(&SendConfirmationEmail {
            order_id: "1001".into(),
            to: "ada@example.org".into(),
            name: "Ada".into(),
            items: vec![OrderLine { sku: "TEA-250".into(), quantity: 2 }, OrderLine { sku: "CUP".into(), quantity: 1 }],
            total_cents: 1990,
            currency: "EUR".into(),
        }),
        sample(&PaymentReceipt {
            payment_id: "2002".into(),
            order_id: "1001".into(),
            to: "ada@example.org".into(),
            amount_cents: 1990,
            currency: "EUR".into(),
        }),
        sample(&WelcomeEmail { user_id: "3003".into(), to: "ada@example.org".into(), name: "Ada".into() }),
        sample(&NotificationEmail {
            to: "ada@example.org".into(),
            subject: "News".into(),
            body: "There is news.".into(),
            template: None,
        }),
        sample(&ReminderEmail { order_id: "1001".into(), to: "ada@example.org".into(), name: "Ada".into() }),
    ]
}

fn sample<L: Letter>(letter: &L) -> (String, Value) {
    (letter.template().to_owned(), Value::from(Serde(letter)))
}
