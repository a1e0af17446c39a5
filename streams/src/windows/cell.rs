//! What events come to, in a slice of time or a session.

use std::collections::BTreeMap;

use super::shape::Shape;

/// What the events of one key in one slice or session come to, as far as one partition has them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Cell<P> {
    /// Where its slice begins; a session's first event.
    pub(crate) start: i64,
    /// Its latest event.
    pub(crate) last: i64,
    pub(crate) events: i64,
    pub(crate) partial: P,
}

impl<P> Cell<P> {
    /// Takes in what another one has.
    pub(crate) fn merge(&mut self, other: Self, merge: impl FnOnce(&mut P, P)) {
        self.start = self.start.min(other.start);
        self.last = self.last.max(other.last);
        self.events += other.events;
        merge(&mut self.partial, other.partial);
    }

    /// Whether two sessions are one.
    pub(crate) fn touches(&self, start: i64, last: i64, gap: i64) -> bool {
        start <= self.last + gap && self.start <= last + gap
    }
}

/// A window of a key, with all that is known of it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Whole<P> {
    pub(crate) start: i64,
    pub(crate) end: i64,
    /// Its latest event.
    pub(crate) last: i64,
    pub(crate) events: i64,
    pub(crate) partial: P,
}

/// The windows that the cells of one key make, those of all partitions, in order of time; and of each the cells that it is of, as
/// places in `cells`.
pub(crate) fn windows<P: Clone>(
    shape: Shape,
    cells: &[Cell<P>],
    merge: impl Fn(&mut P, P),
) -> Vec<(Whole<P>, Vec<usize>)> {
    let mut order: Vec<usize> = (0..cells.len()).collect();
    order.sort_by_key(|&place| cells[place].start);
    let together = |places: Vec<usize>, bounds: Option<(i64, i64)>| {
        let mut all = places.iter().map(|&place| cells[place].clone());
        let mut whole = all.next()?;
        all.for_each(|cell| whole.merge(cell, &merge));
        let Cell { start, last, events, partial } = whole;
        let (start, end) = bounds.unwrap_or((start, shape.ends(start, last)));
        Some((Whole { start, end, last, events, partial }, places))
    };
    match shape {
        Shape::Aligned { size, every, slice } => {
            let mut starts: BTreeMap<i64, Vec<usize>> = BTreeMap::new();
            for place in order {
                for window in Shape::windows_of(size, every, slice, cells[place].start) {
                    starts.entry(window).or_default().push(place);
                }
            }
            starts.into_iter().filter_map(|(start, places)| together(places, Some((start, start + size)))).collect()
        }
        Shape::Session { gap } => {
            let mut sessions: Vec<(i64, Vec<usize>)> = Vec::new();
            for place in order {
                let cell = &cells[place];
                match sessions.last_mut() {
                    Some((last, places)) if cell.start <= *last + gap => {
                        *last = cell.last.max(*last);
                        places.push(place);
                    }
                    _ => sessions.push((cell.last, vec![place])),
                }
            }
            sessions.into_iter().filter_map(|(_, places)| together(places, None)).collect()
        }
    }
}
