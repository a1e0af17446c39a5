//! The stock in Redis.

use millgate_testkit::RedisSpace;
use millgate_workers::inventory::{READ_MODEL, ShowAllStock, ShowStock, StockChanged, show_all_stock, show_stock};

use crate::store::{Step, Store};

fn lamps(available: i32, version: i64) -> StockChanged {
    StockChanged { sku: "lamp".into(), available, reserved: 0, version }
}

#[tokio::test]
async fn what_is_newer_stays_whatever_comes_last() {
    let (mut store, space) = (Store::open().await, RedisSpace::fresh("stock"));
    store.state = store.state.with(space.queues());
    let model = space.queues().read_model(READ_MODEL);
    assert_eq!(model.get::<StockChanged>("lamp").await.unwrap(), None);
    for (stock, shown) in
        [(lamps(9, 1), 9), (lamps(7, 3), 7), (lamps(8, 2), 7), (lamps(7, 3), 7), (lamps(100, 10), 100)]
    {
        show_stock(ShowStock { stock }, store.ctx("j")).await.unwrap();
        assert_eq!(model.get::<StockChanged>("lamp").await.unwrap().unwrap().available, shown);
    }
    model.remove().await.unwrap();
    assert_eq!(space.keys().await, [""; 0]);
}

#[tokio::test]
async fn all_stock_is_shown_again_after_a_loss() {
    let (mut store, space) = (Store::open().await, RedisSpace::fresh("stock"));
    store.run(Step::Create, "o1", &[("lamp", 3)]).await.unwrap();
    store.state = store.state.with(space.queues());
    show_all_stock(ShowAllStock {}, store.ctx("j")).await.unwrap();
    let model = space.queues().read_model(READ_MODEL);
    let shown: StockChanged = model.get("lamp").await.unwrap().unwrap();
    assert_eq!(shown, StockChanged { sku: "lamp".into(), available: 7, reserved: 3, version: 1 });
    assert_eq!(model.get::<StockChanged>("table").await.unwrap().unwrap().available, 5);
}
