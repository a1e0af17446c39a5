//! What handlers share: pools, clients, settings; one value of each type.

use std::{
    any::{Any, TypeId, type_name},
    collections::HashMap,
    ops::Deref,
    sync::Arc,
};

use crate::JobError;

/// What handlers share. As it stands, all of it: `State::new().with(pool)`, one value a type. As an argument of a
/// handler, one value of it: `State(pool): State<PgPool>`.
#[derive(Clone, Default)]
pub struct State<T = Values>(pub T);

/// One value a type. Cheap to clone.
#[derive(Clone, Default)]
pub struct Values(Arc<HashMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl State {
    /// Nothing yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// With one more value; of two of a type the later one stays.
    #[must_use]
    pub fn with<T: Send + Sync + 'static>(self, value: T) -> Self {
        let mut values = Arc::unwrap_or_clone(self.0.0);
        values.insert(TypeId::of::<T>(), Arc::new(value));
        Self(Values(Arc::new(values)))
    }

    /// Whether there is a value of type `T`.
    pub fn has<T: 'static>(&self) -> bool {
        self.0.0.contains_key(&TypeId::of::<T>())
    }

    /// The value of type `T`. Without one the job is tried again: a worker that was set up right may have it.
    pub fn get<T: Send + Sync + 'static>(&self) -> Result<&T, JobError> {
        let value = self.0.0.get(&TypeId::of::<T>()).and_then(|value| value.downcast_ref());
        value.ok_or_else(|| {
            JobError::retry_with(
                "no_state",
                format!("this worker has no {}; add it to the App's state", type_name::<T>()),
            )
        })
    }
}

/// The one value.
impl<T> Deref for State<T> {
    type Target = T;
    fn deref(&self) -> &T {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_by_type() {
        let state = State::new().with(7_u32).with("text").with(8_u32);
        assert_eq!(state.get::<u32>().unwrap(), &8);
        assert_eq!(state.get::<&str>().unwrap(), &"text");
        assert!(state.get::<u64>().is_err());
        assert!(state.has::<u32>() && !state.has::<u64>());
        let more = state.clone().with(1_u64);
        assert_eq!((more.get::<u32>().unwrap(), more.get::<u64>().unwrap()), (&8, &1));
        assert!(state.get::<u64>().is_err(), "the one that it began with stays as it is");
    }
}
