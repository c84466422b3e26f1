//! Turns the model into tokens. Nothing here can fail.
//!
//! In the examples `P` is `::sqlx::__private`.
//!
//! Generated tokens have mixed-site spans. So their locals cannot clash with the user's, lints do not take them for
//! the user's code, and `impl Trait` captures lifetimes as in edition 2024. Items are not hygienic, so their names
//! begin with two underscores.

mod arguments;
mod early;
mod function;
mod lifetimes;
mod metadata;
mod slots;

use proc_macro2::{Ident, Span, TokenStream};
use quote::{ToTokens, quote};
use syn::{Attribute, ImplItem, Item, Meta, TraitItem};

use crate::crate_path::CratePath;
use crate::model::{Container, Node};
use crate::options::Options;

pub(crate) fn expand(node: Node) -> TokenStream {
    match node {
        Node::Function(function) => function::expand(*function),
        Node::Container(container, members) => self::container(container, members),
        Node::Later {
            attributes,
            options,
            item,
        } => later(&attributes, &options, &item),
        Node::Untouched(tokens) => tokens,
    }
}

fn container(container: Container, members: Vec<Node>) -> TokenStream {
    let members = members.into_iter().map(expand);
    match container {
        Container::Impl(mut item) => {
            item.attrs.iter_mut().for_each(relax);
            item.items = members.map(ImplItem::Verbatim).collect();
            item.into_token_stream()
        }
        Container::Trait(mut item) => {
            item.attrs.iter_mut().for_each(relax);
            item.items = members.map(TraitItem::Verbatim).collect();
            item.into_token_stream()
        }
        Container::Mod(mut item) => {
            item.attrs.iter_mut().for_each(relax);
            let members = members.map(Item::Verbatim).collect();
            item.content = item.content.map(|(brace, _)| (brace, members));
            item.into_token_stream()
        }
    }
}

/// Emits the item with `#[track]` behind its other attributes.
///
/// Attributes expand from the top down, so the others see the code as the user wrote it.
///
/// ```text
/// in:  #[track(root)] #[instrument] async fn find() {}
/// out: #[instrument] #[::sqlx::track(__last, root)] async fn find() {}
/// ```
fn later(attributes: &[Attribute], options: &Options, item: &TokenStream) -> TokenStream {
    let path = CratePath::of(options).root(Span::mixed_site());
    let (inner, outer): (Vec<_>, Vec<_>) = attributes
        .iter()
        .partition(|attribute| matches!(attribute.style, syn::AttrStyle::Inner(_)));
    // In front of the item, an inner attribute has the same meaning.
    let inner = inner.into_iter().cloned().map(outward);
    quote!(#(#outer)* #(#inner)* #[#path::track(#options)] #item)
}

fn outward(mut attribute: Attribute) -> Attribute {
    attribute.style = syn::AttrStyle::Outer;
    attribute
}

/// Turns `#[expect(…)]` into `#[allow(…)]`.
///
/// Some lints do not fire on the expansion. The compiler would report `#[expect(clippy::unused_async)]` as unfulfilled,
/// because the function is no longer an `async fn`.
fn relax(attribute: &mut Attribute) {
    if let Meta::List(list) = &mut attribute.meta
        && list.path.is_ident("expect")
    {
        let span = syn::spanned::Spanned::span(&list.path);
        list.path = Ident::new("allow", span).into();
    }
}
