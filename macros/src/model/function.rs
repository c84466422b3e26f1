//! One function, and its form.

use proc_macro2::{Group, TokenStream};
use quote::ToTokens;
use syn::parse::{ParseStream, Parser};
use syn::visit_mut::{self, VisitMut};
use syn::{
    AttrStyle, Attribute, Block, Expr, Item, ItemFn, ReturnType, Signature, Stmt, Token, Type,
    Visibility, braced,
};

use crate::in_place;
use crate::options::{Options, Order};
use crate::returns::{self, Kind, Returned};
use crate::words::Text;

/// A function that is to be rewritten.
#[derive(Debug)]
pub(crate) struct Function {
    pub(crate) attributes: Vec<Attribute>,
    pub(crate) visibility: Visibility,
    pub(crate) defaultness: Option<Token![default]>,
    pub(crate) signature: Signature,
    /// Empty as long as `written` has the body.
    pub(crate) body: Block,
    /// The body, if it is not parsed yet.
    pub(crate) written: Option<Group>,
    pub(crate) text: Text,
    pub(crate) options: Options,
    pub(crate) form: Form,
}

#[derive(Debug)]
pub(crate) enum Form {
    /// `async fn f() -> T`
    Async,
    /// `async fn f() -> !`
    Diverging,
    /// `fn f() -> impl Future<Output = T>`, or another fn that returns a future or a stream
    Returns(Returned),
    /// A sync fn that `#[tokio::test]`, `#[sqlx::test]` or `#[tokio::main]` generated from an `async fn`.
    EntryPoint(EntryPoint),
    /// Any other sync fn: it has no scope, but may contain async blocks.
    Plain,
}

impl Form {
    /// Whether the body is polled in a scope of the function. That of an inner function is that function's.
    pub(crate) fn has_scope(&self) -> bool {
        match self {
            Form::Async | Form::Diverging | Form::EntryPoint(EntryPoint::Block) => true,
            Form::Returns(returned) => matches!(returned.kind, Kind::Future(_)),
            Form::EntryPoint(EntryPoint::Function(..)) | Form::Plain => false,
        }
    }
}

/// The position of the user's body in a generated sync fn.
#[derive(Debug)]
pub(crate) enum EntryPoint {
    /// The only async block.
    Block,
    /// The inner `async fn` of the same name, with the index of its statement.
    Function(usize, Box<Function>),
}

impl Function {
    pub(super) fn from_item(item: ItemFn, written: Option<Group>, options: Options) -> Function {
        Function {
            written,
            text: Text::default(),
            attributes: item.attrs,
            visibility: item.vis,
            defaultness: None,
            signature: item.sig,
            body: *item.block,
            options,
            form: Form::Plain,
        }
    }

    /// Whether a body that is not parsed yet begins with an attribute of the function.
    pub(super) fn has_inner_attributes(&self) -> bool {
        let tokens = self.written.iter().flat_map(Group::stream);
        let first: String = tokens.take(2).map(|token| token.to_string()).collect();
        first == "#!"
    }

    /// Parses the body, if that is not done yet.
    pub(super) fn parse_body(&mut self) -> syn::Result<()> {
        let Some(written) = self.written.take() else {
            self.text = Text::of(&self.body);
            return Ok(());
        };
        self.text = Text::of(&written);
        let (inner, body) = body_with_attributes.parse2(written.into_token_stream())?;
        self.attributes.extend(inner);
        self.body = body;
        Ok(())
    }

    pub(super) fn form(&mut self) -> Form {
        let signature = &self.signature;
        if signature.asyncness.is_some() {
            return match &signature.output {
                ReturnType::Type(_, ty) if matches!(**ty, Type::Never(_)) => Form::Diverging,
                _ => Form::Async,
            };
        }
        if let Some(returned) = returns::read(&signature.output) {
            return Form::Returns(returned);
        }
        // After its expansion, `#[tokio::main]` leaves no trace but the name of the function.
        if self.options.order == Order::LastOnEntryPoint || signature.ident == "main" {
            return entry_point(self).map_or(Form::Plain, Form::EntryPoint);
        }
        Form::Plain
    }

    /// Reads the body of this function's future, where it is known to be the whole of that future.
    pub(crate) fn of_own_body<T>(&mut self, mut read: impl FnMut(&mut Block) -> T) -> Option<T> {
        match &mut self.form {
            Form::Async | Form::Diverging => Some(read(&mut self.body)),
            Form::EntryPoint(EntryPoint::Function(_, inner)) => inner.of_own_body(read),
            Form::EntryPoint(EntryPoint::Block) => {
                let mut own = None;
                each_async_block(&mut self.body, |block| {
                    if let Expr::Async(block) = block {
                        own = Some(read(&mut block.block));
                    }
                });
                own
            }
            Form::Returns(_) if in_place::is_tail_marked(&mut self.body) => {
                Some(read(&mut self.body))
            }
            Form::Returns(_) | Form::Plain => None,
        }
    }
}

/// Emits the function as the user wrote it.
impl ToTokens for Function {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        let outer = |attribute: &&Attribute| matches!(attribute.style, AttrStyle::Outer);
        for attribute in self.attributes.iter().filter(outer) {
            attribute.to_tokens(tokens);
        }
        self.visibility.to_tokens(tokens);
        self.defaultness.to_tokens(tokens);
        self.signature.to_tokens(tokens);
        if let Some(written) = &self.written {
            return written.to_tokens(tokens);
        }
        self.body.brace_token.surround(tokens, |tokens| {
            for attribute in self.attributes.iter().filter(|it| !outer(it)) {
                attribute.to_tokens(tokens);
            }
            for statement in &self.body.stmts {
                statement.to_tokens(tokens);
            }
        });
    }
}

fn body_with_attributes(input: ParseStream) -> syn::Result<(Vec<Attribute>, Block)> {
    let content;
    let brace_token = braced!(content in input);
    let attributes = content.call(Attribute::parse_inner)?;
    let stmts = content.call(Block::parse_within)?;
    Ok((attributes, Block { brace_token, stmts }))
}

/// Finds the user's async body in `fn t() { … block_on(async { body }) … }`.
fn entry_point(function: &mut Function) -> Option<EntryPoint> {
    for (index, statement) in function.body.stmts.iter().enumerate() {
        if let Stmt::Item(Item::Fn(inner)) = statement
            && inner.sig.asyncness.is_some()
            && inner.sig.ident == function.signature.ident
        {
            let mut inner = Function::from_item(inner.clone(), None, function.options.clone());
            inner.text = Text::of(&inner.body);
            inner.form = inner.form();
            return Some(EntryPoint::Function(index, Box::new(inner)));
        }
    }
    let mut blocks = 0;
    each_async_block(&mut function.body, |_| blocks += 1);
    (blocks == 1).then_some(EntryPoint::Block)
}

/// Calls `found` with each async block of the body that is not inside a closure, an item or another async block.
pub(crate) fn each_async_block(body: &mut Block, found: impl FnMut(&mut Expr)) {
    struct Find<F>(F);
    impl<F: FnMut(&mut Expr)> VisitMut for Find<F> {
        fn visit_expr_mut(&mut self, expr: &mut Expr) {
            match expr {
                Expr::Async(_) => (self.0)(expr),
                Expr::Closure(_) => {}
                expr => visit_mut::visit_expr_mut(self, expr),
            }
        }
        fn visit_item_mut(&mut self, _: &mut Item) {}
    }
    Find(found).visit_block_mut(body);
}
