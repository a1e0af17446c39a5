//! Stock is reserved, sold and let go; never below zero, and right whatever comes first.

use std::sync::Arc;

use millgate_events::Outbox;
use millgate_workers::{Done, JobError, State};
use serde_json::json;
use sqlx::postgres::PgPoolOptions;

use crate::store::{Step, Store};

#[tokio::test]
async fn what_is_reserved_is_sold_or_for_sale_again() {
    let store = Store::open().await;
    store.run(Step::Create, "o1", &[("lamp", 3), ("table", 1), ("lamp", 1)]).await.unwrap();
    assert_eq!((store.stock("lamp").await, store.stock("table").await), ((6, 4), (4, 1)));
    store.run(Step::Pay, "o1", &[]).await.unwrap();
    assert_eq!((store.stock("lamp").await, store.status("o1").await.as_str()), ((6, 0), "committed"));
    store.run(Step::Create, "o2", &[("lamp", 6)]).await.unwrap();
    assert_eq!(store.stock("lamp").await, (0, 6));
    store.run(Step::Cancel, "o2", &[]).await.unwrap();
    assert_eq!((store.stock("lamp").await, store.status("o2").await.as_str()), ((6, 0), "released"));
    let told = store.told("stock.changed").await;
    let lamps: Vec<_> = told.iter().filter(|told| told["sku"] == "lamp").cloned().collect();
    let lamp = |available: i32, reserved: i32, version: i32| json!({ "sku": "lamp", "available": available, "reserved": reserved, "version": version });
    assert_eq!(lamps, [lamp(6, 4, 1), lamp(6, 0, 2), lamp(0, 6, 3), lamp(6, 0, 4)]);
}

#[tokio::test]
async fn an_order_ends_in_the_same_way_whatever_comes_first_and_however_often() {
    use Step::{Cancel, Create, Pay};
    let orders: [(&[Step], &str, (i32, i32)); 12] = [
        (&[Create], "reserved", (8, 2)),
        (&[Create, Pay], "committed", (8, 0)),
        (&[Pay, Create], "committed", (8, 0)),
        (&[Create, Cancel], "released", (10, 0)),
        (&[Cancel, Create], "released", (10, 0)),
        (&[Create, Pay, Cancel], "released", (10, 0)),
        (&[Create, Cancel, Pay], "released", (10, 0)),
        (&[Pay, Create, Cancel], "released", (10, 0)),
        (&[Pay, Cancel, Create], "released", (10, 0)),
        (&[Cancel, Create, Pay], "released", (10, 0)),
        (&[Cancel, Pay, Create], "released", (10, 0)),
        (&[Pay, Create, Pay, Create], "committed", (8, 0)),
    ];
    for (steps, status, stock) in orders {
        let store = Store::open().await;
        for step in steps {
            store.run(*step, "o", &[("lamp", 2)]).await.unwrap();
        }
        assert_eq!((store.status("o").await.as_str(), store.stock("lamp").await), (status, stock), "{steps:?}");
        for step in steps {
            store.run(*step, "o", &[("lamp", 2)]).await.unwrap();
        }
        assert_eq!((store.status("o").await.as_str(), store.stock("lamp").await), (status, stock), "{steps:?} again");
    }
}

#[tokio::test]
async fn an_order_for_more_than_there_is_takes_nothing_and_is_an_event() {
    let store = Store::open().await;
    let greedy = [("lamp", 1), ("table", 6), ("unicorn", 1)];
    assert_eq!(store.run(Step::Create, "o1", &greedy).await, Ok(Done), "no failed job");
    assert_eq!((store.stock("lamp").await, store.stock("table").await), ((10, 0), (5, 0)), "all or nothing");
    let rejected = json!({ "order_id": "o1", "short": [
        { "sku": "table", "wanted": 6, "available": 5 },
        { "sku": "unicorn", "wanted": 1, "available": null },
    ] });
    assert_eq!(store.told("inventory.rejected").await, [rejected]);
    store.run(Step::Pay, "o1", &[]).await.unwrap();
    store.run(Step::Cancel, "o1", &[]).await.unwrap();
    assert_eq!((store.status("o1").await.as_str(), store.stock("table").await), ("released", (5, 0)));
    let absurd = [("lamp", i32::MAX), ("lamp", i32::MAX)];
    assert_eq!(store.run(Step::Create, "o2", &absurd).await, Ok(Done));
    let wrong = store.run(Step::Create, "o3", &[("lamp", 0)]).await;
    assert!(matches!(wrong, Err(JobError::Dead { .. })), "{wrong:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn sixteen_workers_never_sell_what_is_not_there() {
    const ORDERS: i64 = 160;
    let mut store = Store::open().await;
    // A connection for each.
    let pool = PgPoolOptions::new().max_connections(16).connect(&store.database.url()).await.unwrap();
    store.state = State::new().with(pool).with(Outbox::new("shop"));
    let store = Arc::new(store);
    sqlx::query("UPDATE stock SET available = 100 WHERE sku IN ('lamp', 'table')").execute(store.pool()).await.unwrap();
    let workers = (0..16).map(|worker| {
        let store = store.clone();
        tokio::spawn(async move {
            for n in (0..ORDERS).filter(|n| n % 16 == worker) {
                let order = format!("o{n}");
                // Named in both orders, which would be a deadlock if they were locked so.
                let items = if n % 2 == 0 { [("lamp", 1), ("table", 2)] } else { [("table", 2), ("lamp", 1)] };
                store.run(Step::Create, &order, &items).await.unwrap();
                match n % 5 {
                    0 => store.run(Step::Pay, &order, &[]).await.unwrap(),
                    1 => store.run(Step::Cancel, &order, &[]).await.unwrap(),
                    _ => Done,
                };
            }
        })
    });
    futures::future::try_join_all(workers).await.unwrap();
    let counts = "SELECT status, count(*) FROM reservations GROUP BY status";
    let counts: Vec<(String, i64)> = sqlx::query_as(counts).fetch_all(store.pool()).await.unwrap();
    let count = |status: &str| counts.iter().find(|(of, _)| of == status).map_or(0, |(_, count)| *count);
    let (reserved, sold) = (count("reserved"), count("committed"));
    assert_eq!(reserved + sold + count("released") + count("rejected"), ORDERS, "{counts:?}");
    assert!(count("rejected") > 0, "there was not enough for all: {counts:?}");
    let numbers = async |sku: &str| {
        let (available, reserved) = store.stock(sku).await;
        (i64::from(available), i64::from(reserved))
    };
    assert_eq!(numbers("table").await, (100 - 2 * (reserved + sold), 2 * reserved));
    assert_eq!(numbers("lamp").await, (100 - (reserved + sold), reserved));
    // Every state that was ever told of is one that can be, and they are told in the order in which they were.
    let told = store.told("stock.changed").await;
    for sku in ["lamp", "table"] {
        let of_sku: Vec<_> = told.iter().filter(|told| told["sku"] == sku).collect();
        assert!(of_sku.iter().all(|told| told["available"].as_i64() >= Some(0)));
        let versions: Vec<_> = of_sku.iter().map(|told| told["version"].as_u64().unwrap()).collect();
        assert_eq!(versions, (1..=versions.len() as u64).collect::<Vec<_>>());
    }
    // Each order got what it wanted, or was told once that it cannot; whether it was cancelled later is all the same.
    let rejected = store.told("inventory.rejected").await;
    let mut answered: Vec<String> = rejected.iter().map(|told| told["order_id"].as_str().unwrap().to_owned()).collect();
    let took = "SELECT DISTINCT order_id FROM stock_movements";
    answered.extend(sqlx::query_scalar::<_, String>(took).fetch_all(store.pool()).await.unwrap());
    answered.sort_unstable();
    let mut orders: Vec<String> = (0..ORDERS).map(|n| format!("o{n}")).collect();
    orders.sort_unstable();
    assert_eq!(answered, orders);
}
