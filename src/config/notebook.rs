//! The notebook: what a type takes, learned by letting it read its own defaults.
//!
//! Defaults alone do not say enough. An `Option` without a default is in no table, a duration looks
//! like any text, and a list that is empty tells nothing of its items. But when a type
//! deserializes, it asks for what it wants: a struct lists its fields, an enum its words, a number
//! its width. The [`Tracer`] writes this down here. Where there is no default to hand out it
//! invents a value (a "guess"); a guess that the type refuses is not made again in the next round.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use serde::de::DeserializeOwned;
use toml::Value;

use super::shape::Shape;
use super::tracer::Tracer;

/// Stands in a path for "any item" or "any name", as no key of a file is called.
pub(super) const ANY: &str = "\0";

/// Types that contain themselves end here.
const DEEPEST: usize = 8;

pub(super) type Path = Vec<String>;

/// What a type asked for at one path.
pub(super) enum Note {
    /// One value.
    Leaf(Shape),
    /// Any number of values, noted at [`ANY`].
    List,
    /// Fields with these names.
    Struct(&'static [&'static str]),
    /// Any names: these in the defaults, the others noted at [`ANY`].
    Map(Vec<String>),
}

/// All notes on one type, and the state of the guessing.
#[derive(Default)]
pub(super) struct Notebook {
    notes: BTreeMap<Path, Note>,
    /// Guesses made in this round and not yet accepted, innermost last.
    open: Vec<Path>,
    /// Guesses that were refused.
    refused: BTreeSet<Path>,
    /// Make no guesses at all.
    careful: bool,
    /// Where the type refused what it got, innermost.
    stumbled: Option<Path>,
}

/// The shape of `T`, whose defaults are `defaults`. `Err` if it refuses its own defaults.
pub(super) fn learn<T: DeserializeOwned>(defaults: &Value) -> Result<Shape, String> {
    let notebook = RefCell::new(Notebook::default());
    // Each round but the last refuses one guess more, and there are only so many paths.
    while let Err(error) = T::deserialize(Tracer::new(defaults, &notebook)) {
        let mut notebook = notebook.borrow_mut();
        if let Some(guess) = notebook.open.pop() {
            notebook.open.clear();
            notebook.refused.insert(guess);
        } else if notebook.careful {
            return Err(error.to_string());
        } else {
            // Every guess was fine by itself; the type minds them together.
            notebook.careful = true;
        }
    }
    Ok(notebook.borrow().shape(&Path::new()))
}

/// Where in `value` the type stumbles, and over what; `None` if it does not.
///
/// A missing field is found at the table that lacks it.
pub(super) fn stumble<T: DeserializeOwned>(value: &Value) -> Option<(Path, String)> {
    let notebook = RefCell::new(Notebook {
        careful: true,
        ..Notebook::default()
    });
    let error = T::deserialize(Tracer::new(value, &notebook)).err()?;
    let path = notebook.into_inner().stumbled.unwrap_or_default();
    // An item of a list has no key of its own.
    let path = path.into_iter().take_while(|name| name != ANY).collect();
    Some((path, error.to_string()))
}

impl Notebook {
    /// The type refused the value at `path`. Errors travel outwards, so the first to say so is right.
    pub(super) fn stumbled(&mut self, path: Path) {
        self.stumbled.get_or_insert(path);
    }

    /// Writes down what was asked for at `path`.
    pub(super) fn note(&mut self, path: &Path, note: Note) {
        self.notes.insert(path.clone(), note);
    }

    /// Whether to invent a value at `path`.
    pub(super) fn guess(&mut self, path: &Path) -> bool {
        let guess = !self.careful && path.len() <= DEEPEST && !self.refused.contains(path);
        if guess {
            self.open.push(path.clone());
        }
        guess
    }

    /// Whether the value at `path` is being invented just now.
    pub(super) fn guessing(&self, path: &Path) -> bool {
        self.open.last() == Some(path)
    }

    /// The guess at `path`, if it was one, has been accepted.
    pub(super) fn accept(&mut self, path: &Path) {
        if self.guessing(path) {
            self.open.pop();
        }
    }

    fn shape(&self, path: &Path) -> Shape {
        let of = |name: &str| (name.to_owned(), self.shape(&below(path, name)));
        match self.notes.get(path) {
            None => Shape::Any,
            Some(Note::Leaf(shape)) => shape.clone(),
            Some(Note::List) => Shape::List(Box::new(self.shape(&below(path, ANY)))),
            Some(Note::Struct(names)) => Shape::Table {
                fields: names.iter().map(|name| of(name)).collect(),
                other: None,
            },
            Some(Note::Map(names)) => Shape::Table {
                fields: names.iter().map(|name| of(name)).collect(),
                other: Some(Box::new(self.shape(&below(path, ANY)))),
            },
        }
    }
}

/// The path of `name` within `path`.
pub(super) fn below(path: &Path, name: &str) -> Path {
    let mut path = path.clone();
    path.push(name.to_owned());
    path
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::collections::BTreeMap;
    use std::num::NonZeroU8;
    use std::time::Duration;

    use serde::{Deserialize, Serialize};

    use super::*;

    fn shape_of<T: Default + Serialize + DeserializeOwned>() -> Shape {
        learn::<T>(&Value::try_from(T::default()).unwrap()).unwrap()
    }

    fn field(shape: &Shape, name: &str) -> Shape {
        let Shape::Table { fields, .. } = shape else {
            panic!("{shape:?} has no fields");
        };
        let field = fields.iter().find(|(field, _)| field == name);
        field.map(|(_, shape)| shape.clone()).unwrap()
    }

    #[derive(Default, Serialize, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Mode {
        #[default]
        Calm,
        Wild,
    }

    #[derive(Serialize, Deserialize)]
    #[serde(try_from = "u8")]
    struct Even(u8);

    impl TryFrom<u8> for Even {
        type Error = String;

        fn try_from(number: u8) -> Result<Self, String> {
            number
                .is_multiple_of(2)
                .then_some(Self(number))
                .ok_or_else(|| format!("{number} is odd"))
        }
    }

    #[derive(Default, Serialize, Deserialize)]
    struct Child {
        name: Option<String>,
        parent: Option<Box<Child>>,
    }

    #[derive(Default, Serialize, Deserialize)]
    #[serde(default)]
    struct Many {
        // First, so that its refusal of a guess comes before all others have been made.
        even: Option<Even>,
        #[serde(with = "humantime_serde")]
        delay: Duration,
        #[serde(with = "humantime_serde::option")]
        pause: Option<Duration>,
        mode: Mode,
        other_mode: Option<Mode>,
        tags: Vec<String>,
        small: Option<NonZeroU8>,
        limits: BTreeMap<String, u16>,
        child: Child,
    }

    #[test]
    fn every_field_is_known_with_its_shape() {
        let shape = shape_of::<Many>();
        let words = Shape::Words(vec!["calm".into(), "wild".into()]);
        assert_eq!(field(&shape, "delay"), Shape::Span);
        assert_eq!(field(&shape, "pause"), Shape::Span);
        assert_eq!(field(&shape, "mode"), words);
        assert_eq!(field(&shape, "other_mode"), words);
        assert_eq!(field(&shape, "tags"), Shape::List(Box::new(Shape::Text)));
        assert_eq!(field(&shape, "small"), Shape::Whole { min: 0, max: 255 });
        assert_eq!(
            field(&shape, "limits"),
            Shape::Table {
                fields: vec![],
                other: Some(Box::new(Shape::Whole {
                    min: 0,
                    max: 65_535
                })),
            }
        );
    }

    #[test]
    fn a_refused_guess_is_still_a_note() {
        // `Even` refuses the 1 that is offered, but a whole number it wants.
        let shape = field(&shape_of::<Many>(), "even");
        assert_eq!(shape, Shape::Whole { min: 0, max: 255 });
    }

    #[test]
    fn a_type_that_contains_itself_comes_to_an_end() {
        let child = field(&shape_of::<Many>(), "child");
        let parent = field(&child, "parent");
        assert_eq!(field(&parent, "name"), Shape::Text);
    }

    #[test]
    fn a_type_stumbles_at_a_path() {
        let stumble = |text: &str| {
            let value = Value::Table(toml::from_str(text).unwrap());
            stumble::<Many>(&value).map(|(path, _)| path.join("."))
        };
        assert_eq!(stumble("tags = []"), None);
        assert_eq!(stumble("even = 3").as_deref(), Some("even"));
        assert_eq!(stumble("tags = [\"a\", 1]").as_deref(), Some("tags"));
        assert_eq!(stumble("limits.a = -1").as_deref(), Some("limits.a"));
        assert_eq!(
            stumble("child.parent.name = 1").as_deref(),
            Some("child.parent.name")
        );
    }

    #[test]
    fn defaults_that_are_refused_are_told() {
        let error = learn::<Even>(&Value::from(3)).unwrap_err();
        assert!(error.contains("3 is odd"), "{error}");
    }
}
