//! What is done to a saga.

use millgate_bridge::saga::{Input, SagaError};
use uuid::Uuid;

use super::{ActError, Performed};
use crate::Site;

/// Moves a saga on, as somebody wants it.
pub(super) async fn act(site: &Site, saga: Uuid, wanted: &Input) -> Result<Performed, ActError> {
    let none = || ActError::Refused("this application has no sagas, or no database to keep them in".into());
    let store = site.sagas.as_ref().ok_or_else(none)?;
    let status = store.act(saga, wanted).await?;
    let done = match wanted {
        Input::Retry => "what waited is tried again",
        Input::Resolve { .. } => "what was stuck counts as taken back",
        _ => "what it did is taken back",
    };
    Ok(Performed::new(format!("saga {saga}: {done}; it is {status}")))
}

impl From<SagaError> for ActError {
    fn from(error: SagaError) -> Self {
        match error {
            SagaError::Gone(_) => Self::Gone(error.to_string()),
            SagaError::Refused(_) | SagaError::Version { .. } => Self::Refused(error.to_string()),
            _ => Self::Away(error.to_string()),
        }
    }
}
