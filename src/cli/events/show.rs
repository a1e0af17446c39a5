//! `millgate events show`.

use std::fmt::Write;

use millgate_dashboard::see::RecordView;
use millgate_events::{Logs, Place};

use super::{
    super::{Outcome, answer, moment::point},
    open,
};
use crate::servers::Servers;

#[derive(clap::Args)]
pub(in crate::cli) struct Args {
    /// Where it lies: TOPIC/PARTITION/OFFSET, with the topic as `events list` has it
    #[arg(value_name = "TOPIC/PARTITION/OFFSET", value_parser = place)]
    place: Place,
}

fn place(text: &str) -> Result<Place, String> {
    let parts: Vec<&str> = text.rsplitn(3, '/').collect();
    if let [offset, partition, topic] = parts[..]
        && let (Ok(offset), Ok(partition)) = (offset.parse(), partition.parse())
    {
        return Ok(Place { topic: topic.to_owned(), partition, offset });
    }
    Err(format!("`{text}` is no place of a record; one looks like order.created/2/1742"))
}

pub(super) async fn run(servers: &Servers, logs: &Logs, json: bool, args: &Args) -> anyhow::Result<Outcome> {
    let mut place = args.place.clone();
    let prefix = &servers.config.kafka.topic_prefix;
    if !place.topic.starts_with(prefix.as_str()) {
        place.topic = format!("{prefix}{}", place.topic);
    }
    let Some(record) = logs.records(vec![place.clone()]).await?.pop().flatten() else {
        let Place { topic, partition, offset } = place;
        let (begin, end) = logs.bounds(&topic, partition).await?;
        anyhow::bail!(
            "there is no record {offset} in {topic}/{partition}, which has those from {begin} to before {end}"
        );
    };
    let view = open(servers, record).await;
    if json {
        answer::write(&format!("{}\n", serde_json::to_string_pretty(&view)?))?;
    } else {
        answer::write(&text(&view)?)?;
    }
    Ok(Outcome::Well)
}

fn text(view: &RecordView) -> Result<String, anyhow::Error> {
    let mut out = String::new();
    let Place { topic, partition, offset } = &view.place;
    writeln!(out, "record   {topic}/{partition}/{offset}")?;
    if let Some(at) = view.timestamp {
        writeln!(out, "time     {}", point(at))?;
    }
    if let (Some(event_type), Some(id)) = (&view.event_type, &view.event_id) {
        writeln!(out, "event    {event_type} {id}")?;
    }
    if let Some(key) = &view.key {
        writeln!(out, "key      {}", key.as_str().map_or_else(|| key.to_string(), str::to_owned))?;
    }
    for (number, (name, value)) in view.headers.iter().enumerate() {
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        writeln!(out, "{:<8} {name}: {value}", if number == 0 { "headers" } else { "" })?;
    }
    if let Some(problem) = &view.problem {
        writeln!(out, "problem  {problem}")?;
    }
    if view.was_claimed {
        writeln!(out, "value    {} bytes, from the claim store", view.bytes)?;
    }
    match &view.payload {
        Some(payload) => {
            writeln!(out, "payload  {}", serde_json::to_string_pretty(payload)?.replace('\n', "\n         "))?;
        }
        None => writeln!(out, "payload  none: a tombstone")?,
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_may_have_dots_in_its_topic_and_nothing_else_is_one() {
        let wanted = Place { topic: "test.order.created".into(), partition: 2, offset: 1742 };
        assert_eq!(place("test.order.created/2/1742"), Ok(wanted));
        for wrong in ["order.created", "order.created/2", "order.created/two/3", "order.created/2/"] {
            assert!(place(wrong).unwrap_err().contains("looks like"), "{wrong}");
        }
    }
}
