//! Stock in PostgreSQL: taken for an order all or nothing, never below zero, and once, however often the job runs.

use millgate_derive::Job;
use serde::{Deserialize, Serialize};
use sqlx::{PgPool, Postgres, Transaction};

use crate::{Ctx, Done, JobError};

/// Takes an order's items out of stock.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
// Twenty attempts are two hours with the default backoff, in which a database comes back.
#[job(queue = "inventory", max_attempts = 20)]
pub struct UpdateInventory {
    /// The order.
    pub order_id: String,
    /// What it takes.
    pub items: Vec<StockItem>,
}

/// So many of one thing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StockItem {
    /// Which thing.
    pub sku: String,
    /// How many; at least 1.
    pub quantity: i32,
}

/// Does [`UpdateInventory`]. Needs a [`PgPool`] in the state.
pub async fn update_inventory(job: UpdateInventory, ctx: Ctx) -> Result<Done, JobError> {
    if let Some(item) = job.items.iter().find(|item| item.quantity < 1) {
        return Err(JobError::dead("validation_failed", format!("{} of {}", item.quantity, item.sku)));
    }
    let mut transaction = ctx.state::<PgPool>()?.begin().await?;
    // The job's row in the inbox is part of the transaction: a run that is repeated after its commit finds it.
    let fresh = sqlx::query("INSERT INTO inbox (job_id) VALUES ($1) ON CONFLICT DO NOTHING")
        .bind(&ctx.job_id)
        .execute(&mut *transaction)
        .await?
        .rows_affected();
    if fresh == 0 {
        return Ok(Done);
    }
    // Always in the same order, so that two orders for the same things cannot wait for each other.
    let mut items = job.items;
    items.sort_by(|a, b| a.sku.cmp(&b.sku));
    for item in &items {
        take(&mut transaction, &job.order_id, item).await?;
    }
    transaction.commit().await?;
    Ok(Done)
}

async fn take(
    transaction: &mut Transaction<'static, Postgres>,
    order_id: &str,
    item: &StockItem,
) -> Result<(), JobError> {
    // One statement decides and takes; nobody can come in between.
    let taken = sqlx::query("UPDATE stock SET available = available - $2 WHERE sku = $1 AND available >= $2")
        .bind(&item.sku)
        .bind(item.quantity)
        .execute(&mut **transaction)
        .await?
        .rows_affected();
    if taken == 0 {
        return Err(short(transaction, item).await?);
    }
    sqlx::query("INSERT INTO stock_movements (order_id, sku, quantity) VALUES ($1, $2, $3)")
        .bind(order_id)
        .bind(&item.sku)
        .bind(-item.quantity)
        .execute(&mut **transaction)
        .await?;
    Ok(())
}

/// Why an item could not be taken.
async fn short(transaction: &mut Transaction<'static, Postgres>, item: &StockItem) -> Result<JobError, JobError> {
    let available: Option<i32> = sqlx::query_scalar("SELECT available FROM stock WHERE sku = $1")
        .bind(&item.sku)
        .fetch_optional(&mut **transaction)
        .await?;
    Ok(match available {
        Some(left) => JobError::dead("out_of_stock", format!("{} of {} wanted, {left} there", item.quantity, item.sku)),
        None => JobError::dead("not_found", format!("no such thing in stock: {}", item.sku)),
    })
}
