//! The stock in Redis, for those who read it often.

use millgate_derive::Job;
use millgate_jobs::{QueueError, Queues, ReadModel};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::StockChanged;
use crate::{Ctx, Done, JobError};

/// The name of the [`ReadModel`] that has the stock.
pub const READ_MODEL: &str = "stock";

/// Writes what there is of one thing to Redis, unless something newer is there.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(queue = "inventory", max_attempts = 20)]
pub struct ShowStock {
    /// What there is.
    pub stock: StockChanged,
}

/// Writes all stock to Redis, as after a loss of its data.
#[derive(Debug, Clone, Serialize, Deserialize, Job)]
#[job(queue = "inventory", max_attempts = 20)]
pub struct ShowAllStock {}

/// Does [`ShowStock`]. Needs [`Queues`] in the state, which a worker has.
pub async fn show_stock(job: ShowStock, ctx: Ctx) -> Result<Done, JobError> {
    show(&model(&ctx)?, &job.stock).await?;
    Ok(Done)
}

/// Does [`ShowAllStock`]. Needs [`Queues`] and a [`PgPool`] in the state, which a worker has.
pub async fn show_all_stock(_: ShowAllStock, ctx: Ctx) -> Result<Done, JobError> {
    let model = model(&ctx)?;
    let all = "SELECT sku, available, reserved, version FROM stock ORDER BY sku";
    let all: Vec<(String, i32, i32, i64)> = sqlx::query_as(all).fetch_all(ctx.state::<PgPool>()?).await?;
    for (sku, available, reserved, version) in all {
        show(&model, &StockChanged { sku, available, reserved, version }).await?;
    }
    Ok(Done)
}

fn model(ctx: &Ctx) -> Result<ReadModel, JobError> {
    Ok(ctx.state::<Queues>()?.read_model(READ_MODEL))
}

async fn show(model: &ReadModel, stock: &StockChanged) -> Result<bool, QueueError> {
    model.put(&stock.sku, stock.version, stock).await
}
