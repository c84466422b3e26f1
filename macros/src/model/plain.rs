//! Whether a sync fn whose return type names no future may return one all the same, or has something else to track.
//!
//! On a fn without any of this, the attribute would do nothing, and nobody would notice.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, ExprClosure, GenericArgument, Generics, Item, Macro, PathArguments,
    ReturnType, Signature, Stmt, Token, Type, TypeParamBound, TypePath,
};

use crate::returns::PLAIN;
use crate::sites::is_call_site;
use crate::words::is_one_of;

/// Traits that no future or stream is returned for.
const DATA: [&str; 20] = [
    "Any",
    "AsRef",
    "Clone",
    "Copy",
    "Debug",
    "Display",
    "DoubleEndedIterator",
    "Error",
    "Eq",
    "ExactSizeIterator",
    "Hash",
    "Into",
    "IntoIterator",
    "Iterator",
    "Ord",
    "Read",
    "Send",
    "Sized",
    "Sync",
    "ToString",
];

/// Words in the names of types that are, or contain, a future or a stream.
const FUTURES: [&str; 10] = [
    "Boxed", "Execute", "Fut", "Future", "Join", "Lazy", "Pin", "Ready", "Stream", "Task",
];

/// Whether there is something for the attribute to track.
pub(super) fn is_worth_tracking(signature: &Signature, body: &mut Block) -> bool {
    let mut search = Search(false);
    search.visit_block_mut(body);
    search.0 || may_return_future(signature, body)
}

/// Searches for what runs later, or sends a statement.
struct Search(bool);

impl VisitMut for Search {
    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {
        self.0 = true;
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.0 |= closure.asyncness.is_some();
        visit_mut::visit_expr_closure_mut(self, closure);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        self.0 |= matches!(expr, Expr::Await(_) | Expr::Verbatim(_)) || is_call_site(expr);
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.0 |= may_be_async(mac.tokens.clone());
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn may_be_async(tokens: TokenStream) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => word == "async" || word == "await",
        TokenTree::Group(group) => may_be_async(group.stream()),
        TokenTree::Literal(_) | TokenTree::Punct(_) => false,
    })
}

fn may_return_future(signature: &Signature, body: &Block) -> bool {
    match &signature.output {
        ReturnType::Default => false,
        ReturnType::Type(_, ty) => match &**ty {
            // The name of a type of the user's own may be an alias of a future's.
            Type::Path(path) if is_own(path) => {
                is_named_like_future(ty, &signature.generics)
                    || tail(body).is_none_or(|tail| !is_plain_value(tail, path))
            }
            ty => is_named_like_future(ty, &signature.generics),
        },
    }
}

fn is_own(path: &TypePath) -> bool {
    let last = path.path.segments.last();
    last.is_some_and(|last| last.ident != "Self" && !is_one_of(&last.ident, &PLAIN))
}

/// Whether a type, or a type in it, is named like a future or a stream, or can be anything.
fn is_named_like_future(ty: &Type, generics: &Generics) -> bool {
    match ty {
        Type::Path(path) => {
            let is_parameter = |word: &Ident| generics.type_params().any(|it| it.ident == *word);
            path.path.segments.iter().any(|segment| {
                is_parameter(&segment.ident)
                    || has_word_of_future(&segment.ident)
                    || match &segment.arguments {
                        PathArguments::AngleBracketed(arguments) => {
                            arguments.args.iter().any(|argument| match argument {
                                GenericArgument::Type(ty) => is_named_like_future(ty, generics),
                                _ => false,
                            })
                        }
                        _ => false,
                    }
            })
        }
        Type::ImplTrait(implemented) => may_bound_future(&implemented.bounds),
        Type::TraitObject(object) => may_bound_future(&object.bounds),
        Type::Tuple(tuple) => tuple
            .elems
            .iter()
            .any(|ty| is_named_like_future(ty, generics)),
        Type::Array(array) => is_named_like_future(&array.elem, generics),
        Type::Reference(reference) => is_named_like_future(&reference.elem, generics),
        Type::Slice(slice) => is_named_like_future(&slice.elem, generics),
        Type::Paren(inner) => is_named_like_future(&inner.elem, generics),
        Type::Group(inner) => is_named_like_future(&inner.elem, generics),
        Type::Never(_) | Type::Ptr(_) => false,
        // A macro, or a function that may return a future.
        _ => true,
    }
}

fn may_bound_future(bounds: &Punctuated<TypeParamBound, Token![+]>) -> bool {
    bounds.iter().any(|bound| match bound {
        TypeParamBound::Trait(bound) => {
            let last = bound.path.segments.last();
            last.is_some_and(|last| !is_one_of(&last.ident, &DATA))
        }
        _ => false,
    })
}

/// Whether `LoadFuture` has one of the words; `Futile` has none.
fn has_word_of_future(name: &Ident) -> bool {
    let name = name.to_string();
    FUTURES.iter().any(|word| {
        name.match_indices(word).any(|(index, _)| {
            let after = name[index + word.len()..].chars().next();
            !after.is_some_and(|after| after.is_ascii_lowercase() && after != 's')
        })
    })
}

fn tail(body: &Block) -> Option<&Expr> {
    match body.stmts.last() {
        Some(Stmt::Expr(expr, None)) => Some(expr),
        _ => None,
    }
}

/// Whether the value is made here: `Exam { … }`, `Exam(…)` or `Exam::new(…)` for the type `Exam`.
fn is_plain_value(value: &Expr, ty: &TypePath) -> bool {
    match value {
        Expr::Struct(_) | Expr::Lit(_) | Expr::Binary(_) | Expr::Macro(_) | Expr::Path(_) => true,
        Expr::Call(call) => match &*call.func {
            Expr::Path(func) => {
                let own = ty.path.segments.last().map(|last| &last.ident);
                let mut called = func.path.segments.iter().rev().take(2);
                called.any(|segment| segment.ident == "Self" || Some(&segment.ident) == own)
            }
            _ => false,
        },
        Expr::Block(block) => tail(&block.block).is_some_and(|tail| is_plain_value(tail, ty)),
        _ => false,
    }
}
