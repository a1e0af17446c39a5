//! `millgate dlq redrive`.

use std::time::Duration;

use millgate_events::{LetterFilter, Position};
use millgate_jobs::Rate;
use tokio::time::Instant;

use super::{
    super::{Outcome, answer, rate, typed},
    Signature, Store,
    many::Many,
};
use crate::{
    redrive::{RELIED_ON, Redrive, Tally},
    servers::Servers,
};

/// Letters in one step: these are in memory with their payloads.
const STEP: u32 = 100;
/// A redrive that is slowed down moves letters about this often.
const BEAT: Duration = Duration::from_millis(250);

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    #[command(flatten)]
    many: Many,
    #[command(flatten)]
    signature: Signature,
    /// No faster than that: 50/s
    #[arg(long, value_name = "N/TIME", value_parser = read_rate)]
    rate: Option<Rate>,
    /// What came back so often is left alone
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..))]
    max_redrives: u16,
    /// Also what came back too often, and what was cut off so long ago that it may run twice
    #[arg(long)]
    force: bool,
}

fn read_rate(text: &str) -> Result<Rate, String> {
    rate::read(text).ok_or_else(|| format!("`{text}` is no rate such as 50/s or 100/1m"))
}

pub(super) async fn run(servers: &Servers, store: Store, json: bool, args: Args) -> anyhow::Result<Outcome> {
    if let Some(message) = args.many.wrong() {
        return Ok(Outcome::Misunderstood(message));
    }
    let meant = args.many.resolve(servers, &store).await?;
    let mut refused = meant.refused;
    let begun_after = meant.now - chrono::Duration::from_std(RELIED_ON)?;
    let mut filter = meant.filter;
    if !args.force {
        let most = i32::from(args.max_redrives);
        let (looping, old) = store.count_held_back(&filter, most, begun_after).await?;
        filter.redrives_below = Some(most);
        filter.begun_after = Some(begun_after);
        if looping > 0 {
            let times = args.max_redrives;
            refused
                .push(format!("{looping} letters came back after {times} redrives; correct the cause, or use --force"));
        }
        if old > 0 {
            refused.push(format!(
                "the redrive of {old} letters was cut off long ago, and may be done; --force does it again"
            ));
        }
    }
    let redrive = Redrive::new(servers, store.clone());
    let letters = store.count(&filter).await?;
    let asks = args.many.needs_yes(letters);
    let mut tally = Tally::default();
    if args.many.dry_run || asks {
        let mut after = Position::START;
        loop {
            let page = store.whole_page(&filter, after, STEP).await?;
            let Some(last) = page.last() else { break };
            after = Position::after(last);
            redrive.would(&page, &mut tally).await;
        }
    } else if letters > 0 {
        let action = store.begin(&args.signature.under("redrive", &filter)).await?;
        act(&redrive, &store, &filter, action, args.rate, &mut tally).await.map_err(|error| {
            error.context("the redrive was cut off; run it again, and it goes on from there and does nothing twice")
        })?;
        store.end(action).await?;
    }
    let Tally { redriven, jobs, events, jobs_of_events, refused: stayed } = &tally;
    refused.extend(
        stayed.iter().map(|(reason, stayed)| {
            format!("{} letters stay dead ({} is one): {reason}", stayed.letters, stayed.example)
        }),
    );
    let verb = if args.many.dry_run || asks { "would be redriven" } else { "are redriven" };
    let said =
        format!("{redriven} letters {verb}: {jobs} jobs, and {events} events that come to {jobs_of_events} jobs");
    answer::act(json, &tally, &said, &refused)?;
    if asks {
        return Ok(Outcome::Misunderstood(format!("nothing was done yet; to do it: {} --yes", typed::line())));
    }
    Ok(if refused.is_empty() { Outcome::Well } else { Outcome::NotWell })
}

async fn act(
    redrive: &Redrive,
    store: &Store,
    filter: &LetterFilter,
    action: i64,
    rate: Option<Rate>,
    tally: &mut Tally,
) -> anyhow::Result<()> {
    let interval = rate.map_or(Duration::ZERO, |rate| rate.per / rate.jobs);
    let in_a_beat =
        BEAT.as_nanos().checked_div(interval.as_nanos()).map_or(STEP, |many| u32::try_from(many).unwrap_or(STEP));
    let step = in_a_beat.clamp(1, STEP);
    let (mut after, mut next) = (Position::START, Instant::now());
    loop {
        let letters = store.claim(filter, after, step, action).await?;
        let Some(last) = letters.last() else { return Ok(()) };
        after = Position::after(last);
        redrive.run(&letters, action, tally).await?;
        next += interval * u32::try_from(letters.len()).unwrap_or(STEP);
        tokio::time::sleep_until(next).await;
    }
}
