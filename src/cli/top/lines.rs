//! A snapshot in lines: as they are for whoever reads a text, with colours on a terminal.

use chrono::{DateTime, Utc};
use millgate_jobs::{Process, WorkedQueue};
use ratatui::{
    style::{Color, Style},
    text::{Line, Span},
};

use super::snapshot::{GroupRow, QueueRow, Snapshot};
use crate::cli::{
    moment::{point, span},
    workers::{state, wrong},
};

const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
const FAINT: Style = Style::new().fg(Color::DarkGray);
const WRONG: Style = Style::new().fg(Color::Red);
const NOTE: Style = Style::new().fg(Color::Yellow);

/// All of it; the queue of that number is marked.
pub(super) fn lines(snapshot: &Snapshot, marked: Option<usize>) -> Vec<Line<'static>> {
    let mut lines = vec![head(format!(
        "  {:<16} {:>9} {:>9} {:>7} {:>6} {:>9} {:>8} {:>9} {:>9}  {}",
        "QUEUE", "WAITING", "DELAYED", "ACTIVE", "DEAD", "OLDEST", "DONE/S", "FAILED/S", "RUN P95", "LAST HOUR"
    ))];
    lines.extend(snapshot.queues.iter().enumerate().map(|(at, queue)| queue_line(queue, marked == Some(at))));
    lines.extend([Line::default(), head("  PROCESSES".into())]);
    lines.extend(snapshot.processes.iter().map(|process| process_line(process, snapshot.now)));
    if snapshot.processes.is_empty() {
        lines.push(Line::styled("  none has said anything within half a minute", NOTE));
    }
    lines.extend([Line::default(), head("  GROUPS".into())]);
    lines.extend(snapshot.groups.iter().map(|group| group_line(group, snapshot.now)));
    lines.extend([Line::default(), head("  WRONG NOW".into())]);
    if snapshot.wrong.is_empty() {
        lines.push(Line::raw("  nothing"));
    }
    for (process, trouble) in &snapshot.wrong {
        let who = process.as_ref().map(|id| format!("{id} ")).unwrap_or_default();
        lines.push(Line::styled(format!("  {who}{}", wrong(trouble, snapshot.now)), WRONG));
    }
    lines
}

/// What is above all of it.
pub(super) fn title(snapshot: &Snapshot) -> String {
    format!("millgate top  {}", point(snapshot.now))
}

fn head(text: String) -> Line<'static> {
    Line::styled(text, FAINT)
}

fn queue_line(queue: &QueueRow, marked: bool) -> Line<'static> {
    let QueueRow { name, waiting, delayed, active, dead, .. } = queue;
    let age = queue.oldest.map(span).unwrap_or_default();
    let p95 = queue.p95.map(span).unwrap_or_default();
    let mark = if marked { '>' } else { ' ' };
    let text = format!(
        "{mark} {name:<16} {waiting:>9} {delayed:>9} {active:>7} {dead:>6} {age:>9} {:>8.1} {:>9.1} {p95:>9}  ",
        queue.done_per_second, queue.failed_per_second
    );
    let style = if marked { Style::new().reversed() } else { Style::new() };
    let mut line = Line::from(vec![Span::styled(text, style), Span::raw(sparkline(&queue.last_hour))]);
    for (is, word) in [(queue.paused, "  paused"), (queue.draining, "  draining")] {
        if is {
            line.push_span(Span::styled(word, NOTE));
        }
    }
    line
}

/// A bar for each two minutes, as high as the higher of them; nothing happened where there is none.
fn sparkline(values: &[u64]) -> String {
    let most = values.iter().copied().max().unwrap_or_default();
    let bar = |pair: &[u64]| match pair.iter().copied().max().unwrap_or_default() {
        0 => ' ',
        value => BARS[usize::try_from((value * 8).div_ceil(most)).unwrap_or(8).clamp(1, 8) - 1],
    };
    values.chunks(2).map(bar).collect()
}

fn process_line(process: &Process, now: DateTime<Utc>) -> Line<'static> {
    let Process { id, roles, host, pid, .. } = process;
    let up = span((now - process.started_at).to_std().unwrap_or_default());
    let worked = process.queues.iter().map(|queue: &WorkedQueue| {
        format!("{} {}/{} {:.0} %", queue.name, queue.in_hand, queue.concurrency, queue.utilisation * 100.0)
    });
    let handed = process.groups.iter().map(|group| {
        let partitions: usize = group.partitions.values().map(Vec::len).sum();
        format!("{}: {partitions} partitions", group.group)
    });
    let what = worked.chain(handed).collect::<Vec<_>>().join(", ");
    let place = format!("{host}/{pid}");
    let mut line = Line::raw(format!("  {id}  {:<10} {place:<24} up {up:<9} {what}", roles.join(",")));
    if let Some(state) = state(process) {
        line.push_span(Span::styled(format!("  {state}"), NOTE));
    }
    line
}

fn group_line(group: &GroupRow, now: DateTime<Utc>) -> Line<'static> {
    let GroupRow { name, group: id, behind, since, events_per_second, unknown } = group;
    let behind = match (unknown, since) {
        (Some(_), _) => "not known".to_owned(),
        (None, Some(since)) => format!("{behind} behind, for {}", span((now - *since).to_std().unwrap_or_default())),
        (None, None) => format!("{behind} behind"),
    };
    Line::raw(format!("  {name:<16} {behind:<28} {events_per_second:>8.1} events/s  {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_as_high_as_what_they_show() {
        assert_eq!(sparkline(&[0, 0, 1, 0, 8, 16, 16, 0]), " ▁██");
        assert_eq!(sparkline(&[0, 0]), " ");
        assert_eq!(sparkline(&[]), "");
    }
}
