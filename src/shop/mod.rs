//! The shop: orders, payments and users, as one application of millgate. The `millgate` program runs it.

mod events;
mod samples;

use std::time::Duration;

use millgate_workers::{
    email::{
        NotificationEmail, OrderLine, PaymentReceipt, ReminderEmail, SendConfirmationEmail, WelcomeEmail,
        send_confirmation_email, send_notification_email, send_payment_receipt, send_reminder_email,
        send_welcome_email,
    },
    inventory::{StockItem, UpdateInventory, update_inventory},
};
use serde::{Deserialize, Serialize};
use sqlx::migrate::Migrator;

pub use events::{
    Item, NotificationRequested, OrderCanceled, OrderConfirmed, OrderCreated, OrderRefunded, PaymentCreated,
    PaymentUpdated, UserRegistered,
};

use crate::{App, delay, on, once_per_event, priority};

/// The shop's tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The `[shop]` section.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopSettings {
    /// An order that is not paid is reminded of after so long.
    #[serde(with = "humantime_serde")]
    pub reminder_delay: Duration,
}

impl Default for ShopSettings {
    fn default() -> Self {
        Self { reminder_delay: Duration::from_hours(24) }
    }
}

/// The shop.
pub fn app() -> App {
    App::new("shop")
        .migrations(&MIGRATIONS)
        .samples(samples::publish)
        .report(samples::report)
        .dev_setting("MILLGATE_SHOP_REMINDER_DELAY", "3s")
        .configure(shop)
}

fn shop(app: App, settings: ShopSettings) -> App {
    let reminder_delay = settings.reminder_delay;
    app.route(
        on::<OrderCreated>()
            .enqueue_with(|e| {
                let confirmation = SendConfirmationEmail {
                    order_id: e.order_id.clone(),
                    to: e.customer_email.clone(),
                    name: e.customer_name.clone(),
                    items: lines(&e.items),
                    total_cents: e.total_cents,
                    currency: e.currency.clone(),
                };
                // Its service may publish an order twice, and nobody wants two mails about it.
                (confirmation, once_per_event())
            })
            .enqueue_with(|e| {
                let items = e.items.iter().map(|item| StockItem { sku: item.sku.clone(), quantity: item.quantity });
                (UpdateInventory { order_id: e.order_id.clone(), items: items.collect() }, priority(1).once_per_event())
            })
            .enqueue_with(move |e| {
                let reminder = ReminderEmail {
                    order_id: e.order_id.clone(),
                    to: e.customer_email.clone(),
                    name: e.customer_name.clone(),
                };
                (reminder, delay(reminder_delay).unique(&e.order_id).once_per_event())
            }),
    )
    .route(
        on::<PaymentCreated>()
            .enqueue_with(|e| {
                let receipt = PaymentReceipt {
                    payment_id: e.payment_id.clone(),
                    order_id: e.order_id.clone(),
                    to: e.customer_email.clone(),
                    amount_cents: e.amount_cents,
                    currency: e.currency.clone(),
                };
                (receipt, once_per_event())
            })
            .cancel::<ReminderEmail, _>(|e| e.order_id.clone()),
    )
    .route(on::<OrderCanceled>().cancel::<ReminderEmail, _>(|e| e.order_id.clone()))
    .route(on::<UserRegistered>().enqueue(|e| WelcomeEmail {
        user_id: e.user_id.clone(),
        to: e.email.clone(),
        name: e.name.clone(),
    }))
    .route(on::<NotificationRequested>().enqueue(|e| NotificationEmail {
        to: e.to.clone(),
        subject: e.subject.clone(),
        body: e.body.clone(),
        template: e.template.clone(),
    }))
    .event::<OrderConfirmed>()
    .event::<OrderRefunded>()
    .event::<PaymentUpdated>()
    .worker(send_confirmation_email)
    .worker(send_payment_receipt)
    .worker(send_welcome_email)
    .worker(send_notification_email)
    .worker(send_reminder_email)
    .worker(update_inventory)
    .housekeeping("15 3 * * *", "UTC")
}

fn lines(items: &[Item]) -> Vec<OrderLine> {
    items.iter().map(|item| OrderLine { sku: item.sku.clone(), quantity: item.quantity }).collect()
}
