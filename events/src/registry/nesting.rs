//! How deep an Avro value nests, which is looked at before it is decoded.
//!
//! A schema may contain itself, and then a byte can be a level: decoding goes down one call for each, and a value of a megabyte
//! would go through the end of the stack, and the process with it.

use apache_avro::schema::{InnerDecimalSchema, Schema, UuidSchema};

use super::avro::{AvroSchema, Typed};

/// Levels of a value. JSON is not read much deeper either.
const DEEPEST: usize = 100;
/// Parts of a value for each of its bytes, and some for none: a part may have no bytes, so that a few say that there are billions.
const MOST_PARTS: (usize, usize) = (16, 100_000);

impl AvroSchema {
    /// Refuses a value that is too deep. What is wrong with it otherwise is found out when it is decoded.
    pub(super) fn check_nesting(&self, value: &[u8]) -> Result<(), String> {
        if !self.contains_itself() {
            return Ok(());
        }
        let parts = value.len().saturating_mul(MOST_PARTS.0).saturating_add(MOST_PARTS.1);
        Walk { rest: value, parts }.pass(self.typed(), 0).map_err(str::to_owned)
    }
}

/// Whether a schema has a type within itself.
pub(super) fn contains_itself(typed: Typed<'_>, around: &mut Vec<String>) -> bool {
    let Ok(resolved) = typed.resolved() else { return false };
    let mut within = |schema| contains_itself(resolved.of(schema), around);
    match resolved.schema {
        Schema::Array(array) => within(&array.items),
        Schema::Map(map) => within(&map.types),
        Schema::Union(union) => union.variants().iter().any(within),
        Schema::Record(record) => {
            let name = record.name.fullname(resolved.namespace());
            if around.contains(&name) {
                return true;
            }
            around.push(name);
            let found = record.fields.iter().any(|field| contains_itself(resolved.of(&field.schema), around));
            around.pop();
            found
        }
        _ => false,
    }
}

const TOO_DEEP: &str = "it nests deeper than 100 levels";
const TOO_MANY: &str = "it has far more parts than bytes";
const TOO_SHORT: &str = "it ends too early";

struct Walk<'a> {
    rest: &'a [u8],
    /// That are still to come at most.
    parts: usize,
}

impl Walk<'_> {
    /// Goes past a value.
    fn pass(&mut self, typed: Typed<'_>, level: usize) -> Result<(), &'static str> {
        if level > DEEPEST {
            return Err(TOO_DEEP);
        }
        self.parts = self.parts.checked_sub(1).ok_or(TOO_MANY)?;
        let typed = typed.resolved().map_err(|_| "its schema is not complete")?;
        match typed.schema {
            Schema::Null | Schema::Ref { .. } => Ok(()),
            Schema::Boolean => self.skip(1),
            Schema::Float => self.skip(4),
            Schema::Double => self.skip(8),
            Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
                self.skip(fixed.size)
            }
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Fixed(fixed) => self.skip(fixed.size),
                InnerDecimalSchema::Bytes => self.text(),
            },
            Schema::Bytes | Schema::String | Schema::BigDecimal | Schema::Uuid(_) => self.text(),
            Schema::Array(array) => self.blocks(|walk| walk.pass(typed.of(&array.items), level + 1)),
            Schema::Map(map) => self.blocks(|walk| {
                walk.text()?;
                walk.pass(typed.of(&map.types), level + 1)
            }),
            Schema::Union(union) => {
                let variant = usize::try_from(self.number()?).ok().and_then(|variant| union.variants().get(variant));
                self.pass(typed.of(variant.ok_or("a union has no such alternative")?), level + 1)
            }
            Schema::Record(record) => {
                record.fields.iter().try_for_each(|field| self.pass(typed.of(&field.schema), level + 1))
            }
            // All others are a number.
            _ => self.number().map(drop),
        }
    }

    /// Items in blocks, of which the last has none. A block may say its length behind a number below zero.
    fn blocks(&mut self, mut item: impl FnMut(&mut Self) -> Result<(), &'static str>) -> Result<(), &'static str> {
        loop {
            let count = self.number()?;
            if count < 0 {
                self.number()?;
            }
            for _ in 0..count.unsigned_abs() {
                item(self)?;
            }
            if count == 0 {
                return Ok(());
            }
        }
    }

    fn text(&mut self) -> Result<(), &'static str> {
        let length = self.number()?;
        self.skip(usize::try_from(length).map_err(|_| "a length is below zero")?)
    }

    fn skip(&mut self, bytes: usize) -> Result<(), &'static str> {
        self.rest = self.rest.get(bytes..).ok_or(TOO_SHORT)?;
        Ok(())
    }

    /// Zigzag, seven bits a byte.
    fn number(&mut self) -> Result<i64, &'static str> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.rest.split_first().ok_or(TOO_SHORT)?;
            self.rest = rest;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok((number >> 1).cast_signed() ^ -(number & 1).cast_signed());
            }
        }
        Err("a number is too long")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema(text: &str) -> AvroSchema {
        AvroSchema::new(Schema::parse_str(text).unwrap()).unwrap()
    }

    const LIST: &str = r#"{"type": "record", "name": "List", "fields": [
        {"name": "n", "type": "long"}, {"name": "rest", "type": ["null", "List"]}]}"#;

    #[test]
    fn a_value_within_itself_a_million_times_is_refused_before_it_is_decoded() {
        let list = schema(LIST);
        let nested = |times: usize| [[2, 2].repeat(times), vec![2, 0]].concat();
        list.check_nesting(&nested(30)).unwrap();
        assert_eq!(list.check_nesting(&nested(500_000)).unwrap_err(), TOO_DEEP);
        assert_eq!(list.check_nesting(&[2, 2]).unwrap_err(), TOO_SHORT);
    }

    #[test]
    fn nothing_is_gone_through_without_end() {
        let nothing = schema(
            r#"{"type": "record", "name": "Rec", "fields": [
            {"name": "nulls", "type": {"type": "array", "items": "null"}}, {"name": "more", "type": ["null", "Rec"]}]}"#,
        );
        let many = [0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f];
        assert_eq!(nothing.check_nesting(&many).unwrap_err(), TOO_MANY);
    }

    #[test]
    fn only_schemas_that_contain_themselves_are_looked_at() {
        assert!(schema(LIST).contains_itself());
        let twice = r#"{"type": "record", "name": "Pair", "fields": [
            {"name": "a", "type": {"type": "record", "name": "One", "fields": []}}, {"name": "b", "type": "One"}]}"#;
        assert!(!schema(twice).contains_itself());
    }
}
