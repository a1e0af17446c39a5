//! Events through routes once more: a reader of its own, with watermarks of its own.

mod doubling;
mod into_routes;
mod names;
mod spot;

pub use doubling::{Doubling, live_positions};
pub use into_routes::IntoRoutes;
