//! Actions that take long, in the background of the dashboard.
//!
//! They end with its process. Nothing is lost by that: each goes on where it was when it is asked for again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{
    access::Viewer,
    act::{Action, Performed, Work},
};

/// So many that have ended are remembered.
const REMEMBERED: usize = 50;

/// Actions in the background, by number.
#[derive(Default)]
pub(super) struct Tasks(Mutex<State>);

#[derive(Default)]
struct State {
    last: u64,
    tasks: BTreeMap<u64, Task>,
}

struct Task {
    who: String,
    action: Action,
    since: DateTime<Utc>,
    work: Work,
    outcome: Option<Result<Performed, String>>,
}

/// A task as one looks at it.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TaskView {
    pub(super) id: u64,
    /// Who began it.
    pub(super) who: String,
    /// What it does.
    pub(super) action: Action,
    /// Since when.
    pub(super) since: DateTime<Utc>,
    /// How much is done.
    pub(super) done: u64,
    /// Of how much; 0 while that is not known.
    pub(super) total: u64,
    /// Whether it is told to stop.
    pub(super) stopping: bool,
    /// What came of it, once it has ended.
    pub(super) performed: Option<Performed>,
    /// Why it ended early.
    pub(super) error: Option<String>,
}

impl Tasks {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that one is begun, and gives its number.
    pub(super) fn begin(&self, viewer: &Viewer, action: Action, since: DateTime<Utc>, work: Work) -> u64 {
        let mut state = self.state();
        state.last += 1;
        let id = state.last;
        state.tasks.insert(id, Task { who: viewer.name.clone(), action, since, work, outcome: None });
        let ended: Vec<u64> =
            state.tasks.iter().filter(|(_, task)| task.outcome.is_some()).map(|(id, _)| *id).collect();
        for old in ended.iter().take(ended.len().saturating_sub(REMEMBERED)) {
            state.tasks.remove(old);
        }
        id
    }

    /// Notes what came of it.
    pub(super) fn end(&self, id: u64, outcome: Result<Performed, String>) {
        if let Some(task) = self.state().tasks.get_mut(&id) {
            task.outcome = Some(outcome);
        }
    }

    /// Tells one to stop. Says whether there is one.
    pub(super) fn stop(&self, id: u64) -> bool {
        self.state().tasks.get(&id).map(|task| task.work.stop()).is_some()
    }

    /// One of them.
    pub(super) fn get(&self, id: u64) -> Option<TaskView> {
        self.state().tasks.get(&id).map(|task| view(id, task))
    }

    /// All, the newest first.
    pub(super) fn list(&self) -> Vec<TaskView> {
        self.state().tasks.iter().rev().map(|(id, task)| view(*id, task)).collect()
    }
}

fn view(id: u64, task: &Task) -> TaskView {
    let (done, total) = task.work.progress();
    TaskView {
        id,
        who: task.who.clone(),
        action: task.action.clone(),
        since: task.since,
        done,
        total,
        stopping: task.work.is_stopped(),
        performed: task.outcome.as_ref().and_then(|outcome| outcome.clone().ok()),
        error: task.outcome.as_ref().and_then(|outcome| outcome.clone().err()),
    }
}
