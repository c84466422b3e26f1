//! Branches and loops on the way of a walk.

use proc_macro2::LineColumn;
use syn::visit_mut::VisitMut;
use syn::{Block, Expr, ExprIf};

use super::walk::{Use, Walk, aliases, end_of, end_of_block, start_of};

/// One of several ways.
pub(super) struct Branch<'e> {
    pub(super) start: LineColumn,
    /// The names that the branch gives the value.
    pub(super) aliases: Vec<String>,
    pub(super) body: Body<'e>,
}

/// What runs in a branch.
pub(super) enum Body<'e> {
    Block(&'e mut Block),
    Expr(&'e mut Expr),
    Nothing,
}

impl Walk {
    /// Visits branches, one of which runs.
    pub(super) fn branches(&mut self, branches: &mut [Branch<'_>], end: LineColumn) {
        let before = self.held_from.is_some();
        let (mut held_after, mut all_diverge) = (before, true);
        for branch in branches {
            self.become_held(before, branch.start);
            self.diverges = false;
            let names = self.names.len();
            self.names.append(&mut branch.aliases);
            match &mut branch.body {
                Body::Block(block) => self.visit_block_mut(block),
                Body::Expr(expr) => self.visit_expr_mut(expr),
                Body::Nothing => {}
            }
            self.names.truncate(names);
            held_after &= self.diverges || self.held_from.is_some();
            all_diverge &= self.diverges;
        }
        self.diverges = all_diverge;
        self.become_held(held_after, end);
    }

    pub(super) fn conditional(&mut self, branches: &mut ExprIf) {
        let end = end_of_conditional(branches);
        let aliases = self.condition(&mut branches.cond);
        let then = Branch {
            start: branches.then_branch.brace_token.span.open().start(),
            aliases,
            body: Body::Block(&mut branches.then_branch),
        };
        let other = match &mut branches.else_branch {
            Some((_, other)) => Branch {
                start: start_of_other(other),
                aliases: Vec::new(),
                body: Body::Expr(other),
            },
            None => Branch {
                start: end,
                aliases: Vec::new(),
                body: Body::Nothing,
            },
        };
        self.branches(&mut [then, other], end);
    }

    /// Visits a condition. Returns the names that it gives the value.
    pub(super) fn condition(&mut self, condition: &mut Expr) -> Vec<String> {
        match condition {
            Expr::Let(bound) if self.becomes(&bound.expr) => aliases(&mut bound.pat),
            Expr::Binary(both) => {
                let mut aliases = self.condition(&mut both.left);
                aliases.extend(self.condition(&mut both.right));
                aliases
            }
            condition => {
                self.visit_expr_mut(condition);
                Vec::new()
            }
        }
    }

    /// A loop whose body passes the value on may have done so before any statement in it.
    pub(super) fn repeated(
        &mut self,
        start: LineColumn,
        end: LineColumn,
        visit: impl FnOnce(&mut Self),
    ) {
        let (before, ranges) = (self.held_from, self.ranges.len());
        let moved_before = self.uses.remove(&Use::Moved);
        visit(self);
        let is_moved = self.uses.contains(&Use::Moved);
        if moved_before {
            self.uses.insert(Use::Moved);
        }
        if is_moved && before.is_some() {
            if self.held_from.is_none() && !self.diverges {
                self.ranges.truncate(ranges);
                self.held_from = before;
                self.become_held(false, start);
            } else {
                self.become_held(false, end);
            }
        }
        self.diverges = false;
    }
}

fn end_of_conditional(branches: &ExprIf) -> LineColumn {
    match branches.else_branch.as_ref().map(|(_, other)| &**other) {
        Some(Expr::If(other)) => end_of_conditional(other),
        Some(Expr::Block(other)) => end_of_block(&other.block),
        Some(other) => end_of(other),
        None => end_of_block(&branches.then_branch),
    }
}

fn start_of_other(other: &Expr) -> LineColumn {
    match other {
        Expr::If(other) => other.if_token.span.start(),
        Expr::Block(other) => other.block.brace_token.span.open().start(),
        other => start_of(other),
    }
}
