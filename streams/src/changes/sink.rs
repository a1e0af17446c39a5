//! Tables of one's own that follow another.

use futures::future::BoxFuture;
use sqlx::PgConnection;

use super::RowKey;
use crate::StageError;

/// A row as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct Current<'a, T> {
    /// Its key.
    pub key: &'a RowKey,
    /// Its columns.
    pub row: &'a T,
    /// Columns that are as they were, and which nobody could tell: leave what is there. Always empty if the stream
    /// [remembers rows](super::Changes::remember_rows) and saw them from their beginning.
    pub unchanged: &'a [String],
}

/// Writes what rows have come to into tables of one's own, in the transaction in which the stream moves on.
///
/// It is told how things are, and not each step: of many changes of a row in a batch the last one. Rows and keys occur once each.
/// What comes is never older than what came before; it may be the same again.
pub trait Sink<T>: Send + Sync + 'static {
    /// Inserts rows, or updates them if they are there.
    fn upsert(
        &self,
        rows: &[Current<'_, T>],
        database: &mut PgConnection,
    ) -> impl Future<Output = Result<(), StageError>> + Send;

    /// Deletes rows, if they are there. A truncate comes as the deletion of all rows, at most a thousand at a time.
    fn delete(
        &self,
        keys: &[RowKey],
        database: &mut PgConnection,
    ) -> impl Future<Output = Result<(), StageError>> + Send;
}

/// A sink, whatever its type.
pub(super) trait Write<T>: Send + Sync {
    fn upsert<'a>(
        &'a self,
        rows: &'a [Current<'a, T>],
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>>;

    fn delete<'a>(
        &'a self,
        keys: &'a [RowKey],
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>>;
}

impl<T: Send + Sync + 'static, S: Sink<T>> Write<T> for S {
    fn upsert<'a>(
        &'a self,
        rows: &'a [Current<'a, T>],
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>> {
        Box::pin(Sink::upsert(self, rows, database))
    }

    fn delete<'a>(
        &'a self,
        keys: &'a [RowKey],
        database: &'a mut PgConnection,
    ) -> BoxFuture<'a, Result<(), StageError>> {
        Box::pin(Sink::delete(self, keys, database))
    }
}
