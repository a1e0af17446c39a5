//! The shop: orders, payments and users, as one application of millgate. The `millgate` program runs it.

mod contacts;
mod events;
mod reminders;
pub mod sagas;
mod samples;
mod settings;
mod summary;

use millgate_workers::{
    email::{
        NotificationEmail, OrderLine, PaymentReceipt, ReminderEmail, SendConfirmationEmail, WelcomeEmail,
        send_confirmation_email, send_notification_email, send_payment_receipt, send_welcome_email,
    },
    inventory::{
        CommitReservation, InventoryRejected, ReleaseReservation, ShowStock, StockChanged, StockItem, UpdateInventory,
        commit_reservation, release_reservation, show_all_stock, show_stock, update_inventory,
    },
    webhook::send_webhook,
};
use sqlx::migrate::Migrator;

pub use contacts::UpsertContact;
pub use events::{
    Item, NotificationRequested, OrderCanceled, OrderConfirmed, OrderCreated, OrderRefunded, PaymentCreated,
    PaymentUpdated, UserRegistered,
};
pub use reminders::CloseOrder;
pub use settings::ShopSettings;

use crate::{App, Ctx, delay, on, once_per_event, priority, streams::AuditEvent};
use contacts::{crm, upsert_contact};
use reminders::{close_order, remind};
use summary::{MailSummary, mail_summary};

/// The shop's tables.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The shop.
pub fn app() -> App {
    App::new("shop")
        .migrations(&MIGRATIONS)
        .samples(samples::publish)
        .report(samples::report)
        .dev_setting("MILLGATE_SHOP_REMINDER_DELAY", "3s")
        .dev_setting("MILLGATE_SHOP_SAGAS", "true")
        .dev_setting("MILLGATE_SHOP_SAGA_PATIENCE", "6")
        .configure(shop)
}

fn shop(app: App, settings: ShopSettings) -> App {
    let reminder_delay = settings.reminder_delay;
    let app = audit(summary(app, &settings), &settings);
    let app =
        if settings.sagas { sagas::add(app, settings.saga_patience).samples(samples::publish_with_sagas) } else { app };
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
                    locale: e.locale.clone(),
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
                    locale: e.locale.clone(),
                    time_zone: e.time_zone.clone(),
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
                    locale: e.locale.clone(),
                };
                (receipt, once_per_event())
            })
            .enqueue(|e| CommitReservation { order_id: e.order_id.clone() })
            .enqueue(|e| CloseOrder {
                order_id: e.order_id.clone(),
                outcome: "paid".into(),
                amount_cents: Some(e.amount_cents),
                currency: Some(e.currency.clone()),
            })
            .cancel::<ReminderEmail, _>(|e| e.order_id.clone()),
    )
    .route(
        on::<OrderCanceled>()
            .enqueue(|e| ReleaseReservation { order_id: e.order_id.clone() })
            .enqueue(|e| CloseOrder {
                order_id: e.order_id.clone(),
                outcome: "canceled".into(),
                amount_cents: None,
                currency: None,
            })
            .cancel::<ReminderEmail, _>(|e| e.order_id.clone()),
    )
    // Nobody is to pay for what is not there.
    .route(on::<InventoryRejected>().cancel::<ReminderEmail, _>(|e| e.order_id.clone()))
    .route(on::<StockChanged>().enqueue(|e| ShowStock { stock: e.event.clone() }))
    .route(on::<UserRegistered>().enqueue(|e| WelcomeEmail {
        user_id: e.user_id.clone(),
        to: e.email.clone(),
        name: e.name.clone(),
        locale: e.locale.clone(),
    }))
    .route(on::<NotificationRequested>().enqueue(|e| NotificationEmail {
        to: e.to.clone(),
        subject: e.subject.clone(),
        body: e.body.clone(),
        template: e.template.clone(),
        locale: e.locale.clone(),
        attachments: e.attachments.clone(),
    }))
    .group("crm", crm)
    .event::<OrderConfirmed>()
    .event::<OrderRefunded>()
    .event::<PaymentUpdated>()
    .worker(send_confirmation_email)
    .worker(send_payment_receipt)
    .worker(send_welcome_email)
    .worker(send_notification_email)
    .worker(move |reminder: ReminderEmail, ctx: Ctx| remind(settings.clone(), reminder, ctx))
    .worker(close_order)
    .worker(upsert_contact)
    .worker(update_inventory)
    .worker(commit_reservation)
    .worker(release_reservation)
    .worker(show_stock)
    .worker(show_all_stock)
    .worker(send_webhook)
    .housekeeping("15 3 * * *", "UTC")
}

/// What the shop did is mailed every night, if somebody is to know.
fn summary(app: App, settings: &ShopSettings) -> App {
    let app = app.worker(mail_summary);
    if settings.summary_to.is_empty() {
        return app;
    }
    let (to, time_zone) = (settings.summary_to.clone(), settings.time_zone.name());
    let job = MailSummary { to, time_zone: time_zone.to_owned() };
    app.schedule("daily-summary", "5 0 * * *", time_zone, job)
}

/// What happens is recorded, if that is wanted.
fn audit(app: App, settings: &ShopSettings) -> App {
    if !settings.audit {
        return app;
    }
    app.audit(|audit| {
        let order = |event: &AuditEvent<'_>| Some(format!("order/{}", event.payload.get("order_id")?.as_str()?));
        audit.user("customer_email").user("email").resource_by(order)
    })
}

fn lines(items: &[Item]) -> Vec<OrderLine> {
    items.iter().map(|item| OrderLine { sku: item.sku.clone(), quantity: item.quantity }).collect()
}
