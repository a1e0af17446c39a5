//! Times as people say them.

pub(super) use millgate_dashboard::see::moment::{from_now, point, span};
