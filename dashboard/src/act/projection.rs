//! What is done to a projection.

use millgate_events::StoreError;
use uuid::Uuid;

use super::{ActError, Performed};
use crate::{ProjectionSite, Site};

pub(super) fn projections(site: &Site) -> Result<&ProjectionSite, ActError> {
    let none = "this application has no database, and so no projections; set postgres.url (MILLGATE_POSTGRES_URL)";
    site.projections.as_ref().ok_or_else(|| ActError::Refused(none.into()))
}

/// Lets it pass over the event that it stands still at.
pub(super) async fn skip(
    site: &Site,
    who: &str,
    projection: &str,
    event: Uuid,
    why: &str,
) -> Result<Performed, ActError> {
    if why.trim().is_empty() {
        return Err(ActError::Refused("say why: the rows are without that event from then on".into()));
    }
    let skipped = projections(site)?.store.skip(projection, event, (who, why)).await?;
    let error = skipped.error;
    Ok(Performed::new(format!(
        "projection {projection} passes over event {event} and goes on; it stood still: {error}"
    )))
}

impl From<StoreError> for ActError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Projection { .. } => Self::Refused(error.to_string()),
            error => Self::Away(error.to_string()),
        }
    }
}
