//! Moves the arguments of an `async fn` into its future.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{Attribute, FnArg, Pat, PatIdent, Token, Type, parse_quote};

use super::relax;
use crate::words::is_one_of;

const NUMBERS: [&str; 15] = [
    "bool", "char", "f32", "f64", "i8", "i16", "i32", "i64", "i128", "isize", "u8", "u16", "u32",
    "u64", "usize",
];

/// Replaces the patterns in the signature by names, and returns the statements that bind the patterns inside the
/// future.
///
/// rustc lowers an `async fn` in the same way and in the same order. So the order in which arguments are dropped does
/// not change, and the future still captures arguments that the body does not use.
///
/// An argument that is a shared reference or a number has nothing to drop, and stays as it is. `self` counts as used,
/// as in an `async fn`: clippy has a lint for one that is not.
///
/// ```text
/// in:  (&self, mut id: i64, (a, b): (u8, u8), _: Guard)
/// out: (&self, id: i64, __arg2: (u8, u8), __arg3: Guard)
///      let _ = &self;
///      let mut id = id;
///      let __arg2 = __arg2; let (a, b) = __arg2;
///      let __arg3 = __arg3; let _ = __arg3;
/// ```
pub(super) fn rebind(inputs: &mut Punctuated<FnArg, Token![,]>) -> TokenStream {
    let mut statements = TokenStream::new();
    for (index, input) in inputs.iter_mut().enumerate() {
        match input {
            FnArg::Receiver(receiver) => {
                let word = &receiver.self_token;
                let span = Span::mixed_site().located_at(word.span());
                let attributes = conditions(&receiver.attrs);
                statements.extend(quote_spanned!(span=> #(#attributes)* let _ = &#word;));
            }
            FnArg::Typed(input) => {
                let statement = match &mut *input.pat {
                    Pat::Ident(PatIdent {
                        by_ref: None,
                        mutability: None,
                        subpat: None,
                        ..
                    }) if is_trivial(&input.ty) => TokenStream::new(),
                    Pat::Ident(pat) if pat.by_ref.is_none() && pat.subpat.is_none() => {
                        bind_name(&input.attrs, pat)
                    }
                    pat => bind_pattern(&input.attrs, pat, index),
                };
                statements.extend(statement);
                input.attrs.iter_mut().for_each(relax);
            }
        }
    }
    statements
}

/// Whether a value of this type has nothing to drop, as its words show.
fn is_trivial(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => reference.mutability.is_none(),
        Type::Path(path) => {
            let word = path.path.get_ident();
            word.is_some_and(|word| is_one_of(word, &NUMBERS))
        }
        _ => false,
    }
}

fn bind_name(attributes: &[Attribute], pat: &mut PatIdent) -> TokenStream {
    let mutability = pat.mutability.take();
    let name = &pat.ident;
    let span = Span::mixed_site().located_at(name.span());
    // Clippy would report these statements, because they use a name that begins with an underscore.
    let silent = name.to_string().starts_with('_').then(|| {
        quote_spanned!(span=> #[allow(clippy::used_underscore_binding, clippy::no_effect_underscore_binding)])
    });
    quote_spanned!(span=> #(#attributes)* #silent let #mutability #name = #name;)
}

fn bind_pattern(attributes: &[Attribute], pat: &mut Pat, index: usize) -> TokenStream {
    let span = Span::mixed_site().located_at(pat.span());
    let name = format_ident!("__arg{index}", span = span);
    let written = std::mem::replace(pat, parse_quote!(#name));
    let conditions = conditions(attributes);
    quote_spanned! {span=>
        #(#conditions)* let #name = #name;
        #(#attributes)* let #written = #name;
    }
}

/// The attributes that decide whether an argument exists.
fn conditions(attributes: &[Attribute]) -> impl Iterator<Item = impl ToTokens> {
    attributes
        .iter()
        .filter(|attribute| {
            attribute.path().is_ident("cfg") || attribute.path().is_ident("cfg_attr")
        })
        .map(|attribute| quote!(#attribute))
}
