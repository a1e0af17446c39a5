//! The `[shop]` section.

use std::time::Duration;

use chrono_tz::Tz;
use serde::{Deserialize, Serialize};

use crate::QuietHours;

/// What a shop can be told.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShopSettings {
    /// An order that is not paid is reminded of after so long.
    #[serde(with = "humantime_serde")]
    pub reminder_delay: Duration,
    /// Hours in which nobody is reminded, by the customer's clock: `22:00-08:00`. Empty: at any hour.
    pub quiet_hours: QuietHours,
    /// Where customers live of whom nobody says it: `Europe/Vienna`.
    #[serde(with = "zone")]
    pub time_zone: Tz,
    /// Whether all events are recorded in the audit log.
    pub audit: bool,
    /// Who is mailed every night what the shop did the day before: orders, revenue, dead letters. Empty: nobody.
    pub summary_to: String,
    /// Whether it has bookings, and orders that are paid and shipped, as sagas; on in `millgate dev`.
    pub sagas: bool,
    /// How many times their timeouts of 5 s and 10 s a step of these may take: more on a machine that is slow.
    pub saga_patience: u32,
}

impl Default for ShopSettings {
    fn default() -> Self {
        Self {
            reminder_delay: Duration::from_hours(24),
            quiet_hours: QuietHours::NONE,
            time_zone: Tz::UTC,
            audit: false,
            summary_to: String::new(),
            sagas: false,
            saga_patience: 1,
        }
    }
}

mod zone {
    use chrono_tz::Tz;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
    pub(super) fn serialize<S: Serializer>(zone: &Tz, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(zone.name())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Tz, D::Error> {
        let name = String::deserialize(deserializer)?;
        name.parse().map_err(|_| D::Error::custom(format!("{name:?} is no time zone; it looks like Europe/Vienna")))
    }
}
