//! Classifies the attributes of an item: `#[track]`, those built into the language, and those that must expand first.

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{AttrStyle, Attribute, Block, Item, Meta, Path, Token};

use crate::errors::Errors;
use crate::options::Options;
use crate::parse::inner_entries;

/// Attributes built into the language that a fn, an impl, a trait or a module can have. They do not rewrite the item.
const BUILT_IN: [&str; 33] = [
    "allow",
    "automatically_derived",
    "cfg",
    "cold",
    "coverage",
    "deny",
    "deprecated",
    "doc",
    "expect",
    "export_name",
    "forbid",
    "ignore",
    "inline",
    "link_section",
    "macro_use",
    "must_use",
    "naked",
    "no_implicit_prelude",
    "no_mangle",
    "non_exhaustive",
    "optimize",
    "path",
    "recursion_limit",
    "rustc_on_unimplemented",
    "should_panic",
    "target_feature",
    "track_caller",
    "unsafe",
    "warn",
    // Namespaces of tools.
    "clippy",
    "diagnostic",
    "miri",
    "rustfmt",
];

/// Whether this is the attribute of this crate: `#[track]`, `#[sqlx::track]`, `#[sqlx_leash::track(root)]`.
fn is_track(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    attribute.style == AttrStyle::Outer && last.is_some_and(|segment| segment.ident == "track")
}

/// Removes the `#[track]` attributes of an item, and returns their merged options.
pub(crate) fn take(attributes: &mut Vec<Attribute>, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    for attribute in attributes.extract_if(.., |attribute| is_track(attribute)) {
        let entries = inner_entries(&attribute.meta, errors);
        options = options.stacked(&Options::read(entries, errors));
    }
    options
}

/// The item without the `#[track]` of it and of its members. An item with errors is emitted in this form, so that it
/// expands no further.
pub(crate) fn without_track(item: &TokenStream) -> TokenStream {
    struct Strip;
    impl VisitMut for Strip {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            attributes.retain(|attribute| !is_track(attribute));
        }
        // The attribute of an item inside a body expands by itself.
        fn visit_block_mut(&mut self, _: &mut Block) {}
    }
    match syn::parse2::<Item>(item.clone()) {
        Ok(mut item) => {
            Strip.visit_item_mut(&mut item);
            item.into_token_stream()
        }
        Err(_) => item.clone(),
    }
}

/// Whether one of the attributes rewrites the item, such as `#[instrument]` or `#[async_trait]`.
///
/// Such an attribute must expand first, to see the code as the user wrote it.
pub(crate) fn any_foreign(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.style == AttrStyle::Outer && !is_track(attribute) && is_foreign(&attribute.meta)
    })
}

/// Whether the attribute turns an `async fn` into a sync fn, as `#[tokio::test]` and `#[sqlx::test]` do, or is left on
/// a function after that: `#[::core::prelude::v1::test]`. A bare `#[test]` on a sync fn was written by the user.
pub(crate) fn makes_entry_point(attribute: &Attribute, is_async: bool) -> bool {
    let path = attribute.path();
    let last = path.segments.last();
    last.is_some_and(|last| last.ident == "test" || last.ident == "main")
        && (is_async || path.segments.len() > 1)
}

fn is_foreign(meta: &Meta) -> bool {
    if !meta.path().is_ident("cfg_attr") {
        return !is_built_in(meta.path());
    }
    let Meta::List(list) = meta else {
        return false;
    };
    match Punctuated::<Meta, Token![,]>::parse_terminated.parse2(list.tokens.clone()) {
        Ok(metas) => metas.iter().skip(1).any(is_foreign),
        Err(_) => true,
    }
}

fn is_built_in(path: &Path) -> bool {
    let first = path.segments.first();
    path.leading_colon.is_none()
        && first.is_some_and(|segment| BUILT_IN.iter().any(|name| segment.ident == name))
}
