//! Reminders of orders that are not paid: not of those that are closed meanwhile, and not at night.

use std::time::SystemTime;

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use tracing::warn;

use super::ShopSettings;
use crate::{
    Ctx, Done, Job, JobError,
    email::{ReminderEmail, send_reminder_email},
};

/// Notes that nobody has to be reminded of an order any more.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
// Twenty attempts are two hours with the default backoff, in which a database comes back.
#[job(queue = "orders", max_attempts = 20)]
pub struct CloseOrder {
    /// The order.
    pub order_id: String,
    /// `paid` or `canceled`.
    pub outcome: String,
    /// What was paid, in hundredths of the currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount_cents: Option<i64>,
    /// In which currency.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub currency: Option<String>,
}

/// Does [`CloseOrder`]. What happened later stays, whatever comes last.
pub(super) async fn close_order(job: CloseOrder, ctx: Ctx) -> Result<Done, JobError> {
    let note = "INSERT INTO closed_orders (order_id, outcome, amount_cents, currency, closed_at) \
                VALUES ($1, $2, $3, $4, $5) ON CONFLICT (order_id) DO UPDATE SET outcome = EXCLUDED.outcome, \
                amount_cents = EXCLUDED.amount_cents, currency = EXCLUDED.currency, closed_at = EXCLUDED.closed_at \
                WHERE closed_orders.closed_at < EXCLUDED.closed_at";
    let CloseOrder { order_id, outcome, amount_cents, currency } = job;
    let note = sqlx::query(note).bind(order_id).bind(outcome).bind(amount_cents).bind(currency).bind(ctx.time);
    note.execute(ctx.state::<PgPool>()?).await?;
    Ok(Done)
}

/// Does [`ReminderEmail`]. A payment cancels the reminder that waits; this is for the one that a cancel could not reach: it
/// was running, or was redriven, or enqueued by hand.
pub(super) async fn remind(settings: ShopSettings, reminder: ReminderEmail, ctx: Ctx) -> Result<Done, JobError> {
    // Where there is no database, as in a test, nobody knows.
    if let Ok(database) = ctx.state::<PgPool>() {
        let outcome = "SELECT outcome FROM closed_orders WHERE order_id = $1";
        let outcome: Option<String> =
            sqlx::query_scalar(outcome).bind(&reminder.order_id).fetch_optional(database).await?;
        if let Some(outcome) = outcome {
            return Err(JobError::cancel(format!("order {} is {outcome}", reminder.order_id)));
        }
    }
    let zone = reminder.time_zone.as_deref().map_or(settings.time_zone, |name| {
        name.parse::<Tz>().unwrap_or_else(|_| {
            warn!(zone = name, "no such time zone; it is taken to be {}", settings.time_zone);
            settings.time_zone
        })
    });
    let now = now();
    if let Some(end) = settings.quiet_hours.end(now, zone) {
        return Err(JobError::snooze((end - now).to_std().unwrap_or_default()));
    }
    send_reminder_email(reminder, ctx).await
}

#[expect(clippy::disallowed_methods, reason = "whether it is night where the customer is depends on the time")]
fn now() -> DateTime<Utc> {
    SystemTime::now().into()
}
