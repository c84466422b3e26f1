//! Expands one function, in each of the forms in the model.

use proc_macro2::{Delimiter, Ident, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{
    Block, Expr, Item, ReturnType, Signature, Stmt, StmtMacro, Token, Type, parse_quote_spanned,
};

use super::metadata::{self, Evidence};
use super::{arguments, early, lifetimes, outward, relax, slots};
use crate::crate_path::{CratePath, Tokens, ends, parenthesized};
use crate::in_place;
use crate::model::{EntryPoint, Form, Function, each_async_block};
use crate::returns::{Kind, Returned, asked, inferable, is_opaque};
use crate::sites::{self, Sites};

pub(super) fn expand(function: Function) -> TokenStream {
    rewritten(function, &mut Sites::default(), true)
}

/// Rewrites the function and adds its call sites to `sites`, which has those of the function around it.
///
/// `with_items` decides whether the items that describe the function are generated.
fn rewritten(mut function: Function, sites: &mut Sites, with_items: bool) -> TokenStream {
    let path = CratePath::of(&function.options);
    let name = function.signature.ident.span();
    let span = Span::mixed_site().located_at(name);
    in_place::mark(&mut function);
    let evidence = Evidence::of(&mut function);
    let scoped = function.form.has_scope();
    sites::tag(
        &path,
        &function.signature,
        &mut function.body,
        &function.text,
        scoped,
        sites,
    );
    let wrapper = Wrapper {
        slots: slots::slots(span, &function.signature),
        private: path.private(span),
        path,
        name,
        span,
        may_return: sites.may_return,
    };
    let form = std::mem::replace(&mut function.form, Form::Plain);
    let body = match form {
        Form::Async => wrapper.asynchronous(&mut function),
        Form::Diverging => wrapper.diverging(&mut function),
        Form::Returns(returned) => wrapper.returning(&mut function, &returned),
        Form::EntryPoint(EntryPoint::Block) => wrapper.entry_point(&mut function),
        Form::EntryPoint(EntryPoint::Function(index, inner)) => {
            // The inner function uses the items of the outer one. In the inner one, their path would have the name
            // twice.
            let inner = rewritten(*inner, sites, false);
            function.body.stmts[index] = Stmt::Item(Item::Verbatim(inner));
            function.body.to_token_stream()
        }
        // Nothing would refer to the items of a function without a scope and call sites.
        Form::Plain if sites.written.is_empty() => return function.into_token_stream(),
        Form::Plain => wrapper.block(&mut function.body),
    };
    let items = with_items.then(|| metadata::items(&wrapper.path, &function, &evidence, sites));
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
    // These are the user's braces, because the compiler reports some errors at the end of a function.
    written.brace_token.surround(&mut tokens, |tokens| {
        items.to_tokens(tokens);
        body.to_tokens(tokens);
    });
    tokens
}

/// Generates the code around a body.
struct Wrapper {
    /// The arguments that may keep a handle, with their types.
    slots: TokenStream,
    path: CratePath,
    private: Tokens,
    /// The span of the function's name.
    name: Span,
    /// The same location with mixed-site hygiene.
    span: Span,
    /// Whether the body may return before its end.
    may_return: bool,
}

impl Wrapper {
    /// ```text
    /// in:  async fn find(&self, id: i64) -> Result<Exam> { body }
    /// out: fn find(&self, id: i64) -> impl Future<Output = Result<Exam>> {
    ///          P::scope_by_type(
    ///              &__LEASH,
    ///              async move {
    ///                  if false { return P::typed::<Result<Exam>>(); } // if `body` may return early
    ///                  let _ = &self;
    ///                  let id = id;
    ///                  let value: Result<Exam> = { body };
    ///                  value
    ///              },
    ///              || P::asked!([] [] [Exam => Exam] []),
    ///          )
    ///      }
    /// ```
    fn asynchronous(&self, function: &mut Function) -> TokenStream {
        let output = self.output(&function.signature.output);
        if lifetimes::name_anonymous(&mut function.signature) {
            let allow = parse_quote_spanned! {self.span=>
                #[allow(clippy::needless_lifetimes, clippy::elidable_lifetime_names)]
            };
            function.attributes.push(allow);
        }
        let scope = self.scope(function, &output);
        function.signature.asyncness = None;
        function.signature.output = Self::future_of(&function.signature, &output);
        if function
            .attributes
            .iter()
            .any(|it| it.path().is_ident("must_use"))
        {
            // `impl Future` is `#[must_use]`, so clippy would report the user's attribute as redundant.
            let allow = parse_quote_spanned!(self.span=> #[allow(clippy::double_must_use)]);
            function.attributes.push(allow);
        }
        scope
    }

    /// `impl Future<Output = !>` is not stable, so the function stays an `async fn`.
    ///
    /// ```text
    /// in:  async fn serve(self) -> ! { body }
    /// out: async fn serve(self) -> ! {
    ///          match P::scope_by_type(&__LEASH, async move { … let value: Infallible = { body }; value }, …).await {}
    ///      }
    /// ```
    fn diverging(&self, function: &mut Function) -> TokenStream {
        let never = parse_quote_spanned!(self.span=> ::core::convert::Infallible);
        let scope = self.scope(function, &never);
        quote_spanned!(self.span=> match #scope.await {})
    }

    /// ```text
    /// in:  fn find(&self) -> impl Future<Output = T> { body }
    /// out: fn find(&self) -> impl Future<Output = T> {
    ///          let body = { body };
    ///          P::scope_by_type(&__LEASH, body, || …)
    ///      }
    ///
    /// in:  fn rows(&self) -> BoxStream<'_, T> { body }
    /// out: fn rows(&self) -> BoxStream<'_, T> {
    ///          let body: BoxStream<'_, T> = { body };
    ///          Box::pin(P::scope_stream(&__LEASH, body))
    ///      }
    ///
    /// in:  fn find(&self) -> BoxFuture<'_, T> { Box::pin(async move { … }) }
    /// out: fn find(&self) -> BoxFuture<'_, T> { Box::pin(P::scope_by_type(&__LEASH, async move { … }, …)) }
    /// ```
    fn returning(&self, function: &mut Function, returned: &Returned) -> TokenStream {
        let label = early::break_instead_of_return(&mut function.body, self.span);
        if returned.boxed
            && label.is_none()
            && let Some(inner) = early::pinned(&mut function.body)
        {
            // `#[async_trait]` generates this form, and it is often written by hand. It needs no second box.
            *inner = Expr::Verbatim(self.wrap(inner, inner, &returned.kind));
            return self.block(&mut function.body);
        }
        let last = function.body.stmts.last().to_token_stream();
        let annotation = returned.annotation.iter();
        let body = self.block(&mut function.body);
        let value = quote_spanned!(self.span=> __leash_body);
        let mut wrapped = self.wrap(&value, &last, &returned.kind);
        if returned.boxed {
            let (start, end) = ends(&last);
            let arguments = parenthesized(wrapped, end);
            wrapped = quote_spanned!(start=> ::std::boxed::Box::pin #arguments);
        }
        quote_spanned! {self.span=>
            let __leash_body #(: #annotation)* = #label #body;
            #[allow(unreachable_code)]
            #wrapped
        }
    }

    /// ```text
    /// in:  fn t() { let body = async { body }; block_on(body) }
    /// out: fn t() { let body = P::scope_by_type(&__LEASH, async { body }, …); block_on(body) }
    /// ```
    fn entry_point(&self, function: &mut Function) -> TokenStream {
        let output = inferable(&self.output(&function.signature.output));
        each_async_block(&mut function.body, |block| {
            let (scope, arguments) = self.in_scope(block, Some(&output));
            *block = Expr::Verbatim(self.path.call(scope, arguments, block));
        });
        self.block(&mut function.body)
    }

    /// `-> impl Future<Output = T>`
    fn future_of(signature: &Signature, output: &Type) -> ReturnType {
        // The tokens have mixed-site hygiene, so that the type captures every lifetime. Only the last one is the
        // user's. The signature then begins and ends with the user's tokens, so the compiler reports lints about it
        // as before.
        let close = Token![>](match &signature.output {
            ReturnType::Default => signature.paren_token.span.close(),
            ReturnType::Type(_, ty) => ends(ty).1,
        });
        let span = Span::mixed_site().located_at(output.span());
        let future = quote_spanned!(span=> impl ::core::future::Future<Output = #output #close);
        ReturnType::Type(Token![->](span), Box::new(Type::Verbatim(future)))
    }

    /// The scope of an `async fn`. Its future is lowered as rustc would lower it.
    fn scope(&self, function: &mut Function, output: &Type) -> TokenStream {
        let arguments = arguments::rebind(&mut function.signature.inputs);
        let last = match function.body.stmts.last() {
            Some(last) => last.span(),
            None => self.name,
        };
        let allow = ends_in_macro(&function.body)
            .then(|| quote_spanned!(self.span=> #[allow(clippy::diverging_sub_expression)]));
        let body =
            sole_expression(&function.body).unwrap_or_else(|| self.block(&mut function.body));
        // The compiler reports errors about the returned value at these. They are located at the return type and at the
        // last expression, with the hygiene of the function's name.
        let written = self.name.located_at(output.span());
        let value = Ident::new("__leash_value", self.name.located_at(last));
        let output = inferable(output);
        // This never runs. It fixes the type of each `return` and `?` before the compiler checks them.
        let early = self.may_return.then(|| {
            let private = self.path.private(written);
            let typed = quote_spanned!(written=> #private::typed::<#output>());
            quote_spanned!(self.span=> if false { return #typed; })
        });
        let future = quote_spanned! {self.span=>
            async move {
                #early
                #arguments
                // Binding the value ends the borrows of the last expression before the arguments are dropped.
                #allow
                let #value: #output = #body;
                #[allow(unreachable_code)]
                #value
            }
        };
        let private = &self.private;
        let (scope, arguments) = self.in_scope(&future, Some(&output));
        let scope = Ident::new(scope, self.span);
        quote_spanned!(self.span=> #private::#scope(#arguments))
    }

    /// The future or stream in its scope, in place of `written`.
    fn wrap(&self, inner: &impl ToTokens, written: &impl ToTokens, kind: &Kind) -> TokenStream {
        match kind {
            Kind::Future(output) => {
                let (scope, arguments) = self.in_scope(inner, output.as_deref());
                self.path.call(scope, arguments, written)
            }
            Kind::Stream => {
                let arguments = quote_spanned!(self.span=> &__LEASH, #inner);
                self.path.call("scope_stream", arguments, written)
            }
        }
    }

    /// The function that makes the scope, and its arguments: the static, the future, and what to ask of the type of the
    /// returned value. A type that is spelled with names of std is not asked: each question costs the compiler time.
    fn in_scope(
        &self,
        future: &impl ToTokens,
        output: Option<&Type>,
    ) -> (&'static str, TokenStream) {
        let arguments = quote_spanned!(self.span=> &__LEASH, #future);
        let Some(output) = output.filter(|output| !is_opaque(output)) else {
            return ("scope_opaque", arguments);
        };
        match self.asked(output) {
            Some(asked) => {
                let arguments = quote_spanned!(self.span=> #arguments, || #asked);
                ("scope_by_type", arguments)
            }
            None => ("scope_spelled", arguments),
        }
    }

    /// What to ask of a returned type and of the arguments that may keep a handle, if anything.
    fn asked(&self, output: &Type) -> Option<TokenStream> {
        let error = (!asked::has_known_error(output)).then_some(output);
        let alias = asked::may_be_alias(output).then_some(output);
        let parts = asked::parts(output);
        let slots = &self.slots;
        if error.is_none() && parts.is_empty() && slots.is_empty() {
            return None;
        }
        let parts = parts.iter().map(|part| {
            let content = asked::content(part);
            quote_spanned!(self.span=> #part => #content)
        });
        let private = &self.private;
        Some(quote_spanned! {self.span=>
            #private::asked!([#error] [#alias] [#(#parts),*] [#slots])
        })
    }

    fn output(&self, output: &ReturnType) -> Type {
        match output {
            ReturnType::Default => parse_quote_spanned!(self.span=> ()),
            ReturnType::Type(_, ty) => (**ty).clone(),
        }
    }

    /// The body as a block inside the new body.
    ///
    /// The compiler warns about unnecessary braces around a single expression. An item beside it prevents the warning.
    fn block(&self, body: &mut Block) -> TokenStream {
        if let [Stmt::Expr(_, None)] = &body.stmts[..] {
            let item = quote_spanned!(self.span=> const _: () = (););
            body.stmts.insert(0, Stmt::Item(Item::Verbatim(item)));
        }
        body.to_token_stream()
    }
}

/// Whether the last expression may be `todo!()` or `panic!()`. At the end of a function, clippy has nothing against these.
fn ends_in_macro(body: &Block) -> bool {
    matches!(
        body.stmts.last(),
        Some(
            Stmt::Expr(Expr::Macro(_), None)
                | Stmt::Macro(StmtMacro {
                    semi_token: None,
                    ..
                })
        )
    )
}

/// The only expression of a body, if it can stand without a block.
fn sole_expression(body: &Block) -> Option<TokenStream> {
    let [Stmt::Expr(expression, None)] = &body.stmts[..] else {
        return None;
    };
    let tokens = expression.to_token_stream();
    // An attribute can stand before a statement alone, and braces around braces are there for a reason.
    let begins_otherwise = match tokens.clone().into_iter().next()? {
        TokenTree::Punct(punct) => punct.as_char() != '#',
        TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
        TokenTree::Ident(_) | TokenTree::Literal(_) => true,
    };
    begins_otherwise.then_some(tokens)
}
