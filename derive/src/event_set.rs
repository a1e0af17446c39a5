//! `#[derive(EventSet)]`.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Error, Fields, Result};

const SHAPE: &str = "an event set is an enum whose variants hold one event each: enum AccountEvent { Opened(Opened) }";

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else { return Err(Error::new(input.ident.span(), SHAPE)) };
    if data.variants.is_empty() || !input.generics.params.is_empty() {
        return Err(Error::new(input.ident.span(), SHAPE));
    }
    let mut variants = Vec::new();
    for variant in &data.variants {
        match &variant.fields {
            Fields::Unnamed(fields) if fields.unnamed.len() == 1 => {
                variants.push((&variant.ident, &fields.unnamed[0].ty));
            }
            _ => return Err(Error::new(variant.ident.span(), SHAPE)),
        }
    }
    let name = &input.ident;
    let (names, types): (Vec<_>, Vec<_>) = variants.into_iter().unzip();
    Ok(quote! {
        impl ::millgate::EventSet for #name {
            fn types() -> ::std::vec::Vec<&'static str> {
                ::std::vec![#(<#types as ::millgate::Event>::TYPE),*]
            }

            fn decode(
                event: &::millgate::StoredEvent,
            ) -> ::core::option::Option<::core::result::Result<Self, ::millgate::DecodeError>> {
                #(
                    if let ::core::option::Option::Some(decoded) = <#types as ::millgate::EventSet>::decode(event) {
                        return ::core::option::Option::Some(decoded.map(Self::#names));
                    }
                )*
                ::core::option::Option::None
            }

            fn encode(&self) -> ::core::result::Result<::millgate::NewEvent, ::millgate::KafkaError> {
                match self {
                    #(Self::#names(event) => <#types as ::millgate::EventSet>::encode(event),)*
                }
            }
        }

        #(
            impl ::core::convert::From<#types> for #name {
                fn from(event: #types) -> Self {
                    Self::#names(event)
                }
            }
        )*
    })
}

#[cfg(test)]
mod tests {
    use syn::parse_quote;

    use super::*;

    #[test]
    fn what_is_no_enum_of_events_is_refused_with_what_is_one() {
        let bad: [DeriveInput; 4] = [
            parse_quote! { struct Opened { id: u64 } },
            parse_quote! { enum Nothing {} },
            parse_quote! { enum AccountEvent { Opened(Opened), Closed } },
            parse_quote! { enum AccountEvent { Opened(Opened, u64) } },
        ];
        for input in bad {
            assert!(expand(&input).unwrap_err().to_string().starts_with("an event set is an enum"));
        }
        let good: DeriveInput = parse_quote! { enum AccountEvent { Opened(Opened), Closed(Closed) } };
        assert!(expand(&good).is_ok());
    }
}
