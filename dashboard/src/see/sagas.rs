//! Sagas as one sees them.

use millgate_bridge::saga::{Happening, SagaDetail, SagaFilter, SagaPage, SagaStatus, SagaStore, StepStatus};
use serde::{Deserialize, Serialize};

use super::{SeeError, Severity};
use crate::Site;

/// Sagas on a page.
const MOST: usize = 50;

/// Which sagas are wanted, as it is typed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct SagaChoice {
    /// One status, or `open` for all that have not ended; empty: any.
    pub status: String,
    /// The saga's name; empty: any.
    pub saga: String,
    /// What it is about; empty: anything.
    pub key: String,
    /// Where the page before said to go on.
    pub after: Option<String>,
}

impl SagaChoice {
    /// What it means.
    fn filter(&self) -> Result<SagaFilter, SeeError> {
        let statuses = match self.status.as_str() {
            "" => Vec::new(),
            "open" => SagaStatus::ALL.into_iter().filter(|status| !status.has_ended()).collect(),
            name => vec![SagaStatus::named(name).ok_or_else(|| {
                let known = SagaStatus::ALL.map(SagaStatus::as_str).join(", ");
                SeeError::Misunderstood(format!("no saga is ever `{name}`; there are: open, {known}"))
            })?],
        };
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(SagaFilter { statuses, saga: some(&self.saga), key: some(&self.key) })
    }
}

/// What there is to look at, if the application has sagas.
fn store(site: &Site) -> Result<&SagaStore, SeeError> {
    site.sagas
        .as_ref()
        .ok_or_else(|| SeeError::Missing("this application has no sagas; add some by App::saga(…)".into()))
}

/// Those that match, the newest first.
pub async fn sagas(site: &Site, choice: &SagaChoice) -> Result<SagaPage, SeeError> {
    let filter = choice.filter()?;
    Ok(store(site)?.list(&filter, choice.after.as_deref(), MOST).await?)
}

/// One, by its id, or by its key where only one has that; without what nobody is shown in any event or job.
pub async fn saga(site: &Site, id_or_key: &str) -> Result<SagaDetail, SeeError> {
    let found = store(site)?.find(id_or_key).await?;
    let missing =
        || SeeError::Missing(format!("there is no saga {id_or_key}, or several are about it: millgate saga list"));
    let mut found = found.ok_or_else(missing)?;
    found.state = site.mask.shown_in_saga(found.state);
    Ok(found)
}

/// How good it is that something happened.
pub fn severity(what: Happening) -> Severity {
    use Happening as H;
    match what {
        H::Done | H::Completed | H::Compensated | H::Undone | H::Resolved => Severity::Good,
        H::Started | H::Sent | H::Undoing | H::Early | H::Ignored | H::Retried => Severity::Info,
        H::Retry | H::TimedOut | H::Late | H::Failed | H::TurnedBack => Severity::Warning,
        H::Stuck => Severity::Bad,
    }
}

/// What it is in a picture: the tone of a step's box, as those of lines in charts.
pub fn tone(status: StepStatus) -> &'static str {
    use StepStatus as S;
    match status {
        S::Waiting => "plain",
        S::Sent => "waiting",
        S::Retrying | S::Undoing | S::UndoRetrying => "failed",
        S::Done => "done",
        S::Undone | S::Failed | S::GivenUp => "third",
        S::Stuck => "dead",
    }
}
