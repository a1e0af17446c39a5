//! Times as people say them.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_dashboard::see::When;
pub(super) use millgate_dashboard::see::moment::{from_now, point, span};

use super::trace::now;

/// A time that somebody typed, or how long before now.
pub(super) fn time(text: &str) -> Result<DateTime<Utc>, String> {
    text.parse().map(|when: When| when.before(now()))
}

/// How long something takes or is kept.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| format!("`{text}` is no length of time; one is a number with its unit: 30m, 12h, 7days, 13months"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_length_of_time_is_told_with_how_one_is_written() {
        assert_eq!(duration("13months").unwrap(), humantime::parse_duration("13months").unwrap());
        let told = duration("moons").unwrap_err();
        assert!(told.contains("`moons` is no length of time") && told.contains("13months"), "{told}");
    }
}
