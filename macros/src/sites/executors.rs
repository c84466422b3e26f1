//! Reads off the source how long an executor borrows a connection, and what else a function does with it.

use std::collections::HashMap;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprAsync, ExprClosure, ExprMethodCall, Item, Member, UnOp};

use super::stays::peeled;

/// The variable that has a connection, or the field of one: `conn`, or `self` and `conn`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Variable {
    name: String,
    field: Option<String>,
}

/// The variable that an executor is made from: `conn` in `&mut *conn`, in `conn.as_mut()` and in `conn`.
fn variable(executor: &Expr) -> Option<Variable> {
    match peeled(executor) {
        Expr::Reference(reference) => variable(&reference.expr),
        Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => variable(&unary.expr),
        Expr::MethodCall(call) if call.method == "as_mut" => variable(&call.receiver),
        Expr::Path(path) => Some(Variable {
            name: path.path.get_ident()?.to_string(),
            field: None,
        }),
        Expr::Field(field) => {
            let Expr::Path(path) = peeled(&field.base) else {
                return None;
            };
            Some(Variable {
                name: path.path.get_ident()?.to_string(),
                field: Some(match &field.member {
                    Member::Named(name) => name.to_string(),
                    Member::Unnamed(index) => index.index.to_string(),
                }),
            })
        }
        _ => None,
    }
}

/// Whether the executor borrows the connection for its statement alone: `conn.as_mut()`, `&mut **conn`.
pub(super) fn is_inline(executor: &Expr) -> bool {
    match peeled(executor) {
        Expr::MethodCall(call) => call.method == "as_mut" && variable(&call.receiver).is_some(),
        Expr::Reference(reference) => match peeled(&reference.expr) {
            Expr::Unary(outer) => {
                matches!(peeled(&outer.expr), Expr::Unary(inner) if matches!(inner.op, UnOp::Deref(_)))
            }
            _ => false,
        },
        _ => false,
    }
}

/// Whether the expression lends a variable: it has a `&mut` of one, and no closure or block that may keep it.
pub(super) fn lends(expr: &Expr) -> bool {
    struct Lends(bool);
    impl VisitMut for Lends {
        fn visit_expr_mut(&mut self, expr: &mut Expr) {
            self.0 |= match expr {
                Expr::Reference(reference) => {
                    reference.mutability.is_some() && variable(&reference.expr).is_some()
                }
                Expr::MethodCall(call) => {
                    call.method == "as_mut" && variable(&call.receiver).is_some()
                }
                _ => false,
            };
            visit_mut::visit_expr_mut(self, expr);
        }
        fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {}
        fn visit_expr_closure_mut(&mut self, _: &mut ExprClosure) {}
        fn visit_item_mut(&mut self, _: &mut Item) {}
    }
    let mut lends = Lends(false);
    lends.visit_expr_mut(&mut expr.clone());
    lends.0
}

/// How often a body mentions the variables from which its executors are made.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// For each variable, the number of executors made from it, and of all mentions.
    of: HashMap<Variable, (usize, usize)>,
}

impl Mentions {
    /// `is_query` decides whether a method call sends a statement of sqlx on its only argument.
    pub(super) fn of(body: &Block, is_query: impl Fn(&ExprMethodCall) -> bool) -> Self {
        struct Executors<F> {
            is_query: F,
            found: HashMap<Variable, (usize, usize)>,
        }
        impl<F: Fn(&ExprMethodCall) -> bool> VisitMut for Executors<F> {
            fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
                if (self.is_query)(call)
                    && let Some(variable) = call.args.first().and_then(variable)
                {
                    self.found.entry(variable).or_default().0 += 1;
                }
                visit_mut::visit_expr_method_call_mut(self, call);
            }
            fn visit_item_mut(&mut self, _: &mut Item) {}
        }
        let mut executors = Executors {
            is_query,
            found: HashMap::new(),
        };
        executors.visit_block_mut(&mut body.clone());
        let mut of = executors.found;
        if !of.is_empty() {
            let mut words = Vec::new();
            flatten(body.to_token_stream(), &mut words);
            for (variable, (_, mentioned)) in &mut of {
                *mentioned = mentions(&words, variable);
            }
        }
        Self { of }
    }

    /// Whether the function does nothing with the variable of this executor but send statements.
    pub(super) fn is_sole(&self, executor: &Expr) -> bool {
        variable(executor)
            .and_then(|variable| self.of.get(&variable))
            .is_some_and(|(executors, mentioned)| executors == mentioned)
    }
}

/// The tokens without groups. A group's delimiters become words of their own.
fn flatten(tokens: TokenStream, words: &mut Vec<String>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                words.push("(".to_owned());
                flatten(group.stream(), words);
                words.push(")".to_owned());
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) | TokenTree::Literal(_) => {
                words.push(token.to_string());
            }
        }
    }
}

/// The number of mentions of a variable. A use of the whole value counts as one of each of its fields.
fn mentions(words: &[String], variable: &Variable) -> usize {
    let word = |at: usize| words.get(at).map_or("", String::as_str);
    let is_mention = |at: usize| {
        if word(at) != variable.name || (at > 0 && word(at - 1) == ".") {
            return false;
        }
        // `let conn = conn;`, which `#[async_trait]` writes, changes nothing.
        let rebinds = |let_at: usize| {
            word(let_at) == "let"
                && word(let_at + 1) == variable.name
                && word(let_at + 2) == "="
                && word(let_at + 3) == variable.name
                && word(let_at + 4) == ";"
        };
        if (at >= 1 && rebinds(at - 1)) || (at >= 3 && rebinds(at - 3)) {
            return false;
        }
        match &variable.field {
            // Another field, and no method, which may use all of them.
            Some(field) => word(at + 1) != "." || word(at + 2) == field || word(at + 3) == "(",
            None => true,
        }
    };
    (0..words.len()).filter(|at| is_mention(*at)).count()
}
