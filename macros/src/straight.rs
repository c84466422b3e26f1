//! Whether a body does one thing after the other, as far as its words tell.
//!
//! What the runtime takes for certain rests on it, so in doubt a body is not straight.

use proc_macro2::{Ident, TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, ExprCall, ExprClosure, ExprMethodCall, ExprPath, FnArg, Item, Macro,
    Path, Signature,
};

/// Parts of names of what runs one future beside another, also under a number as in `join3`.
const BESIDE: [&str; 8] = [
    "abortable",
    "buffered",
    "concurrent",
    "join",
    "race",
    "select",
    "spawn",
    "unordered",
];

/// Parts of names of what gives up a future. Variables are named so as well: only what is called counts.
const GIVES_UP: [&str; 3] = ["cancellation", "deadline", "timeout"];

/// Whole names of what runs a future in a way of its own.
const ON_ITS_OWN: [&str; 9] = [
    "block_on",
    "in_current_scope",
    "merge",
    "now_or_never",
    "poll",
    "poll_fn",
    "run_until",
    "run_until_cancelled",
    "take_until",
];

/// Types that run futures side by side.
const TYPES: [&str; 6] = [
    "FuturesOrdered",
    "FuturesUnordered",
    "JoinMap",
    "JoinSet",
    "LocalSet",
    "TaskTracker",
];

/// Macros that only evaluate their arguments, one after the other.
const HARMLESS: [&str; 65] = [
    // std's
    "assert",
    "assert_eq",
    "assert_ne",
    "cfg",
    "column",
    "concat",
    "dbg",
    "debug_assert",
    "debug_assert_eq",
    "debug_assert_ne",
    "env",
    "eprint",
    "eprintln",
    "file",
    "format",
    "format_args",
    "include_bytes",
    "include_str",
    "line",
    "matches",
    "module_path",
    "option_env",
    "panic",
    "print",
    "println",
    "stringify",
    "todo",
    "unimplemented",
    "unreachable",
    "vec",
    "write",
    "writeln",
    // tracing's and log's
    "debug",
    "debug_span",
    "enabled",
    "error",
    "error_span",
    "event",
    "info",
    "info_span",
    "log",
    "log_enabled",
    "span",
    "trace",
    "trace_span",
    "warn",
    "warn_span",
    // sqlx's
    "migrate",
    "query",
    "query_as",
    "query_as_unchecked",
    "query_file",
    "query_file_as",
    "query_file_as_unchecked",
    "query_file_scalar",
    "query_file_scalar_unchecked",
    "query_file_unchecked",
    "query_scalar",
    "query_scalar_unchecked",
    "query_unchecked",
    // anyhow's, eyre's and serde_json's
    "anyhow",
    "bail",
    "ensure",
    "eyre",
    "json",
];

/// Where they come from, if their path says it.
const CRATES: [&str; 9] = [
    "alloc",
    "anyhow",
    "color_eyre",
    "core",
    "eyre",
    "log",
    "serde_json",
    "std",
    "tracing",
];

/// Whether nothing in the body of this function can run beside something else.
pub(crate) fn is_straight(signature: &Signature, mut body: Block) -> bool {
    let mut look = Look { straight: true };
    for input in &signature.inputs {
        if let FnArg::Typed(input) = input {
            look.visit_type_mut(&mut input.ty.clone());
        }
    }
    look.visit_block_mut(&mut body);
    look.straight
}

/// Whether this macro evaluates its arguments and nothing else.
pub(crate) fn is_harmless(path: &Path) -> bool {
    let mut segments = path.segments.iter();
    let (Some(first), Some(last)) = (segments.next(), path.segments.last()) else {
        return false;
    };
    let from = first.ident.to_string();
    (path.segments.len() == 1 || CRATES.contains(&&*from) || from.starts_with("sqlx"))
        && HARMLESS.iter().any(|one| last.ident == one)
}

struct Look {
    straight: bool,
}

impl Look {
    fn refuse_if(&mut self, doubt: bool) {
        self.straight &= !doubt;
    }
}

impl VisitMut for Look {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        // What syn does not know could be anything.
        self.refuse_if(matches!(expr, Expr::Verbatim(_) | Expr::Yield(_)));
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_expr_async_mut(&mut self, _: &mut ExprAsync) {
        self.straight = false;
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.refuse_if(closure.asyncness.is_some());
        visit_mut::visit_expr_closure_mut(self, closure);
    }

    /// Also where it is not called: as in `.map(tokio::spawn)`.
    fn visit_expr_path_mut(&mut self, path: &mut ExprPath) {
        let last = path.path.segments.last();
        self.refuse_if(last.is_some_and(|last| runs_beside(&last.ident)));
        visit_mut::visit_expr_path_mut(self, path);
    }

    fn visit_expr_call_mut(&mut self, call: &mut ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let last = path.path.segments.last();
            self.refuse_if(last.is_some_and(|last| gives_up(&last.ident)));
        }
        visit_mut::visit_expr_call_mut(self, call);
    }

    fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
        self.refuse_if(runs_beside(&call.method) || gives_up(&call.method));
        visit_mut::visit_expr_method_call_mut(self, call);
    }

    fn visit_path_mut(&mut self, path: &mut Path) {
        let mut segments = path.segments.iter();
        self.refuse_if(segments.any(|segment| is_one_of(&segment.ident, &TYPES)));
        visit_mut::visit_path_mut(self, path);
    }

    fn visit_macro_mut(&mut self, mac: &mut Macro) {
        self.refuse_if(!is_harmless(&mac.path) || !is_harmless_in(&mac.tokens));
    }

    /// Another function counts as well: what is awaited in it is awaited within this body. A macro of the body's own may
    /// hide one of those that are known, and an import may hide a name.
    fn visit_item_mut(&mut self, item: &mut Item) {
        match item {
            Item::Macro(_) | Item::Verbatim(_) => self.straight = false,
            Item::Use(item) => {
                let tokens = quote::ToTokens::to_token_stream(item);
                self.refuse_if(!is_harmless_in(&tokens));
            }
            item => visit_mut::visit_item_mut(self, item),
        }
    }
}

/// Whether no word among the tokens gives rise to doubt.
fn is_harmless_in(tokens: &TokenStream) -> bool {
    let tokens: Vec<_> = tokens.clone().into_iter().collect();
    tokens.iter().enumerate().all(|(index, token)| match token {
        TokenTree::Ident(word) => {
            let calls_macro = matches!(&tokens[index + 1..],
                [TokenTree::Punct(bang), TokenTree::Group(_), ..] if bang.as_char() == '!');
            word != "async"
                && !runs_beside(word)
                && !gives_up(word)
                && !is_one_of(word, &TYPES)
                && (!calls_macro || is_one_of(word, &HARMLESS))
        }
        TokenTree::Group(group) => is_harmless_in(&group.stream()),
        _ => true,
    })
}

fn runs_beside(word: &Ident) -> bool {
    is_one_of(word, &ON_ITS_OWN) || has_part(word, &BESIDE)
}

fn gives_up(word: &Ident) -> bool {
    has_part(word, &GIVES_UP)
}

fn is_one_of(word: &Ident, words: &[&str]) -> bool {
    words.iter().any(|one| word == one)
}

/// `join` is a part of `join`, `join3` and `try_join_all`, and not of `rejoin`.
fn has_part(word: &Ident, parts: &[&str]) -> bool {
    word.to_string()
        .split('_')
        .map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()))
        .any(|part| parts.contains(&part))
}
