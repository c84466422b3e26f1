//! The early returns and the last expression of a body.

use proc_macro2::{Span, TokenStream};
use quote::quote_spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{Block, Expr, ExprReturn, Item, Stmt};

/// Replaces each `return` by a `break` from a block with a label. Returns the label, if the body has a `return`.
///
/// A closure around the body would catch each `return` as well, but the future cannot borrow what a closure captures.
///
/// ```text
/// in:  { if early { return a; } b }
/// out: '__leash: { if early { break '__leash a; } b }
/// ```
pub(super) fn break_instead_of_return(body: &mut Block, span: Span) -> Option<TokenStream> {
    let mut returns = Returns { span, any: false };
    returns.visit_block_mut(body);
    returns.any.then(|| quote_spanned!(span=> '__leash:))
}

struct Returns {
    span: Span,
    any: bool,
}

impl VisitMut for Returns {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        match expr {
            Expr::Return(ExprReturn { expr: value, .. }) => {
                self.any = true;
                if let Some(value) = value {
                    self.visit_expr_mut(value);
                }
                *expr = Expr::Verbatim(quote_spanned!(self.span=> break '__leash #value));
            }
            // A `return` in these does not return from the function.
            Expr::Async(_) | Expr::Closure(_) => {}
            expr => visit_mut::visit_expr_mut(self, expr),
        }
    }

    fn visit_item_mut(&mut self, _: &mut Item) {}
}

/// The argument of `Box::pin(inner)`, where that is the last expression of the body.
pub(super) fn pinned(body: &mut Block) -> Option<&mut Expr> {
    let Some(Stmt::Expr(Expr::Call(call), None)) = body.stmts.last_mut() else {
        return None;
    };
    let Expr::Path(path) = &*call.func else {
        return None;
    };
    let mut segments = path.path.segments.iter().rev();
    let is_pin = segments.next().is_some_and(|last| last.ident == "pin")
        && segments.next().is_some_and(|before| before.ident == "Box");
    match call.args.len() {
        1 if is_pin => call.args.first_mut(),
        _ => None,
    }
}
