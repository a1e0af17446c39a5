//! Routes that change while the program runs: the configuration file is looked at, and its routes are taken anew.

use std::{path::PathBuf, sync::Arc, time::Duration};

use millgate_bridge::Routes;
use millgate_workers::Handlers;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::sleep,
};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::{self, ConfigError, WrittenRoute};

/// Between looks at the file.
const LOOK: Duration = Duration::from_secs(1);

/// A configuration file, and the routes of it that are in force.
pub(crate) struct RouteFile {
    path: PathBuf,
    in_force: Vec<WrittenRoute>,
    routes: Arc<Routes>,
    handlers: Arc<Handlers>,
    hangups: Option<Signal>,
    /// As it was last read, and whether that was acted upon.
    text: String,
    is_done: bool,
    is_gone: bool,
}

impl RouteFile {
    pub(crate) fn new(
        path: PathBuf,
        in_force: Vec<WrittenRoute>,
        routes: Arc<Routes>,
        handlers: Arc<Handlers>,
    ) -> Self {
        // From now on: before, and without this, the signal would end the process.
        let hangups = signal(SignalKind::hangup()).inspect_err(|error| warn!(%error, "SIGHUP reloads no routes")).ok();
        Self { path, in_force, routes, handlers, hangups, text: String::new(), is_done: false, is_gone: false }
    }

    /// Takes the file's routes whenever they change, and at SIGHUP, until `stop` fires. A file that cannot be used
    /// changes nothing.
    pub(crate) async fn follow(mut self, stop: CancellationToken) {
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                () = sleep(LOOK) => false,
                () = hangup(self.hangups.as_mut()) => true,
            };
            self.look(is_asked).await;
        }
    }

    /// Compares texts rather than times, which some file systems have too coarse, and replaced files may have older.
    async fn look(&mut self, is_asked: bool) {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || std::fs::read_to_string(path)).await;
        let text = match read.map_err(std::io::Error::other).flatten() {
            Ok(text) => text,
            Err(error) => {
                if is_asked || !self.is_gone {
                    error!(file = %self.path.display(), %error, "cannot read the routes; those in force stay");
                }
                self.is_gone = true;
                return;
            }
        };
        self.is_gone = false;
        let rests = text == self.text;
        if !rests {
            (self.text, self.is_done) = (text, false);
        }
        // One that differs from the last look may be half written: half of the routes would lose the other half's jobs.
        if is_asked || (rests && !self.is_done) {
            self.is_done = true;
            match self.take() {
                Ok(Some(count)) => info!(file = %self.path.display(), routes = count, "routes reloaded"),
                Ok(None) if is_asked => info!(file = %self.path.display(), "routes are as they were"),
                Ok(None) => {}
                Err(error) => error!(%error, "the routes are not reloaded; those in force stay"),
            }
        }
    }

    /// Puts the routes of the text in force, and gives their number, if they are others.
    fn take(&mut self) -> Result<Option<usize>, ConfigError> {
        let written = config::routes(&self.path, &self.text)?;
        if written == self.in_force {
            return Ok(None);
        }
        let declared = config::declared(&written, &self.routes, self.handlers.kinds())?;
        let count = declared.len();
        self.routes.declare(declared);
        self.in_force = written;
        Ok(Some(count))
    }
}

async fn hangup(hangups: Option<&mut Signal>) {
    match hangups {
        Some(hangups) => drop(hangups.recv().await),
        None => std::future::pending().await,
    }
}

#[cfg(test)]
mod tests {
    use millgate_testkit::Folder;

    use super::*;
    use crate::shop;

    const ROUTE: &str = "[[routes]]\non = \"order.created\"\njob = \"call-erp\"\nqueue = \"hooks\"\n";

    #[tokio::test]
    async fn a_file_is_taken_when_it_rests_or_somebody_asks() {
        let folder = Folder::new("route-file");
        let path = folder.path().join("millgate.toml");
        let (app, _) = shop::app().load(Some(std::path::Path::new("/dev/null")), std::iter::empty()).unwrap();
        let routes = Arc::new(app.routes);
        let mut file = RouteFile::new(path.clone(), Vec::new(), routes.clone(), Arc::new(app.handlers));
        let declared = || routes.table().outlines().iter().filter(|outline| outline.place.is_some()).count();
        let steps = [
            // Text, whether it is asked for, routes afterwards.
            (ROUTE.to_owned(), false, 0),
            (ROUTE.repeat(2), false, 0),
            (ROUTE.repeat(2), false, 2),
            (ROUTE.repeat(3), true, 3),
            ("[[routes]\n".to_owned(), true, 3),
            (ROUTE.replace("created", "creatd"), true, 3),
            (String::new(), false, 3),
            (String::new(), false, 0),
        ];
        for (step, (text, is_asked, count)) in steps.into_iter().enumerate() {
            std::fs::write(&path, text).unwrap();
            file.look(is_asked).await;
            assert_eq!(declared(), count, "step {step}");
        }
    }
}
