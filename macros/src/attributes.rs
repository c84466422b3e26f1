//! The attributes around `#[track]`: which are ours, which the compiler knows, and which must expand before us.

use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit_mut::VisitMut;
use syn::{AttrStyle, Attribute, Block, Item, Meta, Path, Token};

use crate::errors::Errors;
use crate::options::Options;
use crate::parse::inner_entries;

/// Attributes of the language that may stand on a fn, an impl, a trait or a module. They expand to nothing.
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
    // Tools that the compiler knows.
    "clippy",
    "diagnostic",
    "miri",
    "rustfmt",
];

/// `#[track]`, `#[sqlx::track]`, `#[sqlx_leash::track(root)]`
fn is_track(attribute: &Attribute) -> bool {
    let last = attribute.path().segments.last();
    attribute.style == AttrStyle::Outer && last.is_some_and(|segment| segment.ident == "track")
}

/// Takes our own attributes off an item inside a tracked one.
pub(crate) fn take(attributes: &mut Vec<Attribute>, errors: &mut Errors) -> Options {
    let mut options = Options::default();
    for attribute in attributes.extract_if(.., |attribute| is_track(attribute)) {
        let entries = inner_entries(&attribute.meta, errors);
        options = options.stacked(&Options::read(entries, errors));
    }
    options
}

/// Takes our own attributes off everything in an item that could not be understood.
pub(crate) fn strip(item: &mut Item) {
    struct Strip;
    impl VisitMut for Strip {
        fn visit_attributes_mut(&mut self, attributes: &mut Vec<Attribute>) {
            attributes.retain(|attribute| !is_track(attribute));
        }
        // An item inside a body is not ours: its attribute speaks for itself.
        fn visit_block_mut(&mut self, _: &mut Block) {}
    }
    Strip.visit_item_mut(item);
}

/// Whether an attribute stands here that rewrites the item, like `#[instrument]` or `#[async_trait]`.
///
/// Such a one must expand first: it wants to see the code as the user wrote it.
pub(crate) fn any_foreign(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.style == AttrStyle::Outer && !is_track(attribute) && is_foreign(&attribute.meta)
    })
}

/// Whether the attribute makes a sync fn of an `async fn`, as `#[tokio::test]` and `#[sqlx::test]` do, or stands on one
/// that was made so: `#[::core::prelude::v1::test]`. A bare `#[test]` on a sync fn is the user's own.
pub(crate) fn makes_entry(attribute: &Attribute, is_async: bool) -> bool {
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
