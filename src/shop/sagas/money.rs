//! Wallets and payments: money is in the one or in the other.

use sqlx::PgConnection;

use crate::JobError;

/// Takes it out of the customer's wallet. What is not there cannot be paid, now or later.
pub(super) async fn pay(
    database: &mut PgConnection,
    reference: &str,
    customer: &str,
    cents: i64,
) -> Result<(), JobError> {
    let take = "UPDATE wallets SET cents = cents - $2 WHERE customer = $1 AND cents >= $2";
    let taken = sqlx::query(take).bind(customer).bind(cents).execute(&mut *database).await?.rows_affected();
    if taken == 0 {
        let message = format!("{customer} has less than {cents} cents");
        return Err(JobError::dead("insufficient_funds", message));
    }
    let note = "INSERT INTO payments (reference, customer, cents, status) VALUES ($1, $2, $3, 'paid')";
    sqlx::query(note).bind(reference).bind(customer).bind(cents).execute(&mut *database).await?;
    Ok(())
}

/// Puts it back; gives how much that was.
pub(super) async fn refund(database: &mut PgConnection, reference: &str) -> Result<i64, JobError> {
    let undo =
        "UPDATE payments SET status = 'refunded' WHERE reference = $1 AND status = 'paid' RETURNING customer, cents";
    let paid: Option<(String, i64)> = sqlx::query_as(undo).bind(reference).fetch_optional(&mut *database).await?;
    let Some((customer, cents)) = paid else { return Ok(0) };
    let back = "UPDATE wallets SET cents = cents + $2 WHERE customer = $1";
    sqlx::query(back).bind(&customer).bind(cents).execute(&mut *database).await?;
    Ok(cents)
}
