//! The tracer: a deserializer that hands out defaults and notes what it is asked for.

use std::cell::RefCell;
use std::fmt;

use serde::Deserializer;
use serde::de::value::{Error, StrDeserializer, StringDeserializer};
use serde::de::{
    DeserializeSeed, Error as _, Expected, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    Visitor,
};
use toml::Value;

use super::notebook::{ANY, Note, Notebook, Path, below};
use super::shape::Shape;

/// A deserializer that hands out defaults and notes what it is asked for.
pub(super) struct Tracer<'a> {
    path: Path,
    /// The default at this path; `None` where one has to be invented.
    value: Option<&'a Value>,
    notebook: &'a RefCell<Notebook>,
}

impl<'a> Tracer<'a> {
    pub(super) fn new(defaults: &'a Value, notebook: &'a RefCell<Notebook>) -> Self {
        Self {
            path: Path::new(),
            value: Some(defaults),
            notebook,
        }
    }

    fn note(&self, note: Note) {
        self.notebook.borrow_mut().note(&self.path, note);
    }

    fn below(&self, name: &str, value: Option<&'a Value>) -> Self {
        Self {
            path: below(&self.path, name),
            value,
            notebook: self.notebook,
        }
    }

    /// Lets a seed read from here, and writes down how that went.
    fn watch<'de, T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        let (notebook, path) = (self.notebook, self.path.clone());
        let result = seed.deserialize(self);
        match result {
            Ok(_) => notebook.borrow_mut().accept(&path),
            Err(_) => notebook.borrow_mut().stumbled(path),
        }
        result
    }

    /// Hands out the default, or what `invent` makes.
    fn leaf<'de, V: Visitor<'de>>(
        self,
        shape: Shape,
        visitor: V,
        invent: impl FnOnce(V) -> Result<V::Value, Error>,
    ) -> Result<V::Value, Error> {
        self.note(Note::Leaf(shape));
        match self.value {
            Some(value) => value
                .clone()
                .deserialize_any(visitor)
                .map_err(|error| Error::custom(error.message())),
            None => invent(visitor),
        }
    }

    fn whole<'de, V: Visitor<'de>>(
        self,
        min: i64,
        max: i64,
        visitor: V,
    ) -> Result<V::Value, Error> {
        // Not 0, which many types refuse.
        self.leaf(Shape::Whole { min, max }, visitor, |v| v.visit_i64(1))
    }

    fn number<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.leaf(Shape::Number, visitor, |v| v.visit_f64(1.0))
    }

    fn text<'de, V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if expectation(&visitor).contains("duration") {
            self.leaf(Shape::Span, visitor, |v| v.visit_str("1s"))
        } else {
            self.leaf(Shape::Text, visitor, |v| v.visit_str("x"))
        }
    }

    fn fields<'de, V: Visitor<'de>>(
        &self,
        names: impl IntoIterator<Item = String>,
        visitor: V,
    ) -> Result<V::Value, Error> {
        let fields = names.into_iter().map(|name| {
            let default = self.value.and_then(|value| value.get(&name));
            (name.clone(), self.below(&name, default))
        });
        visitor.visit_map(Fields {
            rest: fields.collect::<Vec<_>>().into_iter(),
            next: None,
        })
    }
}

/// What a visitor says it expects: the one thing that tells a duration from other texts.
fn expectation<'de>(visitor: &impl Visitor<'de>) -> String {
    struct Said<'v, V>(&'v V);
    impl<'de, V: Visitor<'de>> Expected for Said<'_, V> {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.expecting(f)
        }
    }
    let said: &dyn Expected = &Said(visitor);
    Error::invalid_type(Unexpected::Unit, said).to_string()
}

/// Methods that differ only in what they pass on.
macro_rules! each {
    ($($asked:ident => $answer:ident($($argument:expr),*);)*) => {
        $(fn $asked<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            self.$answer($($argument,)* visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Tracer<'_> {
    type Error = Error;

    each! {
        deserialize_i8 => whole(i8::MIN.into(), i8::MAX.into());
        deserialize_i16 => whole(i16::MIN.into(), i16::MAX.into());
        deserialize_i32 => whole(i32::MIN.into(), i32::MAX.into());
        deserialize_i64 => whole(i64::MIN, i64::MAX);
        deserialize_u8 => whole(0, u8::MAX.into());
        deserialize_u16 => whole(0, u16::MAX.into());
        deserialize_u32 => whole(0, u32::MAX.into());
        // TOML's numbers end there.
        deserialize_u64 => whole(0, i64::MAX);
        deserialize_f32 => number();
        deserialize_f64 => number();
        deserialize_char => text();
        deserialize_str => text();
        deserialize_string => text();
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.leaf(Shape::Any, visitor, |v| v.visit_str("x"))
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.leaf(Shape::Switch, visitor, |v| v.visit_bool(false))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.value.is_some() {
            return visitor.visit_some(self);
        }
        // What an absent value would look like can only be seen by making one up.
        let (notebook, inner) = (self.notebook, self.path.clone());
        let guessing = notebook.borrow().guessing(&inner);
        if !guessing && !notebook.borrow_mut().guess(&inner) {
            return visitor.visit_none();
        }
        let value = visitor.visit_some(self)?;
        notebook.borrow_mut().accept(&inner);
        Ok(value)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.note(Note::List);
        let defaults = self.value.and_then(Value::as_array);
        let mut items: Vec<_> = defaults
            .into_iter()
            .flatten()
            .map(|item| self.below(ANY, Some(item)))
            .collect();
        let guessed = self.below(ANY, None);
        if items.is_empty() && self.notebook.borrow_mut().guess(&guessed.path) {
            items.push(guessed);
        }
        visitor.visit_seq(Items(items.into_iter()))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let defaults = self.value.and_then(Value::as_table);
        let mut names: Vec<String> = defaults
            .into_iter()
            .flat_map(|table| table.keys().cloned())
            .collect();
        self.note(Note::Map(names.clone()));
        names.push(ANY.to_owned());
        self.fields(names, visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.note(Note::Struct(fields));
        self.fields(fields.iter().map(|&name| name.to_owned()), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let words = variants.iter().map(|&word| word.to_owned()).collect();
        self.note(Note::Leaf(Shape::Words(words)));
        match self.value {
            Some(value) => value
                .clone()
                .deserialize_enum(name, variants, visitor)
                .map_err(|error| Error::custom(error.message())),
            None => visitor.visit_enum(StrDeserializer::<Error>::new(
                variants.first().copied().unwrap_or_default(),
            )),
        }
    }

    serde::forward_to_deserialize_any! {
        i128 u128 bytes byte_buf unit unit_struct tuple tuple_struct identifier ignored_any
    }
}

struct Items<'a>(std::vec::IntoIter<Tracer<'a>>);

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        let Some(item) = self.0.next() else {
            return Ok(None);
        };
        item.watch(seed).map(Some)
    }
}

struct Fields<'a> {
    rest: std::vec::IntoIter<(String, Tracer<'a>)>,
    next: Option<Tracer<'a>>,
}

impl<'de> MapAccess<'de> for Fields<'_> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        for (name, tracer) in self.rest.by_ref() {
            let mut notebook = tracer.notebook.borrow_mut();
            // The guess is open from here on: an alias of a field is refused at its name.
            if tracer.value.is_none() && !notebook.guess(&tracer.path) {
                continue;
            }
            drop(notebook);
            self.next = Some(tracer);
            let name: StringDeserializer<Error> = name.into_deserializer();
            return seed.deserialize(name).map(Some);
        }
        Ok(None)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Error> {
        let tracer = self
            .next
            .take()
            .ok_or_else(|| Error::custom("a value was asked for before its name"))?;
        tracer.watch(seed)
    }
}
