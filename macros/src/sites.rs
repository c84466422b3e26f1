//! Finds the expressions in a body that send a statement or take a handle, and makes each a call site.
//!
//! The attribute sees names, not types. So the code around an expression must not change what an expression of
//! another library returns: `at` returns a future with the same output, and `enter` and `leave` return their
//! argument. So do `awaiting` and `awaited`, around an `.await` of the function's own body. Only `tap` changes a
//! type, and is used only where the names leave no doubt that the receiver is a query of sqlx ([`chain`]).

mod chain;
mod executors;
mod follow;
mod known;
mod loops;
mod stays;

use std::collections::HashSet;

use proc_macro2::{Ident, LineColumn, Literal, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprAwait, ExprCall, ExprMethodCall, Item, Macro, Signature, Stmt, Type};

use crate::crate_path::{CratePath, ends, parenthesized, start_of};
use crate::in_place;
use crate::location::{Location, end_of, extent, extent_of_written, position_of};
use crate::straight;
use crate::words::{Text, is_one_of};
use executors::Mentions;
use stays::Kept;

/// Methods that return a future, and send something to the database or take a connection.
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

/// Methods that take an executor, and those of an executor.
const RUNS: [&str; 7] = [
    "execute",
    "execute_many",
    "fetch",
    "fetch_all",
    "fetch_many",
    "fetch_one",
    "fetch_optional",
];

/// The methods among [`RUNS`] that return a stream.
const STREAMS: [&str; 3] = ["execute_many", "fetch", "fetch_many"];

/// The call sites in a body, and the places where a value stays in a variable.
#[derive(Debug, Default)]
pub(crate) struct Sites {
    pub(crate) written: Vec<Written>,
    /// Where an `.await` of something that is no call site returns a value that stays in a variable of the function's
    /// own body: line and column.
    pub(crate) keeps: Vec<String>,
    /// Where an `.await` of something that is no call site lends a variable to a call: line and column.
    pub(crate) lends: Vec<String>,
    /// Whether all that the function does with the connections that it was lent is in sight.
    pub(crate) lends_in_sight: bool,
    /// Whether the body may return before its end: by `return`, by `?`, or in a macro.
    pub(crate) may_return: bool,
    /// Whether an executor is wrapped by what its type shows.
    pub(crate) taps: bool,
    /// Where a value is taken inside a loop, and stays in a variable: line and column.
    pub(crate) repeats: Vec<String>,
    /// The parts of the function's own body in which it holds what an `.await` has returned.
    pub(crate) holds: Vec<String>,
    /// The loops and closures in which something is awaited or carries the scope.
    pub(crate) loops: Vec<String>,
}

/// What the expansion records of a call site.
#[derive(Debug)]
pub(crate) struct Written {
    /// `14:21 fetch_one stays 13:9-16:4`
    pub(crate) text: String,
    /// The span of the method's name, where a panic of this call site is located.
    pub(crate) name: Span,
}

/// Tags every call site in the body, and adds it to `found`, which has those of the function around it.
///
/// `scoped` is whether the function's own body is polled in a scope of the function.
pub(crate) fn tag(
    path: &CratePath,
    signature: &Signature,
    body: &mut Block,
    text: &Text,
    scoped: bool,
    found: &mut Sites,
) {
    found.holds.extend(follow::held(body));
    let mut tagger = Tagger {
        path,
        mentions: Mentions::default(),
        builders: chain::builders(signature, body, text),
        after: end_of(signature),
        block: None,
        in_closure: false,
        in_loop: false,
        text,
        scoped,
        awaits: 0,
        jumps: 0,
        bare: None,
        kept: None,
        found,
    };
    tagger.mentions = Mentions::of(signature, body, text, |call| {
        executor(call).is_some() && chain::root(call, &tagger.builders).is_some()
    });
    tagger.found.lends_in_sight = tagger.mentions.are_in_sight();
    tagger.visit_block_mut(body);
}

/// The executor on which a method sends a statement, if its name and arguments are those of such a method.
fn executor(call: &ExprMethodCall) -> Option<&Expr> {
    match call.args.first() {
        Some(Expr::Closure(_)) | None => None,
        first => first.filter(|_| call.args.len() == 1 && is_one_of(&call.method, &RUNS)),
    }
}

struct Tagger<'a> {
    path: &'a CratePath,
    /// How often the body mentions the variables that have a connection.
    mentions: Mentions,
    /// The variables that hold a `QueryBuilder`.
    builders: HashSet<Ident>,
    /// The end of the function's signature.
    after: LineColumn,
    /// The extent of the innermost async block, closure or macro around the visited expression. `None` directly in the
    /// function's own body.
    block: Option<String>,
    in_closure: bool,
    in_loop: bool,
    text: &'a Text,
    scoped: bool,
    /// The number of `.await`s that were visited.
    awaits: usize,
    /// The number of expressions that were visited and may leave the expression around them.
    jumps: usize,
    /// The index of the call site that is awaited, if the visit has left it as it was written.
    bare: Option<usize>,
    /// Set if the next `.await` or call returns a value that stays in a variable.
    kept: Option<Kept>,
    found: &'a mut Sites,
}

/// The position of an expression, which decides whether a call is polled there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Before an `.await`, or at a call, whose value stays in a variable.
    Kept,
    /// Before another `.await`, or in a macro that polls it, like `join!`.
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
                self.awaits += 1;
                let kept = self.kept.take() == Some(Kept::Awaited);
                let position = if kept {
                    Position::Kept
                } else {
                    Position::Polled
                };
                let before = self.found.written.len();
                let lends = !is_call_site(&awaited.base) && executors::lends(&mut awaited.base);
                let passes = self.block.is_none() && self.mentions.are_passed_to(&awaited.base);
                self.expr(&mut awaited.base, position);
                if let Some(site) = self.bare.take() {
                    *expr = self.awaited(site, awaited);
                    return;
                }
                let is_site = self.found.written.len() > before;
                if passes {
                    *awaited.base = self.wrapped("lending", &awaited.base);
                }
                if !is_site && (self.in_loop || self.in_closure) {
                    *awaited.base = self.wrapped("round", &awaited.base);
                }
                if lends && !is_site {
                    self.found.lends.push(position_of(awaited.await_token.span));
                }
                if kept && self.block.is_none() && !is_site {
                    let place = position_of(awaited.await_token.span);
                    self.repeated(&place);
                    self.found.keeps.push(place);
                }
            }
            Expr::Async(block) if in_place::is_whole(block) => {
                in_place::unmark(block);
                self.visit_block_mut(&mut block.block);
            }
            Expr::Async(_) | Expr::Closure(_) => {
                if let Expr::Async(block) = expr {
                    in_place::unmark(block);
                }
                let (from, to) = ends(expr);
                let extent = extent_of_written(from, to, expr, self.after);
                let outer = self.in_closure;
                self.in_closure |= matches!(expr, Expr::Closure(_));
                self.repeating(expr, |tagger, expr| {
                    tagger.within(extent, |tagger| tagger.expr(expr, Position::Anywhere));
                });
                self.in_closure = outer;
            }
            Expr::ForLoop(_) | Expr::Loop(_) | Expr::While(_) => {
                let outer = std::mem::replace(&mut self.in_loop, true);
                self.repeating(expr, |tagger, expr| tagger.expr(expr, Position::Anywhere));
                self.in_loop = outer;
            }
            Expr::Macro(mac) if mac.mac.path.is_ident("dbg") => {
                if let Some(plain) = self.dbg(&mac.mac) {
                    *expr = plain;
                }
            }
            Expr::Break(_) | Expr::Continue(_) => {
                self.jumps += 1;
                visit_mut::visit_expr_mut(self, expr);
            }
            Expr::Return(_) | Expr::Try(_) | Expr::Verbatim(_) => {
                self.jumps += 1;
                self.found.may_return |= self.block.is_none();
                visit_mut::visit_expr_mut(self, expr);
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
        let extent = extent(tokens.open(), tokens.close());
        if !straight::is_harmless(&mac.path)
            || straight::returns(&mac.path)
            || may_jump(&mac.tokens)
        {
            self.jumps += 1;
            self.found.may_return = true;
        }
        self.within(extent, |tagger| tagger.known_macro(mac));
    }

    /// An item may be another function, which this attribute does not track.
    fn visit_item_mut(&mut self, _: &mut Item) {}

    /// A constant in a type sends nothing.
    fn visit_type_mut(&mut self, _: &mut Type) {}
}

impl Tagger<'_> {
    fn statements(&mut self, statements: &mut [Stmt]) {
        for index in 0..statements.len() {
            let (before, rest) = statements.split_at_mut(index + 1);
            self.kept = match &before[index] {
                Stmt::Local(local) => stays::kept(local, rest),
                _ => None,
            };
            self.visit_stmt_mut(&mut before[index]);
            self.kept = None;
        }
    }

    /// Records the place if it is inside a loop.
    fn repeated(&mut self, place: &str) {
        if self.in_loop {
            self.found.repeats.push(place.to_owned());
        }
    }

    /// Visits an expression. If it repeats what is in it, and something is awaited there or carries the scope, records it.
    fn repeating(&mut self, expr: &mut Expr, visit: impl FnOnce(&mut Self, &mut Expr)) {
        // Read before the visit, which rewrites it.
        let repeated = loops::repeated(expr);
        let carries = repeated.is_some() && self.text.carries && loops::carries(expr);
        let before = self.awaits;
        visit(self, expr);
        if carries || self.awaits > before {
            self.found.loops.extend(repeated);
        }
    }

    /// Visits an async block, closure or macro of this extent.
    fn within<T>(&mut self, extent: String, visit: impl FnOnce(&mut Self) -> T) -> T {
        let outer = self.block.replace(extent);
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
                // The attributes go before the tagged expression: `#[cfg(…)]` cannot stand before an argument.
                let attributes = std::mem::take(&mut call.attrs);
                let can_be_bare = attributes.is_empty() && self.can_be_bare(position);
                match self.method(call, position, can_be_bare) {
                    Some(tagged) => *expr = Expr::Verbatim(quote!(#(#attributes)* #tagged)),
                    None => call.attrs = attributes,
                }
            }
            Expr::Call(call) if position.is_polled() => {
                let before = self.visited();
                visit_mut::visit_expr_call_mut(self, call);
                if let Some(method) = called(call) {
                    let bare = self.can_be_bare(position) && self.visited() == before;
                    if let Some(tagged) = self.at(&method, &*call, position, bare) {
                        *expr = tagged;
                    }
                }
            }
            // `visit_expr_mut` handles these. It passes them on with `Position::Anywhere`, so this does not recurse.
            Expr::Async(_) | Expr::Await(_) | Expr::Closure(_) | Expr::Macro(_)
                if position.is_polled() =>
            {
                self.visit_expr_mut(expr);
            }
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    /// `receiver.method(arguments)`
    fn method(
        &mut self,
        call: &mut ExprMethodCall,
        position: Position,
        can_be_bare: bool,
    ) -> Option<Expr> {
        let is_kept = self.kept.take_if(|kept| *kept == Kept::Called).is_some();
        // Read before the children are visited, because tagging changes them.
        let chain = chain::root(call, &self.builders);
        let before = self.visited();
        visit_mut::visit_expr_method_call_mut(self, call);

        let method = call.method.clone();
        let runs = executor(call).is_some();
        let executor = if runs { call.args.first_mut() } else { None };
        if position.is_polled() && is_one_of(&method, &AWAITED) {
            if chain.is_some()
                && let Some(executor) = executor
            {
                *executor = self.tap(executor);
            }
            let bare = can_be_bare && self.visited() == before;
            return self.at(&method, &*call, position, bare);
        }
        let executor = executor?;
        if is_one_of(&method, &STREAMS) {
            let kept = if is_kept { Position::Kept } else { position };
            let site = self.site(&method, kept);
            *executor = if chain.is_some() {
                self.tap_stream(&site, executor)
            } else {
                Expr::Verbatim(self.path.call("enter", quote!(#site, #executor), executor))
            };
            let left = self.path.call("leave", call.to_token_stream(), call);
            return Some(Expr::Verbatim(left));
        }
        // `raw_sql` returns a `BoxFuture`, and the code around it may name that type.
        if chain? == chain::Root::RawSql {
            *executor = self.plain_tap(executor);
            return None;
        }
        *executor = self.tap(executor);
        self.at(&method, &*call, position, false)
    }

    /// Whether a future in this position may be awaited as it is, between `awaiting` and `awaited`.
    fn can_be_bare(&self, position: Position) -> bool {
        self.scoped && self.block.is_none() && position.is_polled()
    }

    /// What was visited that may lead out of an expression, or leave another call site in force in it.
    fn visited(&self) -> [usize; 3] {
        [self.awaits, self.jumps, self.found.written.len()]
    }

    /// ```text
    /// in:  pool.acquire()
    /// out: P::at(&__LEASH, 0, pool.acquire())
    /// ```
    ///
    /// A `bare` future stays as it is.
    fn at(
        &mut self,
        method: &Ident,
        future: &impl ToTokens,
        position: Position,
        bare: bool,
    ) -> Option<Expr> {
        let index = self.found.written.len();
        let site = self.site(method, position);
        if bare {
            self.bare = Some(index);
            return None;
        }
        let wrapped = self.path.call("at", quote!(#site, #future), future);
        Some(Expr::Verbatim(wrapped))
    }

    /// ```text
    /// in:  pool.acquire().await
    /// out: P::awaited(P::awaiting(0), pool.acquire().await)
    /// ```
    fn awaited(&self, site: usize, awaited: &mut ExprAwait) -> Expr {
        // Before the call: `#[cfg(…)]` cannot stand before an argument.
        let attributes = std::mem::take(&mut awaited.attrs);
        let place = awaited.await_token.span;
        // Its location is that of the `.await`, so it has that span alone.
        let private = self.path.private(place);
        let awaiting = Ident::new("awaiting", place);
        let site = Literal::usize_unsuffixed(site).into_token_stream();
        let site = parenthesized(site, place);
        let arguments = quote!(#private::#awaiting #site, #awaited);
        let start = start_of(&awaited.base);
        let call = self.path.call_between("awaited", arguments, start, place);
        Expr::Verbatim(quote!(#(#attributes)* #call))
    }

    /// ```text
    /// in:  sqlx::query("…").execute(&mut *tx)
    /// out: sqlx::query("…").execute(P::executed(&mut *tx).tap(false, false))
    /// ```
    fn tap(&mut self, executor: &Expr) -> Expr {
        if self.may_be_plain(executor) {
            self.executed("tap", executor, &TokenStream::new())
        } else {
            self.plain_tap(executor)
        }
    }

    /// Whether the executor may be a driver's connection, and its type is known here. That of a closure's parameter may
    /// be known only after the method call that asks for it.
    fn may_be_plain(&self, executor: &Expr) -> bool {
        !executors::is_shared(executor) && !self.in_closure
    }

    /// ```text
    /// in:  helper(&mut *conn)
    /// out: P::lending(helper(&mut *conn))
    /// ```
    fn wrapped(&self, function: &str, future: &Expr) -> Expr {
        Expr::Verbatim(self.path.call(function, future.to_token_stream(), future))
    }

    fn plain_tap(&self, executor: &Expr) -> Expr {
        Expr::Verbatim(self.path.call("tap", executor.to_token_stream(), executor))
    }

    /// ```text
    /// in:  sqlx::query("…").fetch(&mut *tx)
    /// out: P::leave(sqlx::query("…").fetch(P::executed(&mut *tx).tap_stream(&__LEASH, 0, false, false)))
    /// ```
    fn tap_stream(&mut self, site: &TokenStream, executor: &Expr) -> Expr {
        if self.may_be_plain(executor) {
            self.executed("tap_stream", executor, &quote!(#site,))
        } else {
            let arguments = quote!(#site, #executor);
            Expr::Verbatim(self.path.call("tap_stream", arguments, executor))
        }
    }

    fn executed(&mut self, method: &str, executor: &Expr, before: &TokenStream) -> Expr {
        self.found.taps = true;
        let (_, end) = ends(executor);
        let method = Ident::new(method, ours_at(end));
        let inline = executors::is_inline(executor);
        let sole = self.mentions.is_sole(executor);
        let wrapped = self
            .path
            .call("executed", executor.to_token_stream(), executor);
        let arguments = parenthesized(quote_spanned!(ours_at(end)=> #before #inline, #sole), end);
        Expr::Verbatim(quote_spanned!(ours_at(end)=> #wrapped.#method #arguments))
    }

    /// Records a call site, and returns the arguments that identify it: `&__LEASH, 0`.
    fn site(&mut self, method: &Ident, position: Position) -> TokenStream {
        let span = ours_at(method.span());
        let place = position_of(method.span());
        let holds = is_one_of(method, &stays::ACQUIRES) || is_one_of(method, &STREAMS);
        let stays = holds && position == Position::Kept;
        if stays {
            self.repeated(&place);
        }
        let mut text = format!("{place} {method}");
        if stays {
            text.push_str(" stays");
        }
        if let Some(block) = &self.block {
            text = format!("{text} {block}");
        }
        let mut index = Literal::usize_unsuffixed(self.found.written.len());
        index.set_span(span);
        self.found.written.push(Written {
            text,
            name: method.span(),
        });
        quote_spanned!(span=> &__LEASH, #index)
    }
}

/// Whether an expression may be a call site, by its name.
pub(crate) fn is_call_site(expr: &Expr) -> bool {
    match expr {
        Expr::MethodCall(call) => is_one_of(&call.method, &AWAITED),
        Expr::Call(call) => called(call).is_some(),
        _ => false,
    }
}

/// The last name of a called path, if the call is a call site: `Executor::execute(&pool, query)`.
fn called(call: &ExprCall) -> Option<Ident> {
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let method = &path.path.segments.last()?.ident;
    is_one_of(method, &AWAITED).then(|| method.clone())
}

/// Whether code with these tokens may leave the expression around it.
fn may_jump(tokens: &TokenStream) -> bool {
    tokens.clone().into_iter().any(|token| match token {
        TokenTree::Group(group) => may_jump(&group.stream()),
        TokenTree::Punct(punct) => punct.as_char() == '?',
        TokenTree::Ident(word) => is_one_of(&word, &["break", "continue", "return"]),
        TokenTree::Literal(_) => false,
    })
}

/// A span for tokens generated around a token of the user's: the same location, with mixed-site hygiene.
fn ours_at(user: Span) -> Span {
    Span::mixed_site().located_at(user)
}

impl Tagger<'_> {
    /// Expands `dbg!` as std does, with call sites in the argument.
    ///
    /// `dbg!` prints the source of its argument, which must stay as the user wrote it.
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
        self.within(extent(tokens.open(), tokens.close()), |tagger| {
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
