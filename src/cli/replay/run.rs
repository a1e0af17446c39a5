//! Runs a replay to its end, and shows how far it is.

use std::time::{Duration, Instant};

use millgate_dashboard::{
    Site,
    act::{self, Action, Actor, Replaying, Work},
};
use serde_json::json;

use super::{
    super::{Outcome, answer, progress},
    figures, store,
};

/// As JSON it is told about so often how far it is.
const BEAT: Duration = Duration::from_secs(1);

pub(super) async fn run(site: &Site, actor: &Actor, json: bool, id: String) -> anyhow::Result<Outcome> {
    let store = match store(site) {
        Ok(store) => store,
        Err(outcome) => return Ok(outcome),
    };
    let work = Work::new();
    let action = Action::RunReplay { replay: id.clone() };
    let doing = Box::pin(act::perform(site, actor, &action, &work));
    let performed = if json {
        told(&work, &id, progress::shown(&work, doing)).await?
    } else {
        progress::shown(&work, doing).await?
    };
    let past = store.get::<Replaying>(&id).await?;
    if json {
        let refused = &performed.refused;
        let last = json!({ "replay": id, "status": past.status, "tally": past.tally, "refused": refused });
        answer::write(&format!("{last}\n"))?;
    } else {
        answer::write(&format!("{}\n{}", performed.text, figures::text(&past.tally)))?;
        for reason in &performed.refused {
            eprintln!("error: {reason}");
        }
    }
    let is_done = past.status == millgate_events::ReplayStatus::Done;
    Ok(if is_done { Outcome::Well } else { Outcome::NotWell })
}

/// Tells in a line of JSON how far it is, about every second.
async fn told<T>(work: &Work, id: &str, doing: impl Future<Output = T>) -> T {
    let (began, mut first) = (Instant::now(), None);
    let mut doing = std::pin::pin!(doing);
    loop {
        tokio::select! {
            done = &mut doing => return done,
            () = tokio::time::sleep(BEAT) => {
                let (done, total) = work.progress();
                // One that is resumed has some of it behind it.
                let before = *first.get_or_insert(done);
                let line = json!({
                    "replay": id, "offsets_done": done, "offsets": total,
                    "eta_seconds": left(done - before.min(done), total.saturating_sub(done), began.elapsed()),
                });
                // Whoever does not listen any more is not told.
                let _ = answer::write(&format!("{line}\n"));
            }
        }
    }
}

/// In how many seconds the rest is done, at the same pace.
fn left(done: u64, rest: u64, took: Duration) -> Option<u64> {
    let took = u64::try_from(took.as_millis()).ok()?;
    rest.checked_mul(took)?.checked_div(done)?.checked_div(1_000)
}
