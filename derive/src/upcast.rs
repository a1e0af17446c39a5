//! `upcast = "path"`: one function for all old versions. `upcast(1 = "path", 2 = "path")`: a chain, a step each.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, LitInt, LitStr, Path, Result, Token};

use crate::attribute::Attribute;

/// The method that lifts old payloads, or nothing where neither is given.
pub(crate) fn expand(input: &DeriveInput, attribute: &Attribute, version: u32) -> Result<TokenStream> {
    let body = if let Some(list) = attribute.list("upcast") {
        chain(list.steps()?, &input.ident, version)?
    } else if let Some(path) = attribute.text("upcast")? {
        let path: Path = path.parse()?;
        quote! { #path(from, data) }
    } else {
        return Ok(TokenStream::new());
    };
    Ok(quote! {
        fn upcast(from: u32, data: ::millgate::Value) -> ::core::result::Result<::millgate::Value, ::std::string::String> {
            #body
        }
    })
}

/// One step of a chain: the function that lifts this version to the next.
pub(crate) struct Step {
    from: LitInt,
    path: LitStr,
}

impl syn::parse::Parse for Step {
    fn parse(input: syn::parse::ParseStream<'_>) -> Result<Self> {
        let from = input.parse()?;
        input.parse::<Token![=]>()?;
        Ok(Self { from, path: input.parse()? })
    }
}

fn chain(steps: impl IntoIterator<Item = Step>, owner: &syn::Ident, version: u32) -> Result<TokenStream> {
    let mut body = TokenStream::new();
    let mut expected = 1;
    for Step { from, path } in steps {
        let number: u32 = from.base10_parse()?;
        if number != expected || number >= version {
            let text = if expected >= version {
                format!("version {version} is the newest: a step from {number} leads nowhere")
            } else {
                format!("the next step is the one from version {expected}, to {}", expected + 1)
            };
            return Err(Error::new(from.span(), text));
        }
        let path: Path = path.parse()?;
        let next = number + 1;
        body.extend(quote! {
            let data = if from <= #number {
                #path(data).map_err(|reason: ::std::string::String| ::std::format!("from {} to {}: {reason}", #number, #next))?
            } else {
                data
            };
        });
        expected = next;
    }
    if expected != version {
        let text = format!(
            "the chain ends at version {expected}, and the newest is {version}: a step is missing, {expected} = \"path\""
        );
        return Err(Error::new(owner.span(), text));
    }
    Ok(quote! { #body ::core::result::Result::Ok(data) })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use crate::event;

    fn told(input: &syn::DeriveInput) -> String {
        event::expand(input).map_or_else(|error| error.to_string(), |tokens| tokens.to_string())
    }

    #[test]
    fn a_chain_is_complete_or_refused() {
        let end = parse_quote! { #[event(type = "a", key = "id", version = 3, upcast(1 = "one"))] struct A { id: u8 } };
        assert_eq!(told(&end), "the chain ends at version 2, and the newest is 3: a step is missing, 2 = \"path\"");
        let gap = parse_quote! { #[event(type = "a", key = "id", version = 3, upcast(2 = "two"))] struct A { id: u8 } };
        assert_eq!(told(&gap), "the next step is the one from version 1, to 2");
        let beyond = parse_quote! { #[event(type = "a", key = "id", version = 2, upcast(1 = "one", 2 = "two"))] struct A { id: u8 } };
        assert_eq!(told(&beyond), "version 2 is the newest: a step from 2 leads nowhere");
        let twice = parse_quote! { #[event(type = "a", key = "id", version = 3, upcast(1 = "one", 1 = "one"))] struct A { id: u8 } };
        assert_eq!(told(&twice), "the next step is the one from version 2, to 3");
        let word = parse_quote! { #[event(type = "a", key = "id", version = 2, topic(1 = "one"))] struct A { id: u8 } };
        assert_eq!(told(&word), "`topic` takes a string that is not empty");
    }

    #[test]
    fn each_step_lifts_by_one() {
        let input = parse_quote! { #[event(type = "a", key = "id", version = 3, upcast(1 = "one", 2 = "m::two"))] struct A { id: u8 } };
        let method = told(&input).replace(' ', "");
        let (one, two) =
            (method.find("iffrom<=1u32{one(data)").unwrap(), method.find("iffrom<=2u32{m::two(data)").unwrap());
        assert!(one < two, "{method}");
    }
}
