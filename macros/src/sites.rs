//! Finds the query and acquire expressions in a body and gives each a call site.
//!
//! No type is known here, only words. So everything that goes around the user's expressions is an identity for what
//! is not sqlx's: `at` is a future of the same output, `enter` and `leave` return what they get. Only `tap` changes a
//! type, and stands only where the words leave no doubt that the receiver is a query of sqlx ([`chain`]).

mod chain;
mod known;
mod stays;

use std::collections::HashSet;

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprCall, ExprMethodCall, Item, Macro, Signature, Stmt, Type};

use crate::crate_path::{CratePath, ends};
use crate::location::{Location, extent, position_of};
use stays::Kept;

/// Methods that return a future, and talk to the database or take a connection.
const AWAITED: [&str; 23] = [
    "acquire",
    "begin",
    "begin_with",
    "commit",
    "connect",
    "connect_with",
    "copy_in_raw",
    "copy_out_raw",
    "describe",
    "execute",
    "execute_many",
    "fetch",
    "fetch_all",
    "fetch_many",
    "fetch_one",
    "fetch_optional",
    "ping",
    "prepare",
    "prepare_with",
    "rollback",
    "transaction",
    "try_begin",
    "try_begin_with",
];

/// Methods that take an executor, or are taken by one.
const RUNS: [&str; 7] = [
    "execute",
    "execute_many",
    "fetch",
    "fetch_all",
    "fetch_many",
    "fetch_one",
    "fetch_optional",
];

/// Those of them that return a stream.
const STREAMS: [&str; 3] = ["execute_many", "fetch", "fetch_many"];

/// What was found in a body.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    pub(crate) written: Vec<Written>,
    /// Where the function's own body awaits something, no site, whose value stays in a variable: line and column.
    pub(crate) keeps: Vec<TokenStream>,
    /// Where a loop takes what stays in a variable: line and column.
    pub(crate) repeats: Vec<TokenStream>,
}

/// What is written down of a site.
#[derive(Debug)]
pub(crate) struct Written {
    /// `([line, column], stays, block)`
    pub(crate) tokens: TokenStream,
    /// Where its panics stand.
    pub(crate) word: Span,
}

/// Tags every site in the body, and adds them to those that were found in the bodies around it.
pub(crate) fn tag(path: &CratePath, signature: &Signature, body: &mut Block, found: &mut Sites) {
    let mut tagger = Tagger {
        path,
        builders: chain::builders(signature, body),
        block: None,
        is_loop: false,
        kept: None,
        found,
    };
    tagger.visit_block_mut(body);
}

struct Tagger<'a> {
    path: &'a CratePath,
    /// The variables that hold a `QueryBuilder`.
    builders: HashSet<Ident>,
    /// The extent of the innermost async block, closure or macro around, if the body is not the function's own there.
    block: Option<TokenStream>,
    is_loop: bool,
    /// What the next `.await` or call gives stays in a variable.
    kept: Option<Kept>,
    found: &'a mut Sites,
}

/// Where an expression stands, as far as it decides whether a bare call runs as a future there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Where what is given stays in a variable: before such an `.await`, or at such a call.
    Kept,
    /// Before `.await`, or polled by a macro like `join!`.
    Polled,
    Anywhere,
}

impl Position {
    fn is_polled(self) -> bool {
        self != Position::Anywhere
    }
}

impl VisitMut for Tagger<'_> {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Await(awaited) => {
                let kept = self.kept.take() == Some(Kept::Awaited);
                let position = if kept {
                    Position::Kept
                } else {
                    Position::Polled
                };
                let before = self.found.written.len();
                self.expr(&mut awaited.base, position);
                if kept && self.block.is_none() && self.found.written.len() == before {
                    let place = position_of(awaited.await_token.span);
                    self.repeated(&place);
                    self.found.keeps.push(place);
                }
            }
            Expr::Async(_) | Expr::Closure(_) => {
                let (from, to) = ends(expr);
                self.within(from, to, |tagger| tagger.expr(expr, Position::Anywhere));
            }
            Expr::ForLoop(_) | Expr::Loop(_) | Expr::While(_) => {
                let outer = std::mem::replace(&mut self.is_loop, true);
                self.expr(expr, Position::Anywhere);
                self.is_loop = outer;
            }
            Expr::Macro(mac) if mac.mac.path.is_ident("dbg") => {
                if let Some(plain) = self.dbg(&mac.mac) {
                    *expr = plain;
                }
            }
            _ => self.expr(expr, Position::Anywhere),
        }
    }

    fn visit_stmt_mut(&mut self, statement: &mut Stmt) {
        if let Stmt::Macro(mac) = statement
            && mac.mac.path.is_ident("dbg")
        {
            if let Some(plain) = self.dbg(&mac.mac) {
                *statement = Stmt::Expr(plain, mac.semi_token);
            }
            return;
        }
        visit_mut::visit_stmt_mut(self, statement);
    }

    fn visit_block_mut(&mut self, block: &mut Block) {
        self.statements(&mut block.stmts);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        let tokens = mac.delimiter.span();
        self.within(tokens.open(), tokens.close(), |tagger| {
            tagger.known_macro(mac);
        });
    }

    /// Another function, which is not tracked by this attribute.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    /// Constants in types run nothing.
    fn visit_type_mut(&mut self, _: &mut Type) {}
}

impl Tagger<'_> {
    fn statements(&mut self, statements: &mut [Stmt]) {
        for index in 0..statements.len() {
            let (before, rest) = statements.split_at_mut(index + 1);
            self.kept = stays::kept(&before[index], rest);
            self.visit_stmt_mut(&mut before[index]);
            self.kept = None;
        }
    }

    fn repeated(&mut self, place: &TokenStream) {
        if self.is_loop {
            self.found.repeats.push(place.clone());
        }
    }

    /// Visits what stands between these two.
    fn within<T>(&mut self, from: Span, to: Span, visit: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.block.replace(extent(from, to));
        let visited = visit(self);
        self.block = outer;
        visited
    }

    fn expr(&mut self, expr: &mut Expr, position: Position) {
        match expr {
            Expr::Paren(inner) if position.is_polled() => {
                self.expr(&mut inner.expr, position);
            }
            Expr::Group(inner) if position.is_polled() => {
                self.expr(&mut inner.expr, position);
            }
            Expr::MethodCall(call) => {
                // They belong to the whole: `#[cfg(…)]` cannot stand before an argument.
                let attributes = std::mem::take(&mut call.attrs);
                match self.method(call, position) {
                    Some(tagged) => *expr = Expr::Verbatim(quote!(#(#attributes)* #tagged)),
                    None => call.attrs = attributes,
                }
            }
            Expr::Call(call) if position.is_polled() => {
                visit_mut::visit_expr_call_mut(self, call);
                if let Some(word) = called(call) {
                    *expr = self.at(&word, &*call, position);
                }
            }
            // Already polled ones come from `visit_expr_mut`; all else has no site of its own.
            Expr::Async(_) | Expr::Await(_) | Expr::Closure(_) | Expr::Macro(_)
                if position.is_polled() =>
            {
                self.visit_expr_mut(expr);
            }
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    /// `receiver.method(arguments)`
    fn method(&mut self, call: &mut ExprMethodCall, position: Position) -> Option<Expr> {
        let is_kept = self.kept.take_if(|kept| *kept == Kept::Called).is_some();
        // Before the children, which change under the tagging.
        let chain = chain::root(call, &self.builders);
        visit_mut::visit_expr_method_call_mut(self, call);

        let word = call.method.clone();
        let one_of = |words: &[&str]| words.iter().any(|one| word == one);
        let executor = match call.args.first() {
            Some(Expr::Closure(_)) | None => None,
            Some(_) if call.args.len() == 1 && one_of(&RUNS) => call.args.first_mut(),
            Some(_) => None,
        };
        if position.is_polled() && one_of(&AWAITED) {
            if chain.is_some()
                && let Some(executor) = executor
            {
                *executor = self.tap(executor);
            }
            return Some(self.at(&word, &*call, position));
        }
        let executor = executor?;
        if one_of(&STREAMS) {
            let kept = if is_kept { Position::Kept } else { position };
            let site = self.site(&word, kept);
            let enter = if chain.is_some() {
                "tap_stream"
            } else {
                "enter"
            };
            let entered = self.path.call(enter, quote!(#site, #executor), executor);
            *executor = Expr::Verbatim(entered);
            let left = self.path.call("leave", call.to_token_stream(), call);
            return Some(Expr::Verbatim(left));
        }
        let chain = chain?;
        *executor = self.tap(executor);
        // `raw_sql` gives a `BoxFuture`, whose type may be named around it.
        (chain != chain::Root::RawSql).then(|| self.at(&word, &*call, position))
    }

    /// ```text
    /// in:  pool.acquire()
    /// out: P::at(&__LEASH, 0, pool.acquire())
    /// ```
    fn at(&mut self, word: &Ident, future: &impl ToTokens, position: Position) -> Expr {
        let site = self.site(word, position);
        Expr::Verbatim(self.path.call("at", quote!(#site, #future), future))
    }

    /// ```text
    /// in:  sqlx::query("…").execute(&mut *tx)
    /// out: sqlx::query("…").execute(P::tap(&mut *tx))
    /// ```
    fn tap(&self, executor: &Expr) -> Expr {
        Expr::Verbatim(self.path.call("tap", executor.to_token_stream(), executor))
    }

    /// Writes it down, and says where: `&__LEASH, 0`.
    fn site(&mut self, word: &Ident, position: Position) -> TokenStream {
        let span = ours_at(word.span());
        let place = position_of(word.span());
        let holds = stays::is_one_of(word, &stays::ACQUIRES) || stays::is_one_of(word, &STREAMS);
        let stays = holds && position == Position::Kept;
        if stays {
            self.repeated(&place);
        }
        let block = if let Some(block) = &self.block {
            quote_spanned!(span=> ::core::option::Option::Some(#block))
        } else {
            quote_spanned!(span=> ::core::option::Option::None)
        };
        let mut index = Literal::usize_unsuffixed(self.found.written.len());
        index.set_span(span);
        self.found.written.push(Written {
            tokens: quote_spanned!(span=> (#place, #stays, #block)),
            word: word.span(),
        });
        quote_spanned!(span=> &__LEASH, #index)
    }
}

/// The last word of a called path that is a site, as in `Executor::execute(&pool, query)`.
fn called(call: &ExprCall) -> Option<Ident> {
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let word = &path.path.segments.last()?.ident;
    AWAITED.iter().any(|one| word == one).then(|| word.clone())
}

/// A span for generated tokens around a user's: theirs on the page, ours in names and lints.
fn ours_at(user: Span) -> Span {
    Span::mixed_site().located_at(user)
}

impl Tagger<'_> {
    /// `dbg!` prints the source of its argument, which must stay as the user wrote it. So this is what std makes of it.
    ///
    /// ```text
    /// in:  dbg!(pool.acquire().await)
    /// out: match P::at(…, pool.acquire()).await {
    ///          value => { eprintln!("[{}:{}:{}] {} = {:#?}", …, stringify!(pool.acquire().await), &value); value }
    ///      }
    /// ```
    fn dbg(&mut self, mac: &Macro) -> Option<Expr> {
        let mut value: Expr = mac.parse_body().ok()?;
        let before = self.found.written.len();
        let tokens = mac.delimiter.span();
        self.within(tokens.open(), tokens.close(), |tagger| {
            tagger.visit_expr_mut(&mut value);
        });
        if self.found.written.len() == before {
            return None;
        }
        let source = &mac.tokens;
        let span = syn::spanned::Spanned::span(&mac.path);
        let Location { file, line, column } = Location::of(span);
        let printed = quote_spanned! {ours_at(span)=>
            match #value {
                value => {
                    ::std::eprintln!(
                        "[{}:{}:{}] {} = {:#?}",
                        #file, #line, #column, ::core::stringify!(#source), &value
                    );
                    value
                }
            }
        };
        Some(Expr::Verbatim(quote!({ #printed })))
    }
}
