//! Decides whether a receiver is certainly a query of sqlx.

use std::collections::HashSet;

use proc_macro2::Ident;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprMethodCall, FnArg, Item, Local, Pat, PatIdent, PatType, Path, Signature, Type,
};

use crate::words::{Text, is_one_of};

/// The start of a chain of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root {
    Query,
    RawSql,
}

const BUILDER: &str = "QueryBuilder";

const QUERIES: [&str; 6] = [
    "query",
    "query_as",
    "query_as_with",
    "query_scalar",
    "query_scalar_with",
    "query_with",
];

const MACROS: [&str; 12] = [
    "query",
    "query_as",
    "query_as_unchecked",
    "query_file",
    "query_file_as",
    "query_file_as_unchecked",
    "query_file_scalar",
    "query_file_scalar_unchecked",
    "query_file_unchecked",
    "query_scalar",
    "query_scalar_unchecked",
    "query_unchecked",
];

/// The root of `sqlx::query("…").bind(1).fetch_one(…)`.
pub(super) fn root(call: &ExprMethodCall, builders: &HashSet<Ident>) -> Option<Root> {
    let mut receiver = &*call.receiver;
    loop {
        match receiver {
            Expr::MethodCall(call) => match &*call.method.to_string() {
                "build_query_as" | "build_query_scalar" => return Some(Root::Query),
                "build" => return is_builder(&call.receiver, builders).then_some(Root::Query),
                _ => receiver = &call.receiver,
            },
            Expr::Paren(inner) => receiver = &inner.expr,
            Expr::Group(inner) => receiver = &inner.expr,
            Expr::Macro(mac) => {
                return is_sqlx(&mac.mac.path, &MACROS).then_some(Root::Query);
            }
            Expr::Call(call) => {
                let Expr::Path(path) = &*call.func else {
                    return None;
                };
                // sqlx has no `query()` without arguments.
                if path.qself.is_some() || call.args.is_empty() {
                    return None;
                }
                return if is_sqlx(&path.path, &["raw_sql"]) {
                    Some(Root::RawSql)
                } else {
                    is_sqlx(&path.path, &QUERIES).then_some(Root::Query)
                };
            }
            _ => return None,
        }
    }
}

/// Whether a path names something of sqlx: `query`, `sqlx::query` or `sqlx_leash::query::<Sqlite>`, but not
/// `reports::query`, which is the user's own.
fn is_sqlx(path: &Path, words: &[&str]) -> bool {
    let mut segments = path.segments.iter().rev();
    let last = segments.next();
    let named = last.is_some_and(|last| is_one_of(&last.ident, words));
    named
        && segments
            .next()
            .is_none_or(|before| before.ident.to_string().starts_with("sqlx"))
}

/// Whether the receiver is the `builder` of `let mut builder = QueryBuilder::new("…")`, or that call itself.
fn is_builder(receiver: &Expr, builders: &HashSet<Ident>) -> bool {
    match receiver {
        Expr::Path(path) => path
            .path
            .get_ident()
            .is_some_and(|it| builders.contains(it)),
        Expr::MethodCall(call) => is_builder(&call.receiver, builders),
        Expr::Paren(inner) => is_builder(&inner.expr, builders),
        Expr::Call(call) => makes_builder(&call.func),
        _ => false,
    }
}

fn makes_builder(func: &Expr) -> bool {
    let Expr::Path(path) = func else {
        return false;
    };
    let mut segments = path.path.segments.iter().rev().skip(1);
    segments
        .next()
        .is_some_and(|segment| segment.ident == BUILDER)
}

/// The variables that are certainly a `QueryBuilder`. A name that is also bound to something else does not count.
pub(super) fn builders(signature: &Signature, body: &mut Block, text: &Text) -> HashSet<Ident> {
    let mut names = Names::default();
    for input in &signature.inputs {
        if let FnArg::Typed(input) = input {
            names.typed(input);
        }
    }
    if names.builders.is_empty() && !text.may_have(BUILDER) {
        return HashSet::new();
    }
    names.visit_block_mut(body);
    &names.builders - &names.others
}

#[derive(Default)]
struct Names {
    builders: HashSet<Ident>,
    others: HashSet<Ident>,
}

impl Names {
    fn typed(&mut self, typed: &PatType) {
        if let (Pat::Ident(pat), true) = (&*typed.pat, is_builder_type(&typed.ty)) {
            self.builders.insert(pat.ident.clone());
        } else {
            self.visit_pat_mut(&mut typed.pat.clone());
        }
    }
}

impl VisitMut for Names {
    fn visit_local_mut(&mut self, local: &mut Local) {
        if let Some(init) = &mut local.init {
            self.visit_expr_mut(&mut init.expr);
        }
        match (&local.pat, &local.init) {
            (Pat::Type(typed), _) => self.typed(&typed.clone()),
            (Pat::Ident(pat), Some(init)) if is_builder(&init.expr, &HashSet::new()) => {
                self.builders.insert(pat.ident.clone());
            }
            _ => visit_mut::visit_pat_mut(self, &mut local.pat),
        }
    }

    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.others.insert(pat.ident.clone());
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn is_builder_type(ty: &Type) -> bool {
    match ty {
        Type::Reference(reference) => is_builder_type(&reference.elem),
        Type::Path(path) => {
            let last = path.path.segments.last();
            last.is_some_and(|last| last.ident == BUILDER)
        }
        _ => false,
    }
}
