//! An order that is paid and shipped: inventory.reserve → payment.process → shipping.create. It ends in `order.confirmed` or
//! in `order.canceled`.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{money, step_command};
use crate::{
    App, Event, JobError, Replied, Saga, Step, StepCtx,
    shop::{Item, OrderCanceled, OrderConfirmed},
};

/// Somebody ordered, and pays at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, Event)]
#[event(type = "order.placed", key = "order_id")]
pub struct OrderPlaced {
    /// The order.
    pub order_id: String,
    /// Who pays.
    pub customer: String,
    /// What was ordered.
    pub items: Vec<Item>,
    /// What it costs, in hundredths.
    pub amount_cents: i64,
    /// Where it is to go.
    pub address: String,
}

/// What the saga keeps of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderSaga {
    /// What was ordered.
    pub order: OrderPlaced,
    /// The payment, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payment_id: Option<String>,
}

/// Take an order's items out of stock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReserveInventory {
    /// The order.
    pub order_id: String,
    /// What it wants.
    pub items: Vec<Item>,
}

/// They are the order's.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InventoryReserved {}

/// Put an order's items back into stock.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ReleaseInventory {
    /// The order.
    pub order_id: String,
    /// What it has.
    pub items: Vec<Item>,
}

/// They are back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct InventoryReleased {}

/// Take the money for an order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderPayment {
    /// The order.
    pub order_id: String,
    /// Who pays.
    pub customer: String,
    /// How much, in hundredths.
    pub amount_cents: i64,
}

/// It is paid.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderPaid {
    /// The payment.
    pub payment_id: String,
}

/// Give the money for an order back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderRefund {
    /// The order.
    pub order_id: String,
}

/// It went back.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct OrderPaymentRefund {
    /// How much, in hundredths.
    pub amount_cents: i64,
}

/// Send a parcel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CreateShipping {
    /// The order.
    pub order_id: String,
    /// Where to.
    pub address: String,
}

/// It will be sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShippingCreated {}

/// Send no parcel.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct CancelShipping {
    /// The order.
    pub order_id: String,
}

/// It will not be sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ShippingCanceled {}

step_command!(ReserveInventory => InventoryReserved, "order", "inventory.reserve", "inventory.reserved", "inventory.reservation-failed");
step_command!(ReleaseInventory => InventoryReleased, "order", "inventory.release", "inventory.released", "inventory.release-failed");
step_command!(OrderPayment => OrderPaid, "order", "payment.process", "payment.processed", "payment.failed");
step_command!(OrderRefund => OrderPaymentRefund, "order", "payment.refund", "payment.refunded", "payment.refund-failed");
step_command!(CreateShipping => ShippingCreated, "order", "shipping.create", "shipping.created", "shipping.failed");
step_command!(CancelShipping => ShippingCanceled, "order", "shipping.cancel", "shipping.canceled", "shipping.cancel-failed");

/// The saga and its workers.
pub(super) fn add(app: App) -> App {
    app.saga(saga())
        .event::<OrderPlaced>()
        .saga_worker(reserve_inventory)
        .saga_worker(release_inventory)
        .saga_worker(process_payment)
        .saga_worker(refund_payment)
        .saga_worker(create_shipping)
        .saga_worker(cancel_shipping)
}

fn saga() -> Saga<OrderSaga> {
    const SHORT: Duration = Duration::from_secs(5);
    const LONG: Duration = Duration::from_secs(10);
    Saga::named("order")
        .started_by(|order: &OrderPlaced| OrderSaga { order: order.clone(), payment_id: None })
        .step(
            Step::command("inventory.reserve", |saga: &OrderSaga| ReserveInventory {
                order_id: saga.order.order_id.clone(),
                items: saga.order.items.clone(),
            })
            .timeout(SHORT)
            .compensate("inventory.release", |saga: &OrderSaga| ReleaseInventory {
                order_id: saga.order.order_id.clone(),
                items: saga.order.items.clone(),
            }),
        )
        .step(
            Step::command("payment.process", |saga: &OrderSaga| OrderPayment {
                order_id: saga.order.order_id.clone(),
                customer: saga.order.customer.clone(),
                amount_cents: saga.order.amount_cents,
            })
            .timeout(LONG)
            .replied(|saga: &mut OrderSaga, reply| saga.payment_id = Some(reply.payment_id))
            .compensate("payment.refund", |saga: &OrderSaga| OrderRefund { order_id: saga.order.order_id.clone() })
            .refunds(),
        )
        .step(
            Step::command("shipping.create", |saga: &OrderSaga| CreateShipping {
                order_id: saga.order.order_id.clone(),
                address: saga.order.address.clone(),
            })
            .timeout(SHORT)
            .compensate("shipping.cancel", |saga: &OrderSaga| CancelShipping { order_id: saga.order.order_id.clone() }),
        )
        .on_completed(|saga: &OrderSaga| OrderConfirmed { order_id: saga.order.order_id.clone() })
        .on_compensated(|saga: &OrderSaga, why| OrderCanceled {
            order_id: saga.order.order_id.clone(),
            reason: why.code.clone(),
        })
        .also_told_on("oms.saga.events")
}

async fn reserve_inventory(command: ReserveInventory, step: StepCtx<ReserveInventory>) -> Result<Replied, JobError> {
    if let Some(item) = command.items.iter().find(|item| item.quantity < 1) {
        return Err(JobError::dead("validation_failed", format!("{} of {}", item.quantity, item.sku)));
    }
    step.once(async |database| {
        let mut items = command.items.clone();
        // In the order of their names: two orders for the same things do not wait for each other in a circle.
        items.sort_by(|a, b| a.sku.cmp(&b.sku));
        for Item { sku, quantity } in &items {
            let take = "UPDATE stock SET available = available - $2, version = version + 1 \
                WHERE sku = $1 AND available >= $2";
            let taken = sqlx::query(take).bind(sku).bind(quantity).execute(&mut *database).await?.rows_affected();
            if taken == 0 {
                return Err(JobError::dead("out_of_stock", format!("there are no {quantity} of {sku}")));
            }
            note(database, &command.order_id, sku, -quantity).await?;
        }
        Ok(InventoryReserved {})
    })
    .await
}

async fn release_inventory(command: ReleaseInventory, step: StepCtx<ReleaseInventory>) -> Result<Replied, JobError> {
    step.once(async |database| {
        let mut items = command.items.clone();
        items.sort_by(|a, b| a.sku.cmp(&b.sku));
        for Item { sku, quantity } in &items {
            let back = "UPDATE stock SET available = available + $2, version = version + 1 WHERE sku = $1";
            sqlx::query(back).bind(sku).bind(quantity).execute(&mut *database).await?;
            note(database, &command.order_id, sku, *quantity).await?;
        }
        Ok(InventoryReleased {})
    })
    .await
}

async fn note(database: &mut sqlx::PgConnection, order_id: &str, sku: &str, quantity: i32) -> Result<(), JobError> {
    let note = "INSERT INTO stock_movements (order_id, sku, quantity) VALUES ($1, $2, $3)";
    sqlx::query(note).bind(order_id).bind(sku).bind(quantity).execute(database).await?;
    Ok(())
}

async fn process_payment(command: OrderPayment, step: StepCtx<OrderPayment>) -> Result<Replied, JobError> {
    step.once(async |database| {
        money::pay(database, &command.order_id, &command.customer, command.amount_cents).await?;
        Ok(OrderPaid { payment_id: format!("payment of {}", command.order_id) })
    })
    .await
}

async fn refund_payment(command: OrderRefund, step: StepCtx<OrderRefund>) -> Result<Replied, JobError> {
    step.once(async |database| {
        Ok(OrderPaymentRefund { amount_cents: money::refund(database, &command.order_id).await? })
    })
    .await
}

async fn create_shipping(command: CreateShipping, step: StepCtx<CreateShipping>) -> Result<Replied, JobError> {
    if command.address.is_empty() {
        return Err(JobError::dead("validation_failed", "the order has no address to send it to"));
    }
    step.once(async |database| {
        let create = "INSERT INTO shipments (order_id, address, status) VALUES ($1, $2, 'created')";
        sqlx::query(create).bind(&command.order_id).bind(&command.address).execute(&mut *database).await?;
        Ok(ShippingCreated {})
    })
    .await
}

async fn cancel_shipping(command: CancelShipping, step: StepCtx<CancelShipping>) -> Result<Replied, JobError> {
    step.once(async |database| {
        let cancel = "UPDATE shipments SET status = 'canceled' WHERE order_id = $1";
        sqlx::query(cancel).bind(&command.order_id).execute(&mut *database).await?;
        Ok(ShippingCanceled {})
    })
    .await
}
