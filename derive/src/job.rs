//! `#[derive(Job)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{DeriveInput, Error, Ident, Path, Result, ext::IdentExt};

use crate::{attribute::Attribute, backoff, field, sensitive, time::milliseconds};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let known = [
        "queue",
        "kind",
        "version",
        "max_attempts",
        "timeout",
        "priority",
        "backoff",
        "index",
        "index_kind",
        "ordered_by",
        "lane",
    ];
    let attribute = Attribute::read(input, "job", &known)?;
    let queue = attribute.required("queue", "#[job(queue = \"email\")]")?;
    let kind = match attribute.text("kind")? {
        Some(kind) => kind.value(),
        None => kebab_case(&input.ident.to_string()),
    };
    let version = attribute.number("version", 1, 1..=u32::MAX)?;
    let max_attempts = attribute.number("max_attempts", 4, 1..=1000)?;
    let priority = attribute.number("priority", 5, 0..=9)?;
    let priority = u8::try_from(priority).map_err(|_| Error::new(input.ident.span(), "priority is 0 to 9"))?;
    let timeout = attribute
        .text("timeout")?
        .map_or(Ok(30_000), |text| milliseconds(&text.value()).map_err(|reason| Error::new(text.span(), reason)))?;
    let index_kind = attribute.flag("index_kind")?;
    let methods = methods(input, &attribute)?;
    let sensitive = sensitive::expand(input, "job")?;
    let name = &input.ident;
    let (generics, arguments, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::millgate::Job for #name #arguments #bounds {
            const KIND: &'static str = #kind;
            const QUEUE: &'static str = #queue;
            const VERSION: u32 = #version;
            const MAX_ATTEMPTS: u32 = #max_attempts;
            const PRIORITY: u8 = #priority;
            const TIMEOUT: ::core::time::Duration = ::core::time::Duration::from_millis(#timeout);
            const INDEX_KIND: bool = #index_kind;
            #sensitive
            #methods
        }
    })
}

/// `SendConfirmationEmail` → `send-confirmation-email`.
fn kebab_case(name: &str) -> String {
    let mut kebab = String::with_capacity(name.len() + 4);
    for (index, letter) in name.chars().enumerate() {
        if letter.is_uppercase() && index > 0 {
            kebab.push('-');
        }
        kebab.extend(letter.to_lowercase());
    }
    kebab
}

/// What its attributes say beyond constants.
fn methods(input: &DeriveInput, attribute: &Attribute) -> Result<TokenStream> {
    let mut methods = TokenStream::new();
    if let Some(list) = attribute.text("index")? {
        let text = list.value();
        let names = text.split(',').map(str::trim);
        let fields: Vec<Ident> =
            names.map(|name| field::named(input, name, list, "a job with an index")).collect::<Result<_>>()?;
        // A raw name is found by the word that it is.
        let words = fields.iter().map(|field| field.unraw().to_string());
        methods.extend(quote! {
            fn index(&self) -> ::std::vec::Vec<(&'static str, ::std::string::String)> {
                ::std::vec![#((#words, ::std::string::ToString::to_string(&self.#fields))),*]
            }
        });
    }
    if let Some(name) = attribute.text("ordered_by")? {
        let field = field::named(input, &name.value(), name, "a job that is ordered by a field")?;
        methods.extend(quote! {
            fn lane(&self) -> ::core::option::Option<::millgate::Lane> {
                ::core::option::Option::Some(::millgate::Lane::ordered(&self.#field))
            }
        });
    }
    if let Some(path) = attribute.text("lane")? {
        if attribute.text("ordered_by")?.is_some() {
            return Err(Error::new(path.span(), "a job has one lane: `lane` or `ordered_by`"));
        }
        let function: Path = path.parse()?;
        methods.extend(quote! {
            fn lane(&self) -> ::core::option::Option<::millgate::Lane> {
                #function(self)
            }
        });
    }
    if let Some(text) = attribute.text("backoff")? {
        let backoff = backoff::expand(text)?;
        methods.extend(quote! {
            fn backoff() -> ::core::option::Option<::millgate::Backoff> {
                ::core::option::Option::Some(#backoff)
            }
        });
    }
    Ok(methods)
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn kinds_are_kebab_case() {
        assert_eq!(kebab_case("SendConfirmationEmail"), "send-confirmation-email");
        assert_eq!(kebab_case("Sync"), "sync");
    }

    fn refused(input: &DeriveInput) -> String {
        expand(input).unwrap_err().to_string()
    }

    #[test]
    fn what_cannot_be_right_is_refused() {
        let index =
            parse_quote! { #[job(queue = "a", index = "order_id, customer")] struct A { order_id: u8, sum: u8 } };
        assert_eq!(refused(&index), "`A` has no field `customer`; it has: order_id, sum");
        let gap = parse_quote! { #[job(queue = "a", index = "order_id,")] struct A { order_id: u8 } };
        assert_eq!(refused(&gap), "`A` has no field ``; it has: order_id");
        let order = parse_quote! { #[job(queue = "a", ordered_by = "id")] struct A { order_id: u8 } };
        assert_eq!(refused(&order), "`A` has no field `id`; it has: order_id");
        let tuple = parse_quote! { #[job(queue = "a", ordered_by = "id")] struct A(u8); };
        assert_eq!(refused(&tuple), "a job that is ordered by a field is a struct with named fields");
        let two = parse_quote! { #[job(queue = "a", ordered_by = "id", lane = "by_id")] struct A { id: u8 } };
        assert_eq!(refused(&two), "a job has one lane: `lane` or `ordered_by`");
        let flag = parse_quote! { #[job(queue = "a", index_kind = "yes")] struct A; };
        assert_eq!(refused(&flag), "`index_kind` takes no value: it is there or not");
        let value = parse_quote! { #[job(queue, priority = 1)] struct A; };
        assert_eq!(refused(&value), "`queue` takes a string that is not empty");
        let backoff = parse_quote! { #[job(queue = "a", backoff = "fast")] struct A; };
        assert!(refused(&backoff).starts_with("`fast` is no backoff; a backoff is one of"));
        let timeout = parse_quote! { #[job(queue = "a", timeout = "30")] struct A; };
        assert!(refused(&timeout).starts_with("a time is a whole number above 0"));
    }

    #[test]
    fn what_is_not_said_is_not_written() {
        let plain = expand(&parse_quote! { #[job(queue = "a", index_kind)] enum A { B } }).unwrap().to_string();
        assert!(plain.contains("INDEX_KIND : bool = true"), "{plain}");
        for method in ["fn index", "fn lane", "fn backoff"] {
            assert!(!plain.contains(method), "{plain}");
        }
    }
}
