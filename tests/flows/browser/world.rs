//! A shop at work, and somebody who looks at it.

use millgate_testkit::{Browser, Child};

use crate::shop::{PATIENCE, Shop};

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
        let address = line.split("dashboard at ").nth(1).unwrap().trim().trim_end_matches('/').to_owned();
        let mut roles: Vec<Child> = roles.iter().map(|role| shop.start(&[role])).collect();
        roles.push(dashboard);
        Self { shop, browser: Browser::start().await, address, _roles: roles }
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

    /// Writes what is seen to the folder of the documentation's pictures, if that is wanted: `MILLGATE_SCREENSHOTS=docs/dashboard`.
    pub(crate) async fn picture(&self, name: &str) {
        if let Some(folder) = std::env::var_os("MILLGATE_SCREENSHOTS") {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
            std::fs::create_dir_all(&folder).unwrap();
            self.browser.screenshot(folder.join(format!("{name}.png"))).await;
        }
    }
}
