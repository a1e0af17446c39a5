//! What the keys do.

use std::{
    collections::{HashMap, VecDeque},
    time::{Duration, Instant},
};

use millgate_dashboard::act::Action;
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use super::snapshot::Snapshot;

/// Rates are those of so much time.
const WINDOW: Duration = Duration::from_secs(10);

/// What is shown, and what is asked.
pub(super) struct Top {
    pub(super) snapshot: Snapshot,
    /// The number of the queue under the cursor.
    pub(super) cursor: usize,
    pub(super) mode: Mode,
    /// What came of the last action, or of looking.
    pub(super) said: Option<String>,
    /// Of each queue, as of late.
    totals: HashMap<String, VecDeque<Totals>>,
}

/// What was done and what failed since the queue began, at a moment.
type Totals = (Instant, (u64, u64));

/// What the keys are for.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Mode {
    Looking,
    Help,
    /// Whether this is to be done.
    Sure(Box<Action>),
}

/// What a key comes to.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Nothing,
    Quit,
    Do(Box<Action>),
}

impl Top {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let mut top = Self { snapshot, cursor: 0, mode: Mode::Looking, said: None, totals: HashMap::new() };
        top.note(Instant::now());
        top
    }

    /// Shows what there is now.
    pub(super) fn show(&mut self, snapshot: Snapshot, now: Instant) {
        self.snapshot = snapshot;
        self.cursor = self.cursor.min(self.snapshot.queues.len().saturating_sub(1));
        self.note(now);
    }

    /// From one look on to the next the totals say how fast it goes, which the history knows later.
    #[expect(clippy::cast_precision_loss, reason = "rates")]
    fn note(&mut self, now: Instant) {
        for queue in &mut self.snapshot.queues {
            let totals = self.totals.entry(queue.name.clone()).or_default();
            totals.push_back((now, queue.totals));
            while totals.len() > 2 && now.saturating_duration_since(totals[1].0) >= WINDOW {
                totals.pop_front();
            }
            let (then, before) = totals[0];
            let seconds = now.saturating_duration_since(then).as_secs_f64();
            if seconds > 0.0 {
                queue.done_per_second = queue.totals.0.saturating_sub(before.0) as f64 / seconds;
                queue.failed_per_second = queue.totals.1.saturating_sub(before.1) as f64 / seconds;
            }
        }
    }

    pub(super) fn press(&mut self, key: KeyEvent) -> Next {
        if key.kind == KeyEventKind::Release {
            return Next::Nothing;
        }
        if key.code == KeyCode::Char('c') && key.modifiers.contains(KeyModifiers::CONTROL) {
            return Next::Quit;
        }
        match (std::mem::replace(&mut self.mode, Mode::Looking), key.code) {
            (Mode::Sure(action), KeyCode::Char('y')) => Next::Do(action),
            // Anything else is no.
            (Mode::Sure(_), _) => {
                self.said = Some("nothing was done".into());
                Next::Nothing
            }
            (Mode::Help, _) => Next::Nothing,
            (Mode::Looking, code) => self.look(code),
        }
    }

    fn look(&mut self, code: KeyCode) -> Next {
        let last = self.snapshot.queues.len().saturating_sub(1);
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Next::Quit,
            KeyCode::Char('j') | KeyCode::Down => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Char('k') | KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Char('?') => self.mode = Mode::Help,
            KeyCode::Char('p') => {
                if let Some(row) = self.snapshot.queues.get(self.cursor) {
                    let queue = row.name.clone();
                    let action = if row.paused { Action::ResumeQueue { queue } } else { Action::PauseQueue { queue } };
                    self.mode = Mode::Sure(Box::new(action));
                }
            }
            _ => {}
        }
        Next::Nothing
    }

    /// The line at the bottom.
    pub(super) fn status(&self) -> String {
        match (&self.mode, &self.said) {
            (Mode::Sure(action), _) => format!("{}? y/n", action.sentence()),
            (_, Some(said)) => said.clone(),
            _ => "q quit · j/k move · p pause or resume the queue · ? help".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;

    use super::{super::snapshot::QueueRow, *};

    fn queue(name: &str, done: u64) -> QueueRow {
        QueueRow {
            name: name.into(),
            waiting: 0,
            delayed: 0,
            active: 0,
            dead: 0,
            paused: name == "paused",
            draining: false,
            oldest: None,
            done_per_second: 0.5,
            failed_per_second: 0.0,
            p95: None,
            last_hour: Vec::new(),
            totals: (done, 0),
        }
    }

    fn snapshot(done: u64) -> Snapshot {
        Snapshot {
            now: DateTime::UNIX_EPOCH,
            queues: vec![queue("email", done), queue("paused", 0)],
            processes: Vec::new(),
            groups: Vec::new(),
            wrong: Vec::new(),
        }
    }

    fn press(top: &mut Top, key: char) -> Next {
        top.press(KeyEvent::new(KeyCode::Char(key), KeyModifiers::NONE))
    }

    #[test]
    fn a_queue_is_paused_or_resumed_only_after_a_yes() {
        let mut top = Top::new(snapshot(0));
        let pause = || Action::PauseQueue { queue: "email".into() };
        assert_eq!(press(&mut top, 'p'), Next::Nothing);
        assert_eq!(
            (top.mode.clone(), top.status()),
            (Mode::Sure(Box::new(pause())), "pause queue email? y/n".to_owned())
        );
        assert_eq!(press(&mut top, 'n'), Next::Nothing);
        assert_eq!((top.mode.clone(), top.status()), (Mode::Looking, "nothing was done".to_owned()));
        press(&mut top, 'p');
        assert_eq!(press(&mut top, 'y'), Next::Do(Box::new(pause())));
        for _ in 0..3 {
            press(&mut top, 'j');
        }
        press(&mut top, 'p');
        assert_eq!(press(&mut top, 'y'), Next::Do(Box::new(Action::ResumeQueue { queue: "paused".into() })));
        press(&mut top, 'k');
        assert_eq!(top.cursor, 0);
        press(&mut top, '?');
        assert_eq!(press(&mut top, 'q'), Next::Nothing, "it closes the help");
        assert_eq!(press(&mut top, 'q'), Next::Quit);
        press(&mut top, 'p');
        assert_eq!(top.press(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Next::Quit);
    }

    #[test]
    fn rates_are_those_between_two_looks() {
        let mut top = Top::new(snapshot(100));
        assert!((top.snapshot.queues[0].done_per_second - 0.5).abs() < 1e-9, "of the history, at first");
        let began = top.totals["email"][0].0;
        top.show(snapshot(150), began + Duration::from_secs(5));
        assert!((top.snapshot.queues[0].done_per_second - 10.0).abs() < 1e-9);
        for seconds in 6..60 {
            top.show(snapshot(150), began + Duration::from_secs(seconds));
        }
        assert!(top.snapshot.queues[0].done_per_second.abs() < 1e-9, "what was long ago is no rate");
    }
}
