//! Events of one partition, folded by key and time. Knows nothing of Kafka and PostgreSQL.
//!
//! What is in memory is a part of what is stored, or newer: a key that is not in memory begins anew, and what is stored of it is put
//! before that when it is written. So any key that is stored can be forgotten, and opening a partition reads nothing.

use std::{collections::HashMap, mem};

use super::{cell::Cell, shape::Shape};

/// Before all time.
pub(crate) const NEVER: i64 = i64::MIN;

/// What decides where an event goes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rules {
    pub(crate) shape: Shape,
    /// How long after its end a window still takes events in.
    pub(crate) lateness: i64,
    /// How far the watermark stays behind the latest event.
    pub(crate) disorder: i64,
}

/// How to fold, for those who know what.
pub(crate) trait Folding {
    type Partial: Clone;
    fn begin(&self) -> Self::Partial;
    fn merge(&self, into: &mut Self::Partial, later: Self::Partial);
}

/// A cell in memory.
#[derive(Debug)]
struct Kept<P> {
    cell: Cell<P>,
    is_new: bool,
    /// The start under which it is stored.
    stored: Option<i64>,
}

#[derive(Debug)]
struct Cells<P> {
    /// Nothing is stored of this key that may still change and is not here.
    known: bool,
    touched: bool,
    kept: Vec<Kept<P>>,
    /// Starts under which something is stored that is part of another one now.
    gone: Vec<i64>,
}

impl<P> Default for Cells<P> {
    fn default() -> Self {
        Self { known: false, touched: false, kept: Vec::new(), gone: Vec::new() }
    }
}

#[derive(Debug)]
pub(crate) struct Fold<P> {
    rules: Rules,
    /// No event before this is waited for.
    watermark: i64,
    /// What ends here or before is closed, whatever the watermark and the lateness say: another lateness may have been allowed then.
    closed: i64,
    /// The latest event.
    newest: i64,
    /// The latest event that is stored.
    stored_newest: i64,
    keys: HashMap<Box<str>, Cells<P>>,
    touched: Vec<Box<str>>,
    open: usize,
    /// The watermark at which there may be something to forget.
    look_at: i64,
}

/// What is to be stored of a key.
pub(crate) struct Change<'a, P> {
    pub(crate) key: &'a str,
    pub(crate) gone: &'a [i64],
    pub(crate) cells: Vec<&'a Cell<P>>,
}

impl<P: Clone> Fold<P> {
    /// A partition as it is stored.
    pub(crate) fn new(rules: Rules, watermark: i64, newest: i64, closed: i64) -> Self {
        Self {
            rules,
            watermark,
            closed,
            newest,
            stored_newest: newest,
            keys: HashMap::new(),
            touched: Vec::new(),
            open: 0,
            look_at: NEVER,
        }
    }

    #[cfg(test)]
    pub(crate) fn rules(&self) -> Rules {
        self.rules
    }

    pub(crate) fn watermark(&self) -> i64 {
        self.watermark
    }

    pub(crate) fn newest(&self) -> i64 {
        self.newest
    }

    /// Cells in memory.
    pub(crate) fn open(&self) -> usize {
        self.open
    }

    /// Moves the watermark, never back.
    pub(crate) fn advance(&mut self, watermark: i64) {
        self.watermark = self.watermark.max(watermark);
    }

    /// An event was seen, whether or not it counts.
    pub(crate) fn saw(&mut self, time: i64) {
        self.newest = self.newest.max(time);
        self.advance(time - self.rules.disorder);
    }

    pub(crate) fn is_late(&self, time: i64) -> bool {
        let Rules { shape, lateness, .. } = self.rules;
        shape.is_late(time, self.watermark, lateness) || shape.is_late(time, self.closed, 0)
    }

    /// Folds an event that is not late.
    pub(crate) fn add<F: Folding<Partial = P>>(
        &mut self,
        key: &str,
        time: i64,
        folding: &F,
        fold: impl FnOnce(&mut P),
    ) {
        // No copy of a key that is there already.
        if !self.keys.contains_key(key) {
            self.keys.insert(key.into(), Cells::default());
        }
        let Some(cells) = self.keys.get_mut(key) else { return };
        if !mem::replace(&mut cells.touched, true) {
            self.touched.push(key.into());
        }
        let before = cells.kept.len();
        let start = match self.rules.shape {
            Shape::Aligned { slice, .. } => time.div_euclid(slice) * slice,
            Shape::Session { .. } => time,
        };
        let place = match self.rules.shape {
            Shape::Aligned { .. } => cells.kept.iter().rposition(|kept| kept.cell.start == start),
            Shape::Session { gap } => cells.session_at(time, time, gap, folding),
        };
        let kept = if let Some(place) = place {
            &mut cells.kept[place]
        } else {
            let cell = Cell { start, last: time, events: 0, partial: folding.begin() };
            cells.kept.push(Kept { cell, is_new: true, stored: None });
            let last = cells.kept.len() - 1;
            &mut cells.kept[last]
        };
        kept.is_new = true;
        kept.cell.start = kept.cell.start.min(start);
        kept.cell.last = kept.cell.last.max(time);
        kept.cell.events += 1;
        fold(&mut kept.cell.partial);
        self.open = self.open + cells.kept.len() - before;
    }

    /// Keys of which something may be stored that belongs to what is here.
    pub(crate) fn unknown(&self) -> Vec<&str> {
        let wanted = self.touched.iter().filter(|key| {
            let Some(cells) = self.keys.get(*key) else { return false };
            // A slice that begins after all that is stored is not stored.
            let may_be_stored = |kept: &Kept<P>| match self.rules.shape {
                Shape::Aligned { .. } => kept.stored.is_none() && kept.cell.start <= self.stored_newest,
                Shape::Session { .. } => self.stored_newest != NEVER,
            };
            !cells.known && cells.kept.iter().any(may_be_stored)
        });
        wanted.map(|key| &**key).collect()
    }

    /// What has to be asked for: cells that end after this. Those before may not change any more.
    pub(crate) fn asked_from(&self, watermark: i64) -> i64 {
        watermark.saturating_sub(self.rules.lateness)
    }

    /// Puts what is stored before what is here. To be called once for each of [`unknown`](Self::unknown), with all that there is.
    pub(crate) fn adopt<F: Folding<Partial = P>>(&mut self, key: &str, stored: Vec<Cell<P>>, folding: &F) {
        let Some(cells) = self.keys.get_mut(key) else { return };
        let before = cells.kept.len();
        cells.known = true;
        for cell in stored {
            let own = cells.kept.iter().position(|kept| kept.stored == Some(cell.start));
            if own.is_some() {
                // Written by this one, and what is here has it already.
                continue;
            }
            let stored = cell.start;
            let place = match self.rules.shape {
                Shape::Aligned { .. } => cells.kept.iter().position(|kept| kept.cell.start == cell.start),
                Shape::Session { gap } => cells.session_at(cell.start, cell.last, gap, folding),
            };
            let Some(place) = place else {
                cells.kept.push(Kept { cell, is_new: false, stored: Some(stored) });
                continue;
            };
            let kept = &mut cells.kept[place];
            let later = mem::replace(&mut kept.cell, cell);
            kept.cell.merge(later, |into, later| folding.merge(into, later));
            kept.is_new = true;
            match kept.stored {
                Some(other) if other != stored => cells.gone.push(stored),
                _ => kept.stored = Some(stored),
            }
        }
        self.open = self.open + cells.kept.len() - before;
    }

    /// What is to be stored. A session that begins earlier than it is stored is stored anew.
    pub(crate) fn changes(&mut self) -> Vec<Change<'_, P>> {
        for key in &self.touched {
            let Some(cells) = self.keys.get_mut(key) else { continue };
            for kept in &mut cells.kept {
                if let Some(stored) = kept.stored.filter(|&stored| stored != kept.cell.start) {
                    cells.gone.push(stored);
                    kept.stored = None;
                }
            }
        }
        let (touched, keys) = (&self.touched, &self.keys);
        let changes = touched.iter().filter_map(|key| {
            let cells = keys.get(key)?;
            let new = cells.kept.iter().filter(|kept| kept.is_new).map(|kept| &kept.cell).collect();
            Some(Change { key, gone: &cells.gone, cells: new })
        });
        changes.collect()
    }

    /// All changes are stored. Forgets what cannot change any more, and if there are more than `most` cells, keys until there are
    /// half of them. Gives the keys that had changes.
    pub(crate) fn stored(&mut self, most: usize) -> Vec<Box<str>> {
        let touched = mem::take(&mut self.touched);
        // All that there is of a key is here once nothing else was stored before it.
        let first = self.stored_newest == NEVER;
        for key in &touched {
            let Some(cells) = self.keys.get_mut(key) else { continue };
            cells.touched = false;
            cells.known |= first;
            cells.gone.clear();
            for kept in &mut cells.kept {
                kept.is_new = false;
                kept.stored = Some(kept.cell.start);
            }
        }
        self.stored_newest = self.newest;
        self.forget_closed();
        if self.open > most {
            self.forget_keys(most / 2);
        }
        touched
    }

    fn forget_closed(&mut self) {
        if self.watermark < self.look_at {
            return;
        }
        let Rules { shape, lateness, .. } = self.rules;
        let (Shape::Aligned { slice: step, .. } | Shape::Session { gap: step }) = shape;
        self.look_at = self.watermark.saturating_add(step);
        let mut open = 0;
        self.keys.retain(|_, cells| {
            cells.kept.retain(|kept| shape.ends(kept.cell.start, kept.cell.last) + lateness > self.watermark);
            open += cells.kept.len();
            !cells.kept.is_empty()
        });
        self.open = open;
    }

    fn forget_keys(&mut self, most: usize) {
        let mut open = 0;
        self.keys.retain(|_, cells| {
            let stays = open + cells.kept.len() <= most;
            open += if stays { cells.kept.len() } else { 0 };
            stays
        });
        self.open = open;
    }
}

impl<P: Clone> Cells<P> {
    /// The session that one from `start` to `last` belongs to. If there are several, they become one.
    fn session_at<F: Folding<Partial = P>>(&mut self, start: i64, last: i64, gap: i64, folding: &F) -> Option<usize> {
        let first = self.kept.iter().position(|kept| kept.cell.touches(start, last, gap))?;
        let mut other = first + 1;
        while other < self.kept.len() {
            if !self.kept[other].cell.touches(start, last, gap) {
                other += 1;
                continue;
            }
            let Kept { cell, stored, .. } = self.kept.remove(other);
            let into = &mut self.kept[first];
            into.cell.merge(cell, |into, later| folding.merge(into, later));
            into.is_new = true;
            match (into.stored, stored) {
                (None, _) => into.stored = stored,
                (Some(_), Some(stored)) => self.gone.push(stored),
                (Some(_), None) => {}
            }
        }
        Some(first)
    }
}
