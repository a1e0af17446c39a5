//! Rates as people write them.

use millgate_jobs::Rate;

/// `10/1s`, `100/1m`; `10/s` is the first.
pub(super) fn read(text: &str) -> Option<Rate> {
    text.parse().ok()
}
