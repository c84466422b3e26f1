//! The static that describes a function to the runtime.

use proc_macro2::{Ident, Literal, Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::Block;

use crate::crate_path::{CratePath, Tokens};
use crate::joined::joined;
use crate::location::{end_of, extent_of_written, position_of};
use crate::model::Function;
use crate::options::{Amount, Options};
use crate::sites::Sites;
use crate::straight;
use crate::taken::taken;

/// Facts about a body as the user wrote it, which are read before it is rewritten.
pub(super) struct Evidence {
    extent: String,
    straight: bool,
    joined: Vec<String>,
    taken: Vec<String>,
}

impl Evidence {
    pub(super) fn of(function: &mut Function) -> Evidence {
        let after = end_of(&function.signature);
        let extent = |body: &Block| {
            let braces = body.brace_token.span;
            extent_of_written(braces.open(), braces.close(), body, after)
        };
        let is_given_nothing = straight::is_given_nothing_concurrent(&mut function.signature);
        let of_own = function.of_own_body(|body| {
            (
                extent(body),
                is_given_nothing && straight::is_straight(body),
            )
        });
        let (extent, straight) = of_own.unwrap_or_else(|| (extent(&function.body), false));
        Evidence {
            extent,
            straight,
            // A task that carries the scope runs beside the function.
            joined: if straight {
                Vec::new()
            } else {
                joined(&mut function.body, &function.text)
            },
            taken: taken(&function.signature),
        }
    }

    /// The facts as one text, which `source/evidence.rs` of the runtime crate reads.
    fn written(&self, name: Span, sites: &Sites) -> String {
        let mut text = format!("at {}; body {}", position_of(name), self.extent);
        let mut row = |kind: &str, fact: &str| {
            text.push_str("; ");
            text.push_str(kind);
            if !fact.is_empty() {
                text.push(' ');
                text.push_str(fact);
            }
        };
        if self.straight {
            row("straight", "");
        }
        if sites.lends_in_sight {
            row("in_sight", "");
        }
        for site in &sites.written {
            row("site", &site.text);
        }
        for (kind, facts) in [
            ("keeps", &sites.keeps),
            ("lends", &sites.lends),
            ("repeats", &sites.repeats),
            ("holds", &sites.holds),
            ("loop", &sites.loops),
            ("joins", &self.joined),
            ("takes", &self.taken),
        ] {
            for fact in facts {
                row(kind, fact);
            }
        }
        text
    }
}

/// The items in a tracked function: `fn __leash`, which panics at a token of the user's, and the static that describes
/// the function and its call sites.
///
/// ```text
/// in:  #[track(root, max_queries = 3, allow(slow_query, reason = "a report"))] async fn find(…)
/// out: fn __leash(index: usize, message: &str) -> ! {
///          match index { 0 => P::panic_here(message), _ => P::panic_here(message) }
///      }
///      static __LEASH: P::TrackedFn = P::TrackedFn::with_options(
///          __leash, __leash, file!(), "at 12:5; body 12:40-15:6; straight; site 14:21 fetch_one; takes Tenant",
///          const {
///              &P::Options::NONE
///                  .root()
///                  .levels(const { &[(P::Lint::SlowQuery, P::Level::Allow, "a report")] })
///                  .limits(const { &[(P::Lint::QueryBudget, P::Limit::Count(3))] })
///          },
///      );
/// ```
///
/// Without options: `P::TrackedFn::written(__leash, __leash, file!(), "…")`.
///
/// The function and all its call sites share one fn and one static, because each fn and each static adds to the
/// compile time. What is known of them is one text: as tuples and arrays it costs the compiler six times as much.
pub(super) fn items(
    path: &CratePath,
    function: &Function,
    evidence: &Evidence,
    sites: &Sites,
) -> TokenStream {
    let name = function.signature.ident.span();
    let span = Span::mixed_site().located_at(name);
    let private = path.private(span);
    let tap = sites.taps.then(|| {
        quote_spanned! {span=>
            #[allow(unused_imports)]
            use #private::TapAny as _;
        }
    });
    let arms = sites.written.iter().enumerate().map(|(index, site)| {
        let index = Literal::usize_unsuffixed(index);
        let panic = path.panic_at(site.name);
        quote_spanned!(span=> #index => #panic,)
    });
    let panic = path.panic_at(name);
    let written = evidence.written(name, sites);
    let written = quote_spanned!(span=> __leash, __leash, ::core::file!(), #written);
    let settings = settings(&private, &function.options);
    let function = if settings.is_empty() {
        quote_spanned!(span=> written(#written))
    } else {
        let options = quote_spanned!(span=> const { &#private::Options::NONE #settings });
        quote_spanned!(span=> with_options(#written, #options))
    };
    quote_spanned! {span=>
        #tap
        fn __leash(index: ::core::primitive::usize, message: &::core::primitive::str) -> ! {
            match index {
                #(#arms)*
                _ => #panic,
            }
        }
        static __LEASH: #private::TrackedFn = #private::TrackedFn::#function;
    }
}

fn settings(private: &Tokens, options: &Options) -> TokenStream {
    let mut settings = TokenStream::new();
    if let Some(name) = &options.name {
        settings.extend(quote!(.named(#name)));
    }
    if options.root {
        settings.extend(quote!(.root()));
    }
    if options.returns_handle {
        settings.extend(quote!(.returns_handle()));
    }
    if !options.levels.is_empty() {
        let levels = options.levels.iter().map(|(lint, level)| {
            let lint = format_ident!("{}", lint.variant());
            let word = match level.word {
                "allow" => "Allow",
                "warn" => "Warn",
                _ => "Deny",
            };
            let word = format_ident!("{word}");
            let reason = level
                .reason
                .as_ref()
                .map_or_else(|| quote!(""), ToTokens::to_token_stream);
            quote!((#private::Lint::#lint, #private::Level::#word, #reason))
        });
        settings.extend(quote!(.levels(const { &[#(#levels),*] })));
    }
    if !options.limits.is_empty() {
        let limits = options.limits.iter().map(|(lint, limit)| {
            let lint = format_ident!("{}", lint.variant());
            let amount = amount(limit.amount);
            quote!((#private::Lint::#lint, #private::Limit::#amount))
        });
        settings.extend(quote!(.limits(const { &[#(#limits),*] })));
    }
    settings
}

fn amount(amount: Amount) -> TokenStream {
    match amount {
        Amount::Time(time) => {
            let seconds = Literal::u64_unsuffixed(time.as_secs());
            let nanos = Literal::u32_unsuffixed(time.subsec_nanos());
            quote!(Time(::core::time::Duration::new(#seconds, #nanos)))
        }
        Amount::Count(count) => variant("Count", &Literal::u64_unsuffixed(count)),
        Amount::Percent(percent) => variant("Percent", &Literal::u32_unsuffixed(percent)),
        Amount::PerSecond(rate) => variant("PerSecond", &Literal::u32_unsuffixed(rate)),
    }
}

fn variant(name: &str, number: &Literal) -> TokenStream {
    let name = Ident::new(name, Span::mixed_site());
    quote!(#name(#number))
}
