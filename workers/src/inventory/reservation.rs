//! Reservations: what is known of an order, and what follows from it for the stock.
//!
//! Jobs about one order may come in any order, so that each tells what it knows, and where that leads does not depend on
//! who came first: an order that was cancelled holds nothing, whenever it was created or paid.

use std::collections::BTreeMap;

use sqlx::{FromRow, PgConnection, types::Json};

use super::{
    StockItem,
    events::{InventoryRejected, Shortage, StockChanged},
};
use crate::{Ctx, JobError};

/// The order's row, which is locked.
#[derive(FromRow)]
struct Reservation {
    status: String,
    paid: bool,
    items: Json<Vec<StockItem>>,
}

/// By how much a thing's numbers change.
#[derive(Clone, Copy)]
struct Change {
    available: i32,
    reserved: i32,
}

/// Reserves all items, or none: then an event says what there is not enough of.
pub(super) async fn reserve(
    ctx: &Ctx,
    database: &mut PgConnection,
    order_id: &str,
    items: &[StockItem],
) -> Result<(), JobError> {
    let known = lock(database, order_id).await?;
    if known.status != "awaited" {
        return Ok(());
    }
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    for item in items {
        *wanted.entry(&item.sku).or_default() += i64::from(item.quantity);
    }
    let short = shortages(database, &wanted).await?;
    if !short.is_empty() {
        set(database, order_id, "rejected", &[]).await?;
        return ctx.append(database, &InventoryRejected { order_id: order_id.to_owned(), short }).await;
    }
    // In the order of their names: two orders for the same things do not wait for each other in a circle.
    let items = wanted.into_iter().map(|(sku, quantity)| {
        let quantity = i32::try_from(quantity).map_err(|_| JobError::retry(format!("the stock of {sku} changed")))?;
        Ok(StockItem { sku: sku.to_owned(), quantity })
    });
    let items: Vec<StockItem> = items.collect::<Result<_, JobError>>()?;
    for StockItem { sku, quantity } in &items {
        let reserved = if known.paid { 0 } else { *quantity };
        change(ctx, database, (order_id, sku), Change { available: -quantity, reserved }).await?;
    }
    set(database, order_id, if known.paid { "committed" } else { "reserved" }, &items).await
}

/// What is reserved is sold. An order that is not known yet is as good as sold when it comes.
pub(super) async fn commit(ctx: &Ctx, database: &mut PgConnection, order_id: &str) -> Result<(), JobError> {
    let known = lock(database, order_id).await?;
    let paid = "UPDATE reservations SET paid = TRUE WHERE order_id = $1";
    sqlx::query(paid).bind(order_id).execute(&mut *database).await?;
    if known.status != "reserved" {
        return Ok(());
    }
    for StockItem { sku, quantity } in &known.items.0 {
        change(ctx, database, (order_id, sku), Change { available: 0, reserved: -quantity }).await?;
    }
    set(database, order_id, "committed", &known.items.0).await
}

/// What is reserved, or sold, is for sale again. An order that is not known yet will get nothing when it comes.
pub(super) async fn release(ctx: &Ctx, database: &mut PgConnection, order_id: &str) -> Result<(), JobError> {
    let known = lock(database, order_id).await?;
    // One that is released or was rejected has no items.
    let was_reserved = known.status == "reserved";
    for StockItem { sku, quantity } in &known.items.0 {
        let reserved = if was_reserved { -quantity } else { 0 };
        change(ctx, database, (order_id, sku), Change { available: *quantity, reserved }).await?;
    }
    set(database, order_id, "released", &[]).await
}

/// The order's row, made if nothing was known of it; others who want it wait until this transaction ends.
async fn lock(database: &mut PgConnection, order_id: &str) -> Result<Reservation, JobError> {
    let make = "INSERT INTO reservations (order_id) VALUES ($1) ON CONFLICT DO NOTHING";
    sqlx::query(make).bind(order_id).execute(&mut *database).await?;
    let lock = "SELECT status, paid, items FROM reservations WHERE order_id = $1 FOR UPDATE";
    Ok(sqlx::query_as(lock).bind(order_id).fetch_one(&mut *database).await?)
}

async fn set(database: &mut PgConnection, order_id: &str, status: &str, items: &[StockItem]) -> Result<(), JobError> {
    let set = "UPDATE reservations SET status = $2, items = $3, changed_at = now() WHERE order_id = $1";
    sqlx::query(set).bind(order_id).bind(status).bind(Json(items)).execute(&mut *database).await?;
    Ok(())
}

/// Locks the stock of all that is wanted, and says what there is not enough of.
async fn shortages(database: &mut PgConnection, wanted: &BTreeMap<&str, i64>) -> Result<Vec<Shortage>, JobError> {
    let names: Vec<&str> = wanted.keys().copied().collect();
    let lock = "SELECT sku, available FROM stock WHERE sku = ANY($1) ORDER BY sku FOR UPDATE";
    let there: Vec<(String, i32)> = sqlx::query_as(lock).bind(&names).fetch_all(&mut *database).await?;
    let there: BTreeMap<&str, i32> = there.iter().map(|(sku, available)| (sku.as_str(), *available)).collect();
    let short = wanted.iter().filter_map(|(sku, wanted)| {
        let available = there.get(sku).copied();
        let is_short = available.is_none_or(|available| i64::from(available) < *wanted);
        is_short.then(|| Shortage { sku: (*sku).to_owned(), wanted: *wanted, available })
    });
    Ok(short.collect())
}

async fn change(
    ctx: &Ctx,
    database: &mut PgConnection,
    (order_id, sku): (&str, &str),
    by: Change,
) -> Result<(), JobError> {
    let change = "UPDATE stock SET available = available + $2, reserved = reserved + $3, version = version + 1 \
        WHERE sku = $1 AND available + $2 >= 0 AND reserved + $3 >= 0 RETURNING available, reserved, version";
    let changed: Option<(i32, i32, i64)> =
        sqlx::query_as(change).bind(sku).bind(by.available).bind(by.reserved).fetch_optional(&mut *database).await?;
    let Some((available, reserved, version)) = changed else {
        return Err(JobError::retry(format!("the stock of {sku} is not what it was a moment ago")));
    };
    if by.available != 0 {
        let note = "INSERT INTO stock_movements (order_id, sku, quantity) VALUES ($1, $2, $3)";
        sqlx::query(note).bind(order_id).bind(sku).bind(by.available).execute(&mut *database).await?;
    }
    ctx.append(database, &StockChanged { sku: sku.to_owned(), available, reserved, version }).await
}
