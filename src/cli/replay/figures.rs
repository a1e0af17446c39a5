//! What a replay counted, for people.

use std::fmt::Write;

use millgate_events::Tally;

use super::super::moment::point;

/// A line for each topic and type, and for each thing that was counted.
pub(super) fn text(tally: &Tally) -> String {
    let mut out = String::new();
    // Writing to a text cannot fail.
    let _ = write(&mut out, tally);
    out
}

fn write(out: &mut String, tally: &Tally) -> std::fmt::Result {
    for (topic, types) in &tally.topics {
        for (event_type, tally) in types {
            write!(out, "  {topic:<28} {event_type:<28} {:>10}", tally.events)?;
            if let Some((first, last)) = tally.first.zip(tally.last) {
                write!(out, "   {} to {}", point(first), point(last))?;
            }
            writeln!(out)?;
        }
    }
    writeln!(out, "  {} records selected, of {} that were looked at", tally.selected, tally.looked_at)?;
    for (what, many) in &tally.figures {
        writeln!(out, "  {many} {what}")?;
    }
    for (many, what) in [
        (tally.tombstones, "of the records are tombstones"),
        (tally.unreadable, "records are no events, and skipped"),
        (tally.expired, "offsets are not on Kafka any more"),
        (tally.read_again, "offsets were read again, as what was made of them was lost"),
    ] {
        if many > 0 {
            writeln!(out, "  {many} {what}")?;
        }
    }
    for example in &tally.examples {
        writeln!(out, "    {example}")?;
    }
    Ok(())
}
