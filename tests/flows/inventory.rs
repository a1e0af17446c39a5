//! Stock, with workers and relays that are killed: right in PostgreSQL, and then right in Redis.

use millgate::inventory::{READ_MODEL, StockChanged};
use millgate_testkit::{Proxy, wait_until};
use serde_json::json;

use crate::shop::{PATIENCE, Shop, order};

/// Whether Redis shows of the lamps what PostgreSQL has.
async fn is_shown(shop: &Shop) -> bool {
    let stock = "SELECT available, reserved, version FROM stock WHERE sku = 'lamp'";
    let (available, reserved, version) = sqlx::query_as(stock).fetch_one(shop.database.pool()).await.unwrap();
    let shown: Option<StockChanged> = shop.queues.read_model(READ_MODEL).get("lamp").await.unwrap();
    shown == Some(StockChanged { sku: "lamp".into(), available, reserved, version })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_killed_between_its_commit_and_its_word_to_redis_takes_the_stock_once() {
    let mut shop = Shop::open("kill-after-commit").await;
    let (direct, proxy) = (shop.redis.config().url, Proxy::to(&shop.redis.address()));
    let _bridge = shop.start(&["bridge"]);
    shop.set("MILLGATE_REDIS_URL", shop.redis.config_at(&proxy.address()).url);
    let worker = shop.start(&["worker", "--queues", "inventory"]);
    // The handler waits for a row that we hold, with its job in hand.
    let mut held = shop.database.pool().begin().await.unwrap();
    sqlx::query("SELECT 1 FROM stock WHERE sku = 'lamp' FOR UPDATE").execute(&mut *held).await.unwrap();
    shop.publish(&[order(1)]).await;
    wait_until("the job is in hand", PATIENCE, async || shop.stats("inventory").await.active == 1).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE 'SELECT sku,%' \
        AND $1 = ANY(ARRAY(SELECT n.nspname::text FROM pg_locks AS l JOIN pg_class AS c ON c.oid = l.relation \
        JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE l.pid = pg_stat_activity.pid))";
    wait_until("the handler waits", PATIENCE, async || {
        let waiting: i64 =
            sqlx::query_scalar(waits).bind(shop.database.schema()).fetch_one(shop.database.pool()).await.unwrap();
        waiting == 1
    })
    .await;
    proxy.stall();
    held.rollback().await.unwrap();
    wait_until("it has committed", PATIENCE, async || shop.stock("lamp").await == 999).await;
    worker.kill9();
    assert_eq!(shop.done("inventory", "update-inventory").await, 0, "nobody told Redis");

    shop.set("MILLGATE_REDIS_URL", direct);
    let _worker = shop.start(&["worker"]);
    let _relay = shop.start(&["relay"]);
    shop.wait_done("inventory", "update-inventory", 1).await;
    assert_eq!(shop.stats("inventory").await.kinds["update-inventory"].rescued, 1);
    assert_eq!(shop.stock("lamp").await, 999);
    // What it had to tell was in the outbox, in the same transaction.
    wait_until("Redis shows the stock", PATIENCE, async || is_shown(&shop).await).await;
    assert_eq!(shop.kafka.ends("stock.changed").await.iter().sum::<i64>(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn orders_payments_and_cancels_come_out_right_through_kills_of_every_role() {
    const ORDERS: usize = 120;
    let mut shop = Shop::open("shop-kills").await;
    shop.set("MILLGATE_WORKER_CONCURRENCY", "16");
    shop.set("MILLGATE_RELAY_POLL_INTERVAL", "200ms");
    shop.set("MILLGATE_RELAY_BATCH_SIZE", "10");
    let mut lines = Vec::new();
    for number in 0..ORDERS {
        let order_id = format!("order-{number}");
        let paid = json!({ "type": "payment.created", "id": format!("paid-{number}"), "data": {
            "payment_id": format!("p{number}"), "order_id": order_id, "customer_email": "ada@mail.example",
            "amount_cents": 1_990, "currency": "EUR",
        } });
        let canceled =
            json!({ "type": "order.canceled", "id": format!("canceled-{number}"), "data": { "order_id": order_id } });
        // Of four orders one is paid, one cancelled, one paid before it is known and cancelled, one neither.
        match number % 4 {
            0 => lines.extend([order(number), paid.to_string()]),
            1 => lines.extend([canceled.to_string(), order(number)]),
            2 => lines.extend([paid.to_string(), order(number), canceled.to_string()]),
            _ => lines.push(order(number)),
        }
    }
    shop.publish(&lines).await;
    let (mut bridge, mut worker, mut relay) =
        (shop.start(&["bridge"]), shop.start(&["worker"]), shop.start(&["relay"]));
    for kill in 1..=2 {
        shop.wait_done("inventory", "update-inventory", (ORDERS * kill / 4) as u64).await;
        worker.kill9();
        relay.kill9();
        bridge.kill9();
        (bridge, worker, relay) = (shop.start(&["bridge"]), shop.start(&["worker"]), shop.start(&["relay"]));
    }
    shop.wait_done("inventory", "update-inventory", ORDERS as u64).await;
    shop.wait_done("inventory", "release-reservation", ORDERS as u64 / 2).await;
    shop.wait_done("inventory", "commit-reservation", ORDERS as u64 / 2).await;
    let statuses = "SELECT status, count(*) FROM reservations GROUP BY status ORDER BY status";
    let statuses: Vec<(String, i64)> = sqlx::query_as(statuses).fetch_all(shop.database.pool()).await.unwrap();
    let quarter = i64::try_from(ORDERS).unwrap() / 4;
    assert_eq!(
        statuses,
        [("committed".into(), quarter), ("released".into(), 2 * quarter), ("reserved".into(), quarter)]
    );
    assert_eq!(shop.stock("lamp").await, 1_000 - 2 * i32::try_from(quarter).unwrap());
    wait_until("Redis shows the stock", PATIENCE, async || is_shown(&shop).await).await;
    for role in [bridge, worker, relay] {
        role.sigterm();
        assert!(role.wait_exit(PATIENCE).await.success(), "{}", role.output());
    }
}
