//! The way out when a projection can do nothing with an event: somebody lets it pass that over.

use serde::Serialize;
use sqlx::Connection;
use uuid::Uuid;

use super::{ProjectionState, ProjectionStore, row::Build};
use crate::store::StoreError;

/// An event that a projection has passed over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedEvent {
    /// In which builds: the live one, the one that is being made, or both.
    pub builds: Vec<i64>,
    /// Its position.
    pub position: i64,
    /// Why it could not be applied.
    pub error: String,
}

impl ProjectionStore {
    /// Lets a projection pass over the event that it stands still at. Its rows are without it from then on; the next build tries it
    /// again. Who did that and why is kept beside it (`store_skips`).
    ///
    /// An event that it does not stand still at is refused.
    pub async fn skip(&self, name: &str, event: Uuid, (by, why): (&str, &str)) -> Result<SkippedEvent, StoreError> {
        let mut connection = self.database.acquire().await?;
        let mut transaction = connection.begin().await?;
        let (mut skipped, mut others) = (None::<SkippedEvent>, Vec::new());
        for state in [ProjectionState::Live, ProjectionState::Building] {
            // Whoever tries the event just now is waited for.
            let Some(mut build) = Build::lock(&mut transaction, name, state).await? else { continue };
            let failed = "SELECT e.position, e.id, p.error FROM store_projections AS p \
                JOIN store_events AS e ON e.position = p.failed_position \
                WHERE p.name = $1 AND p.build = $2 AND p.error IS NOT NULL";
            let failed = sqlx::query_as(failed).bind(name).bind(build.number);
            let failed: Option<(i64, Uuid, String)> = failed.fetch_optional(&mut *transaction).await?;
            let Some((position, id, error)) = failed else { continue };
            if id != event {
                others.push(id.to_string());
                continue;
            }
            let between = "SELECT count(*) FROM store_events WHERE position > $1 AND position < $2";
            let between = sqlx::query_scalar(between).bind(build.position).bind(position);
            let between: i64 = between.fetch_one(&mut *transaction).await?;
            if position <= build.position || between > 0 {
                continue;
            }
            let note = "INSERT INTO store_skips (projection, build, position, event, error, skipped_by, why) \
                VALUES ($1, $2, $3, $4, $5, $6, $7)";
            let note = sqlx::query(note).bind(name).bind(build.number).bind(position).bind(id).bind(&error);
            note.bind(by).bind(why).execute(&mut *transaction).await?;
            build.advance(&mut transaction, name, position, 0).await?;
            let none = || SkippedEvent { builds: Vec::new(), position, error };
            skipped.get_or_insert_with(none).builds.push(build.number);
        }
        let Some(skipped) = skipped else {
            let reason = if others.is_empty() {
                format!("it does not stand still at event {event}; `millgate projections list` says at which it does")
            } else {
                format!("it stands still at event {}, and not at {event}", others.join(" and "))
            };
            return Err(StoreError::Projection { name: name.to_owned(), reason });
        };
        sqlx::query("SELECT pg_notify('millgate_store', '')").execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(skipped)
    }
}
