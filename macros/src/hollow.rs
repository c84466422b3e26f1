//! Sets the bodies of functions aside before an item is parsed.
//!
//! To parse a body takes most of the time that the attribute takes, and not each body is needed: an item with other
//! attributes is emitted again before it is expanded, and the off mode reads no more than signatures.

use proc_macro2::{Delimiter, Group, Literal, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Block, Expr, ExprLit, ImplItem, Item, Lit, Stmt, TraitItem};

/// The bodies that were set aside.
#[derive(Default)]
pub(crate) struct Bodies(Vec<Group>);

impl Bodies {
    /// The body that was set aside for this block.
    pub(crate) fn of(&self, block: &Block) -> Option<Group> {
        match &block.stmts[..] {
            [
                Stmt::Expr(
                    Expr::Lit(ExprLit {
                        lit: Lit::Int(index),
                        ..
                    }),
                    None,
                ),
            ] => self.0.get(index.base10_parse::<usize>().ok()?).cloned(),
            _ => None,
        }
    }

    /// Whether each of them is the body of a function in this item.
    fn are_those_of(&self, item: &Item) -> bool {
        let functions = match item {
            Item::Fn(_) => 1,
            Item::Impl(item) => {
                let is_function = |member: &&ImplItem| matches!(member, ImplItem::Fn(_));
                item.items.iter().filter(is_function).count()
            }
            Item::Trait(item) => {
                let has_body = |member: &&TraitItem| matches!(member, TraitItem::Fn(it) if it.default.is_some());
                item.items.iter().filter(has_body).count()
            }
            _ => return false,
        };
        functions == self.0.len()
    }

    /// The item, with the bodies in their places again.
    pub(crate) fn put_back(&self, item: impl ToTokens) -> TokenStream {
        let item = item.into_token_stream();
        let mut bodies = self.0.iter().cloned();
        replace_bodies(&item, |hollow| bodies.next().unwrap_or(hollow)).unwrap_or(item)
    }

    /// Sets a group aside. In its place stands its number.
    fn set_aside(&mut self, group: Group) -> Group {
        let number = Literal::usize_unsuffixed(self.0.len());
        let hollow = with_content(&group, TokenTree::from(number).into());
        self.0.push(group);
        hollow
    }
}

/// Parses an item, and sets the bodies of its functions aside where that is possible.
pub(crate) fn parse(tokens: &TokenStream) -> syn::Result<(Item, Bodies)> {
    let mut bodies = Bodies::default();
    if let Some(hollow) = replace_bodies(tokens, |body| bodies.set_aside(body))
        && let Ok(item) = syn::parse2::<Item>(hollow)
        && bodies.are_those_of(&item)
    {
        return Ok((item, bodies));
    }
    Ok((syn::parse2(tokens.clone())?, Bodies::default()))
}

/// The item with other bodies: that of a function, or all groups in the braces of an impl block or of a trait. Not all of
/// these need be bodies: `const NAMES: [&str; N] = { … };`.
fn replace_bodies(
    item: &TokenStream,
    mut replace: impl FnMut(Group) -> Group,
) -> Option<TokenStream> {
    let mut tokens: Vec<_> = item.clone().into_iter().collect();
    let is_function = tokens.iter().find_map(|token| match token {
        TokenTree::Ident(word) => match &*word.to_string() {
            "fn" => Some(Some(true)),
            "impl" | "trait" => Some(Some(false)),
            "mod" => Some(None),
            _ => None,
        },
        _ => None,
    })??;
    let last = braces(tokens.pop()?).ok()?;
    tokens.push(TokenTree::Group(if is_function {
        replace(last)
    } else {
        let members = last.stream().into_iter().map(|token| match braces(token) {
            Ok(body) => TokenTree::Group(replace(body)),
            Err(token) => token,
        });
        with_content(&last, members.collect())
    }));
    Some(tokens.into_iter().collect())
}

fn braces(token: TokenTree) -> Result<Group, TokenTree> {
    match token {
        TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => Ok(group),
        token => Err(token),
    }
}

/// The group with other tokens in it.
fn with_content(group: &Group, tokens: TokenStream) -> Group {
    let mut other = Group::new(group.delimiter(), tokens);
    other.set_span(group.span());
    other
}
