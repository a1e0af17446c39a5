//! What customer relations know of users: a reader of its own, so that it is behind, stopped or filled anew by itself.

use serde::{Deserialize, Serialize};
use sqlx::PgPool;

use super::UserRegistered;
use crate::{Ctx, Done, Group, Job, JobError, on};

/// Notes who a user is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Job)]
// Twenty attempts are two hours with the default backoff, in which a database comes back.
#[job(queue = "crm", max_attempts = 20)]
pub struct UpsertContact {
    /// The user.
    pub user_id: String,
    /// The user's address.
    pub email: String,
    /// The user's name.
    pub name: String,
    /// The user's language.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
}

/// The group `crm`.
pub(super) fn crm(group: Group) -> Group {
    group.route(on::<UserRegistered>().enqueue(|e| UpsertContact {
        user_id: e.user_id.clone(),
        email: e.email.clone(),
        name: e.name.clone(),
        locale: e.locale.clone(),
    }))
}

/// Does [`UpsertContact`]. Jobs run in any order; what the newest event says stays.
pub(super) async fn upsert_contact(job: UpsertContact, ctx: Ctx) -> Result<Done, JobError> {
    let upsert = "INSERT INTO crm_contacts (user_id, email, name, locale, changed_at) VALUES ($1, $2, $3, $4, $5) \
                  ON CONFLICT (user_id) DO UPDATE SET email = EXCLUDED.email, name = EXCLUDED.name, \
                  locale = EXCLUDED.locale, changed_at = EXCLUDED.changed_at \
                  WHERE crm_contacts.changed_at < EXCLUDED.changed_at";
    sqlx::query(upsert)
        .bind(&job.user_id)
        .bind(&job.email)
        .bind(&job.name)
        .bind(&job.locale)
        .bind(ctx.time)
        .execute(ctx.state::<PgPool>()?)
        .await?;
    Ok(Done)
}
