//! Whether what may be a handle stays in the variable that it is bound to until it is ended or dropped, as far as words
//! tell.
//!
//! What the runtime takes for certain rests on it, so in doubt it does not stay.

use proc_macro2::{Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::ext::IdentExt;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{Expr, ExprCall, Item, LitStr, Local, Macro, Pat, PatIdent, Stmt, Token, Type, UnOp};

use super::STREAMS;
use crate::straight::is_harmless;

/// Words that take a handle.
pub(super) const ACQUIRES: [&str; 5] = [
    "acquire",
    "begin",
    "begin_with",
    "try_begin",
    "try_begin_with",
];

/// Methods that borrow a handle, or a stream of rows. Those of a family also under longer names: see [`borrows`].
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

const FAMILIES: [&str; 3] = ["copy_", "fetch", "prepare"];

/// Methods of sqlx that end a handle. Until its future runs, that has it: it must run at once.
const ENDS: [&str; 3] = ["close", "commit", "rollback"];

/// Functions that put something else into the place of what they borrow.
const REPLACES: [&str; 3] = ["replace", "swap", "take"];

/// What a statement binds to a name in which it stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kept {
    /// The first `.await` in the statement gives it.
    Awaited,
    /// The call of the statement gives it: a stream.
    Called,
}

/// Whether `statement` is `let name = ….acquire().await?;`, `let name = ….fetch(…);` or their like, and `rest`, which are
/// the statements after it in its block, leave what it gives in `name`.
pub(super) fn kept(statement: &Stmt, rest: &[Stmt]) -> Option<Kept> {
    let Stmt::Local(local) = statement else {
        return None;
    };
    let (name, kept) = bound(local)?;
    let mut uses = Uses { name, moved: false };
    for statement in rest {
        uses.visit_stmt_mut(&mut statement.clone());
    }
    (!uses.moved).then_some(kept)
}

/// The plain name that takes what a call gives.
fn bound(local: &Local) -> Option<(Ident, Kept)> {
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
    Some((name.ident.unraw(), kept))
}

/// `….begin().await`, with `?`, `.unwrap()` or `.expect(…)` after it or without.
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
    matches!(peeled(&awaited.base), Expr::MethodCall(_) | Expr::Call(_))
}

/// Looks for what a name is used for, where it is known to be the only one of its kind.
struct Uses {
    name: Ident,
    /// By value, or perhaps.
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
        ident.unraw() == self.name
    }

    /// The name, `*name`, `**name`.
    fn is_place(&self, expr: &Expr) -> bool {
        match peeled(expr) {
            Expr::Unary(unary) => matches!(unary.op, UnOp::Deref(_)) && self.is_place(&unary.expr),
            expr => self.is_name(expr),
        }
    }

    /// The arguments, if this is a use of the name that leaves the handle where it is, or ends it.
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

    /// `"{name}"`, which may be any macro's.
    fn is_captured_in(&self, text: &str) -> bool {
        text.contains(&format!("{{{}", self.name))
    }
}

impl VisitMut for Uses {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Some(arguments) = self.harmless(expr) {
            for argument in arguments {
                self.visit_expr_mut(argument);
            }
            return;
        }
        match expr {
            Expr::Async(_) | Expr::Closure(_) | Expr::Verbatim(_) => self.mentioned_in(expr),
            Expr::Path(_) => self.moved |= self.is_name(expr),
            Expr::Call(call) if replaces(call) => self.mentioned_in(&call.args),
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    /// Another variable of that name.
    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.moved |= self.is_same(&pat.ident);
        visit_mut::visit_pat_ident_mut(self, pat);
    }

    fn visit_lit_str_mut(&mut self, literal: &mut LitStr) {
        self.moved |= self.is_captured_in(&literal.value());
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
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

    /// It cannot see variables, but a macro can.
    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Macro(_) | Item::Verbatim(_) = item {
            self.mentioned_in(item);
        }
    }

    fn visit_type_mut(&mut self, _: &mut Type) {}
}

fn borrows(method: &Ident) -> bool {
    let word = method.to_string();
    is_one_of(method, &BORROWS) || FAMILIES.iter().any(|family| word.starts_with(family))
}

/// `drop(…)`, `std::mem::drop(…)`, `core::mem::drop(…)`
fn drops(call: &ExprCall) -> bool {
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

pub(super) fn is_one_of(word: &Ident, words: &[&str]) -> bool {
    words.iter().any(|one| word == one)
}

/// Without the parentheses and invisible groups that other macros leave.
fn peeled(expr: &Expr) -> &Expr {
    match expr {
        Expr::Paren(inner) => peeled(&inner.expr),
        Expr::Group(inner) => peeled(&inner.expr),
        expr => expr,
    }
}
