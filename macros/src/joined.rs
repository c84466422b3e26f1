//! Finds the tasks that carry the function's scope and are awaited before the function awaits anything else.
//!
//! While such a task waits, the function waits for it. What is recorded makes findings likely, never certain.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Item, Macro, Pat, Stmt};

use crate::location::position_of;
use crate::words::{CARRIES, Text};

/// Parts of the names of functions whose future ends with those of their arguments.
const PASS_ON: [&str; 6] = ["all", "join", "pin", "spawn", "timeout", "try"];

/// Where the method is called for such a task: line and column.
pub(crate) fn joined(body: &mut Block, text: &Text) -> Vec<String> {
    if !text.carries {
        return Vec::new();
    }
    let mut reader = Reader::default();
    reader.visit_block_mut(body);
    reader.joined.into_iter().map(position_of).collect()
}

#[derive(Default)]
struct Reader {
    joined: Vec<Span>,
    /// The calls that were read and are not awaited yet.
    open: Vec<Span>,
    /// The variables that have their tasks.
    names: Vec<Ident>,
}

impl Reader {
    /// Ends the open calls, if `statement` awaits something: their tasks, or anything else.
    fn go_on(&mut self, statement: &Stmt) {
        let mut next = NextAwait {
            names: &self.names,
            any: false,
            of_tasks: false,
        };
        next.visit_stmt_mut(&mut statement.clone());
        let (any, of_tasks) = (next.any, next.of_tasks);
        if any {
            let open = std::mem::take(&mut self.open);
            if of_tasks {
                self.joined.extend(open);
            }
            self.names.clear();
        }
    }
}

/// Looks for what a statement awaits.
struct NextAwait<'a> {
    /// The variables that have the tasks.
    names: &'a [Ident],
    any: bool,
    /// Whether it awaits the tasks.
    of_tasks: bool,
}

impl VisitMut for NextAwait<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Await(awaited) => {
                self.any = true;
                let names = self.names;
                self.of_tasks |= passes_through(&awaited.base, &mut |expr| match expr {
                    Expr::Path(path) => path.path.get_ident().is_some_and(|it| names.contains(it)),
                    _ => false,
                });
            }
            // The elements are awaited by other names.
            Expr::ForLoop(each) if has_word(each.body.to_token_stream(), "await") => {
                self.any = true;
                self.of_tasks |= mentions(each.expr.to_token_stream(), self.names);
            }
            _ => {}
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        let last = mac.path.segments.last();
        if last.is_some_and(|last| passes_on(&last.ident)) {
            self.any = true;
            self.of_tasks |= mentions(mac.tokens.clone(), self.names);
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

impl VisitMut for Reader {
    fn visit_block_mut(&mut self, block: &mut Block) {
        for statement in &mut block.stmts {
            if !self.open.is_empty() {
                self.go_on(statement);
            }
            let before = self.open.len();
            self.visit_stmt_mut(statement);
            if self.open.len() > before {
                self.names.extend(holders(statement));
            }
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Await(awaited) => {
                carried(&awaited.base, &mut self.joined);
                visit_mut::visit_expr_mut(self, expr);
                let joined = &self.joined;
                self.open
                    .retain(|open| !joined.iter().any(|it| is_same(*it, *open)));
            }
            Expr::MethodCall(call) => {
                if call.method == CARRIES {
                    self.open.push(call.method.span());
                }
                visit_mut::visit_expr_method_call_mut(self, call);
            }
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_macro_mut(&mut self, _: &mut Macro) {}

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

fn is_same(one: Span, other: Span) -> bool {
    let (one, other) = (one.start(), other.start());
    (one.line, one.column) == (other.line, other.column)
}

/// Adds the calls whose tasks end before the future `expr` does.
fn carried(expr: &Expr, found: &mut Vec<Span>) {
    passes_through(expr, &mut |expr| {
        if let Expr::MethodCall(call) = expr
            && call.method == CARRIES
        {
            found.push(call.method.span());
        }
        false
    });
}

/// Calls `visit` with the expression and with each of its parts whose future or task ends before its own does, until
/// `visit` returns true.
fn passes_through(expr: &Expr, visit: &mut impl FnMut(&Expr) -> bool) -> bool {
    let mut parts = parts(expr).into_iter();
    parts.any(|part| passes_through(part, visit)) || visit(expr)
}

fn parts(expr: &Expr) -> Vec<&Expr> {
    match expr {
        Expr::Paren(inner) => vec![&inner.expr],
        Expr::Group(inner) => vec![&inner.expr],
        Expr::Reference(inner) => vec![&inner.expr],
        Expr::Closure(closure) => vec![&closure.body],
        Expr::Array(array) => array.elems.iter().collect(),
        Expr::MethodCall(call) => {
            let passes = call.method == "map" || passes_on(&call.method);
            let arguments = call.args.iter().filter(|_| passes);
            [&*call.receiver].into_iter().chain(arguments).collect()
        }
        Expr::Call(call) => match &*call.func {
            Expr::Path(path)
                if path
                    .path
                    .segments
                    .last()
                    .is_some_and(|it| passes_on(&it.ident)) =>
            {
                call.args.iter().collect()
            }
            _ => Vec::new(),
        },
        _ => Vec::new(),
    }
}

fn passes_on(name: &Ident) -> bool {
    let name = name.to_string();
    name.split('_').any(|part| PASS_ON.contains(&part))
}

/// The variables that a statement gives its tasks: the one that it binds, and those whose methods it calls.
fn holders(statement: &Stmt) -> Vec<Ident> {
    struct Receivers(Vec<Ident>);
    impl VisitMut for Receivers {
        fn visit_expr_method_call_mut(&mut self, call: &mut syn::ExprMethodCall) {
            if let Expr::Path(path) = &*call.receiver
                && let Some(name) = path.path.get_ident()
                && call.method != CARRIES
            {
                self.0.push(name.clone());
            }
            visit_mut::visit_expr_method_call_mut(self, call);
        }
    }
    if let Stmt::Local(local) = statement {
        let pat = match &local.pat {
            Pat::Type(typed) => &*typed.pat,
            pat => pat,
        };
        return match pat {
            Pat::Ident(name) => vec![name.ident.clone()],
            _ => Vec::new(),
        };
    }
    let mut receivers = Receivers(Vec::new());
    receivers.visit_stmt_mut(&mut statement.clone());
    receivers.0
}

fn has_word(tokens: TokenStream, word: &str) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == word,
        TokenTree::Group(group) => has_word(group.stream(), word),
        _ => false,
    })
}

fn mentions(tokens: TokenStream, names: &[Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(word) => names.contains(&word),
        TokenTree::Group(group) => mentions(group.stream(), names),
        _ => false,
    })
}
