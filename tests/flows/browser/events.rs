//! An event's whole life, on one page.

use super::world::World;
use crate::shop::order;

#[tokio::test(flavor = "multi_thread")]
async fn one_page_tells_what_became_of_an_order_by_any_of_its_ids() {
    let world = World::open("life", &["bridge", "worker"]).await;
    let browser = &world.browser;
    world.shop.publish(&[order(1)]).await;
    world.shop.wait_done("email", "send-confirmation-email", 1).await;
    world.goto("/events").await;
    browser.wait_for_text("table.rows tbody", "order.created").await;
    world.is_sound("events").await;

    browser.fill(".filters input[name=id]", "order-1").await;
    browser.choose(".filters select[name=by]", "key").await;
    browser.click(".filters button.main").await;
    browser.wait_for_text("h1", "order.created order-1").await;
    browser.wait_for_text(".timeline", "send-confirmation-email attempt 1 done").await;
    let story = browser.texts(".timeline li").await;
    assert!(story[0].contains("order.created order-1 published by shop"), "{story:#?}");
    assert!(story[1].contains("handed off"), "{story:#?}");
    world.is_sound("life").await;
    world.picture("event").await;

    for id in ["event-1", "order-1"] {
        world.goto(&format!("/find?id={id}")).await;
        browser.wait_for_text("h1", "order.created order-1").await;
    }
    world.goto("/events/nobody-knows-this").await;
    browser.wait_for_text("h1", "Nothing is known of nobody-knows-this").await;
    world.is_sound("unknown").await;
}
