//! Reading `#[event(name = value, name(…), …)]` and `#[job(name = value, flag, …)]`.

use proc_macro2::TokenStream;
use syn::{
    DeriveInput, Error, Ident, Lit, LitBool, LitInt, LitStr, Result, Token, ext::IdentExt, parse::Parser,
    punctuated::Punctuated,
};

use crate::upcast::Step;

/// What is said of a name.
enum Given {
    Literal(Lit),
    List(List),
}

/// What is said of a name in parentheses.
pub(crate) struct List(Ident, TokenStream);

impl Given {
    fn span(&self) -> proc_macro2::Span {
        match self {
            Self::Literal(literal) => literal.span(),
            Self::List(List(name, _)) => name.span(),
        }
    }
}

impl List {
    /// The steps of a chain.
    pub(crate) fn steps(&self) -> Result<Punctuated<Step, Token![,]>> {
        Punctuated::parse_terminated.parse2(self.1.clone())
    }
}

/// The `name = literal` pairs of one attribute; a name alone is one with `true`.
pub(crate) struct Attribute {
    pairs: Vec<(Ident, Given)>,
    owner: Ident,
}

impl Attribute {
    /// Reads `#[name(…)]`; a name that is not in `known` is refused.
    pub(crate) fn read(input: &DeriveInput, name: &str, known: &[&str]) -> Result<Self> {
        let mut pairs: Vec<(Ident, Given)> = Vec::new();
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
                        Given::Literal(Lit::Bool(LitBool::new(true, key.span())))
                    } else if stream.peek(syn::token::Paren) {
                        let content;
                        syn::parenthesized!(content in stream);
                        Given::List(List(key.clone(), content.parse()?))
                    } else {
                        stream.parse::<Token![=]>()?;
                        Given::Literal(stream.parse()?)
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

    fn find(&self, name: &str) -> Option<&Given> {
        self.pairs.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// A string, if it is there.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&LitStr>> {
        match self.find(name) {
            None => Ok(None),
            Some(Given::Literal(Lit::Str(text))) if !text.value().is_empty() => Ok(Some(text)),
            Some(other) => Err(Error::new(other.span(), format!("`{name}` takes a string that is not empty"))),
        }
    }

    /// What is said in parentheses, if it is.
    pub(crate) fn list(&self, name: &str) -> Option<&List> {
        match self.find(name) {
            Some(Given::List(list)) => Some(list),
            _ => None,
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
            Some(Given::Literal(Lit::Bool(flag))) => Ok(flag.value),
            Some(other) => Err(Error::new(other.span(), format!("`{name}` takes no value: it is there or not"))),
        }
    }

    /// A whole number within `range`, or `default`.
    pub(crate) fn number(&self, name: &str, default: u32, range: std::ops::RangeInclusive<u32>) -> Result<u32> {
        match self.find(name) {
            None => Ok(default),
            Some(Given::Literal(Lit::Int(number))) => within(name, number, &range),
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
