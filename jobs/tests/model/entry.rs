//! One job, as the model knows it.

use millgate_jobs::JobId;

use crate::spec::{LaneKind, Spec};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It was not enqueued yet: it follows another.
    Out,
    /// It may be in, or was refused: the next look tells.
    Unsure,
    /// It waits for a worker, its time or its lane.
    Pending,
    /// It is claimed, by that claim.
    Active(usize),
    Dead,
    Done,
    Cancelled,
    /// It was not taken in.
    Refused,
    /// It was dead or done, and was taken away.
    Removed,
}

#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "they are independent of each other, as jobs would have it")]
pub(crate) struct Entry {
    pub(crate) spec: Spec,
    pub(crate) state: State,
    pub(crate) key: Option<JobId>,
    /// When it was enqueued: no later than that.
    pub(crate) born: i64,
    /// It may run no earlier than the first, and from the second on at the latest.
    pub(crate) due: (i64, i64),
    pub(crate) attempts: u32,
    /// How often it was handed back for a while.
    pub(crate) backs: u32,
    /// It went in at once, and has not left its line since.
    pub(crate) fresh: bool,
    /// It has begun and not come to its end.
    pub(crate) open: bool,
    /// It keeps its place in its lane while it is put off.
    pub(crate) keeps: bool,
    /// It was told to stop.
    pub(crate) stopping: bool,
    pub(crate) batch: Option<usize>,
    pub(crate) following: Vec<usize>,
    /// Nobody else may bury it before.
    pub(crate) buried_till: i64,
}

impl Entry {
    pub(crate) fn new(spec: Spec) -> Self {
        Self {
            spec,
            state: State::Out,
            key: None,
            born: 0,
            due: (0, 0),
            attempts: 0,
            backs: 0,
            fresh: true,
            open: false,
            keeps: false,
            stopping: false,
            batch: None,
            following: Vec::new(),
            buried_till: 0,
        }
    }

    pub(crate) fn is_pending(&self) -> bool {
        self.state == State::Pending
    }

    pub(crate) fn is_active(&self) -> bool {
        matches!(self.state, State::Active(_))
    }

    pub(crate) fn lease(&self) -> Option<usize> {
        if let State::Active(lease) = self.state { Some(lease) } else { None }
    }

    pub(crate) fn is_here(&self) -> bool {
        self.is_pending() || self.is_active()
    }

    pub(crate) fn is_ordered(&self) -> bool {
        matches!(self.spec.lane, Some((LaneKind::Ordered, _)))
    }

    /// Goes in between two moments.
    pub(crate) fn enter(&mut self, (from, till): (i64, i64)) {
        let at = self.spec.run_at.or_else(|| Some(self.spec.time? + self.spec.delay?));
        let delay = self.spec.delay.unwrap_or_default();
        self.due = at.map_or((from + delay, till + delay), |at| (at, at));
        self.fresh = self.due.0 <= from;
        self.born = till;
        self.state = State::Pending;
    }

    /// Is put off between two moments, by so many milliseconds at least and at most.
    pub(crate) fn put_off(&mut self, (from, till): (i64, i64), least: i64, most: i64) {
        self.state = State::Pending;
        self.due = (from + least, till + most);
        self.fresh = false;
        self.keeps = self.is_ordered();
    }
}
