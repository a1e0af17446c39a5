//! What the inventory tells, by the outbox.

use millgate_events::Event;
use schemars::{JsonSchema, Schema, schema_for};
use serde::{Deserialize, Serialize};

/// There is not enough of what an order wants; nothing was reserved for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct InventoryRejected {
    /// The order.
    pub order_id: String,
    /// What there is not enough of.
    pub short: Vec<Shortage>,
}

/// Less of one thing than an order wants.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Shortage {
    /// Which thing.
    pub sku: String,
    /// How many are wanted.
    pub wanted: i64,
    /// How many there are; nothing, if there is no such thing.
    pub available: Option<i32>,
}

impl Event for InventoryRejected {
    const TYPE: &'static str = "inventory.rejected";

    fn key(&self) -> String {
        self.order_id.clone()
    }

    fn schema() -> Option<Schema> {
        Some(schema_for!(Self))
    }
}

/// There is more or less of one thing than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct StockChanged {
    /// Which thing.
    pub sku: String,
    /// How many are for sale.
    pub available: i32,
    /// How many are reserved, and not paid yet.
    pub reserved: i32,
    /// Counts the changes.
    pub version: i64,
}

impl Event for StockChanged {
    const TYPE: &'static str = "stock.changed";

    fn key(&self) -> String {
        self.sku.clone()
    }

    fn schema() -> Option<Schema> {
        Some(schema_for!(Self))
    }
}
