//! The arguments into which a function may put a handle, and so keep it beyond its return.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::{FnArg, Generics, Pat, Signature, Type};

use crate::returns::{is_opaque, types};

/// Each `&mut` argument whose type may hold a handle, with that type.
///
/// ```text
/// in:  async fn open(&mut self, slot: &mut Option<Tx>)
/// out: "self": Self, "slot": Option<Tx>
/// ```
pub(super) fn slots(span: Span, signature: &Signature) -> TokenStream {
    let mut slots = Vec::new();
    for input in &signature.inputs {
        let (name, ty) = match input {
            FnArg::Receiver(receiver) => (String::from("self"), &receiver.ty),
            FnArg::Typed(input) => match &*input.pat {
                Pat::Ident(pat) if input.attrs.is_empty() => (pat.ident.to_string(), &input.ty),
                _ => continue,
            },
        };
        if let Type::Reference(reference) = &**ty
            && reference.mutability.is_some()
            && !is_connection(&reference.elem)
            && can_be_asked(&reference.elem, &signature.generics)
        {
            let ty = &reference.elem;
            slots.push(quote_spanned!(span=> #name: #ty));
        }
    }
    quote_spanned!(span=> #(#slots),*)
}

/// Whether the type is a connection or a handle of sqlx by its name, and so need not be asked: none is put into another.
fn is_connection(ty: &Type) -> bool {
    let Type::Path(path) = ty else {
        return false;
    };
    let Some(last) = path.path.segments.last() else {
        return false;
    };
    let has_type = types(last).next().is_some();
    match last.ident.to_string().as_str() {
        "AnyConnection" | "MySqlConnection" | "PgConnection" | "SqliteConnection" => !has_type,
        "PoolConnection" | "Transaction" => has_type,
        _ => false,
    }
}

/// Whether the type has a name, by which it can be asked, and the same name for all callers.
fn can_be_asked(ty: &Type, generics: &Generics) -> bool {
    let mut parameters = generics.type_params();
    let is_parameter =
        matches!(ty, Type::Path(path) if parameters.any(|it| path.path.is_ident(&it.ident)));
    !is_parameter && !is_opaque(ty)
}
