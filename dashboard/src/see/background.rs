//! What is asked in the background of a look, and never waited for: a server that is away holds no page up.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

/// The last answer to a question that takes its time. Cheap to clone; all clones know the same.
#[derive(Debug)]
pub(super) struct Background<T>(Arc<Mutex<State<T>>>);

#[derive(Debug)]
struct State<T> {
    known: Option<T>,
    /// When it was answered last, or else when it was asked.
    at: Option<Instant>,
    asking: bool,
}

impl<T> Default for Background<T> {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(State { known: None, at: None, asking: false })))
    }
}

impl<T> Clone for Background<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: Clone + Send + 'static> Background<T> {
    fn state(&self) -> MutexGuard<'_, State<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The last answer, at once; nothing before the first. Asks again, for those who look later, if that is longer ago than
    /// `every` and nobody does.
    pub(super) fn look<F>(&self, every: Duration, ask: impl FnOnce() -> F) -> Option<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut state = self.state();
        if !state.asking && state.at.is_none_or(|at| at.elapsed() >= every) {
            state.asking = true;
            let (asking, answer) = (Asking(self.clone()), ask());
            tokio::spawn(async move {
                let answer = answer.await;
                asking.0.state().known = Some(answer);
            });
        }
        state.known.clone()
    }
}

/// Somebody asks, however that ends.
struct Asking<T>(Background<T>);

impl<T> Drop for Asking<T> {
    fn drop(&mut self) {
        let mut state = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        (state.asking, state.at) = (false, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn nobody_waits_and_one_asks() {
        let known = Background::<u32>::default();
        let (answer, answered) = oneshot::channel();
        assert_eq!(known.look(Duration::ZERO, || async move { answered.await.unwrap_or(0) }), None);
        assert_eq!(known.look(Duration::ZERO, || async { unreachable!("it is being asked") }), None);
        answer.send(7).unwrap();
        while known.look(Duration::from_mins(1), || async { unreachable!("it was asked a moment ago") }).is_none() {
            tokio::task::yield_now().await;
        }
        // What is old is still known while it is asked again.
        assert_eq!(known.look(Duration::ZERO, || async { 8 }), Some(7));
    }

    #[tokio::test]
    async fn a_question_that_broke_off_is_asked_again() {
        let known = Background::<u32>::default();
        known.look(Duration::ZERO, || async { panic!("it breaks off") });
        while known.look(Duration::ZERO, || async { 7 }).is_none() {
            tokio::task::yield_now().await;
        }
    }
}
