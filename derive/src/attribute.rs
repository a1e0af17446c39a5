//! Reading `#[event(name = value, …)]` and `#[job(name = value, flag, …)]`.

use syn::{DeriveInput, Error, Ident, Lit, LitBool, LitInt, LitStr, Result, Token, ext::IdentExt};

/// The `name = literal` pairs of one attribute; a name alone is one with `true`.
pub(crate) struct Attribute {
    pairs: Vec<(Ident, Lit)>,
    owner: Ident,
}

impl Attribute {
    /// Reads `#[name(…)]`; a name that is not in `known` is refused.
    pub(crate) fn read(input: &DeriveInput, name: &str, known: &[&str]) -> Result<Self> {
        let mut pairs: Vec<(Ident, Lit)> = Vec::new();
        for attribute in input.attrs.iter().filter(|a| a.path().is_ident(name)) {
            attribute.parse_args_with(|stream: syn::parse::ParseStream<'_>| {
                while !stream.is_empty() {
                    // `type` is a keyword, so any word is taken here.
                    let key = stream.call(Ident::parse_any)?;
                    if !known.contains(&key.to_string().as_str()) {
                        let list = known.join(", ");
                        return Err(Error::new(key.span(), format!("unknown word `{key}`; known are: {list}")));
                    }
                    if pairs.iter().any(|(other, _)| *other == key) {
                        return Err(Error::new(key.span(), format!("`{key}` is given twice")));
                    }
                    let value = if stream.is_empty() || stream.peek(Token![,]) {
                        Lit::Bool(LitBool::new(true, key.span()))
                    } else {
                        stream.parse::<Token![=]>()?;
                        stream.parse()?
                    };
                    pairs.push((key, value));
                    if !stream.is_empty() {
                        stream.parse::<Token![,]>()?;
                    }
                }
                Ok(())
            })?;
        }
        Ok(Self { pairs, owner: input.ident.clone() })
    }

    fn find(&self, name: &str) -> Option<&Lit> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A string, if it is there.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&LitStr>> {
        match self.find(name) {
            None => Ok(None),
            Some(Lit::Str(text)) if !text.value().is_empty() => Ok(Some(text)),
            Some(other) => Err(Error::new(other.span(), format!("`{name}` takes a string that is not empty"))),
        }
    }

    /// A string that must be there.
    pub(crate) fn required(&self, name: &str, example: &str) -> Result<&LitStr> {
        self.text(name)?.ok_or_else(|| Error::new(self.owner.span(), format!("`{name}` is missing: {example}")))
    }

    /// Whether a name is there alone.
    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        match self.find(name) {
            None => Ok(false),
            Some(Lit::Bool(flag)) => Ok(flag.value),
            Some(other) => Err(Error::new(other.span(), format!("`{name}` takes no value: it is there or not"))),
        }
    }

    /// A whole number within `range`, or `default`.
    pub(crate) fn number(&self, name: &str, default: u32, range: std::ops::RangeInclusive<u32>) -> Result<u32> {
        match self.find(name) {
            None => Ok(default),
            Some(Lit::Int(number)) => within(name, number, &range),
            Some(other) => Err(Error::new(other.span(), format!("`{name}` takes a whole number"))),
        }
    }
}

fn within(name: &str, number: &LitInt, range: &std::ops::RangeInclusive<u32>) -> Result<u32> {
    let value: u32 = number.base10_parse()?;
    if range.contains(&value) {
        return Ok(value);
    }
    let (least, most) = (range.start(), range.end());
    Err(Error::new(number.span(), format!("`{name}` must be from {least} to {most}")))
}
