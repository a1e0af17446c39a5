//! What the tests work with: the shop's tables, and jobs in hand.

use std::sync::LazyLock;

use chrono::DateTime;
use millgate_events::{Outbox, migrate};
use millgate_testkit::Database;
use millgate_workers::{
    Ctx, Done, JobError, State,
    inventory::{
        CommitReservation, ReleaseReservation, StockItem, UpdateInventory, commit_reservation, release_reservation,
        update_inventory,
    },
};
use sqlx::{PgPool, migrate::Migrator};

static SHOP: LazyLock<Migrator> = LazyLock::new(|| sqlx::migrate!("../migrations"));

pub(crate) struct Store {
    pub(crate) database: Database,
    pub(crate) state: State,
}

/// What is done about an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    Create,
    Pay,
    Cancel,
}

impl Store {
    /// With ten lamps and five tables.
    pub(crate) async fn open() -> Self {
        let database = Database::fresh(Some(&SHOP)).await;
        migrate(database.pool()).await.unwrap();
        for (sku, available) in [("lamp", 10), ("table", 5)] {
            let fill = "UPDATE stock SET available = $2 WHERE sku = $1";
            sqlx::query(fill).bind(sku).bind(available).execute(database.pool()).await.unwrap();
        }
        let state = State::new().with(database.pool().clone()).with(Outbox::new("shop"));
        Self { database, state }
    }

    pub(crate) fn pool(&self) -> &PgPool {
        self.database.pool()
    }

    pub(crate) fn ctx(&self, job_id: &str) -> Ctx {
        Ctx::for_test(job_id, DateTime::UNIX_EPOCH, self.state.clone())
    }

    /// A job that is the same whenever it is about the same.
    pub(crate) async fn run(&self, step: Step, order: &str, items: &[(&str, i32)]) -> Result<Done, JobError> {
        let (ctx, order_id) = (self.ctx(&format!("{step:?} {order}")), order.to_owned());
        let items = items.iter().map(|(sku, quantity)| StockItem { sku: (*sku).to_owned(), quantity: *quantity });
        match step {
            Step::Create => update_inventory(UpdateInventory { order_id, items: items.collect() }, ctx).await,
            Step::Pay => commit_reservation(CommitReservation { order_id }, ctx).await,
            Step::Cancel => release_reservation(ReleaseReservation { order_id }, ctx).await,
        }
    }

    /// What is for sale, and what is reserved.
    pub(crate) async fn stock(&self, sku: &str) -> (i32, i32) {
        let stock = "SELECT available, reserved FROM stock WHERE sku = $1";
        sqlx::query_as(stock).bind(sku).fetch_one(self.pool()).await.unwrap()
    }

    pub(crate) async fn status(&self, order: &str) -> String {
        let status = "SELECT status FROM reservations WHERE order_id = $1";
        sqlx::query_scalar(status).bind(order).fetch_one(self.pool()).await.unwrap()
    }

    /// Types and payloads in the outbox.
    pub(crate) async fn told(&self, event_type: &str) -> Vec<serde_json::Value> {
        let told = "SELECT payload FROM outbox WHERE type = $1 ORDER BY position";
        sqlx::query_scalar(told).bind(event_type).fetch_all(self.pool()).await.unwrap()
    }
}
