//! One function, in each of the forms that the model knows.

use proc_macro2::{Delimiter, Group, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprReturn, Item, ReturnType, Signature, Stmt, Token, Type, parse_quote_spanned,
};

use super::{arguments, metadata, outward, relax};
use crate::crate_path;
use crate::model::{Entry, Form, Function, each_async_block};
use crate::returns::{Kind, Returned, inferable};
use crate::sites;

pub(super) fn expand(mut function: Function) -> TokenStream {
    let path = crate_path::of(&function.options);
    let span = Span::mixed_site().located_at(function.signature.ident.span());
    let around = Around {
        private: quote_spanned!(span=> #path::__private),
        span,
    };
    let sites = sites::tag(&around.private, &function.signature, &mut function.body);
    let form = std::mem::replace(&mut function.form, Form::Plain);
    let body = match form {
        Form::Async => around.asynchronous(&mut function),
        Form::Diverging => around.diverging(&mut function),
        Form::Returns(returned) => around.returning(&mut function, &returned),
        Form::Entry(Entry::Block) => around.entry(&mut function),
        Form::Entry(Entry::Function(index, inner)) => {
            function.body.stmts[index] = Stmt::Item(Item::Verbatim(expand(*inner)));
            function.body.to_token_stream()
        }
        // Nothing refers to the function's static.
        Form::Plain if sites == 0 => return function.into_token_stream(),
        Form::Plain => around.block(&mut function.body),
    };
    let items = metadata::items(&around.private, &function);
    let Function {
        mut attributes,
        visibility,
        defaultness,
        signature,
        body: written,
        ..
    } = function;
    attributes.iter_mut().for_each(relax);
    let attributes = attributes.into_iter().map(outward);
    let mut tokens = quote!(#(#attributes)* #visibility #defaultness #signature);
    // The user's braces: some errors stand on the end of a function.
    written
        .brace_token
        .surround(&mut tokens, |tokens| tokens.extend([items, body]));
    tokens
}

/// What goes around a body.
struct Around {
    private: TokenStream,
    /// The function's name on the page, ours otherwise.
    span: Span,
}

impl Around {
    /// ```text
    /// in:  async fn find(&self, id: i64) -> Result<Exam> { body }
    /// out: fn find(&self, id: i64) -> impl Future<Output = Result<Exam>> {
    ///          P::scope(
    ///              __leash,
    ///              async move {
    ///                  if let Some(value) = None::<Result<Exam>> { return value; }
    ///                  let _ = &self;
    ///                  let id = id;
    ///                  let value: Result<Exam> = { body };
    ///                  value
    ///              },
    ///              |ended, value| ended.judge(P::may_hold!(value)),
    ///          )
    ///      }
    /// ```
    fn asynchronous(&self, function: &mut Function) -> TokenStream {
        let output = self.output(&function.signature.output);
        let future = self.future(function, &output);
        let scope = self.scope(function, &future, None);
        function.signature.asyncness = None;
        function.signature.output = self.future_of(&function.signature, &output);
        if function
            .attributes
            .iter()
            .any(|it| it.path().is_ident("must_use"))
        {
            // The future is `#[must_use]` as well, which is not the user's doing.
            let allow = parse_quote_spanned!(self.span=> #[allow(clippy::double_must_use)]);
            function.attributes.push(allow);
        }
        scope
    }

    /// `impl Future<Output = !>` is not stable, so this one stays an `async fn`.
    ///
    /// ```text
    /// in:  async fn serve(self) -> ! { body }
    /// out: async fn serve(self) -> ! {
    ///          match P::scope(__leash, async move { … let value: Infallible = { body }; value }, …).await {}
    ///      }
    /// ```
    fn diverging(&self, function: &mut Function) -> TokenStream {
        let never = parse_quote_spanned!(self.span=> ::core::convert::Infallible);
        let future = self.future(function, &never);
        let scope = self.scope(function, &future, None);
        quote_spanned!(self.span=> match #scope.await {})
    }

    /// ```text
    /// in:  fn find(&self) -> impl Future<Output = T> { body }
    /// out: fn find(&self) -> impl Future<Output = T> {
    ///          let body = { body };
    ///          P::scope(__leash, body, |ended, value: &T| …)
    ///      }
    ///
    /// in:  fn rows(&self) -> BoxStream<'_, T> { body with `return early;` }
    /// out: fn rows(&self) -> BoxStream<'_, T> {
    ///          let body: BoxStream<'_, T> = '__leash: { body with `break '__leash early;` };
    ///          Box::pin(P::scope_stream(__leash, body))
    ///      }
    /// ```
    fn returning(&self, function: &mut Function, returned: &Returned) -> TokenStream {
        let label = self.break_instead_of_return(&mut function.body);
        if returned.boxed
            && label.is_none()
            && let Some(inner) = pinned(&mut function.body)
        {
            // What `#[async_trait]` makes, and many by hand: no second box is needed.
            let wrapped = self.wrap(function_name(&function.signature), inner, returned);
            *inner = Expr::Verbatim(wrapped);
            return self.block(&mut function.body);
        }
        let annotation = returned.annotation.iter();
        let body = self.block(&mut function.body);
        let value = quote_spanned!(self.span=> __leash_body);
        let mut wrapped = self.wrap(function_name(&function.signature), &value, returned);
        if returned.boxed {
            wrapped = quote_spanned!(self.span=> ::std::boxed::Box::pin(#wrapped));
        }
        quote_spanned! {self.span=>
            let __leash_body #(: #annotation)* = #label #body;
            #[allow(unreachable_code)]
            #wrapped
        }
    }

    /// ```text
    /// in:  fn t() { let body = async { body }; block_on(body) }
    /// out: fn t() { let body = P::scope(__leash, async { body }, …); block_on(body) }
    /// ```
    fn entry(&self, function: &mut Function) -> TokenStream {
        let output = inferable(&self.output(&function.signature.output));
        let name = function_name(&function.signature);
        each_async_block(&mut function.body, |block| {
            let scope = self.scope_of(name, &*block, Some(&output));
            *block = Expr::Verbatim(scope);
        });
        self.block(&mut function.body)
    }

    /// `-> impl Future<Output = T>`
    fn future_of(&self, signature: &Signature, output: &Type) -> ReturnType {
        // All ours, so that it captures every lifetime, but for the last token: the signature then begins and ends with
        // the user's, and lints on it are told as ever.
        let mut close: Token![>] = parse_quote_spanned!(self.span=> >);
        close.spans[0] = match &signature.output {
            ReturnType::Default => signature.paren_token.span.close(),
            ReturnType::Type(_, ty) => end(ty),
        };
        parse_quote_spanned! {Span::mixed_site().located_at(output.span())=>
            -> impl ::core::future::Future<Output = #output #close
        }
    }

    /// The future of an `async fn`, as rustc would lower it.
    fn future(&self, function: &mut Function, output: &Type) -> TokenStream {
        let arguments = arguments::rebind(&mut function.signature.inputs);
        let output = inferable(output);
        let body = self.block(&mut function.body);
        quote_spanned! {self.span=>
            async move {
                // Never runs, but tells the type of each `return` and `?` before they are looked at.
                if let ::core::option::Option::Some(__leash_value) = ::core::option::Option::None::<#output> {
                    #[allow(unreachable_code)]
                    return __leash_value;
                }
                #arguments
                // By name, so that what the last expression borrows ends before the arguments do.
                let __leash_value: #output = #body;
                #[allow(unreachable_code)]
                __leash_value
            }
        }
    }

    fn wrap(&self, name: Span, inner: &impl ToTokens, returned: &Returned) -> TokenStream {
        match &returned.kind {
            Kind::Future(output) => self.scope_of(name, inner, output.as_deref()),
            Kind::Stream => {
                let private = &self.private;
                quote_spanned!(self.span=> #private::scope_stream(__leash, #inner))
            }
        }
    }

    fn scope(
        &self,
        function: &Function,
        future: &TokenStream,
        output: Option<&Type>,
    ) -> TokenStream {
        self.scope_of(function_name(&function.signature), future, output)
    }

    /// The output's type is told where nothing else tells it before the closure is looked at.
    fn scope_of(&self, name: Span, future: &impl ToTokens, output: Option<&Type>) -> TokenStream {
        let private = &self.private;
        let output = output.into_iter();
        // A panic is reported where this call stands, and that must be in the user's file: wholly the user's span.
        let mut may_hold = Group::new(
            Delimiter::Parenthesis,
            quote_spanned!(self.span=> #private::may_hold!(value)),
        );
        may_hold.set_span(name);
        let judge = Ident::new("judge", name);
        quote_spanned! {self.span=>
            #private::scope(
                __leash,
                #future,
                |ended, value #(: &#output)*| ended.#judge #may_hold,
            )
        }
    }

    fn output(&self, output: &ReturnType) -> Type {
        match output {
            ReturnType::Default => Type::Verbatim(quote_spanned!(self.span=> ())),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }

    /// The body as a block within the new one.
    ///
    /// Around a single expression the compiler would call the braces unnecessary. Beside an item it does not.
    fn block(&self, body: &mut Block) -> TokenStream {
        if let [Stmt::Expr(_, None)] = &body.stmts[..] {
            let item = quote_spanned!(self.span=> const _: () = (););
            body.stmts.insert(0, Stmt::Item(Item::Verbatim(item)));
        }
        body.to_token_stream()
    }

    /// A closure would catch each `return` too, but what it captures cannot be borrowed by the future.
    ///
    /// Returns the label for the body if there was any.
    fn break_instead_of_return(&self, body: &mut Block) -> Option<TokenStream> {
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
                        let broken = quote_spanned!(self.span=> break '__leash #value);
                        *expr = Expr::Verbatim(broken);
                    }
                    // They return for themselves.
                    Expr::Async(_) | Expr::Closure(_) => {}
                    expr => visit_mut::visit_expr_mut(self, expr),
                }
            }
            fn visit_item_mut(&mut self, _: &mut Item) {}
        }
        let mut returns = Returns {
            span: self.span,
            any: false,
        };
        returns.visit_block_mut(body);
        returns.any.then(|| quote_spanned!(self.span=> '__leash:))
    }
}

fn function_name(signature: &Signature) -> Span {
    signature.ident.span()
}

/// The span of the last token.
fn end(tokens: &impl ToTokens) -> Span {
    match tokens.to_token_stream().into_iter().last() {
        Some(TokenTree::Group(group)) => group.span_close(),
        Some(token) => token.span(),
        None => Span::call_site(),
    }
}

/// The `inner` of a body that ends in `Box::pin(inner)`.
fn pinned(body: &mut Block) -> Option<&mut Expr> {
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
