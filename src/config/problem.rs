//! What can be wrong with a configuration, each with its place and the way out.

use std::path::PathBuf;

use super::key::Key;
use super::setting::Origin;

/// One thing that is wrong. No secret is ever part of it: values are masked before they get here.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// The file that was named is not there.
    #[error(
        "{path}: there is no such configuration file; create it, or correct --config or \
         MILLGATE_CONFIG", path = path.display()
    )]
    FileMissing {
        /// The file.
        path: PathBuf,
    },
    /// The file is there but cannot be read.
    #[error(
        "{path}: cannot read the configuration file: {source}; it must be readable text in UTF-8",
        path = path.display()
    )]
    FileUnreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The file is not TOML.
    #[error("{place}: not valid TOML: {message}", place = place.place())]
    Syntax {
        /// The line.
        place: Origin,
        /// What the parser says.
        message: String,
    },
    /// The file has a key that nothing reads.
    #[error("{place}: unknown key {key}; {hint}", place = place.place())]
    UnknownKey {
        /// The line.
        place: Origin,
        /// The key.
        key: Key,
        /// What was probably meant.
        hint: String,
    },
    /// The environment has a `MILLGATE_` variable that nothing reads.
    #[error("environment variable {name}: no setting has this name; {hint}")]
    UnknownVariable {
        /// The variable.
        name: String,
        /// What was probably meant.
        hint: String,
    },
    /// A variable could mean more than one setting.
    #[error(
        "environment variable {name}: it could mean {}; set these in the file",
        .keys.iter().map(Key::to_string).collect::<Vec<_>>().join(" or ")
    )]
    AmbiguousVariable {
        /// The variable.
        name: String,
        /// The settings that share it.
        keys: Vec<Key>,
    },
    /// Two variables for one setting do not agree.
    #[error("{first} and {second} both set {key}, to different values; unset one of them")]
    Conflict {
        /// The setting.
        key: Key,
        /// One variable.
        first: String,
        /// The other.
        second: String,
    },
    /// A value is not of the setting's type.
    #[error("{place}: {key}: expected {expected}, found {found}", place = place.place())]
    WrongType {
        /// Where the value stands.
        place: Origin,
        /// The setting.
        key: Key,
        /// What it takes.
        expected: String,
        /// What it got, masked if secret.
        found: String,
    },
    /// A value is of the right type but makes no sense.
    #[error("{place}: {key}: {message}", place = place.place())]
    Senseless {
        /// Where the value stands.
        place: Origin,
        /// The setting.
        key: Key,
        /// Why not, and what would.
        message: String,
    },
    /// A section's values are good one by one but not together, or its type has no usable defaults.
    #[error("section [{section}]: {message}")]
    Section {
        /// The section.
        section: String,
        /// What its type says.
        message: String,
    },
    /// The application chose a name that cannot be a section's.
    #[error("the application's section cannot be named {section:?}: {reason}")]
    Application {
        /// The name.
        section: String,
        /// Why not.
        reason: String,
    },
}

impl Problem {
    /// What this problem is sorted by: the file's own, then line by line, then the environment.
    fn order(&self) -> (u8, usize) {
        match self {
            Self::FileMissing { .. } | Self::FileUnreadable { .. } => (0, 0),
            Self::Syntax { place, .. }
            | Self::UnknownKey { place, .. }
            | Self::WrongType { place, .. }
            | Self::Senseless { place, .. } => match place {
                Origin::File { line, .. } => (1, *line),
                Origin::Variable(_) => (2, 0),
                Origin::Default => (3, 0),
            },
            Self::UnknownVariable { .. }
            | Self::AmbiguousVariable { .. }
            | Self::Conflict { .. } => (2, 0),
            Self::Section { .. } | Self::Application { .. } => (3, 0),
        }
    }
}

/// A configuration that cannot be used, with everything that is wrong with it.
///
/// It prints as one line for each [`Problem`].
#[derive(Debug, thiserror::Error)]
#[error("{}", .problems.iter().map(Problem::to_string).collect::<Vec<_>>().join("\n"))]
pub struct ConfigError {
    problems: Vec<Problem>,
}

impl ConfigError {
    /// All that is wrong, in the order of the file, then of the environment.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by_key(Problem::order);
        Self { problems }
    }
}

impl From<Problem> for ConfigError {
    fn from(problem: Problem) -> Self {
        Self::new(vec![problem])
    }
}

/// The way out of a name nobody knows: the one that was probably meant, else all there are.
pub(super) fn hint(nearest: Option<&str>, all: &[String]) -> String {
    match nearest {
        Some(name) => format!("did you mean {name}?"),
        None if all.is_empty() => "nothing can be set here; remove it".to_owned(),
        None => format!("there are: {}", all.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_sorted_by_place() {
        let at = |line| Problem::Syntax {
            place: Origin::File {
                path: "millgate.toml".into(),
                line,
            },
            message: format!("line {line}"),
        };
        let variable = Problem::UnknownVariable {
            name: "MILLGATE_X".into(),
            hint: hint(None, &["a".into(), "b".into()]),
        };
        let error = ConfigError::new(vec![variable, at(7), at(3)]);
        assert_eq!(
            error.to_string(),
            "millgate.toml:3: not valid TOML: line 3\n\
             millgate.toml:7: not valid TOML: line 7\n\
             environment variable MILLGATE_X: no setting has this name; there are: a, b"
        );
        assert_eq!(error.problems().len(), 3);
    }
}
