//! Finds the async blocks that run once and in place, as a part of the future that they stand in.
//!
//! Attributes such as `#[instrument]` and `#[async_trait]` move the user's body into an async block, and may expand before
//! this one. What they write is recognised by its shape: by what is done with the block, not by who wrote it. So a block
//! that an unknown attribute runs in another way (with a timeout, twice, in a task) is not taken for one that runs in place.

use proc_macro2::{Ident, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, Attribute, Block, Expr, ExprAsync, Item, Local, Macro, Pat, PatIdent, Stmt, parse_quote,
};

use crate::model::{EntryPoint, Form, Function, each_async_block};
use crate::returns::Kind;
use crate::words::is_one_of;

/// Functions and methods that return a future which polls the given one, once and directly.
const WRAPPERS: [&str; 9] = [
    "boxed",
    "boxed_local",
    "enter_on_poll",
    "in_current_span",
    "in_span",
    "instrument",
    "or_current",
    "with_current_subscriber",
    "with_subscriber",
];

/// The attributes by which a marked block is known. No code of the user's can have them.
const IN_PLACE: &str = "__leash_in_place";
const WHOLE: &str = "__leash_whole";

/// Marks the async blocks in the function that run in place, and those among them whose value is the function's.
pub(crate) fn mark(function: &mut Function) {
    if !function.text.may_have("async") {
        return;
    }
    match &mut function.form {
        Form::Returns(returned) => {
            if matches!(returned.kind, Kind::Future(_)) && !returns_early(&mut function.body) {
                mark_tail(&mut function.body);
            }
        }
        Form::EntryPoint(EntryPoint::Block) => {
            each_async_block(&mut function.body, |block| {
                if let Expr::Async(block) = block {
                    set(block, IN_PLACE);
                }
            });
        }
        Form::EntryPoint(EntryPoint::Function(_, inner)) => mark(inner),
        Form::Async | Form::Diverging | Form::Plain => {}
    }
    Marking.visit_block_mut(&mut function.body);
    match &mut function.form {
        Form::EntryPoint(EntryPoint::Block) => each_async_block(&mut function.body, mark_whole),
        Form::EntryPoint(EntryPoint::Function(..)) | Form::Plain => {}
        Form::Async | Form::Diverging | Form::Returns(_) => mark_value_of(&mut function.body),
    }
}

/// Whether the block runs in place.
pub(crate) fn is_marked(block: &ExprAsync) -> bool {
    has(block, IN_PLACE)
}

/// Whether the block runs in place, and its value is the function's: what it contains is the function's body.
pub(crate) fn is_whole(block: &ExprAsync) -> bool {
    has(block, WHOLE)
}

pub(crate) fn unmark(block: &mut ExprAsync) {
    block
        .attrs
        .retain(|attribute| !is(attribute, IN_PLACE) && !is(attribute, WHOLE));
}

fn has(block: &ExprAsync, mark: &str) -> bool {
    block.attrs.iter().any(|attribute| is(attribute, mark))
}

fn is(attribute: &Attribute, mark: &str) -> bool {
    attribute.path().is_ident(mark)
}

fn set(block: &mut ExprAsync, mark: &str) {
    if !has(block, mark) {
        let mark = Ident::new(mark, Span::mixed_site());
        block.attrs.push(parse_quote!(#[#mark]));
    }
}

/// Whether the last expression of the body is a marked block, alone or in wrappers.
pub(crate) fn is_tail_marked(body: &mut Block) -> bool {
    tail(body).is_some_and(|tail| match innermost(tail) {
        Expr::Async(block) => is_marked(block),
        _ => false,
    })
}

fn mark_tail(body: &mut Block) {
    if let Some(tail) = tail(body)
        && let Expr::Async(block) = innermost(tail)
    {
        set(block, IN_PLACE);
    }
}

fn tail(body: &mut Block) -> Option<&mut Expr> {
    match body.stmts.last_mut() {
        Some(Stmt::Expr(expr, None)) => Some(expr),
        _ => None,
    }
}

/// The future that wrappers poll, or the expression itself.
///
/// ```text
/// in:  { let span = …; Instrument::instrument(async move { … }, span) }
/// out: async move { … }
/// ```
fn innermost(expr: &mut Expr) -> &mut Expr {
    if !wraps(expr) {
        return expr;
    }
    match expr {
        Expr::Paren(inner) => innermost(&mut inner.expr),
        Expr::Group(inner) => innermost(&mut inner.expr),
        Expr::Call(call) => innermost(&mut call.args[0]),
        Expr::MethodCall(call) => innermost(&mut call.receiver),
        Expr::Block(block) => {
            let tail = tail(&mut block.block);
            innermost(tail.expect("BUG: `wraps` has seen it"))
        }
        expr => expr,
    }
}

fn wraps(expr: &Expr) -> bool {
    match expr {
        Expr::Paren(_) | Expr::Group(_) => true,
        Expr::Block(block) => {
            let last = block.block.stmts.last();
            block.label.is_none() && matches!(last, Some(Stmt::Expr(_, None)))
        }
        Expr::MethodCall(call) => is_wrapper(&call.method),
        Expr::Call(call) => {
            let Expr::Path(path) = &*call.func else {
                return false;
            };
            let mut segments = path.path.segments.iter().rev();
            let (Some(last), before) = (segments.next(), segments.next()) else {
                return false;
            };
            let boxes = last.ident == "pin" && before.is_some_and(|it| it.ident == "Box");
            !call.args.is_empty() && (boxes || is_wrapper(&last.ident))
        }
        _ => false,
    }
}

fn is_wrapper(word: &Ident) -> bool {
    is_one_of(word, &WRAPPERS)
}

/// Whether the body of a sync fn may return before its last expression.
fn returns_early(body: &mut Block) -> bool {
    struct Search(bool);
    impl VisitMut for Search {
        fn visit_expr_mut(&mut self, expr: &mut Expr) {
            match expr {
                Expr::Return(_) | Expr::Try(_) => self.0 = true,
                Expr::Async(_) | Expr::Closure(_) => {}
                expr => visit_mut::visit_expr_mut(self, expr),
            }
        }
        fn visit_item_mut(&mut self, _: &mut Item) {}
    }
    let mut search = Search(false);
    search.visit_block_mut(body);
    search.0
}

/// Marks the blocks whose value is that of `body`, if they run in place.
fn mark_value_of(body: &mut Block) {
    let Some((Stmt::Expr(tail, None), before)) = body.stmts.split_last_mut() else {
        return;
    };
    let mut names = Vec::new();
    mark_value(tail, &mut names);
    for statement in before.iter_mut().rev() {
        if let Stmt::Local(local) = statement
            && let Some(init) = &mut local.init
            && names.iter().any(|name| binds(&local.pat, name))
        {
            mark_value(&mut init.expr, &mut names);
        }
    }
}

/// The same for an expression. Adds the names of variables that hold its value.
fn mark_value(expr: &mut Expr, names: &mut Vec<Ident>) {
    match expr {
        Expr::Await(awaited) => match innermost(&mut awaited.base) {
            Expr::Path(path) => names.extend(path.path.get_ident().cloned()),
            future => mark_whole(future),
        },
        Expr::Path(path) => names.extend(path.path.get_ident().cloned()),
        Expr::Block(block) => mark_value_of(&mut block.block),
        Expr::If(branches) => {
            let Some((_, other)) = &mut branches.else_branch else {
                return;
            };
            if let (Some(then), Expr::Block(other)) =
                (tail(&mut branches.then_branch), &mut **other)
                && let Some(other) = tail(&mut other.block)
            {
                mark_value(then, names);
                mark_value(other, names);
            }
        }
        Expr::Match(branches) if branches.arms.iter().all(keeps_variant) => {
            mark_value(&mut branches.expr, names);
        }
        expr => mark_whole(innermost(expr)),
    }
}

fn mark_whole(expr: &mut Expr) {
    if let Expr::Async(block) = expr
        && is_marked(block)
    {
        set(block, WHOLE);
        mark_value_of(&mut block.block);
    }
}

/// Whether an arm returns what it matched: `Ok(x) => { …; Ok(x) }`, `Err(e) => Err(e)`.
fn keeps_variant(arm: &Arm) -> bool {
    let Pat::TupleStruct(pat) = &arm.pat else {
        return false;
    };
    let value = match &*arm.body {
        Expr::Block(block) => match block.block.stmts.last() {
            Some(Stmt::Expr(expr, None)) => expr,
            _ => return false,
        },
        expr => expr,
    };
    let Expr::Call(call) = value else {
        return false;
    };
    matches!(&*call.func, Expr::Path(path) if path.path == pat.path)
}

fn binds(pat: &Pat, name: &Ident) -> bool {
    match pat {
        Pat::Ident(pat) => pat.ident == *name,
        Pat::Type(typed) => binds(&typed.pat, name),
        _ => false,
    }
}

struct Marking;

impl VisitMut for Marking {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Await(awaited) = expr
            && let Expr::Async(block) = innermost(&mut awaited.base)
        {
            set(block, IN_PLACE);
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        for index in 0..block.stmts.len() {
            let (before, rest) = block.stmts.split_at_mut(index + 1);
            if let Stmt::Local(local) = &mut before[index] {
                mark_bound(local, rest);
            }
        }
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// `let name = async move { … };`, where `rest` awaits the name and does nothing else with it.
fn mark_bound(local: &mut Local, rest: &[Stmt]) {
    let (Pat::Ident(name), Some(init)) = (&local.pat, &mut local.init) else {
        return;
    };
    let Expr::Async(block) = innermost(&mut init.expr) else {
        return;
    };
    let mut uses = Uses {
        name: &name.ident,
        awaited: false,
        other: false,
    };
    for statement in rest {
        uses.visit_stmt_mut(&mut statement.clone());
    }
    if uses.awaited && !uses.other {
        set(block, IN_PLACE);
    }
}

/// Visits the uses of a name.
struct Uses<'a> {
    name: &'a Ident,
    /// Whether there is a `name.await`, with or without wrappers.
    awaited: bool,
    other: bool,
}

impl Uses<'_> {
    fn mentioned_in(&mut self, tokens: &impl ToTokens) {
        self.other |= mentions(tokens.to_token_stream(), self.name);
    }
}

impl VisitMut for Uses<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if let Expr::Await(awaited) = expr {
            let future = innermost(&mut awaited.base);
            if matches!(future, Expr::Path(path) if path.path.is_ident(self.name)) {
                self.awaited = true;
                *future = parse_quote!(());
            }
        }
        match expr {
            Expr::Async(_) | Expr::Closure(_) | Expr::Verbatim(_) => self.mentioned_in(expr),
            Expr::Path(path) => self.other |= path.path.is_ident(self.name),
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
        self.other |= pat.ident == *self.name;
        visit_mut::visit_pat_ident_mut(self, pat);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.mentioned_in(&mac.tokens);
    }

    fn visit_item_mut(&mut self, item: &mut Item) {
        if let Item::Macro(_) | Item::Verbatim(_) = item {
            self.mentioned_in(item);
        }
    }
}

fn mentions(tokens: TokenStream, name: &Ident) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => ident == *name,
        TokenTree::Group(group) => mentions(group.stream(), name),
        TokenTree::Literal(_) | TokenTree::Punct(_) => false,
    })
}
