//! Decides from the source whether a value that may be a handle stays in the variable to which it is bound, until it
//! is ended or dropped.
//!
//! Findings that count as certain depend on this. In doubt, the value does not stay.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, Item, LitStr, Local, Macro, Pat, PatIdent, Stmt, Token, Type, UnOp};

use super::{AWAITED, STREAMS, called};
use crate::in_place;
use crate::straight::is_harmless;
use crate::words::{is_one_of, unraw};

/// Methods that take a handle.
pub(super) const ACQUIRES: [&str; 5] = [
    "acquire",
    "begin",
    "begin_with",
    "try_begin",
    "try_begin_with",
];

/// Methods that borrow a handle or a row stream. [`FAMILIES`] has more of them.
const BORROWS: [&str; 16] = [
    "acquire",
    "as_mut",
    "as_ref",
    "begin",
    "begin_with",
    "cached_statements_size",
    "deref",
    "deref_mut",
    "describe",
    "execute",
    "execute_many",
    "is_in_transaction",
    "next",
    "ping",
    "transaction",
    "try_next",
];

/// Prefixes of the names of more methods that borrow.
const FAMILIES: [&str; 3] = ["copy_", "fetch", "prepare"];

/// Methods of sqlx that end a handle. They move the handle into their future, so that future must be awaited at once.
pub(super) const ENDS: [&str; 3] = ["close", "commit", "rollback"];

/// Functions that replace the value that they borrow.
const REPLACES: [&str; 3] = ["replace", "swap", "take"];

/// Which expression of a statement returns the value that stays in its variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The first `.await` in the statement.
    Awaited,
    /// The call, which returns a stream.
    Called,
}

/// Whether a statement binds a value that stays in its variable, and which expression returns that value.
///
/// It must be of the form `let name = ….acquire().await?;` or `let name = ….fetch(…);`. `rest` are the
/// statements after it in its block. None of them may move the value out of `name`.
pub(super) fn kept(local: &Local, rest: &mut [Stmt]) -> Option<Kept> {
    let (name, kept) = bound(local)?;
    let mut uses = Uses { name, moved: false };
    for statement in rest {
        uses.visit_stmt_mut(statement);
    }
    (!uses.moved).then_some(kept)
}

/// The name that a statement binds, if that is a plain name and the statement has one of the forms.
fn bound(local: &Local) -> Option<(String, Kept)> {
    let pat = match &local.pat {
        Pat::Type(typed) => &*typed.pat,
        pat => pat,
    };
    let (Pat::Ident(name), Some(init)) = (pat, &local.init) else {
        return None;
    };
    if name.by_ref.is_some() || name.subpat.is_some() || init.diverge.is_some() {
        return None;
    }
    let kept = match peeled(&init.expr) {
        Expr::MethodCall(call) if is_one_of(&call.method, &STREAMS) => Kept::Called,
        expr if awaits(expr) => Kept::Awaited,
        _ => return None,
    };
    Some((unraw(&name.ident), kept))
}

/// Whether this is `….begin().await`, alone or with `?`, `.unwrap()` or `.expect(…)` after it.
fn awaits(expr: &Expr) -> bool {
    let awaited = match expr {
        Expr::Try(tried) => peeled(&tried.expr),
        Expr::MethodCall(call) if call.method == "unwrap" || call.method == "expect" => {
            peeled(&call.receiver)
        }
        expr => expr,
    };
    let Expr::Await(awaited) = awaited else {
        return false;
    };
    match peeled(&awaited.base) {
        Expr::MethodCall(call) => may_return_handle(&call.method),
        Expr::Call(call) => called(call).is_none_or(|method| may_return_handle(&method)),
        _ => false,
    }
}

/// Whether a method may return a handle: one of sqlx that takes a handle, or one of another library. Most call sites return
/// rows, and what becomes of these is not asked.
fn may_return_handle(method: &Ident) -> bool {
    is_one_of(method, &ACQUIRES) || is_one_of(method, &STREAMS) || !is_one_of(method, &AWAITED)
}

/// Visits the uses of a name. Another binding of the same name counts as a move, so that each use is of the one
/// variable.
struct Uses {
    name: String,
    /// Whether the value is moved, or may be.
    moved: bool,
}

impl Uses {
    fn is_name(&self, expr: &Expr) -> bool {
        let Expr::Path(path) = peeled(expr) else {
            return false;
        };
        let ident = path.path.get_ident();
        path.qself.is_none() && ident.is_some_and(|ident| self.is_same(ident))
    }

    fn is_same(&self, ident: &Ident) -> bool {
        unraw(ident) == self.name
    }

    /// Whether this is the name, `*name` or `**name`.
    fn is_place(&self, expr: &Expr) -> bool {
        match peeled(expr) {
            Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)) && self.is_place(&unary.expr),
            expr => self.is_name(expr),
        }
    }

    /// Returns the arguments to visit, if this is a use of the name that leaves the handle in its place, or ends it.
    fn harmless<'e>(&self, expr: &'e mut Expr) -> Option<Vec<&'e mut Expr>> {
        match expr {
            Expr::Reference(reference) if self.is_place(&reference.expr) => Some(Vec::new()),
            Expr::Unary(_) if self.is_place(expr) => Some(Vec::new()),
            Expr::MethodCall(call) if self.is_name(&call.receiver) && borrows(&call.method) => {
                Some(call.args.iter_mut().collect())
            }
            Expr::Await(awaited) => match &mut *awaited.base {
                Expr::MethodCall(call)
                    if self.is_name(&call.receiver) && is_one_of(&call.method, &ENDS) =>
                {
                    Some(call.args.iter_mut().collect())
                }
                _ => None,
            },
            Expr::Call(call) if call.args.len() == 1 && drops(call) => {
                self.is_name(&call.args[0]).then(Vec::new)
            }
            _ => None,
        }
    }

    fn mentioned_in(&mut self, tokens: &impl ToTokens) {
        self.moved |= self.mentions(tokens.to_token_stream());
    }

    fn mentions(&self, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => self.is_same(&ident),
            TokenTree::Group(group) => self.mentions(group.stream()),
            TokenTree::Literal(literal) => self.is_captured_in(&literal.to_string()),
            TokenTree::Punct(_) => false,
        })
    }

    /// Whether a text has `{name}`. A macro may capture the variable by it.
    fn is_captured_in(&self, text: &str) -> bool {
        text.contains(&format!("{{{}", self.name))
    }
}

impl VisitMut for Uses {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if self.moved {
            return;
        }
        if let Some(arguments) = self.harmless(expr) {
            for argument in arguments {
                self.visit_expr_mut(argument);
            }
            return;
        }
        match expr {
            Expr::Async(block) if in_place::is_marked(block) => {
                self.visit_block_mut(&mut block.block);
            }
            Expr::Async(_) | Expr::Closure(_) | Expr::Verbatim(_) => self.mentioned_in(expr),
            Expr::Path(_) => self.moved |= self.is_name(expr),
            Expr::Call(call) if replaces(call) => self.mentioned_in(&call.args),
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    /// This binds another variable.
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.moved |= self.is_same(&pat.ident);
        visit_mut::visit_pat_ident_mut(self, pat);
    }

    fn visit_lit_str_mut(&mut self, literal: &mut LitStr) {
        self.moved |= self.is_captured_in(&literal.value());
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        if !self.mentions(mac.tokens.clone()) {
            return;
        }
        let values = Punctuated::<Expr, Token![,]>::parse_terminated;
        match values.parse2(mac.tokens.clone()) {
            Ok(mut values) if is_harmless(&mac.path) => {
                for value in &mut values {
                    self.visit_expr_mut(value);
                }
            }
            _ => self.mentioned_in(&mac.tokens),
        }
    }

    /// An item cannot use the variable, but a macro can.
    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Macro(_) | Item::Verbatim(_) = item {
            self.mentioned_in(item);
        }
    }

    fn visit_type_mut(&mut self, _: &mut Type) {}
}

pub(super) fn borrows(method: &Ident) -> bool {
    let word = method.to_string();
    is_one_of(method, &BORROWS) || FAMILIES.iter().any(|family| word.starts_with(family))
}

/// Whether this calls `drop(…)`, `std::mem::drop(…)` or `core::mem::drop(…)`.
pub(super) fn drops(call: &ExprCall) -> bool {
    let Expr::Path(path) = &*call.func else {
        return false;
    };
    let words: Vec<_> = path
        .path
        .segments
        .iter()
        .map(|it| it.ident.to_string())
        .collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    path.qself.is_none() && matches!(words[..], ["drop"] | ["std" | "core", "mem", "drop"])
}

fn replaces(call: &ExprCall) -> bool {
    let Expr::Path(path) = &*call.func else {
        return false;
    };
    let last = path.path.segments.last();
    last.is_some_and(|last| is_one_of(&last.ident, &REPLACES))
}

/// The expression without parentheses and the invisible groups that other macros leave.
pub(super) fn peeled(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) => peeled(&inner.expr),
        Expr::Group(inner) => peeled(&inner.expr),
        expr => expr,
    }
}
