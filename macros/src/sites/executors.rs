//! Reads off the source how long an executor borrows a connection, and what else a function does with it.

use std::borrow::Cow;
use std::collections::HashMap;

use proc_macro2::{Punct, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, ExprAwait, ExprClosure, ExprMethodCall, FnArg, Item, Member, Pat,
    Signature, Type, UnOp,
};

use super::stays::peeled;
use super::{AWAITED, called};
use crate::in_place;
use crate::words::{Text, is_one_of};

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

/// Whether the executor is `&pool`, which is no connection.
pub(super) fn is_shared(executor: &Expr) -> bool {
    matches!(executor, Expr::Reference(reference) if reference.mutability.is_none())
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

/// Whether the expression lends a variable: it has a `&mut` of one. A closure or block in it may keep the borrow, and does
/// not count.
pub(super) fn lends(expr: &mut Expr) -> bool {
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
    lends.visit_expr_mut(expr);
    lends.0
}

/// How often a body mentions the variables that have a connection, and how many of these mentions are in sight.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    of: HashMap<Variable, Counts>,
    /// The parameters that are a driver's connection.
    parameters: Vec<Variable>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    all: usize,
    /// In executors of queries, and in calls that are awaited.
    in_sight: usize,
}

impl Mentions {
    /// `is_query` decides whether a method call sends a statement of sqlx on its only argument.
    pub(super) fn of(
        signature: &Signature,
        body: &mut Block,
        text: &Text,
        is_query: impl Fn(&ExprMethodCall) -> bool,
    ) -> Self {
        let parameters: Vec<_> = signature.inputs.iter().filter_map(connection).collect();
        let mut search = Search {
            is_query,
            parameters: &parameters,
            in_block: false,
            asked: !parameters.is_empty(),
            of: HashMap::new(),
        };
        search.visit_block_mut(body);
        let mut of = search.of;
        if search.asked {
            let words = words(text.tokens());
            for (variable, counts) in &mut of {
                counts.all = mentions(&words, variable);
            }
        }
        Self { of, parameters }
    }

    /// Whether all that the function does with the variable of this executor is in sight.
    pub(super) fn is_sole(&self, executor: &Expr) -> bool {
        variable(executor).is_some_and(|variable| self.is_in_sight(&variable))
    }

    /// The same of all connections that it was lent; false if it was lent none.
    pub(super) fn are_in_sight(&self) -> bool {
        !self.parameters.is_empty() && self.parameters.iter().all(|it| self.is_in_sight(it))
    }

    fn is_in_sight(&self, variable: &Variable) -> bool {
        let counts = self.of.get(variable);
        counts.is_some_and(|counts| counts.all == counts.in_sight)
    }

    /// Whether what is awaited is a call that is passed a connection which the function was lent.
    pub(super) fn are_passed_to(&self, awaited: &Expr) -> bool {
        !self.parameters.is_empty() && passed(&self.parameters, awaited).next().is_some()
    }
}

/// Counts the mentions that are in sight.
struct Search<'a, F> {
    is_query: F,
    parameters: &'a [Variable],
    /// Within an async block or a closure.
    in_block: bool,
    /// Whether one of the variables may be a connection, so that the numbers will be asked for.
    asked: bool,
    of: HashMap<Variable, Counts>,
}

impl<F: Fn(&ExprMethodCall) -> bool> VisitMut for Search<'_, F> {
    fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
        if (self.is_query)(call)
            && let Some(executor) = call.args.first()
            && let Some(variable) = variable(executor)
        {
            self.asked |= !is_shared(executor);
            self.of.entry(variable).or_default().in_sight += 1;
        }
        visit_mut::visit_expr_method_call_mut(self, call);
    }

    fn visit_expr_await_mut(&mut self, awaited: &mut ExprAwait) {
        if !self.in_block {
            for (variable, mentions) in passed(self.parameters, &awaited.base) {
                self.of.entry(variable.clone()).or_default().in_sight += mentions;
            }
        }
        visit_mut::visit_expr_await_mut(self, awaited);
    }

    /// What is awaited in a block may run beside other code.
    fn visit_expr_async_mut(&mut self, block: &mut ExprAsync) {
        let outer = self.in_block;
        self.in_block |= !in_place::is_whole(block);
        visit_mut::visit_expr_async_mut(self, block);
        self.in_block = outer;
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        let outer = std::mem::replace(&mut self.in_block, true);
        visit_mut::visit_expr_closure_mut(self, closure);
        self.in_block = outer;
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The connection that a parameter is: `conn: &mut PgConnection`.
fn connection(parameter: &FnArg) -> Option<Variable> {
    let FnArg::Typed(typed) = parameter else {
        return None;
    };
    let (Pat::Ident(name), Type::Reference(reference)) = (&*typed.pat, &*typed.ty) else {
        return None;
    };
    let Type::Path(path) = &*reference.elem else {
        return None;
    };
    let last = path.path.segments.last()?;
    let is_connection = last.ident.to_string().ends_with("Connection");
    (is_connection && reference.mutability.is_some()).then(|| Variable {
        name: name.ident.to_string(),
        field: None,
    })
}

/// The variables that are passed to a call that is awaited, as arguments or as its receiver, each with the number of its
/// mentions.
///
/// A call site is no such call. The executor of a query is counted by itself.
fn passed<'a>(
    variables: &'a [Variable],
    awaited: &Expr,
) -> impl Iterator<Item = (&'a Variable, usize)> {
    let (receiver, arguments) = match peeled(awaited) {
        Expr::Call(call) if called(call).is_none() => (None, Some(&call.args)),
        Expr::MethodCall(call) if !is_one_of(&call.method, &AWAITED) => {
            (Some(&*call.receiver), Some(&call.args))
        }
        _ => (None, None),
    };
    let is_plain = |argument: &&Expr| variable(argument).is_some();
    let arguments = receiver.into_iter().chain(arguments.into_iter().flatten());
    let arguments = arguments.filter(is_plain);
    let arguments: Vec<_> = arguments.map(|it| words(it.to_token_stream())).collect();
    variables.iter().filter_map(move |variable| {
        let mentions = arguments
            .iter()
            .map(|words| mentions(words, variable))
            .sum();
        (mentions > 0).then_some((variable, mentions))
    })
}

/// A token as text.
type Word = Cow<'static, str>;

/// The tokens without groups, as words.
fn words(tokens: TokenStream) -> Vec<Word> {
    let mut words = Vec::new();
    flatten(tokens, &mut words);
    words
}

/// The tokens without groups. A group's delimiters become words of their own.
fn flatten(tokens: TokenStream, words: &mut Vec<Word>) {
    for token in tokens {
        match token {
            TokenTree::Group(group) => {
                words.push(Word::Borrowed("("));
                flatten(group.stream(), words);
                words.push(Word::Borrowed(")"));
            }
            TokenTree::Ident(word) => words.push(Word::Owned(word.to_string())),
            TokenTree::Punct(punct) => words.push(Word::Borrowed(mark(&punct))),
            TokenTree::Literal(literal) => words.push(Word::Owned(literal.to_string())),
        }
    }
}

/// The punctuation by which a mention is known. All other is the same.
fn mark(punct: &Punct) -> &'static str {
    match punct.as_char() {
        '.' => ".",
        '=' => "=",
        ';' => ";",
        _ => "?",
    }
}

/// The number of mentions of a variable. A use of the whole value counts as one of each of its fields.
fn mentions(words: &[Word], variable: &Variable) -> usize {
    let word = |at: usize| words.get(at).map_or("", |word| &**word);
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
