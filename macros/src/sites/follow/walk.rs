//! Walks through statements in the order in which they run, and notes where a value is passed on.

use std::collections::HashSet;

use proc_macro2::{Ident, LineColumn, Span, TokenStream, TokenTree};
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Arm, AttrStyle, Attribute, Block, Expr, Item, Label, Local, Macro, Pat, Token, Type, UnOp,
};

use super::super::may_jump;
use super::super::stays::{ENDS, borrows, drops, peeled};
use super::Scope;
use super::branches::{Body, Branch};
use super::parts::{each_part, names};
use crate::crate_path::ends;
use crate::in_place;
use crate::straight::is_harmless;
use crate::words::{is_one_of, unraw};

/// Parts of the usual names of variables and fields that hold a handle.
const USUAL: [&str; 8] = [
    "conn",
    "connection",
    "savepoint",
    "transaction",
    "trx",
    "tx",
    "txn",
    "uow",
];

/// Methods that move the value out of its place.
const BY_VALUE: [&str; 7] = [
    "expect",
    "into",
    "into_inner",
    "replace",
    "take",
    "unwrap",
    "unwrap_or_else",
];

/// A walk with one value in mind.
pub(super) struct Walk {
    /// The variables that the value is in, or a part of it.
    pub(super) names: Vec<String>,
    /// The field of the variable that the value is in.
    field: Option<String>,
    /// Where the value is in the function's hands.
    pub(super) ranges: Vec<(LineColumn, LineColumn)>,
    /// The begin of the current range; `None` where the value has been passed on.
    pub(super) held_from: Option<LineColumn>,
    pub(super) lasts: bool,
    /// The end of the awaited call around the current expression.
    call_end: Option<LineColumn>,
    /// Whether the code after the current expression is not reached.
    pub(super) diverges: bool,
    /// How the value is used.
    pub(super) uses: HashSet<Use>,
    /// The fields that are used.
    pub(super) fields: Vec<String>,
}

/// A place in a variable.
#[derive(PartialEq, Eq)]
enum Place {
    Whole,
    /// In the field of this name.
    Field(String),
}

/// How a value is used.
#[derive(PartialEq, Eq, Hash)]
pub(super) enum Use {
    AsHandle,
    /// One of its methods is awaited.
    Awaited,
    Moved,
    Read,
    /// Without naming a field.
    Whole,
}

impl Walk {
    pub(super) fn through(
        scope: &mut Scope<'_>,
        name: &str,
        field: Option<&str>,
        from: LineColumn,
        end: LineColumn,
    ) -> Self {
        let mut walk = Walk {
            names: vec![name.to_owned()],
            field: field.map(str::to_owned),
            ranges: Vec::new(),
            held_from: Some(from),
            lasts: true,
            call_end: None,
            diverges: false,
            uses: HashSet::new(),
            fields: Vec::new(),
        };
        if is_usual(field.unwrap_or(name)) {
            walk.uses.insert(Use::AsHandle);
        }
        scope.visit(&mut walk);
        walk.become_held(false, end);
        walk
    }

    /// Whether the handle may be in another part of the variable than the fields that are named.
    pub(super) fn is_candidate(&self) -> bool {
        let is_plain = |field: &String| !is_usual(field) && !field.starts_with(char::is_numeric);
        match &self.fields[..] {
            _ if self.uses.contains(&Use::Whole) => true,
            [] => true,
            [one] => is_plain(one),
            _ => false,
        }
    }

    /// A handle is of no use to code that only has a shared reference to it.
    pub(super) fn is_only_read(&self) -> bool {
        let more = [Use::AsHandle, Use::Awaited, Use::Moved];
        self.uses.contains(&Use::Read) && more.iter().all(|one| !self.uses.contains(one))
    }

    fn is_name(&self, ident: &Ident) -> bool {
        self.names.contains(&unraw(ident))
    }

    /// Whether this is one of the names, with or without `*`.
    fn is_variable(&self, expr: &Expr) -> bool {
        match peeled(expr) {
            Expr::Path(path) => path
                .path
                .get_ident()
                .is_some_and(|ident| self.is_name(ident)),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => {
                self.is_variable(&unary.expr)
            }
            _ => false,
        }
    }

    /// The place in one of the variables that the expression names.
    fn place(&self, expr: &Expr) -> Option<Place> {
        match peeled(expr) {
            Expr::Field(field) if self.is_variable(&field.base) => {
                let name = field.member.to_token_stream().to_string();
                Some(Place::Field(name))
            }
            Expr::Field(field) => self.place(&field.base),
            Expr::Index(index) => self.place(&index.expr),
            Expr::Unary(unary) if matches!(unary.op, UnOp::Deref(_)) => self.place(&unary.expr),
            expr => self.is_variable(expr).then_some(Place::Whole),
        }
    }

    /// Whether the value is in this place of a variable, as far as is known.
    fn is_in(&self, place: &Place) -> bool {
        match (place, &self.field) {
            (Place::Whole, _) | (_, None) => true,
            (Place::Field(field), Some(own)) => field == own,
        }
    }

    /// The value is used at its place by a reference, or by a method.
    fn used(&mut self, place: &Place, as_handle: bool) {
        self.note(place);
        if self.is_in(place) {
            let is_usual = matches!(place, Place::Field(field) if is_usual(field));
            let usage = if as_handle || is_usual {
                Use::AsHandle
            } else {
                Use::Read
            };
            self.uses.insert(usage);
        }
    }

    fn note(&mut self, place: &Place) {
        match place {
            Place::Whole => {
                self.uses.insert(Use::Whole);
            }
            Place::Field(field) if !self.fields.contains(field) => self.fields.push(field.clone()),
            Place::Field(_) => {}
        }
    }

    /// The value is passed on at this position.
    fn passed_on(&mut self, at: LineColumn) {
        self.uses.insert(Use::Moved);
        // The call has the value until it returns.
        self.lasts &= self.call_end.is_some();
        let to = self.call_end.unwrap_or(at);
        self.become_held(false, to);
    }

    pub(super) fn become_held(&mut self, held: bool, at: LineColumn) {
        match (held, self.held_from) {
            (false, Some(from)) => {
                self.ranges.push((from, at));
                self.held_from = None;
            }
            (true, None) => self.held_from = Some(at),
            _ => {}
        }
    }

    /// Whether the value, or a part of it, becomes the value of this expression.
    pub(super) fn becomes(&self, expr: &Expr) -> bool {
        let mut becomes = false;
        each_part(expr, &mut |part| {
            becomes |= self.place(part).is_some_and(|place| self.is_in(&place));
        });
        becomes
    }

    fn mentioned_in(&mut self, tokens: &impl ToTokens) {
        if self.mentions(tokens.to_token_stream()) {
            // Another future or thread may have it from now on, even if this one awaits that.
            self.lasts = false;
            self.uses.insert(Use::Moved);
            self.become_held(false, start_of(tokens));
        }
    }

    fn mentions(&self, tokens: TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            TokenTree::Ident(ident) => self.is_name(&ident),
            TokenTree::Group(group) => self.mentions(group.stream()),
            TokenTree::Literal(_) | TokenTree::Punct(_) => false,
        })
    }

    /// Handles a use of the variable itself. Returns whether it was one.
    fn is_use(&mut self, expr: &mut Expr) -> bool {
        match expr {
            Expr::Reference(reference) => {
                let Some(place) = self.place(&reference.expr) else {
                    return false;
                };
                self.used(&place, reference.mutability.is_some());
            }
            Expr::MethodCall(call) => {
                let Some(place) = self.place(&call.receiver) else {
                    return false;
                };
                if is_one_of(&call.method, &BY_VALUE) {
                    self.note(&place);
                    if self.is_in(&place) {
                        self.passed_on(start_of(&call.receiver));
                    }
                    return true;
                }
                // Data has these methods, too.
                let is_common = is_one_of(&call.method, &["as_ref", "deref", "next"]);
                let is_handles = borrows(&call.method) || is_one_of(&call.method, &ENDS);
                self.used(&place, is_handles && !is_common);
                for argument in &mut call.args {
                    self.visit_expr_mut(argument);
                }
            }
            Expr::Call(call) if call.args.len() == 1 && drops(call) => {
                return self.place(&call.args[0]).is_some();
            }
            Expr::Path(_) | Expr::Field(_) | Expr::Unary(_) | Expr::Index(_) => {
                let Some(place) = self.place(expr) else {
                    return false;
                };
                self.note(&place);
                // A field of a whole may be a number, say.
                if place == Place::Whole || (self.field.is_some() && self.is_in(&place)) {
                    self.passed_on(start_of(expr));
                }
            }
            _ => return false,
        }
        true
    }
}

impl VisitMut for Walk {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        if self.is_use(expr) {
            return;
        }
        match expr {
            Expr::Async(block) if in_place::is_marked(block) => {
                self.visit_block_mut(&mut block.block);
            }
            Expr::Async(_) | Expr::Closure(_) | Expr::Verbatim(_) => self.mentioned_in(expr),
            Expr::Await(awaited) => {
                if let Expr::MethodCall(call) = peeled(&awaited.base)
                    && let Some(place) = self.place(&call.receiver)
                    && self.is_in(&place)
                {
                    self.uses.insert(Use::Awaited);
                }
                let outer = self.call_end.replace(awaited.await_token.span.end());
                self.visit_expr_mut(&mut awaited.base);
                self.call_end = outer;
            }
            Expr::If(branches) => self.conditional(branches),
            Expr::Match(branches) => {
                let end = end_of(branches);
                let becomes = self.becomes(&branches.expr);
                if !becomes {
                    self.visit_expr_mut(&mut branches.expr);
                }
                let arms = branches.arms.iter_mut().map(|arm: &mut Arm| Branch {
                    start: start_of(&arm.pat),
                    aliases: if becomes {
                        aliases(&mut arm.pat)
                    } else {
                        Vec::new()
                    },
                    body: Body::Expr(&mut arm.body),
                });
                let mut arms: Vec<_> = arms.collect();
                self.branches(&mut arms, end);
            }
            Expr::Loop(repeated) => {
                let word = repeated.loop_token.span;
                let start = start_of_loop(&repeated.attrs, repeated.label.as_ref(), word);
                let end = end_of_block(&repeated.body);
                self.repeated(start, end, |walk| walk.visit_block_mut(&mut repeated.body));
            }
            Expr::ForLoop(repeated) => {
                let word = repeated.for_token.span;
                let start = start_of_loop(&repeated.attrs, repeated.label.as_ref(), word);
                let end = end_of_block(&repeated.body);
                self.visit_expr_mut(&mut repeated.expr);
                self.repeated(start, end, |walk| walk.visit_block_mut(&mut repeated.body));
            }
            Expr::While(repeated) => {
                let word = repeated.while_token.span;
                let start = start_of_loop(&repeated.attrs, repeated.label.as_ref(), word);
                let end = end_of_block(&repeated.body);
                self.repeated(start, end, |walk| {
                    let names = walk.names.len();
                    let mut aliases = walk.condition(&mut repeated.cond);
                    walk.names.append(&mut aliases);
                    walk.visit_block_mut(&mut repeated.body);
                    walk.names.truncate(names);
                });
            }
            Expr::Return(_) | Expr::Break(_) | Expr::Continue(_) => {
                visit_mut::visit_expr_mut(self, expr);
                self.diverges = true;
            }
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_local_mut(&mut self, local: &mut Local) {
        let Some(init) = &mut local.init else {
            return;
        };
        let bound = names(&mut local.pat);
        if self.becomes(&init.expr) {
            self.names.extend(aliases(&mut local.pat));
        } else {
            self.visit_expr_mut(&mut init.expr);
            // Another variable of the same name.
            self.names.retain(|name| !bound.contains(name));
        }
        if let Some((_, other)) = &mut init.diverge {
            let start = start_of(other);
            let end = end_of(other);
            let other = Branch {
                start,
                aliases: Vec::new(),
                body: Body::Expr(other),
            };
            let after = Branch {
                start: end,
                aliases: Vec::new(),
                body: Body::Nothing,
            };
            self.branches(&mut [other, after], end);
        }
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        if !self.mentions(mac.tokens.clone()) && !may_jump(&mac.tokens) {
            return;
        }
        let values = Punctuated::<Expr, Token![,]>::parse_terminated;
        let Ok(mut values) = values.parse2(mac.tokens.clone()) else {
            return self.mentioned_in(&mac.tokens);
        };
        // Most macros of a formatting kind take references.
        let moves = ["dbg", "vec"].iter().any(|word| mac.path.is_ident(word));
        for value in &mut values {
            match self.place(value) {
                Some(place) if is_harmless(&mac.path) && !moves => self.used(&place, false),
                _ => self.visit_expr_mut(value),
            }
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}

    fn visit_type_mut(&mut self, _: &mut Type) {}
}

/// Where a loop begins. `word` is its keyword.
fn start_of_loop(attributes: &[Attribute], label: Option<&Label>, word: Span) -> LineColumn {
    let is_outer = |it: &&Attribute| matches!(it.style, AttrStyle::Outer);
    let attribute = attributes.iter().find(is_outer);
    let attribute = attribute.map(|it| it.pound_token.span);
    let label = label.map(|it| it.name.apostrophe);
    attribute.or(label).unwrap_or(word).start()
}

pub(super) fn end_of_block(block: &Block) -> LineColumn {
    block.brace_token.span.close().end()
}

/// Where code ends. It is printed for that, which takes time.
pub(super) fn end_of(tokens: &impl ToTokens) -> LineColumn {
    ends(tokens).1.end()
}

pub(super) fn start_of(tokens: &impl ToTokens) -> LineColumn {
    ends(tokens).0.start()
}

fn is_usual(name: &str) -> bool {
    name.split('_')
        .map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()))
        .any(|part| USUAL.contains(&part))
}

/// The names that a pattern gives a value. Where one of several has a usual name, it is that one.
pub(super) fn aliases(pat: &mut Pat) -> Vec<String> {
    let mut names = names(pat);
    if names.iter().any(|name| is_usual(name)) {
        names.retain(|name| is_usual(name));
    }
    names
}
