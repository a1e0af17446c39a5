//! What an application says of error codes, over what is said of them by default.

use std::{collections::HashMap, sync::Arc};

use crate::JobError;

/// Whether a retry can mend an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorClass {
    /// It can: the job is tried again, as often as it may be.
    Retry,
    /// It cannot: the job is dead at once.
    Dead,
}

/// Classes by code. Without any, which is usual, it costs nothing.
#[derive(Debug, Clone, Default)]
pub(crate) struct ErrorClasses(Option<Arc<HashMap<String, ErrorClass>>>);

impl ErrorClasses {
    pub(crate) fn set(&mut self, code: String, class: ErrorClass) {
        Arc::make_mut(self.0.get_or_insert_default()).insert(code, class);
    }

    /// With those of the configuration, which go before those of the code.
    pub(crate) fn configured(&self, retry: &[String], dead: &[String]) -> Self {
        let mut classes = self.clone();
        for (codes, class) in [(retry, ErrorClass::Retry), (dead, ErrorClass::Dead)] {
            for code in codes {
                classes.set(code.clone(), class);
            }
        }
        classes
    }

    /// The error, in the class of its code.
    pub(crate) fn apply(&self, error: JobError) -> JobError {
        let Some(classes) = &self.0 else { return error };
        match error {
            JobError::Retry { failure, .. } if classes.get(&failure.code) == Some(&ErrorClass::Dead) => {
                JobError::Dead { failure }
            }
            JobError::Dead { failure } if classes.get(&failure.code) == Some(&ErrorClass::Retry) => {
                JobError::Retry { after: None, failure }
            }
            other => other,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn the_configuration_goes_before_the_code_and_the_code_before_the_default() {
        let mut classes = ErrorClasses::default();
        let [moved, shut] = [JobError::dead("not_found", "m"), JobError::retry_after(Duration::ZERO, "m")];
        assert_eq!(classes.apply(moved.clone()), moved);
        classes.set("not_found".into(), ErrorClass::Retry);
        classes.set("internal".into(), ErrorClass::Dead);
        assert_eq!(classes.apply(moved.clone()), JobError::retry_with("not_found", "m"));
        assert_eq!(classes.apply(shut.clone()), JobError::dead("internal", "m"));
        let configured = classes.configured(&["internal".into()], &["not_found".into()]);
        assert_eq!((configured.apply(moved.clone()), configured.apply(shut.clone())), (moved, shut));
        let snooze = JobError::snooze(Duration::ZERO);
        assert_eq!(configured.apply(snooze.clone()), snooze);
    }
}
