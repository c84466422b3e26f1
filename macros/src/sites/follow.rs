//! Follows a value that may be a handle, or contain one, from the `.await` that returned it: through patterns, fields and
//! names, for as long as it is not passed on.
//!
//! The attribute does not know which part of a value is the handle. It goes by how the parts are used and named, so what
//! depends on this is likely at most.

mod branches;
mod parts;
mod walk;

use proc_macro2::{Ident, LineColumn};
use quote::ToTokens;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprAssign, ExprAwait, ExprCall, Item, Local, Pat, Stmt};

use super::stays::{ACQUIRES, kept, peeled};
use crate::in_place;
use crate::location::written;
use crate::words::{is_one_of, unraw};
use parts::{each_part, names};
use walk::{Use, Walk, end_of};

/// Methods of sqlx that are awaited, and whose value contains no handle.
const WITHOUT_HANDLE: [&str; 12] = [
    "commit",
    "connect",
    "connect_with",
    "describe",
    "execute",
    "fetch_all",
    "fetch_one",
    "fetch_optional",
    "ping",
    "prepare",
    "prepare_with",
    "rollback",
];

/// A part of the body in which a value is still in the function's hands.
struct Held {
    /// The `.await` that returned it.
    at: LineColumn,
    from: LineColumn,
    to: LineColumn,
    /// Whether the value is passed on only to calls that are awaited at once, if at all.
    lasts: bool,
}

/// What the body holds: each as `13:30 13:30-14:52 lasts`, without the last word where the value may go elsewhere.
pub(super) fn held(body: &mut Block) -> Vec<String> {
    let mut search = Search { found: Vec::new() };
    search.visit_block_mut(body);
    search.found.iter().map(Held::written).collect()
}

impl Held {
    fn written(&self) -> String {
        let [at, from, to] = [self.at, self.from, self.to].map(written);
        let lasts = if self.lasts { " lasts" } else { "" };
        format!("{at} {from}-{to}{lasts}")
    }
}

/// Finds the awaits whose value is bound or passed on.
struct Search {
    found: Vec<Held>,
}

impl Search {
    /// The value of the awaits in `value` is bound by `pat` in these statements.
    fn bound(&mut self, value: &Expr, pat: &mut Pat, mut scope: Scope<'_>) {
        let awaits = awaits(value);
        if let Some((_, from)) = awaits.first()
            && let Some(end) = scope.end()
        {
            self.record(&awaits, walks(&names(pat), &mut scope, *from, end));
        }
    }

    /// The value of the awaits is put into a variable, or into a field of one, before these statements.
    fn assigned(&mut self, assign: &ExprAssign, mut scope: Scope<'_>) {
        let awaits = awaits(&assign.right);
        let Some((_, from)) = awaits.first() else {
            return;
        };
        if let Some((name, field)) = variable(&assign.left)
            && let Some(end) = scope.end()
        {
            let walks = match field.as_deref() {
                None => walks(&[name], &mut scope, *from, end),
                field => vec![Walk::through(&mut scope, &name, field, *from, end)],
            };
            self.record(&awaits, walks);
        }
    }

    fn record(&mut self, awaits: &[(LineColumn, LineColumn)], walks: Vec<Walk>) {
        for walk in walks {
            let lasts = walk.lasts;
            for (from, to) in walk.ranges {
                let held = awaits.iter().map(|&(at, _)| Held {
                    at,
                    from,
                    to,
                    lasts,
                });
                self.found.extend(held);
            }
        }
    }

    fn bound_by_condition(&mut self, condition: &mut Expr, scope: &mut [Stmt]) {
        match condition {
            Expr::Let(bound) => {
                self.bound(&bound.expr, &mut bound.pat, Scope::Statements(scope));
            }
            Expr::Binary(both) => {
                self.bound_by_condition(&mut both.left, scope);
                self.bound_by_condition(&mut both.right, scope);
            }
            _ => {}
        }
    }

    /// The values among the arguments are the callee's until the call returns.
    fn passed(&mut self, call: &ExprAwait) {
        let to = call.await_token.span.end();
        let arguments: Vec<&Expr> = match peeled(&call.base) {
            Expr::Call(call) => call.args.iter().collect(),
            Expr::MethodCall(call) => std::iter::once(&*call.receiver).chain(&call.args).collect(),
            _ => return,
        };
        for (at, from) in arguments.into_iter().flat_map(awaits) {
            let lasts = true;
            self.found.push(Held {
                at,
                from,
                to,
                lasts,
            });
        }
    }
}

impl VisitMut for Search {
    fn visit_block_mut(&mut self, block: &mut Block) {
        for index in 0..block.stmts.len() {
            let (before, rest) = block.stmts.split_at_mut(index + 1);
            match &mut before[index] {
                Stmt::Local(local) if !is_known(local, rest) => {
                    if let Some(init) = &local.init {
                        self.bound(&init.expr, &mut local.pat, Scope::Statements(rest));
                    }
                }
                Stmt::Expr(Expr::Assign(assign), _) => {
                    self.assigned(assign, Scope::Statements(rest));
                }
                _ => {}
            }
        }
        visit_mut::visit_block_mut(self, block);
    }

    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Async(block) if !in_place::is_marked(block) => return,
            Expr::Closure(_) => return,
            Expr::Await(call) => self.passed(call),
            Expr::If(branches) => {
                self.bound_by_condition(&mut branches.cond, &mut branches.then_branch.stmts);
            }
            Expr::While(repeated) => {
                self.bound_by_condition(&mut repeated.cond, &mut repeated.body.stmts);
            }
            Expr::Match(branches) => {
                for arm in &mut branches.arms {
                    self.bound(&branches.expr, &mut arm.pat, Scope::Arm(&mut arm.body));
                }
            }
            _ => {}
        }
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The code in which a name stands for a value.
enum Scope<'e> {
    Statements(&'e mut [Stmt]),
    Arm(&'e mut Expr),
}

impl Scope<'_> {
    fn end(&self) -> Option<LineColumn> {
        match self {
            Scope::Statements(statements) => statements.last().map(end_of),
            Scope::Arm(expr) => Some(end_of(expr)),
        }
    }

    fn visit(&mut self, walk: &mut Walk) {
        match self {
            Scope::Statements(statements) => {
                for statement in &mut **statements {
                    walk.visit_stmt_mut(statement);
                }
            }
            Scope::Arm(expr) => walk.visit_expr_mut(expr),
        }
    }
}

/// Whether the statement takes a handle itself, and keeps it: its call site says so.
fn is_known(local: &Local, rest: &mut [Stmt]) -> bool {
    let Some(init) = &local.init else {
        return false;
    };
    let mut takes = false;
    each_part(&init.expr, &mut |part| {
        if let Expr::Await(awaited) = part
            && let Expr::MethodCall(call) = peeled(&awaited.base)
        {
            takes |= is_one_of(&call.method, &ACQUIRES);
        }
    });
    takes && kept(local, rest).is_some()
}

/// The variable of a place, and its first field, if nothing but fields leads there.
fn variable(place: &Expr) -> Option<(String, Option<String>)> {
    match peeled(place) {
        Expr::Path(path) => Some((unraw(path.path.get_ident()?), None)),
        Expr::Field(field) => {
            let (name, outer) = variable(&field.base)?;
            let own = field.member.to_token_stream().to_string();
            Some((name, Some(outer.unwrap_or(own))))
        }
        _ => None,
    }
}

/// Where the awaits begin and end whose value becomes this value, or a part of it.
fn awaits(value: &Expr) -> Vec<(LineColumn, LineColumn)> {
    let mut found = Vec::new();
    each_part(value, &mut |part| {
        if let Expr::Await(awaited) = part
            && may_return_handle(&awaited.base)
        {
            let word = awaited.await_token.span;
            found.push((word.start(), word.end()));
        }
    });
    found
}

/// Whether a future may return a handle. Most methods of sqlx return rows.
///
/// A function of the user's may have the name of such a method: `fetch(&pool)`.
fn may_return_handle(future: &Expr) -> bool {
    let method = match peeled(future) {
        // What it returns was returned inside it before.
        Expr::Async(_) => return false,
        Expr::MethodCall(call) => Some(&call.method),
        Expr::Call(call) => last_of_path(call),
        _ => None,
    };
    !method.is_some_and(|method| is_one_of(method, &WITHOUT_HANDLE))
}

/// The last name of a called path of several: `execute` of `Executor::execute(&pool, query)`.
fn last_of_path(call: &ExprCall) -> Option<&Ident> {
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let segments = &path.path.segments;
    segments
        .last()
        .filter(|_| segments.len() > 1)
        .map(|it| &it.ident)
}

/// The walks of those names, or fields of theirs, that may be the handle.
fn walks(names: &[String], scope: &mut Scope<'_>, from: LineColumn, end: LineColumn) -> Vec<Walk> {
    let mut all = Vec::new();
    for name in names {
        let whole = Walk::through(scope, name, None, from, end);
        let fields = whole.fields.iter();
        all.extend(fields.map(|field| Walk::through(scope, name, Some(field), from, end)));
        if whole.is_candidate() {
            all.push(whole);
        }
    }
    let is_handle = |walk: &Walk| walk.uses.contains(&Use::AsHandle);
    let any_is_handle = all.iter().any(is_handle);
    let is_all_read = all.iter().all(Walk::is_only_read);
    all.retain(|walk| {
        if any_is_handle {
            is_handle(walk)
        } else {
            is_all_read || !walk.is_only_read()
        }
    });
    all
}
