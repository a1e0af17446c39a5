//! An event's whole life.

use super::{super::pages::events::asked, Answer, answer};
use crate::web::view::View;

/// How it is found.
pub(super) const QUERY: &[(&str, &str)] = &[
    ("by", "event, key, correlation, trace or job; any of them if not said"),
    ("search", "kafka: what is noted nowhere is searched on Kafka, which takes seconds"),
    ("since", "how far back Kafka is searched: 2h; by the time in the id if not said"),
];

/// `GET /api/events/order-17?by=key`.
pub(super) async fn life(view: View) -> Answer {
    answer(asked(&view).await)
}
