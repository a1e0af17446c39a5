//! A projection of which only the name is known.

use std::any::Any;

use futures::{FutureExt, future::BoxFuture};
use sqlx::PgConnection;

use super::Projection;
use crate::store::StoredEvent;

pub(super) type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub(super) trait AnyProjection: Send + Sync {
    fn name(&self) -> &'static str;
    fn version(&self) -> i32;
    fn wants(&self) -> Vec<&'static str>;
    fn create<'a>(&'a self, database: &'a mut PgConnection) -> BoxFuture<'a, Result<(), BoxError>>;
    fn apply<'a>(
        &'a self,
        database: &'a mut PgConnection,
        event: &'a StoredEvent,
    ) -> BoxFuture<'a, Result<(), BoxError>>;
}

impl<P: Projection> AnyProjection for P {
    fn name(&self) -> &'static str {
        P::NAME
    }

    fn version(&self) -> i32 {
        i32::try_from(P::VERSION).unwrap_or(i32::MAX)
    }

    fn wants(&self) -> Vec<&'static str> {
        Projection::wants(self)
    }

    fn create<'a>(&'a self, database: &'a mut PgConnection) -> BoxFuture<'a, Result<(), BoxError>> {
        Projection::create(self, database).boxed()
    }

    /// A panic is an error of this event, and not the end of all projections.
    fn apply<'a>(
        &'a self,
        database: &'a mut PgConnection,
        event: &'a StoredEvent,
    ) -> BoxFuture<'a, Result<(), BoxError>> {
        let applying = async move { Projection::apply(self, database, event).await };
        let caught = std::panic::AssertUnwindSafe(applying).catch_unwind();
        caught.map(|ended| ended.unwrap_or_else(|panic| Err(said(&*panic).into()))).boxed()
    }
}

fn said(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("without a word"))
}
