//! `millgate events list`.

use std::time::Duration;

use futures::future::join_all;
use millgate_dashboard::see::{RecordView, When};
use millgate_events::{Logs, Record, Scan};

use super::{
    super::{Outcome, answer, moment::from_now, trace::now},
    open,
};
use crate::servers::Servers;

/// Longer payloads are cut in a list.
const PAYLOAD: usize = 80;
/// A search is no longer, and looks at no more.
const SEARCH: Duration = Duration::from_secs(30);
const RECORDS: u64 = 1_000_000;

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// The topic, without the prefix
    #[arg(long, value_name = "NAME")]
    topic: String,
    /// Records of then or later: a time, or how long ago (30m, 2h, 1day); all there are if it is not said
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Only those of this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only events of this type
    #[arg(long = "type", value_name = "TYPE")]
    event_type: Option<String>,
}

pub(super) async fn run(servers: &Servers, logs: &Logs, json: bool, args: Args) -> anyhow::Result<Outcome> {
    let Args { topic, since, limit, key, event_type } = args;
    let now = now();
    let scan = Scan {
        topics: vec![topic.clone()],
        since: since.map(|since| since.before(now)),
        until: None,
        most: limit,
        records: RECORDS,
        within: SEARCH,
    };
    let own_name = topic.clone();
    let scanned = logs
        .scan(scan, move |record| {
            key.as_ref().is_none_or(|key| record.key.as_deref() == Some(key.as_bytes()))
                && event_type.as_ref().is_none_or(|wanted| is_of_type(record, wanted, &own_name))
        })
        .await?;
    let (looked_at, is_whole) = (scanned.looked_at, scanned.is_whole);
    let views = join_all(scanned.found.into_iter().map(|record| open(servers, record))).await;
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&views)?))?;
        return Ok(Outcome::Well);
    }
    let lines = views.iter().map(|view| {
        let when = view.timestamp.map_or_else(String::new, |at| from_now(at, now));
        line(view, &when)
    });
    answer::write(&lines.collect::<String>())?;
    if views.is_empty() {
        println!("no such records in {topic}, of {looked_at} that were looked at");
    }
    if !is_whole && views.len() < limit {
        eprintln!("that is not all: {looked_at} records were looked at; --since says where to begin");
    }
    Ok(Outcome::Well)
}

fn is_of_type(record: &Record, wanted: &str, topic: &str) -> bool {
    let incoming = millgate_events::Incoming::read(record, topic);
    incoming.is_ok_and(|incoming| incoming.is_some_and(|incoming| incoming.meta.event_type == wanted))
}

fn line(view: &RecordView, when: &str) -> String {
    let place = format!("{}/{}/{}", view.place.topic, view.place.partition, view.place.offset);
    let key =
        view.key.as_ref().map_or_else(String::new, |key| key.as_str().map_or_else(|| key.to_string(), str::to_owned));
    let payload = view.payload.as_ref().map_or_else(|| "(none)".to_owned(), ToString::to_string);
    let cut: String = payload.chars().take(PAYLOAD).collect();
    let more = if cut.len() < payload.len() { "…" } else { "" };
    let what = view.event_type.as_deref().unwrap_or("?");
    format!("{place:<32}  {when:<12}  {what:<20}  {key:<16}  {cut}{more}\n")
}
