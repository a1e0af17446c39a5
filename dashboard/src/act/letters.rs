//! What is done to dead letters. The table has it, too, with who and why.

use std::time::Duration;

use chrono::{DateTime, Utc};
use millgate_events::{Action as Signed, DeadLetterStore, LetterFilter, LetterStatus, Position, StoredLetter};
use millgate_jobs::Rate;
use serde::{Deserialize, Serialize, de::IgnoredAny};
use tokio::time::Instant;
use uuid::Uuid;

use super::{
    ActError, Action, Performed, Preview, Work,
    action::text,
    redrive::{RELIED_ON, Redrive, Tally},
};
use crate::{Site, see};

/// Letters in one step of a redrive: these are in memory with their payloads.
const STEP: u32 = 100;
/// Letters in one statement.
const STATEMENT: u32 = 1_000;
/// A redrive that is slowed down moves letters about this often.
const BEAT: Duration = Duration::from_millis(250);
/// So many letters are tried out before: more would keep whoever asks waiting.
const TRIED: u64 = 5_000;
/// What came back so often is left alone, if nothing else is said.
const MAX_REDRIVES: u16 = 3;

/// A redrive that somebody wants.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Redriving {
    /// Of which letters.
    pub letters: LetterFilter,
    /// Why.
    #[serde(deserialize_with = "text")]
    pub why: String,
    /// No faster than that.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// What came back so often is left alone; 3 if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_redrives: Option<u16>,
    /// Also what came back too often, and what was cut off so long ago that it may run twice.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub force: bool,
}

/// The letters that are meant.
struct Meant {
    /// Those of them that were there when somebody asked, and that something can be done about.
    filter: LetterFilter,
    /// Why nothing can be done about others.
    refused: Vec<String>,
    now: DateTime<Utc>,
}

fn store(site: &Site) -> Result<&DeadLetterStore, ActError> {
    site.letters.as_ref().ok_or_else(|| ActError::Refused(see::no_letters(site)))
}

/// Both the table and the audit say why.
fn signed(why: &str) -> Result<(), ActError> {
    let missing = || ActError::Refused("say why: it is kept with who did it".into());
    if why.trim().is_empty() { Err(missing()) } else { Ok(()) }
}

async fn meant(store: &DeadLetterStore, wanted: &LetterFilter) -> Result<Meant, ActError> {
    if !wanted.chooses() {
        let advice =
            "name letters by their ids, or choose them by what they have in common: all at once is never meant";
        return Err(ActError::Refused(advice.into()));
    }
    let now = store.now().await?;
    let mut refused = Vec::new();
    if !wanted.ids.is_empty() {
        let most = u32::try_from(wanted.ids.len()).unwrap_or(u32::MAX);
        let named = LetterFilter { statuses: Vec::new(), ..wanted.clone() };
        let found = store.page(&named, Position::START, most).await?;
        let closed = found.iter().filter(|letter| !letter.status.is_open());
        refused.extend(closed.map(|letter| format!("letter {} is {} already", letter.id, letter.status)));
        let missing = wanted.ids.iter().filter(|id| found.iter().all(|letter| letter.id != **id));
        refused.extend(missing.map(|id| see::no_letter(*id)));
    }
    let stored_by = Some(wanted.stored_by.map_or(now, |time| time.min(now)));
    Ok(Meant { filter: LetterFilter { stored_by, ..wanted.clone() }.open(), refused, now })
}

/// Those that a redrive is about.
async fn redrivable(store: &DeadLetterStore, wanted: &Redriving) -> Result<Meant, ActError> {
    let mut meant = meant(store, &wanted.letters).await?;
    if wanted.force {
        return Ok(meant);
    }
    let times = wanted.max_redrives.unwrap_or(MAX_REDRIVES);
    let begun_after = meant.now - RELIED_ON;
    let (looping, old) = store.count_held_back(&meant.filter, i32::from(times), begun_after).await?;
    meant.filter.redrives_below = Some(i32::from(times));
    meant.filter.begun_after = Some(begun_after);
    if looping > 0 {
        let reason = "correct the cause, or force it (--force)";
        meant.refused.push(format!("{looping} letters came back after {times} redrives; {reason}"));
    }
    if old > 0 {
        let reason = "and may be done; forced (--force) it is done again";
        meant.refused.push(format!("the redrive of {old} letters was cut off long ago, {reason}"));
    }
    Ok(meant)
}

pub(super) async fn would_redrive(site: &Site, wanted: &Redriving, preview: Preview) -> Result<Preview, ActError> {
    let store = store(site)?;
    let Meant { filter, mut refused, .. } = redrivable(store, wanted).await?;
    let count = store.count(&filter).await?;
    let redrive = Redrive::new(site, store.clone());
    let (mut tally, mut after, mut tried) = (Tally::default(), Position::START, 0);
    while tried < TRIED {
        let page = store.whole_page(&filter, after, STEP).await?;
        let Some(last) = page.last() else { break };
        after = Position::after(last);
        tried += page.len() as u64;
        redrive.would(&page, &mut tally).await;
    }
    refused.extend(tally.reasons());
    let mut outcome = tally.text("would be");
    if count > tried {
        outcome = format!("of the first {tried} of {count} letters {outcome}");
    }
    Ok(Preview { count: Some(count), outcome: Some(outcome), refused, figures: tally.figures(), ..preview })
}

pub(super) async fn redrive(site: &Site, who: &str, wanted: &Redriving, work: &Work) -> Result<Performed, ActError> {
    let store = store(site)?;
    signed(&wanted.why)?;
    let Meant { filter, mut refused, .. } = redrivable(store, wanted).await?;
    let letters = store.count(&filter).await?;
    work.of(letters);
    let mut tally = Tally::default();
    if letters > 0 {
        let action = store.begin(&Signed { what: "redrive", who, why: &wanted.why, filter: &filter }).await?;
        let paced = Paced { redrive: Redrive::new(site, store.clone()), store, filter: &filter, action };
        paced.run(wanted.rate, &mut tally, work).await.map_err(|error| {
            let advice = "run it again, and it goes on from there and does nothing twice";
            ActError::Away(format!("the redrive was cut off; {advice}: {error}"))
        })?;
        store.end(action).await?;
    }
    refused.extend(tally.reasons());
    let mut text = tally.text("are");
    if work.is_stopped() {
        text = format!("stopped: {text}; redriven again, the others follow");
    }
    Ok(Performed { count: Some(tally.redriven), refused, figures: tally.figures(), ..Performed::new(text) })
}

/// A redrive at work.
struct Paced<'a> {
    redrive: Redrive,
    store: &'a DeadLetterStore,
    filter: &'a LetterFilter,
    action: i64,
}

impl Paced<'_> {
    async fn run(&self, rate: Option<Rate>, tally: &mut Tally, work: &Work) -> Result<(), ActError> {
        let interval = rate.map_or(Duration::ZERO, |rate| rate.per / rate.jobs.max(1));
        let in_a_beat =
            BEAT.as_nanos().checked_div(interval.as_nanos()).map_or(STEP, |many| u32::try_from(many).unwrap_or(STEP));
        let step = in_a_beat.clamp(1, STEP);
        let (mut after, mut next) = (Position::START, Instant::now());
        while !work.is_stopped() {
            let letters = self.store.claim(self.filter, after, step, self.action).await?;
            let Some(last) = letters.last() else { break };
            after = Position::after(last);
            self.redrive.run(&letters, self.action, tally).await?;
            work.add(letters.len() as u64);
            next += interval * u32::try_from(letters.len()).unwrap_or(STEP);
            tokio::select! {
                () = tokio::time::sleep_until(next) => {}
                () = work.stopped() => {}
            }
        }
        Ok(())
    }
}

/// Those that can be discarded: what is being redriven may be in its queue already.
async fn discardable(store: &DeadLetterStore, wanted: &LetterFilter) -> Result<Meant, ActError> {
    let mut meant = meant(store, wanted).await?;
    let redriving = LetterFilter { statuses: vec![LetterStatus::Redriving], ..meant.filter.clone() };
    let under_way = store.count(&redriving).await?;
    if under_way > 0 {
        let advice = "redriving them again (`millgate dlq redrive`) ends that";
        meant.refused.push(format!("{under_way} letters are being redriven; {advice}"));
    }
    meant.filter.statuses = vec![LetterStatus::Dead];
    Ok(meant)
}

pub(super) async fn would_discard(site: &Site, wanted: &LetterFilter, preview: Preview) -> Result<Preview, ActError> {
    let store = store(site)?;
    let Meant { filter, refused, .. } = discardable(store, wanted).await?;
    let count = store.count(&filter).await?;
    let outcome = format!("{count} letters would be discarded");
    Ok(Preview { count: Some(count), outcome: Some(outcome), refused, figures: [("letters", count)].into(), ..preview })
}

pub(super) async fn discard(
    site: &Site,
    who: &str,
    wanted: &LetterFilter,
    why: &str,
    work: &Work,
) -> Result<Performed, ActError> {
    let store = store(site)?;
    signed(why)?;
    let Meant { filter, refused, .. } = discardable(store, wanted).await?;
    let letters = store.count(&filter).await?;
    work.of(letters);
    let (mut discarded, mut undo) = (0, None);
    if letters > 0 {
        let action = store.begin(&Signed { what: "discard", who, why, filter: &filter }).await?;
        undo = Some(Action::RestoreLetters { discard: action, why: "undo".into() });
        while !work.is_stopped() {
            let step = store.discard(&filter, STATEMENT, action).await?;
            if step == 0 {
                break;
            }
            discarded += step;
            work.add(step);
        }
        store.end(action).await?;
    }
    let performed = Performed::new(format!("{discarded} letters are discarded"));
    Ok(Performed { count: Some(discarded), refused, figures: [("discarded", discarded)].into(), undo, ..performed })
}

pub(super) async fn would_restore(site: &Site, discard: i64, preview: Preview) -> Result<Preview, ActError> {
    let count = store(site)?.count_discarded(discard).await?;
    Ok(Preview { count: Some(count), outcome: Some(format!("{count} letters would be dead again")), ..preview })
}

pub(super) async fn restore(
    site: &Site,
    who: &str,
    discard: i64,
    why: &str,
    work: &Work,
) -> Result<Performed, ActError> {
    let store = store(site)?;
    signed(why)?;
    let letters = store.count_discarded(discard).await?;
    if letters == 0 {
        let reason = "its letters were dealt with since, or expired";
        return Err(ActError::Gone(format!("nothing of discard {discard} is discarded still: {reason}")));
    }
    work.of(letters);
    let filter = LetterFilter { statuses: vec![LetterStatus::Discarded], ..LetterFilter::default() };
    let action = store.begin(&Signed { what: "restore", who, why, filter: &filter }).await?;
    let mut restored = 0;
    while !work.is_stopped() {
        let step = store.restore(discard, STATEMENT, action).await?;
        if step == 0 {
            break;
        }
        restored += step;
        work.add(step);
    }
    store.end(action).await?;
    Ok(Performed { count: Some(restored), ..Performed::new(format!("{restored} letters are dead again")) })
}

/// The letter as it would be.
async fn edited(site: &Site, letter: Uuid, payload: Option<&str>) -> Result<(StoredLetter, StoredLetter), ActError> {
    if let Some(text) = payload {
        let no_json = |error| ActError::Refused(format!("the payload is no JSON: {error}"));
        serde_json::from_str::<IgnoredAny>(text).map_err(no_json)?;
    }
    let found = store(site)?.get(letter).await?;
    let before = found.ok_or_else(|| ActError::Gone(see::no_letter(letter)))?;
    let after = StoredLetter { edited: payload.map(|text| text.as_bytes().to_vec()), ..before.clone() };
    Ok((before, after))
}

/// Told at once, and not only by its redrive.
async fn misfits(site: &Site, letter: &StoredLetter) -> Result<Vec<String>, ActError> {
    let mut tally = Tally::default();
    Redrive::new(site, store(site)?.clone()).would(std::slice::from_ref(letter), &mut tally).await;
    Ok(tally.refused.keys().map(|reason| format!("redriven it would stay dead: {reason}")).collect())
}

pub(super) async fn would_edit(
    site: &Site,
    letter: Uuid,
    payload: Option<&str>,
    preview: Preview,
) -> Result<Preview, ActError> {
    let (_, after) = edited(site, letter, payload).await?;
    Ok(Preview { refused: misfits(site, &after).await?, ..preview })
}

pub(super) async fn edit(
    site: &Site,
    who: &str,
    letter: Uuid,
    payload: Option<&str>,
    why: &str,
) -> Result<Performed, ActError> {
    signed(why)?;
    let (before, after) = edited(site, letter, payload).await?;
    let filter = LetterFilter { ids: vec![letter], ..LetterFilter::default() };
    let signed = Signed { what: "edit", who, why, filter: &filter };
    if !store(site)?.edit(letter, payload.map(str::as_bytes), &signed).await? {
        let status = before.status;
        return Err(ActError::Refused(format!("letter {letter} is {status}, and only dead ones are edited")));
    }
    let text = match payload {
        Some(_) => format!("letter {letter} has another payload, which its redrive uses"),
        None => format!("letter {letter} has its own payload again"),
    };
    let payload = before.edited.and_then(|bytes| String::from_utf8(bytes).ok());
    let performed = Performed { refused: misfits(site, &after).await?, ..Performed::new(text) };
    Ok(performed.undone_by(Action::EditLetter { letter, payload, why: "undo".into() }))
}
