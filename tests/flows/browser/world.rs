//! A shop at work, and somebody who looks at it.

use std::path::Path;

use millgate_testkit::{Browser, Child, wait_until};

use crate::shop::{PATIENCE, Shop, notification, order};

/// A line of `booking.requested`.
fn booking(customer: &str, seat: &str) -> String {
    let data = serde_json::json!({
        "booking_id": format!("booking-of-{customer}"), "customer": customer,
        "email": format!("{customer}@mail.example"), "seats": [seat], "amount_cents": 2_000,
    });
    serde_json::json!({ "type": "booking.requested", "data": data }).to_string()
}

pub(crate) struct World {
    pub(crate) shop: Shop,
    pub(crate) browser: Browser,
    pub(crate) address: String,
    _roles: Vec<Child>,
}

impl World {
    /// A shop with these roles at work, its dashboard, and a browser.
    pub(crate) async fn open(name: &str, roles: &[&str]) -> Self {
        Self::of(Shop::open(name).await, roles).await
    }

    /// The same with a shop that is there already.
    pub(crate) async fn of(mut shop: Shop, roles: &[&str]) -> Self {
        shop.set("MILLGATE_DASHBOARD_LISTEN", "127.0.0.1:0");
        let dashboard = shop.start(&["dashboard"]);
        let line = dashboard.wait_for_line("dashboard at http://", PATIENCE).await;
        let address = line.split("dashboard at ").nth(1).unwrap().split_whitespace().next().unwrap();
        let address = address.trim_end_matches('/').to_owned();
        let mut roles: Vec<Child> = roles.iter().map(|role| shop.start(&role.split(' ').collect::<Vec<_>>())).collect();
        roles.push(dashboard);
        Self { shop, browser: Browser::start().await, address, _roles: roles }
    }

    /// A shop at work with something of everything: orders, a reminder that waits, a mail that cannot be delivered, an event
    /// that nobody knows, a saga that was done and one that was taken back.
    pub(crate) async fn busy(name: &str) -> Self {
        let mut shop = Shop::open(name).await;
        shop.set("MILLGATE_SHOP_REMINDER_DELAY", "1h");
        shop.set("MILLGATE_SHOP_AUDIT", "true");
        shop.set("MILLGATE_SHOP_SAGAS", "true");
        shop.set("MILLGATE_SHOP_SAGA_PATIENCE", "6");
        shop.run(&["migrate"]).await;
        shop.apply_topics().await;
        sqlx::raw_sql("INSERT INTO wallets VALUES ('ada', 9000), ('bob', 0); INSERT INTO seats VALUES ('s1'), ('s2')")
            .execute(shop.database.pool())
            .await
            .unwrap();
        let world = Self::of(shop, &["bridge", "worker", "relay", "saga run", "streams run"]).await;
        let mut lines: Vec<String> = (1..=5).map(order).collect();
        lines.extend([booking("ada", "s1"), booking("bob", "s2")]);
        lines.push(notification("nobody"));
        world.shop.publish(&lines).await;
        let headers =
            [("ce_specversion", "1.0"), ("ce_id", "odd-1"), ("ce_source", "shop"), ("ce_type", "order.exploded")];
        world.shop.kafka.put("order.created", 0, Some(b"order-9"), Some(b"{\"nonsense\": true}"), &headers).await;
        world.shop.wait_done("email", "send-confirmation-email", 5).await;
        wait_until("two letters are dead", PATIENCE, async || world.letters().await == 2).await;
        let recorded = "SELECT count(*) FROM audit_logs WHERE is_error";
        let recorded =
            async || sqlx::query_scalar::<_, i64>(recorded).fetch_one(world.shop.database.pool()).await.unwrap();
        wait_until("both are recorded", PATIENCE, async || recorded().await == 2).await;
        let ended = "SELECT count(*) FROM sagas WHERE ended_at IS NOT NULL";
        let ended = async || sqlx::query_scalar::<_, i64>(ended).fetch_one(world.shop.database.pool()).await.unwrap();
        wait_until("both sagas have ended", PATIENCE, async || ended().await == 2).await;
        world
    }

    pub(crate) async fn letters(&self) -> i64 {
        let count = "SELECT count(*) FROM dead_letters WHERE status = 'dead'";
        sqlx::query_scalar(count).fetch_one(self.shop.database.pool()).await.unwrap()
    }

    pub(crate) async fn goto(&self, path: &str) {
        self.browser.goto(&format!("{}{path}", self.address)).await;
    }

    /// What hinders people, and what went wrong in the page: nothing may.
    pub(crate) async fn is_sound(&self, page: &str) {
        let hindrances = self.browser.axe().await;
        assert!(hindrances.is_empty(), "{page}: {hindrances:#?}");
        let errors = self.browser.console_errors().await;
        assert!(errors.is_empty(), "{page}: {errors:#?}");
    }

    /// Writes what is seen to a folder, if that is wanted: `SCREENSHOTS=docs/dashboard`.
    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("SCREENSHOTS") {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            self.browser.screenshot(folder.join(format!("{name}.png"))).await;
        }
    }
}
