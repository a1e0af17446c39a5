//! Looks at the servers that viewers share.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use super::trouble::Trouble;

/// What is so old is looked at again.
const FRESH: Duration = Duration::from_millis(900);
/// Pages that nobody has asked for in so long are forgotten.
const FORGOTTEN: Duration = Duration::from_secs(30);

/// A page's content, and its title.
#[derive(Debug, Clone)]
pub(super) struct Rendered {
    pub(super) title: String,
    pub(super) section: &'static str,
    pub(super) main: String,
}

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Result<Arc<Rendered>, Trouble>)>>>;

/// Pages that were made a moment ago, by who sees them and their addresses.
#[derive(Default)]
pub(super) struct Cache(Mutex<HashMap<String, (Instant, Slot)>>);

impl Cache {
    /// The page of that key, made by `make` if there is none that is fresh: once, however many ask.
    pub(super) async fn get<F>(&self, key: String, make: impl FnOnce() -> F) -> Result<Arc<Rendered>, Trouble>
    where
        F: Future<Output = Result<Rendered, Trouble>>,
    {
        let slot = self.slot(key);
        let mut held = slot.lock().await;
        if let Some((at, rendered)) = &*held
            && at.elapsed() < FRESH
        {
            return rendered.clone();
        }
        let rendered = make().await.map(Arc::new);
        *held = Some((Instant::now(), rendered.clone()));
        rendered
    }

    /// Forgets everything: somebody has changed something.
    pub(super) fn clear(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    fn slot(&self, key: String) -> Slot {
        let now = Instant::now();
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.retain(|_, (asked, _)| now.saturating_duration_since(*asked) < FORGOTTEN);
        let (asked, slot) = slots.entry(key).or_insert_with(|| (now, Slot::default()));
        *asked = now;
        slot.clone()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    use futures::future::join_all;

    use super::*;

    #[tokio::test]
    async fn those_who_ask_at_once_share_one_look() {
        let (cache, looks) = (Cache::default(), AtomicU32::new(0));
        let look = || async {
            looks.fetch_add(1, Relaxed);
            tokio::task::yield_now().await;
            Ok(Rendered { title: "Queues".into(), section: "queues", main: "<h1>".into() })
        };
        let pages = join_all((0..10).map(|_| cache.get("viewer /queues".into(), look))).await;
        assert!(pages.iter().all(Result::is_ok));
        assert_eq!(looks.load(Relaxed), 1);
        cache.clear();
        cache.get("viewer /queues".into(), look).await.unwrap();
        cache.get("admin /queues".into(), look).await.unwrap();
        assert_eq!(looks.load(Relaxed), 3);
    }
}
