//! The parts of values and of patterns.

use proc_macro2::Ident;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, Pat, PatIdent, Stmt};

use crate::words::unraw;

/// Calls `found` with the expressions whose value becomes this value, or a part of it.
pub(super) fn each_part<'e>(value: &'e Expr, found: &mut impl FnMut(&'e Expr)) {
    match value {
        Expr::Paren(inner) => each_part(&inner.expr, found),
        Expr::Group(inner) => each_part(&inner.expr, found),
        Expr::Try(inner) => each_part(&inner.expr, found),
        Expr::Reference(inner) => each_part(&inner.expr, found),
        Expr::Cast(inner) => each_part(&inner.expr, found),
        Expr::MethodCall(call) => each_part(&call.receiver, found),
        Expr::Match(branches) => {
            each_part(&branches.expr, found);
            for arm in &branches.arms {
                each_part(&arm.body, found);
            }
        }
        Expr::If(branches) => {
            if let Expr::Let(bound) = &*branches.cond {
                each_part(&bound.expr, found);
            }
            each_part_of_block(&branches.then_branch, found);
            if let Some((_, other)) = &branches.else_branch {
                each_part(other, found);
            }
        }
        Expr::Block(block) => each_part_of_block(&block.block, found),
        Expr::Unsafe(block) => each_part_of_block(&block.block, found),
        Expr::Tuple(tuple) => tuple.elems.iter().for_each(|part| each_part(part, found)),
        Expr::Array(array) => array.elems.iter().for_each(|part| each_part(part, found)),
        Expr::Struct(fields) => {
            fields
                .fields
                .iter()
                .for_each(|field| each_part(&field.expr, found));
        }
        Expr::Call(call) if constructs(&call.func) => {
            call.args.iter().for_each(|part| each_part(part, found));
        }
        Expr::Field(field) => {
            found(value);
            each_part(&field.base, found);
        }
        value => found(value),
    }
}

fn each_part_of_block<'e>(block: &'e Block, found: &mut impl FnMut(&'e Expr)) {
    if let Some(Stmt::Expr(tail, None)) = block.stmts.last() {
        each_part(tail, found);
    }
}

/// Whether a function is named like a constructor: `Some`, `Job`, `Box::new`, `UnitOfWork::over`.
fn constructs(func: &Expr) -> bool {
    let Expr::Path(path) = func else {
        return false;
    };
    let is_type = |word: &Ident| word.to_string().starts_with(char::is_uppercase);
    path.path
        .segments
        .iter()
        .rev()
        .take(2)
        .any(|segment| is_type(&segment.ident))
}

/// The names that a pattern binds.
pub(super) fn names(pat: &mut Pat) -> Vec<String> {
    struct Names(Vec<String>);
    impl VisitMut for Names {
        fn visit_pat_ident_mut(&mut self, pat: &mut PatIdent) {
            // `None` is a pattern of this form, too.
            let name = unraw(&pat.ident);
            if !name.starts_with(char::is_uppercase) {
                self.0.push(name);
            }
            visit_mut::visit_pat_ident_mut(self, pat);
        }
        fn visit_expr_mut(&mut self, _: &mut Expr) {}
    }
    let mut names = Names(Vec::new());
    names.visit_pat_mut(pat);
    names.0
}
