//! Effects in a database that are there once, however often their job runs.

use millgate_events::{Event, EventMeta, Outbox, TraceParent, client_span};
use sqlx::{PgConnection, PgPool};
use tracing::Instrument;

use crate::{Ctx, Done, JobError};

impl Ctx {
    /// Runs `effects` in a transaction with this job's row of the inbox: both are there, or neither.
    ///
    /// A run that finds the row is done at once: the one before had committed, and was cut off before it could say so. Two
    /// runs at the same time wait for each other; an error takes everything back. Effects anywhere but in this
    /// transaction are not covered.
    pub async fn once<F>(&self, database: &PgPool, effects: F) -> Result<Done, JobError>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<(), JobError>,
    {
        let span = client_span("postgresql", "transaction");
        self.transaction(database, effects).instrument(span).await
    }

    async fn transaction<F>(&self, database: &PgPool, effects: F) -> Result<Done, JobError>
    where
        F: AsyncFnOnce(&mut PgConnection) -> Result<(), JobError>,
    {
        let mut transaction = database.begin().await?;
        // Another run's row that is not committed yet is waited for.
        let fresh = sqlx::query("INSERT INTO inbox (queue, job_id) VALUES ($1, $2) ON CONFLICT DO NOTHING")
            .bind(&*self.queue)
            .bind(&self.job_id)
            .execute(&mut *transaction)
            .await?
            .rows_affected();
        if fresh == 0 {
            return Ok(Done);
        }
        effects(&mut transaction).await?;
        transaction.commit().await?;
        Ok(Done)
    }

    /// Appends an event to the outbox, in the transaction of [`once`](Self::once): caused by the event that this job goes
    /// back to, if there is one. Needs an [`Outbox`] in the state, which a worker has.
    pub async fn append<E: Event>(&self, database: &mut PgConnection, event: &E) -> Result<(), JobError> {
        let outbox = self.state::<Outbox>()?;
        outbox.append_as(database, event, self.caused(outbox.meta::<E>())).await?;
        Ok(())
    }

    /// Carries on what is known of the event that this job goes back to.
    pub(crate) fn caused(&self, mut meta: EventMeta) -> EventMeta {
        if let Some(cause) = &self.origin {
            meta.correlation_id.clone_from(&cause.correlation_id);
            meta.causation_id = Some(cause.event_id.clone());
            let trace = cause.traceparent.as_deref().and_then(TraceParent::parse);
            meta.trace = trace.map(TraceParent::child).or(meta.trace);
            meta.trace_state.clone_from(&cause.tracestate);
            meta.baggage.clone_from(&cause.baggage);
        }
        meta
    }
}
