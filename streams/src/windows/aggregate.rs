//! What a window says of its events.

use std::marker::PhantomData;

use serde::{Serialize, de::DeserializeOwned};

use super::distinct::Distinct;

/// Makes one value of many events. Parts of them are folded apart from each other, in whatever order they come, and merged.
pub trait Aggregate<E>: Send + Sync + 'static {
    /// What some events come to so far. It is stored as JSON.
    type Partial: Serialize + DeserializeOwned + Clone + Send + Sync + 'static;
    /// What is given out.
    type Value: Serialize + Clone + Send + Sync + 'static;

    /// No events.
    fn begin(&self) -> Self::Partial;
    /// One more event.
    fn fold(&self, partial: &mut Self::Partial, event: &E);
    /// Two parts are one.
    fn merge(&self, into: &mut Self::Partial, other: Self::Partial);
    /// What it comes to.
    fn value(&self, partial: &Self::Partial) -> Self::Value;
}

/// How many events there are.
#[derive(Debug, Clone, Copy)]
pub struct Count;

impl<E> Aggregate<E> for Count {
    type Partial = u64;
    type Value = u64;

    fn begin(&self) -> u64 {
        0
    }

    fn fold(&self, partial: &mut u64, _: &E) {
        *partial += 1;
    }

    fn merge(&self, into: &mut u64, other: u64) {
        *into += other;
    }

    fn value(&self, partial: &u64) -> u64 {
        *partial
    }
}

/// The sum of something, in whole numbers: fractions would depend on their order. It stays at the ends of what an `i64` can hold.
pub struct Sum<E, F>(pub(super) F, pub(super) PhantomData<fn(E)>);

impl<E: 'static, F: Fn(&E) -> i64 + Send + Sync + 'static> Aggregate<E> for Sum<E, F> {
    type Partial = i64;
    type Value = i64;

    fn begin(&self) -> i64 {
        0
    }

    fn fold(&self, partial: &mut i64, event: &E) {
        *partial = partial.saturating_add((self.0)(event));
    }

    fn merge(&self, into: &mut i64, other: i64) {
        *into = into.saturating_add(other);
    }

    fn value(&self, partial: &i64) -> i64 {
        *partial
    }
}

/// The least or the greatest of something.
pub struct Extreme<E, V, F> {
    pub(super) of: F,
    /// Whether the second goes before the first.
    pub(super) wins: fn(&V, &V) -> bool,
    pub(super) event: PhantomData<fn(E)>,
}

impl<E, V, F> Aggregate<E> for Extreme<E, V, F>
where
    E: 'static,
    V: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    F: Fn(&E) -> V + Send + Sync + 'static,
{
    type Partial = Option<V>;
    type Value = Option<V>;

    fn begin(&self) -> Option<V> {
        None
    }

    fn fold(&self, partial: &mut Option<V>, event: &E) {
        self.merge(partial, Some((self.of)(event)));
    }

    fn merge(&self, into: &mut Option<V>, other: Option<V>) {
        let Some(other) = other else { return };
        if into.as_ref().is_none_or(|held| (self.wins)(held, &other)) {
            *into = Some(other);
        }
    }

    fn value(&self, partial: &Option<V>) -> Option<V> {
        partial.clone()
    }
}

/// About how many different texts there are: see [`Distinct`].
pub struct DistinctOf<E, F>(pub(super) F, pub(super) PhantomData<fn(E)>);

impl<E: 'static, F: Fn(&E) -> &str + Send + Sync + 'static> Aggregate<E> for DistinctOf<E, F> {
    type Partial = Distinct;
    type Value = u64;

    fn begin(&self) -> Distinct {
        Distinct::default()
    }

    fn fold(&self, partial: &mut Distinct, event: &E) {
        partial.add((self.0)(event).as_bytes());
    }

    fn merge(&self, into: &mut Distinct, other: Distinct) {
        into.merge(&other);
    }

    fn value(&self, partial: &Distinct) -> u64 {
        partial.estimate()
    }
}

/// An aggregate by three functions.
pub struct Custom<E, B, F, M> {
    pub(super) begin: B,
    pub(super) fold: F,
    pub(super) merge: M,
    pub(super) event: PhantomData<fn(E)>,
}

impl<E, P, B, F, M> Aggregate<E> for Custom<E, B, F, M>
where
    E: 'static,
    P: Serialize + DeserializeOwned + Clone + Send + Sync + 'static,
    B: Fn() -> P + Send + Sync + 'static,
    F: Fn(&mut P, &E) + Send + Sync + 'static,
    M: Fn(&mut P, P) + Send + Sync + 'static,
{
    type Partial = P;
    type Value = P;

    fn begin(&self) -> P {
        (self.begin)()
    }

    fn fold(&self, partial: &mut P, event: &E) {
        (self.fold)(partial, event);
    }

    fn merge(&self, into: &mut P, other: P) {
        (self.merge)(into, other);
    }

    fn value(&self, partial: &P) -> P {
        partial.clone()
    }
}
