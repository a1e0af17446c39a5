//! What all pages share: live updates, actions and their undoing, keys, schemes, phones.

use millgate_testkit::wait_until;

use super::world::World;
use crate::shop::PATIENCE;

#[tokio::test(flavor = "multi_thread")]
async fn a_queue_is_paused_by_a_click_and_goes_on_by_another() {
    let world = World::open("click", &[]).await;
    let browser = &world.browser;
    world.goto("/queues").await;
    browser.click("#queue-email form.act button").await;
    browser.wait_for("#queue-email .tag.warn").await;
    assert!(world.shop.stats("email").await.paused);
    browser.wait_for_text(".notice", "queue email is paused").await;
    browser.click(".notice button").await;
    browser.wait_gone("#queue-email .tag.warn").await;
    assert!(!world.shop.stats("email").await.paused);

    world.goto("/audit").await;
    let entries = browser.texts("table.rows tbody tr").await;
    assert_eq!(entries.len(), 2, "{entries:?}");
    assert!(entries[0].contains("resume queue email") && entries[0].contains("undo"), "{entries:?}");
    assert!(entries[1].contains("pause queue email") && entries[1].contains("undone by"), "{entries:?}");
    world.is_sound("audit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_others_do_is_seen_without_a_click() {
    let world = World::open("live", &[]).await;
    let browser = &world.browser;
    world.goto("/queues").await;
    browser.wait_for("#live[data-state=on]").await;
    browser
        .eval("document.querySelector('#queue-email a').focus(); window.same = document.querySelector('#queue-email')")
        .await;
    world.shop.queues.queue("email").drain().await.unwrap();
    browser.wait_for("#queue-email .tag.warn").await;
    // Nothing was put anew: the row is the same, and so is the focus.
    let kept = "return window.same === document.querySelector('#queue-email') && document.activeElement.closest('#queue-email') !== null";
    assert_eq!(browser.eval(kept).await, true);

    // Held updates wait, and come when they may.
    browser.eval("document.activeElement.blur()").await;
    browser.press(".").await;
    browser.wait_for("#live[data-state=held]").await;
    world.shop.queues.queue("email").resume().await.unwrap();
    browser.press(".").await;
    browser.wait_gone("#queue-email .tag.warn").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_move_open_and_explain() {
    let world = World::open("keys", &[]).await;
    let browser = &world.browser;
    world.goto("/queues").await;
    browser.press("jj").await;
    browser.wait_for("table.rows tbody tr:nth-child(2).at").await;
    browser.press("k").await;
    browser.wait_for("table.rows tbody tr:nth-child(1).at").await;
    browser.press("?").await;
    browser.wait_for("dialog[open]").await;
    browser.click("dialog button").await;
    browser.press("/").await;
    assert_eq!(browser.eval("return document.activeElement.name").await, "id");
    browser.eval("document.activeElement.blur()").await;
    browser.press("ga").await;
    browser.wait_for_url("/audit").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_action_that_takes_more_than_a_click_asks_first() {
    let world = World::open("asks", &[]).await;
    let browser = &world.browser;
    world.goto("/queues").await;
    browser.click("#queue-email form.act:nth-of-type(2) button").await;
    browser.wait_for_text("h1", "Are you sure?").await;
    world.is_sound("question").await;
    assert!(!world.shop.stats("email").await.draining);
    browser.click("button.danger").await;
    browser.wait_for("#queue-email .tag.warn").await;
    wait_until("it drains", PATIENCE, async || world.shop.stats("email").await.draining).await;
}
