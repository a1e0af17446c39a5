//! What a job's type says of its arguments before there are any: which it has, and which must be there.
//!
//! serde has no list of fields, but a type that is being read asks for them. So it is given a made-up value for each
//! argument that will be there, and what it asks for, and what it then misses, is noted.

use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

use serde::{
    Deserializer, de,
    de::{DeserializeSeed, IntoDeserializer, Visitor, value::MapDeserializer},
    forward_to_deserialize_any,
};

use crate::Job;

/// What is wrong with the names of a job's arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ArgumentProblem {
    /// The type has no field of that name.
    Unknown {
        /// The name.
        name: String,
        /// The fields that it has.
        fields: &'static [&'static str],
    },
    /// A field that must be there is not.
    Missing(&'static str),
}

/// Texts that types which read more into a text may take: none, a time, an id, a number, a span.
const TEXTS: [&str; 5] = ["", "1970-01-01T00:00:00Z", "00000000-0000-0000-0000-000000000000", "1", "1s"];

/// What is wrong with arguments of these names, as [`ask`] finds it. Reading a type may be the user's code, and a made-up
/// value more than it can bear; that is no reason to end the program.
pub(crate) fn check<J: Job>(names: &[&str]) -> Vec<ArgumentProblem> {
    catch_unwind(AssertUnwindSafe(|| ask::<J>(names))).unwrap_or_default()
}

/// What is wrong with arguments of these names. A type that says nothing of its fields (it is flattened, or reads itself
/// in its own way) is taken at its word: nothing is.
fn ask<J: Job>(names: &[&str]) -> Vec<ArgumentProblem> {
    let mut fields: Option<&'static [&'static str]> = None;
    let mut missing: Vec<&'static str> = Vec::new();
    for text in TEXTS {
        // Of what is missing only the first is told; with that, the next.
        while let Err(Refusal::Missing(field)) =
            J::deserialize(Probe { names, missing: &missing, text, fields: &mut fields })
        {
            if missing.contains(&field) {
                break;
            }
            missing.push(field);
        }
    }
    let unknown = |name: &&str| Some(ArgumentProblem::Unknown { name: (*name).to_owned(), fields: fields? });
    let is_unknown = |name: &&&str| fields.is_some_and(|fields| !fields.contains(*name));
    let unknown = names.iter().filter(is_unknown).filter_map(unknown);
    unknown.chain(missing.iter().copied().map(ArgumentProblem::Missing)).collect()
}

/// Why a made-up value was not taken.
#[derive(Debug)]
enum Refusal {
    Missing(&'static str),
    Other,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self:?}")
    }
}

impl std::error::Error for Refusal {}

impl de::Error for Refusal {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self::Other
    }

    fn missing_field(field: &'static str) -> Self {
        Self::Missing(field)
    }
}

/// Arguments of these names.
struct Probe<'a> {
    names: &'a [&'a str],
    /// Those that were missed, so that what else is will be.
    missing: &'a [&'static str],
    text: &'static str,
    fields: &'a mut Option<&'static [&'static str]>,
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Refusal;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        let values = self.names.iter().chain(self.missing).map(|name| (*name, MadeUp(self.text)));
        visitor.visit_map(MapDeserializer::new(values))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        *self.fields = Some(fields);
        self.deserialize_any(visitor)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

/// Whatever is asked for.
struct MadeUp(&'static str);

impl IntoDeserializer<'_, Refusal> for MadeUp {
    type Deserializer = Self;
    fn into_deserializer(self) -> Self {
        self
    }
}

macro_rules! made_up {
    ($($deserialize:ident $visit:ident $value:expr;)*) => {
        $(fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
            visitor.$visit($value)
        })*
    };
}

impl<'de> Deserializer<'de> for MadeUp {
    type Error = Refusal;

    made_up! {
        deserialize_bool visit_bool false;
        deserialize_i8 visit_i8 1;
        deserialize_i16 visit_i16 1;
        deserialize_i32 visit_i32 1;
        deserialize_i64 visit_i64 1;
        deserialize_u8 visit_u8 1;
        deserialize_u16 visit_u16 1;
        deserialize_u32 visit_u32 1;
        deserialize_u64 visit_u64 1;
        deserialize_f32 visit_f32 1.0;
        deserialize_f64 visit_f64 1.0;
        deserialize_char visit_char 'a';
        deserialize_bytes visit_bytes &[];
        deserialize_byte_buf visit_bytes &[];
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_none()
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_seq(Nothing)
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Refusal> {
        visitor.visit_map(Nothing)
    }

    /// A type within the type has fields of its own; what they are is not asked.
    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Refusal> {
        Err(Refusal::Other)
    }

    forward_to_deserialize_any! { i128 u128 str string unit_struct tuple tuple_struct identifier ignored_any }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Refusal> {
        visitor.visit_enum(variants.first().copied().unwrap_or_default().into_deserializer())
    }
}

/// A list or a table without anything in it.
struct Nothing;

impl<'de> de::SeqAccess<'de> for Nothing {
    type Error = Refusal;
    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, _: T) -> Result<Option<T::Value>, Refusal> {
        Ok(None)
    }
}

impl<'de> de::MapAccess<'de> for Nothing {
    type Error = Refusal;
    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, _: K) -> Result<Option<K::Value>, Refusal> {
        Ok(None)
    }
    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, _: V) -> Result<V::Value, Refusal> {
        Err(Refusal::Other)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use chrono::{DateTime, Utc};
    use serde::{Deserialize, Serialize};

    use super::*;

    #[derive(Serialize, Deserialize)]
    struct Ship {
        order: u64,
        #[serde(rename = "when")]
        at: DateTime<Utc>,
        note: Option<String>,
        #[serde(default, alias = "words")]
        tags: Vec<String>,
        labels: BTreeMap<String, String>,
    }

    impl Job for Ship {
        const KIND: &'static str = "ship";
        const QUEUE: &'static str = "shipping";
    }

    #[test]
    fn what_a_type_needs_and_does_not_know_is_found_without_a_value() {
        assert!(check::<Ship>(&["order", "when", "labels"]).is_empty());
        assert!(check::<Ship>(&["order", "when", "labels", "words"]).is_empty());
        assert!(check::<Ship>(&["order", "when", "note", "tags", "labels"]).is_empty());
        assert_eq!(check::<Ship>(&["order", "when"]), [ArgumentProblem::Missing("labels")]);
        assert_eq!(check::<Ship>(&["when"]), ["order", "labels"].map(ArgumentProblem::Missing));
        let found = check::<Ship>(&["order", "at", "labels"]);
        let [ArgumentProblem::Unknown { name, fields }, ArgumentProblem::Missing("when")] = &found[..] else {
            panic!("{found:?}")
        };
        assert_eq!((name.as_str(), fields[1]), ("at", "when"));
    }

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Free(BTreeMap<String, String>);

    impl Job for Free {
        const KIND: &'static str = "free";
        const QUEUE: &'static str = "free";
    }

    #[test]
    fn a_type_that_does_not_tell_is_not_doubted() {
        assert!(check::<Free>(&["anything"]).is_empty());
    }
}
