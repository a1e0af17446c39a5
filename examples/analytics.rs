//! Page views by 5 minutes, what users did in the last hour, and users of high value: `docs/windows.md`.
//! `cargo run --example analytics -- streams run`

use std::{process::ExitCode, time::Duration};

use millgate::{
    App, Event,
    streams::{
        Resources,
        windows::{WindowResult, Windows},
    },
};
use serde::{Deserialize, Serialize};

/// Only what is needed: other fields are passed over.
#[derive(Serialize, Deserialize, Event)]
#[event(type = "page-views", key = "page_url")]
struct PageViewed {
    #[serde(rename = "pageUrl")]
    page_url: String,
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "user-actions", key = "user_id")]
struct UserActed {
    #[serde(rename = "userId")]
    user_id: String,
    action: Action,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Action {
    PageView,
    Click,
    Search,
    Purchase,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Activity {
    page_views: u64,
    clicks: u64,
    searches: u64,
    purchases: u64,
}

impl Activity {
    fn add(&mut self, acted: &UserActed) {
        match acted.action {
            Action::PageView => self.page_views += 1,
            Action::Click => self.clicks += 1,
            Action::Search => self.searches += 1,
            Action::Purchase => self.purchases += 1,
        }
    }

    fn merge(&mut self, other: Self) {
        self.page_views += other.page_views;
        self.clicks += other.clicks;
        self.searches += other.searches;
        self.purchases += other.purchases;
    }
}

#[derive(Serialize, Deserialize, Event)]
#[event(type = "high-value-user-detected", key = "user_id")]
struct HighValueUserDetected {
    #[serde(rename = "userId")]
    user_id: String,
    activity: Activity,
}

fn is_of_interest(result: &WindowResult<Activity>) -> bool {
    result.value.purchases > 0 || result.value.clicks > 50
}

fn high_value(result: &WindowResult<Activity>) -> Option<HighValueUserDetected> {
    (result.value.purchases > 0).then(|| HighValueUserDetected { user_id: result.key.clone(), activity: result.value })
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);

/// Where keys of Redis begin, so that several may share one.
fn prefix() -> String {
    std::env::var("ANALYTICS_PREFIX").unwrap_or_default()
}

fn main() -> ExitCode {
    App::new("analytics")
        // So that `publish` knows them.
        .event::<PageViewed>()
        .event::<UserActed>()
        .event::<HighValueUserDetected>()
        .stream(|resources: &Resources| {
            Windows::over::<PageViewed>("page-views-5min", resources)
                .tumbling(5 * MINUTE)
                .by(|viewed| &viewed.page_url)
                .allow_lateness(MINUTE)
                .count()
                .into_table()
        })
        .stream(|resources: &Resources| {
            Windows::over::<UserActed>("user-behavior", resources)
                .hopping(HOUR, 5 * MINUTE)
                .by(|acted| &acted.user_id)
                .aggregate(Activity::default, Activity::add, Activity::merge)
                .only(is_of_interest)
                .into_table()
                .into_cache(&format!("{}user:activity:{{key}}", prefix()), HOUR)
                .publish_once_in(HOUR, high_value)
        })
        .main()
}
