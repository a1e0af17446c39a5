//! What is acted on: letters that are named, or all that a filter lets through.

use chrono::{DateTime, Utc};
use millgate_events::{DeadLetterStore, LetterFilter, Position};
use uuid::Uuid;

use super::{filter::Filter, letter_id, no_letter};
use crate::servers::Servers;

#[derive(clap::Args)]
pub(super) struct Many {
    /// Ids, as `dlq list` shows them
    #[arg(value_name = "ID", value_parser = letter_id)]
    ids: Vec<Uuid>,
    #[command(flatten)]
    filter: Filter,
    /// Only say what would be done
    #[arg(long)]
    pub(super) dry_run: bool,
    /// Do it, also to more than one letter
    #[arg(long, conflicts_with = "dry_run")]
    yes: bool,
}

/// The letters that are meant.
pub(super) struct Meant {
    /// Those of them that were there when the command began, and that something can be done about.
    pub(super) filter: LetterFilter,
    /// Why nothing can be done about others that were named.
    pub(super) refused: Vec<String>,
    pub(super) now: DateTime<Utc>,
}

impl Many {
    /// What cannot be meant.
    pub(super) fn wrong(&self) -> Option<String> {
        match (self.ids.is_empty(), self.filter.is_empty()) {
            (true, true) => Some(
                "name letters by their ids, or choose them by --kind, --topic, --type, --queue, --job, --code, --fingerprint, \
                 --since or --until"
                    .into(),
            ),
            (false, false) => Some("letters are named by their ids or chosen by a filter, not both".into()),
            _ => None,
        }
    }

    /// Whether somebody has to say `--yes` before it is done to so many.
    pub(super) fn needs_yes(&self, letters: u64) -> bool {
        self.ids.is_empty() && !self.yes && !self.dry_run && letters > 1
    }

    pub(super) async fn resolve(&self, servers: &Servers, store: &DeadLetterStore) -> anyhow::Result<Meant> {
        let now = store.now().await?;
        let filter = LetterFilter { ids: self.ids.clone(), ..self.filter.clone().resolve(servers, now) };
        let mut refused = Vec::new();
        if !self.ids.is_empty() {
            let most = u32::try_from(self.ids.len()).unwrap_or(u32::MAX);
            let found = store.page(&filter, Position::START, most).await?;
            let closed = found.iter().filter(|letter| !letter.status.is_open());
            refused.extend(closed.map(|letter| format!("letter {} is {} already", letter.id, letter.status)));
            let missing = self.ids.iter().filter(|id| found.iter().all(|letter| letter.id != **id));
            refused.extend(missing.map(|id| no_letter(*id)));
        }
        Ok(Meant { filter: LetterFilter { stored_by: Some(now), ..filter }.open(), refused, now })
    }
}
