//! The loops and closures of a body: what repeats the expressions in it.

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{BinOp, Expr, ExprBinary, ExprForLoop, ExprLoop, ExprWhile, Local, Pat, Stmt};

use crate::crate_path::ends;
use crate::location::{extent, position_of};
use crate::words::CARRIES;

/// What the rounds work on was there before the first of them.
const GIVEN: &str = "given";
/// The same, of counted rounds with a pause: they may ask again until something has changed.
const PAUSED: &str = "paused";
/// The rounds may wait for what comes.
const WAITING: &str = "waiting";
/// A round may go on from the one before.
const CHAINED: &str = "chained";

/// What a loop calls to wait.
const WAITS: [&str; 9] = [
    "sleep",
    "sleep_until",
    "tick",
    "yield_now",
    "notified",
    "changed",
    "recv",
    "recv_async",
    "accept",
];
/// What takes the next one out of a collection.
const TAKES: [&str; 4] = ["next", "pop", "pop_front", "pop_back"];

/// A loop or a closure as the expansion records it, `14:9 for 14:30-16:10 given`: where its first word stands, that word, the
/// part that is repeated, and what its rounds go on from.
///
/// The head of a `for` is evaluated once, that of a `while` each time.
pub(super) fn repeated(expr: &mut Expr) -> Option<String> {
    let (word, at, from, to, rounds) = match expr {
        Expr::ForLoop(each) => {
            let body = each.body.brace_token.span;
            let at = each.for_token.span;
            ("for", at, body.open(), body.close(), of_for(each))
        }
        Expr::While(repeated) => {
            let at = repeated.while_token.span;
            let end = repeated.body.brace_token.span.close();
            ("while", at, at, end, of_while(repeated))
        }
        Expr::Loop(repeated) => {
            let body = repeated.body.brace_token.span;
            let at = repeated.loop_token.span;
            ("loop", at, body.open(), body.close(), of_loop(repeated))
        }
        Expr::Closure(closure) => {
            let at = closure.or1_token.span;
            let (from, to) = ends(closure);
            ("|", at, from, to, GIVEN)
        }
        _ => return None,
    };
    let (at, extent) = (position_of(at), extent(from, to));
    Some(format!("{at} {word} {extent} {rounds}"))
}

/// Whether a task that it starts carries the scope.
pub(super) fn carries(expr: &Expr) -> bool {
    names_one_of(expr.to_token_stream(), &[CARRIES])
}

fn of_for(each: &mut ExprForLoop) -> &'static str {
    let body = each.body.to_token_stream();
    let is_counted = matches!(*each.expr, Expr::Range(_));
    let works_on_each = works_on_each(each, body.clone());
    let waits = || names_one_of(body.clone(), &WAITS);
    match works_on_each && !Chain::is_in(each) {
        true if is_counted && waits() => PAUSED,
        true => GIVEN,
        false if waits() => WAITING,
        false => CHAINED,
    }
}

fn of_while(repeated: &ExprWhile) -> &'static str {
    let head = repeated.cond.to_token_stream();
    let waits =
        names_one_of(head, &["await"]) || names_one_of(repeated.body.to_token_stream(), &WAITS);
    if waits { WAITING } else { GIVEN }
}

/// A `loop` may wait for what comes, unless it begins with the next one of what is there.
fn of_loop(repeated: &ExprLoop) -> &'static str {
    let takes = repeated.body.stmts.first().is_some_and(|first| {
        let head = match first {
            Stmt::Local(local) => local.init.as_ref().map(|init| init.expr.to_token_stream()),
            _ => None,
        };
        head.is_some_and(|head| {
            names_one_of(head.clone(), &TAKES) && !names_one_of(head, &["await"])
        })
    });
    let waits = names_one_of(repeated.body.to_token_stream(), &WAITS);
    if takes && !waits { GIVEN } else { WAITING }
}

fn names_one_of(tokens: TokenStream, words: &[&str]) -> bool {
    has(tokens, |word| words.contains(&&*word))
}

/// Whether the body of a `for` uses what each round is given. Without that, a round may go on from the one before.
fn works_on_each(each: &ExprForLoop, body: TokenStream) -> bool {
    let names = names_in(&each.pat);
    has(body, |word| is_named(&word, &names))
}

/// The names of values that a pattern binds. Types and variants are none.
fn names_in(pattern: &Pat) -> Vec<String> {
    let mut names = Vec::new();
    has(pattern.to_token_stream(), |word| {
        names.push(word);
        false
    });
    names.retain(|name| name.starts_with(|c: char| c.is_lowercase()));
    names
}

/// Whether a word is one of these names, or a format that has one.
fn is_named(word: &str, names: &[String]) -> bool {
    let is_format = word.contains('{');
    let is_in_format = |name: &String| is_format && word.contains(&format!("{{{name}"));
    names.iter().any(|name| word == name || is_in_format(name))
}

/// What the rounds of a `for` hand from one to the next: variables of the code around it that a round sets, and what is
/// made of them.
#[derive(Default)]
struct Chain {
    /// The variables of one round.
    own: Vec<String>,
    handed_on: Vec<String>,
    /// Whether something is awaited that is made with one of them.
    is_awaited: bool,
}

impl Chain {
    /// Whether what a round awaits depends on the round before.
    fn is_in(each: &mut ExprForLoop) -> bool {
        let mut chain = Chain {
            own: names_in(&each.pat),
            ..Chain::default()
        };
        // What one pass finds at the end of the body may be used at its beginning.
        for _ in 0..2 {
            chain.visit_block_mut(&mut each.body);
        }
        chain.is_awaited
    }

    fn sets(&mut self, place: &Expr) {
        if let Some(name) = set(place)
            && !self.own.contains(&name)
            && !self.handed_on.contains(&name)
        {
            self.handed_on.push(name);
        }
    }

    fn uses(&self, code: &impl ToTokens) -> bool {
        // Printing takes time.
        !self.handed_on.is_empty()
            && has(code.to_token_stream(), |word| {
                is_named(&word, &self.handed_on)
            })
    }
}

/// Only reads. The crate has no visitor that does so.
impl VisitMut for Chain {
    fn visit_local_mut(&mut self, local: &mut Local) {
        visit_mut::visit_local_mut(self, local);
        let names = names_in(&local.pat);
        let init = local.init.as_ref();
        if init.is_some_and(|init| self.uses(&init.expr)) {
            self.handed_on.extend(names);
        } else {
            self.own.extend(names);
        }
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Assign(assigned) => self.sets(&assigned.left),
            Expr::Binary(changed) if is_changed_by_a_value(changed) => self.sets(&changed.left),
            Expr::Await(awaited) => {
                self.is_awaited |= self.uses(&awaited.base);
            }
            _ => {}
        }
        visit_mut::visit_expr_mut(self, expr);
    }
}

/// The variable that is set by an assignment to `place`, or the field if it is one of `self`.
fn set(place: &Expr) -> Option<String> {
    match place {
        Expr::Path(path) => path.path.get_ident().map(ToString::to_string),
        Expr::Field(field) => match set(&field.base)? {
            base if base == "self" => Some(field.member.to_token_stream().to_string()),
            base => Some(base),
        },
        Expr::Index(index) => set(&index.expr),
        Expr::Unary(unary) => set(&unary.expr),
        Expr::Paren(inner) => set(&inner.expr),
        _ => None,
    }
}

/// `x += y`. A counter, `x += 1`, depends on no answer.
fn is_changed_by_a_value(changed: &ExprBinary) -> bool {
    let is_arithmetic = matches!(
        changed.op,
        BinOp::AddAssign(_) | BinOp::SubAssign(_) | BinOp::MulAssign(_) | BinOp::DivAssign(_)
    );
    is_arithmetic && !matches!(*changed.right, Expr::Lit(_))
}

/// Whether `is_it` is true of a word or a literal. A literal may be a format that names values.
fn has(tokens: TokenStream, mut is_it: impl FnMut(String) -> bool) -> bool {
    fn search(tokens: TokenStream, is_it: &mut dyn FnMut(String) -> bool) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(word) => is_it(word.to_string()),
            TokenTree::Literal(literal) => is_it(literal.to_string()),
            TokenTree::Group(group) => search(group.stream(), is_it),
            TokenTree::Punct(_) => false,
        })
    }
    search(tokens, &mut is_it)
}
