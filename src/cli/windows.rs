//! `millgate windows`: how far streams of windows are, and what is in their table.

use millgate_dashboard::see::When;
use millgate_streams::{
    Stream,
    windows::{StoredWindow, WindowProgress},
};

use super::{Call, Outcome, moment::point, trace::now};

#[derive(clap::Subcommand)]
pub(super) enum Command {
    /// Show how far each stream of windows is, in event time, and what came too late
    List,
    /// Show results of one, those that the table has, newest windows first
    Show(ShowArgs),
}

#[derive(clap::Args)]
pub(super) struct ShowArgs {
    /// Which
    #[arg(value_name = "STREAM")]
    stream: String,
    /// Only of this key
    #[arg(long, value_name = "KEY")]
    key: Option<String>,
    /// Only windows that ended then or later: a time, or how long ago (30m, 2h, 1day)
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// So many at most
    #[arg(long, value_name = "N", default_value_t = 50)]
    limit: u32,
}

pub(super) async fn run(call: Call, command: Command) -> anyhow::Result<Outcome> {
    let json = call.json;
    let servers = call.servers()?;
    let (store, streams) = (servers.windows(), servers.streams());
    let progress = match (store.list().await, &command) {
        (Ok(progress), _) => progress,
        // A name that nobody knows is not for want of the database.
        (Err(_), Command::Show(ShowArgs { stream, .. })) if streams.iter().all(|known| known.name() != stream) => {
            return Ok(Outcome::Misunderstood(no_stream(stream, &[], &streams)));
        }
        (Err(error), _) => return Err(error.into()),
    };
    match command {
        Command::List if json => println!("{}", serde_json::to_string_pretty(&progress)?),
        Command::List if progress.is_empty() => {
            println!("no stream of windows has run yet; they are run by: millgate streams run");
        }
        Command::List => progress.iter().for_each(print_progress),
        Command::Show(ShowArgs { stream, key, since, limit }) => {
            if !progress.iter().any(|known| known.stream == stream) {
                return Ok(Outcome::Misunderstood(no_stream(&stream, &progress, &streams)));
            }
            let since = since.map(|since| since.before(now()));
            let results = store.results(&stream, key.as_deref(), since, i64::from(limit)).await;
            let results = results?;
            if json {
                println!("{}", serde_json::to_string_pretty(&results)?);
            } else {
                results.iter().for_each(print_result);
            }
        }
    }
    Ok(Outcome::Well)
}

fn no_stream(unknown: &str, progress: &[WindowProgress], streams: &[Stream]) -> String {
    if streams.iter().any(|stream| stream.name() == unknown) {
        return format!(
            "stream `{unknown}` has no windows, or has not run yet; streams are run by: millgate streams run"
        );
    }
    let mut known: Vec<&str> = progress.iter().map(|known| known.stream.as_str()).collect();
    if known.is_empty() {
        known = streams.iter().map(Stream::name).collect();
    }
    if known.is_empty() {
        return format!(
            "there is no stream of windows `{unknown}`: this application has no streams; add some by App::stream(…)"
        );
    }
    format!("there is no stream of windows `{unknown}`; there are: {}", known.join(", "))
}

fn print_progress(progress: &WindowProgress) {
    let WindowProgress { stream, windows, watermark, closed_through, events, late, ahead, open, .. } = progress;
    let of = |moment: &Option<_>| moment.map_or_else(|| "not known yet".to_owned(), point);
    println!("{stream}  {windows}");
    println!("  watermark {}  final through {}", of(watermark), of(closed_through));
    println!("  {events} events, {late} too late, {ahead} of the future; {open} slices or sessions open");
}

fn print_result(result: &StoredWindow) {
    let StoredWindow { key, window_start, window_end, value, events, is_final, .. } = result;
    let state = if *is_final { "final" } else { "open " };
    println!("{}  {}  {state}  {key}  {value}  ({events} events)", point(*window_start), point(*window_end));
}
