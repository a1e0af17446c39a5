//! Entries into the table: all of a batch in one statement, a list for each column that differs.

use sqlx::PgConnection;

use super::AuditLog;

const INSERT: &str = "INSERT INTO audit_logs (chain, recorded_at, topic, record_partition, number, record_offset, record_time, \
    event_id, event_type, event_version, event_source, occurred_at, user_id, resource, action, is_error, error, correlation_id, \
    causation_id, trace_id, payload, raw, claim, hash) \
    SELECT $1, $2, $3, $4, number, record_offset, record_time, event_id, event_type, event_version, event_source, occurred_at, \
    user_id, resource, action, is_error, error, correlation_id, causation_id, trace_id, payload::json, raw, claim, hash \
    FROM unnest($5::bigint[], $6::bigint[], $7::timestamptz[], $8::text[], $9::text[], $10::bigint[], $11::text[], $12::timestamptz[], \
    $13::text[], $14::text[], $15::text[], $16::boolean[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::bytea[], \
    $23::text[], $24::bytea[]) \
    AS entry (number, record_offset, record_time, event_id, event_type, event_version, event_source, occurred_at, user_id, resource, \
    action, is_error, error, correlation_id, causation_id, trace_id, payload, raw, claim, hash)";

/// Writes entries of one chain that are recorded at the same time.
pub(super) async fn insert(entries: &[AuditLog], database: &mut PgConnection) -> Result<(), sqlx::Error> {
    let Some(AuditLog { chain, recorded_at, topic, partition, .. }) = entries.first() else { return Ok(()) };
    let insert = sqlx::query(INSERT).bind(chain).bind(recorded_at).bind(topic).bind(partition);
    let insert = insert
        .bind(list(entries, |entry| entry.number))
        .bind(list(entries, |entry| entry.offset))
        .bind(list(entries, |entry| entry.record_time))
        .bind(list(entries, |entry| &*entry.event_id))
        .bind(list(entries, |entry| &*entry.event_type))
        .bind(list(entries, |entry| entry.event_version))
        .bind(list(entries, |entry| entry.event_source.as_deref()))
        .bind(list(entries, |entry| entry.occurred_at))
        .bind(list(entries, |entry| entry.user_id.as_deref()))
        .bind(list(entries, |entry| entry.resource.as_deref()))
        .bind(list(entries, |entry| &*entry.action))
        .bind(list(entries, |entry| entry.is_error))
        .bind(list(entries, |entry| entry.error.as_deref()))
        .bind(list(entries, |entry| entry.correlation_id.as_deref()))
        .bind(list(entries, |entry| entry.causation_id.as_deref()))
        .bind(list(entries, |entry| entry.trace_id.as_deref()))
        .bind(list(entries, |entry| entry.payload.as_deref()))
        .bind(list(entries, |entry| entry.raw.as_deref()))
        .bind(list(entries, |entry| entry.claim.as_deref()))
        .bind(list(entries, |entry| &*entry.hash));
    insert.execute(database).await?;
    Ok(())
}

/// What one column has.
fn list<'e, T>(entries: &'e [AuditLog], of: impl Fn(&'e AuditLog) -> T) -> Vec<T> {
    entries.iter().map(of).collect()
}
