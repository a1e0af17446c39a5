//! `#[derive(Event)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Result};

use crate::{attribute::Attribute, field, sensitive, upcast};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let attribute = Attribute::read(input, "event", &["type", "version", "key", "topic", "upcast", "schema"])?;
    let event_type = attribute.required("type", "#[event(type = \"order.created\", key = \"order_id\")]")?;
    let key = attribute.required("key", "the field that names the entity, key = \"order_id\"")?;
    let key = field::named(input, &key.value(), key, "an event")?;
    let version = attribute.number("version", 1, 1..=u32::MAX)?;
    let topic = attribute.text("topic")?.unwrap_or(event_type);
    let upcast = upcast::expand(input, &attribute, version)?;
    let schema = if attribute.flag("schema")? { schema() } else { TokenStream::new() };
    let sensitive = sensitive::expand(input, "event")?;
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::millgate::Event for #name #arguments #bounds {
            const TYPE: &'static str = #event_type;
            const VERSION: u32 = #version;
            const TOPIC: &'static str = #topic;
            #sensitive
            fn key(&self) -> ::std::string::String {
                ::std::string::ToString::to_string(&self.#key)
            }
            #upcast
            #schema
        }
    })
}

fn schema() -> TokenStream {
    quote! {
        fn schema() -> ::core::option::Option<::millgate::schemars::Schema> {
            ::core::option::Option::Some(::millgate::schemars::SchemaGenerator::default().into_root_schema_for::<Self>())
        }
    }
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    fn refused(input: &DeriveInput) -> String {
        expand(input).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let key = parse_quote! { #[event(type = "a.b", key = "order")] struct A { order_id: u8, sum: u8 } };
        assert_eq!(refused(&key), "`A` has no field `order`; it has: order_id, sum");
        let word = parse_quote! { #[event(typ = "a.b", key = "id")] struct A { id: u8 } };
        assert!(refused(&word).starts_with("unknown word `typ`; known are: type, version"));
        let missing = parse_quote! { #[event(key = "id")] struct A { id: u8 } };
        assert!(refused(&missing).starts_with("`type` is missing"));
        let version = parse_quote! { #[event(type = "a.b", key = "id", version = 0)] struct A { id: u8 } };
        assert!(refused(&version).starts_with("`version` must be from 1"));
        let twice = parse_quote! { #[event(type = "a.b", key = "id", key = "id")] struct A { id: u8 } };
        assert_eq!(refused(&twice), "`key` is given twice");
        let tuple = parse_quote! { #[event(type = "a.b", key = "id")] struct A(u8); };
        assert_eq!(refused(&tuple), "an event is a struct with named fields");
    }
}
