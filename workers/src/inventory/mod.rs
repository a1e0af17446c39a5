//! Stock in PostgreSQL: reserved for an order all or nothing, then sold or let go; never below zero, and each step once,
//! however often its job runs and in whatever order the events come. `docs/inventory.md` has the tables and the routes.

mod events;
mod reservation;
mod showing;

use millgate_derive::Job;
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use crate::{Ctx, Done, JobError};

pub use events::{InventoryRejected, Shortage, StockChanged};
pub use showing::{READ_MODEL, ShowAllStock, ShowStock, show_all_stock, show_stock};

/// Reserves an order's items.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
// Twenty attempts are two hours with the default backoff, in which a database comes back.
#[job(queue = "inventory", max_attempts = 20)]
pub struct UpdateInventory {
    /// The order.
    pub order_id: String,
    /// What it wants.
    pub items: Vec<StockItem>,
}

/// Makes what an order has reserved its own: it was paid.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(queue = "inventory", max_attempts = 20)]
pub struct CommitReservation {
    /// The order.
    pub order_id: String,
}

/// Lets what an order has go back into stock: it was cancelled.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(queue = "inventory", max_attempts = 20)]
pub struct ReleaseReservation {
    /// The order.
    pub order_id: String,
}

/// So many of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockItem {
    /// Which thing.
    pub sku: String,
    /// How many; at least 1.
    pub quantity: i32,
}

/// Does [`UpdateInventory`]. Needs a [`PgPool`] in the state, which a worker has.
pub async fn update_inventory(job: UpdateInventory, ctx: Ctx) -> Result<Done, JobError> {
    if let Some(item) = job.items.iter().find(|item| item.quantity < 1) {
        return Err(JobError::dead("validation_failed", format!("{} of {}", item.quantity, item.sku)));
    }
    let effects = async |database: &mut _| reservation::reserve(&ctx, database, &job.order_id, &job.items).await;
    ctx.once(ctx.state::<PgPool>()?, effects).await
}

/// Does [`CommitReservation`]. Needs a [`PgPool`] in the state, which a worker has.
pub async fn commit_reservation(job: CommitReservation, ctx: Ctx) -> Result<Done, JobError> {
    let effects = async |database: &mut _| reservation::commit(&ctx, database, &job.order_id).await;
    ctx.once(ctx.state::<PgPool>()?, effects).await
}

/// Does [`ReleaseReservation`]. Needs a [`PgPool`] in the state, which a worker has.
pub async fn release_reservation(job: ReleaseReservation, ctx: Ctx) -> Result<Done, JobError> {
    let effects = async |database: &mut _| reservation::release(&ctx, database, &job.order_id).await;
    ctx.once(ctx.state::<PgPool>()?, effects).await
}
