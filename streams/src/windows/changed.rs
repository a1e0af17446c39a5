//! What is to be given out early: keys whose windows have changed.
//!
//! What there are too many keys of to be remembered is read from PostgreSQL, where it is anyway: nothing grows while turns fail.

use std::{
    collections::{HashSet, VecDeque},
    mem,
    time::Instant,
};

/// Keys that are looked at in one go.
pub(super) const KEYS: usize = 1_000;

/// A topic and a partition.
type Place = (String, i32);

#[derive(Debug)]
pub(super) struct Changed {
    /// Keys that are remembered, at most, of those that changed since a turn began. A turn that fails again and again has twice as many.
    most: usize,
    /// Those that have changed since the turn began.
    keys: HashSet<Box<str>>,
    /// Partitions of which more have.
    many: HashSet<Place>,
    /// What this turn is about.
    due: HashSet<Box<str>>,
    /// Partitions all of whose keys it is about, too.
    pages: VecDeque<Page>,
    /// What is being given out, until that has been committed.
    showing: Vec<Box<str>>,
    /// When results that are too old were last removed.
    pub(super) expired: Option<Instant>,
}

/// The keys of a partition behind one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) place: Place,
    pub(super) after: String,
}

impl Changed {
    pub(super) fn new(most: usize) -> Self {
        let (keys, many, due, pages) = Default::default();
        Self { most, keys, many, due, pages, showing: Vec::new(), expired: None }
    }

    /// These keys of a partition have changed.
    pub(super) fn add(&mut self, topic: &str, partition: i32, keys: Vec<Box<str>>) {
        if self.keys.len() + keys.len() <= self.most {
            self.keys.extend(keys);
        } else {
            self.many.insert((topic.to_owned(), partition));
        }
    }

    /// All keys of a partition may have changed since they were given out: it has come here.
    pub(super) fn add_all(&mut self, topic: &str, partition: i32) {
        self.turn_to((topic.to_owned(), partition));
    }

    /// A turn begins: what changes from now on is for the next one. One that failed is done again.
    pub(super) fn begin(&mut self) {
        self.due.extend(mem::take(&mut self.showing));
        if self.due.len() < self.most {
            let keys = mem::take(&mut self.keys);
            self.due.extend(keys);
        }
        for place in mem::take(&mut self.many) {
            self.turn_to(place);
        }
    }

    fn turn_to(&mut self, place: Place) {
        self.pages.retain(|page| page.place != place);
        self.pages.push_back(Page { place, after: String::new() });
    }

    /// Turns to the next keys; gives a page to be read, if there are too few. What was not committed is among them again.
    pub(super) fn next(&mut self) -> Option<Page> {
        self.due.extend(mem::take(&mut self.showing));
        self.showing = self.due.iter().take(KEYS).cloned().collect();
        for key in &self.showing {
            self.due.remove(key);
        }
        if self.showing.len() < KEYS { self.pages.front().cloned() } else { None }
    }

    /// A page was read.
    pub(super) fn read(&mut self, page: &Page, keys: Vec<String>) {
        // Else it is to be read from the beginning by now.
        if self.pages.front() == Some(page) {
            self.pages.pop_front();
            if let Some(last) = keys.last().filter(|_| keys.len() == KEYS) {
                self.pages.push_back(Page { after: last.clone(), ..page.clone() });
            }
        }
        self.showing.extend(keys.into_iter().map(String::into_boxed_str));
    }

    /// What is being given out.
    pub(super) fn showing(&self) -> Vec<String> {
        self.showing.iter().map(ToString::to_string).collect()
    }

    /// Whether the turn has more.
    pub(super) fn is_more(&self) -> bool {
        !self.due.is_empty() || !self.pages.is_empty()
    }

    /// It was given out.
    pub(super) fn shown(&mut self) {
        self.showing.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys(range: std::ops::Range<usize>) -> Vec<Box<str>> {
        range.map(|key| key.to_string().into()).collect()
    }

    /// Gives everything out; counts the keys, and the pages that are asked for.
    fn give_out(changed: &mut Changed) -> (usize, usize) {
        let (mut given, mut pages) = (0, 0);
        changed.begin();
        loop {
            if let Some(page) = changed.next() {
                pages += 1;
                changed.read(&page, Vec::new());
            }
            given += changed.showing().len();
            changed.shown();
            if !changed.is_more() {
                return (given, pages);
            }
        }
    }

    #[test]
    fn each_key_is_given_out_once_a_turn() {
        let mut changed = Changed::new(10_000);
        changed.add("t", 0, keys(0..2_500));
        changed.add("t", 1, keys(0..100));
        assert_eq!(give_out(&mut changed), (2_500, 0));
        assert_eq!(give_out(&mut changed), (0, 0));
    }

    #[test]
    fn nothing_grows_while_turns_fail_and_nothing_is_left_out() {
        let mut changed = Changed::new(500);
        for (turn, partition) in (0..100).zip([0, 1, 2].into_iter().cycle()) {
            changed.add("t", partition, keys(100 * turn..100 * turn + 100));
            changed.begin();
            // It fails.
            let _ = changed.next();
        }
        let remembered = changed.keys.len() + changed.due.len() + changed.showing.len();
        assert!(remembered <= 1_000, "{remembered}");
        assert_eq!(changed.pages.len(), 3, "what is not remembered is read");
        let (first, pages) = give_out(&mut changed);
        assert_eq!((first + give_out(&mut changed).0, pages), (remembered, 3));
    }

    #[test]
    fn a_page_that_could_not_be_read_is_asked_for_again() {
        let mut changed = Changed::new(500);
        changed.add_all("t", 0);
        changed.begin();
        let page = changed.next().unwrap();
        assert!(changed.is_more(), "it was not read");
        let again = changed.next().unwrap();
        assert_eq!(again, page);
        changed.read(&again, (0..KEYS).map(|key| format!("{key:04}")).collect());
        assert_eq!((changed.next(), changed.showing().len()), (None, KEYS), "they were not given out");
        changed.shown();
        assert_eq!(changed.next().unwrap().after, "0999");
    }

    #[test]
    fn a_partition_that_comes_again_while_it_is_read_is_read_from_the_beginning() {
        let mut changed = Changed::new(500);
        changed.add_all("t", 0);
        let page = changed.next().unwrap();
        changed.read(&page, (0..KEYS).map(|key| format!("{key:04}")).collect());
        let page = changed.pages.front().unwrap().clone();
        changed.add_all("t", 0);
        changed.read(&page, Vec::new());
        assert_eq!(changed.pages.front().unwrap().after, "");
    }
}
