//! `millgate top`: queues, processes and groups as they go, on a terminal; or once, as a text.

mod lines;
mod snapshot;
mod state;

use std::{
    io::IsTerminal,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::Context;
use millgate_dashboard::{
    Site,
    act::{self, Action, Work},
};
use ratatui::{
    DefaultTerminal, Frame,
    crossterm::event::{self, Event, KeyEvent},
    layout::{Constraint, Layout},
    style::{Color, Style},
    text::Line,
    widgets::{Paragraph, Wrap},
};
use tokio::sync::{mpsc, watch};
use tokio_util::task::AbortOnDropHandle;

use self::{
    snapshot::{GroupRow, Snapshot},
    state::{Mode, Next, Top},
};
use super::{Call, Outcome, answer, operator::operator};
use crate::lifecycle::stop_on_signal;

/// Between two looks at Redis,
const EVERY: Duration = Duration::from_secs(1);
/// and at Kafka, where a question costs more.
const GROUPS_EVERY: Duration = Duration::from_secs(5);
/// The keyboard is listened to so long at a time.
const LISTEN: Duration = Duration::from_millis(200);

const HELP: &str = "
  q, Esc       quit
  j, k, ↓, ↑   move from queue to queue
  p            pause the queue under the cursor, or resume it; asks first
  ?            this help; any key closes it

  DONE/S and FAILED/S are those of the last ten seconds, RUN P95 and the bars those of the last hour.
  OLDEST: for how long the job has waited that has waited longest, of those that may run.
  DEAD: not with the dead letters yet.
  PROCESSES: jobs in hand of places, and how much of them was in use.";

#[derive(clap::Args)]
pub(super) struct Args {
    /// Print what there is now, once, as a text: as where the output is no terminal
    #[arg(long)]
    once: bool,
}

pub(super) async fn run(call: Call, Args { once }: Args) -> anyhow::Result<Outcome> {
    let json = call.json;
    let site = Arc::new(call.servers()?.site());
    if !once && !json && std::io::stdout().is_terminal() {
        watch_it(site).await?;
        return Ok(Outcome::Well);
    }
    let groups = snapshot::groups(&site).await;
    let snapshot = Snapshot::take(&site, &groups).await?;
    if json {
        answer::write(&format!("{:#}\n", serde_json::to_value(&snapshot)?))?;
    } else {
        let lines = lines::lines(&snapshot, None);
        let text = lines.iter().map(|line| line.to_string().trim_end().to_owned() + "\n");
        answer::write(&format!("{}\n\n{}", lines::title(&snapshot), text.collect::<String>()))?;
    }
    Ok(Outcome::Well)
}

/// Puts the terminal back as it was, however this ends; after a panic the hook has done so before the message.
struct Restore;

impl Drop for Restore {
    fn drop(&mut self) {
        ratatui::restore();
    }
}

async fn watch_it(site: Arc<Site>) -> anyhow::Result<()> {
    // Before the terminal is ours: what is wrong at once is said as by any command.
    let mut top = Top::new(Snapshot::take(&site, &[]).await?);
    let stop = stop_on_signal()?;
    let mut terminal = ratatui::try_init().context("the terminal cannot be used; `millgate top --once` needs none")?;
    let _restore = Restore;
    let (_asking, mut groups) = ask_for_groups(site.clone());
    let mut keys = listen();
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        draw(&mut terminal, &top)?;
        tokio::select! {
            () = stop.cancelled() => return Ok(()),
            key = keys.recv() => match key {
                None => return Ok(()),
                Some(None) => {}
                Some(Some(key)) => match top.press(key) {
                    Next::Nothing => {}
                    Next::Quit => return Ok(()),
                    Next::Do(action) => {
                        top.said = Some(perform(&site, &action).await);
                        ticks.reset_immediately();
                    }
                },
            },
            _ = ticks.tick() => {
                let groups = groups.borrow_and_update().clone();
                match Snapshot::take(&site, &groups).await {
                    Ok(snapshot) => top.show(snapshot, Instant::now()),
                    Err(error) => top.said = Some(format!("{error}; trying on")),
                }
            }
        }
    }
}

async fn perform(site: &Site, action: &Action) -> String {
    match act::perform(site, &operator(), action, &Work::new()).await {
        Ok(performed) => performed.text,
        Err(error) => format!("error: {error}"),
    }
}

/// Asks Kafka beside everything else: one that is away holds nothing up.
fn ask_for_groups(site: Arc<Site>) -> (AbortOnDropHandle<()>, watch::Receiver<Vec<GroupRow>>) {
    let (sender, groups) = watch::channel(Vec::new());
    let asking = tokio::spawn(async move {
        loop {
            sender.send_replace(snapshot::groups(&site).await);
            tokio::time::sleep(GROUPS_EVERY).await;
        }
    });
    (AbortOnDropHandle::new(asking), groups)
}

/// What is pressed, from now on; nothing where the window has changed. Ends when nobody wants to know any more.
fn listen() -> mpsc::Receiver<Option<KeyEvent>> {
    let (sender, keys) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let pressed = match event::poll(LISTEN) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let told = match pressed {
                Ok(Event::Key(key)) => sender.blocking_send(Some(key)),
                Ok(_) => sender.blocking_send(None),
                // The terminal is gone.
                Err(_) => return,
            };
            if told.is_err() {
                return;
            }
        }
    });
    keys
}

fn draw(terminal: &mut DefaultTerminal, top: &Top) -> anyhow::Result<()> {
    terminal.draw(|frame| frame_of(frame, top)).context("the terminal cannot be written to")?;
    Ok(())
}

fn frame_of(frame: &mut Frame, top: &Top) {
    let rows = [Constraint::Length(2), Constraint::Min(0), Constraint::Length(1)];
    let [title, body, status] = Layout::vertical(rows).areas(frame.area());
    frame.render_widget(Line::styled(lines::title(&top.snapshot), Style::new().bold()), title);
    if top.mode == Mode::Help {
        frame.render_widget(Paragraph::new(HELP), body);
    } else {
        let all = lines::lines(&top.snapshot, Some(top.cursor));
        // The queue under the cursor is in sight; its line has that of the names above it.
        let below = u16::try_from(top.cursor + 2).unwrap_or(u16::MAX).saturating_sub(body.height);
        frame.render_widget(Paragraph::new(all).wrap(Wrap { trim: false }).scroll((below, 0)), body);
    }
    frame.render_widget(Line::styled(top.status(), Style::new().fg(Color::Cyan)), status);
}
