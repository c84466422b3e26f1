//! Decides from the source whether a body is *straight*: whether it does one thing after another.
//!
//! Findings that count as certain depend on this. In doubt, a body is not straight.

use proc_macro2::{TokenStream, TokenTree};
use syn::visit_mut::{self, VisitMut};
use syn::{
    Block, Expr, ExprAsync, ExprCall, ExprClosure, ExprMethodCall, ExprPath, FnArg, Item, Macro,
    Path, Signature,
};

use crate::in_place;
use crate::words::is_one_of;

/// Parts of the names of functions that run futures concurrently. A number may follow, as in `join3`.
const CONCURRENT: [&str; 8] = [
    "abortable",
    "buffered",
    "concurrent",
    "join",
    "race",
    "select",
    "spawn",
    "unordered",
];

/// Parts of the names of functions that may cancel a future. Variables have such names, too, so only calls count.
const CANCELLING: [&str; 3] = ["cancellation", "deadline", "timeout"];

/// Names of functions that poll a future other than by `.await`.
const POLLING: [&str; 9] = [
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

/// Types that run futures concurrently.
const TYPES: [&str; 6] = [
    "FuturesOrdered",
    "FuturesUnordered",
    "JoinMap",
    "JoinSet",
    "LocalSet",
    "TaskTracker",
];

/// Macros that only evaluate their arguments, one after another.
const HARMLESS: [&str; 70] = [
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
    "if_log_enabled",
    "info_span",
    "level_enabled",
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
    // fastrace's
    "file_location",
    "func_name",
    "func_path",
    // anyhow's, eyre's and serde_json's
    "anyhow",
    "bail",
    "ensure",
    "eyre",
    "json",
];

/// The crates that may stand in the path of such a macro.
const CRATES: [&str; 10] = [
    "alloc",
    "anyhow",
    "color_eyre",
    "core",
    "eyre",
    "fastrace",
    "log",
    "serde_json",
    "std",
    "tracing",
];

/// Whether nothing in this body can run concurrently with something else.
pub(crate) fn is_straight(body: &mut Block) -> bool {
    let mut straightness = Straightness { straight: true };
    straightness.visit_block_mut(body);
    straightness.straight
}

/// Whether the function is given nothing that runs things concurrently.
pub(crate) fn is_given_nothing_concurrent(signature: &mut Signature) -> bool {
    let mut straightness = Straightness { straight: true };
    for input in &mut signature.inputs {
        if let FnArg::Typed(input) = input {
            straightness.visit_type_mut(&mut input.ty);
        }
    }
    straightness.straight
}

/// Whether this macro only evaluates its arguments.
pub(crate) fn is_harmless(path: &Path) -> bool {
    let mut segments = path.segments.iter();
    let (Some(first), Some(last)) = (segments.next(), path.segments.last()) else {
        return false;
    };
    let from = first.ident.to_string();
    (path.segments.len() == 1 || CRATES.contains(&&*from) || from.starts_with("sqlx"))
        && is_one_of(&last.ident, &HARMLESS)
}

/// Whether this harmless macro may return from the function.
pub(crate) fn returns(path: &Path) -> bool {
    let last = path.segments.last();
    last.is_some_and(|last| is_one_of(&last.ident, &["bail", "ensure"]))
}

/// Visits a body, and searches for something that may run concurrently.
struct Straightness {
    straight: bool,
}

impl Straightness {
    fn refuse_if(&mut self, doubt: bool) {
        self.straight &= !doubt;
    }
}

impl VisitMut for Straightness {
    fn visit_expr_mut(&mut self, expr: &mut Expr) {
        // An expression that syn does not know could be anything.
        self.refuse_if(matches!(expr, Expr::Verbatim(_) | Expr::Yield(_)));
        visit_mut::visit_expr_mut(self, expr);
    }

    fn visit_expr_async_mut(&mut self, block: &mut ExprAsync) {
        if in_place::is_marked(block) {
            self.visit_block_mut(&mut block.block);
        } else {
            self.straight = false;
        }
    }

    fn visit_expr_closure_mut(&mut self, closure: &mut ExprClosure) {
        self.refuse_if(closure.asyncness.is_some());
        visit_mut::visit_expr_closure_mut(self, closure);
    }

    /// A function counts also where it is passed on and not called: `.map(tokio::spawn)`.
    fn visit_expr_path_mut(&mut self, path: &mut ExprPath) {
        let last = path.path.segments.last();
        self.refuse_if(last.is_some_and(|last| is_concurrent(&last.ident.to_string())));
        visit_mut::visit_expr_path_mut(self, path);
    }

    fn visit_expr_call_mut(&mut self, call: &mut ExprCall) {
        if let Expr::Path(path) = &*call.func {
            let last = path.path.segments.last();
            self.refuse_if(last.is_some_and(|last| has_part(&last.ident.to_string(), &CANCELLING)));
        }
        visit_mut::visit_expr_call_mut(self, call);
    }

    fn visit_expr_method_call_mut(&mut self, call: &mut ExprMethodCall) {
        self.refuse_if(is_concurrent_or_cancels(&call.method.to_string()));
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

    /// An inner function counts as well: this body may await it. A macro definition may shadow one of the known
    /// macros, and an import may rename a function.
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

/// Whether all words among the tokens are harmless.
fn is_harmless_in(tokens: &TokenStream) -> bool {
    let tokens: Vec<_> = tokens.clone().into_iter().collect();
    tokens.iter().enumerate().all(|(index, token)| match token {
        TokenTree::Ident(word) => {
            let calls_macro = matches!(&tokens[index + 1..],
                [TokenTree::Punct(bang), TokenTree::Group(_), ..] if bang.as_char() == '!');
            let word = word.to_string();
            word != "async"
                && !is_concurrent_or_cancels(&word)
                && !TYPES.contains(&&*word)
                && (!calls_macro || HARMLESS.contains(&&*word))
        }
        TokenTree::Group(group) => is_harmless_in(&group.stream()),
        _ => true,
    })
}

fn is_concurrent(word: &str) -> bool {
    POLLING.contains(&word) || has_part(word, &CONCURRENT)
}

fn is_concurrent_or_cancels(word: &str) -> bool {
    is_concurrent(word) || has_part(word, &CANCELLING)
}

/// Whether a word has one of the parts. `join` is a part of `join`, `join3` and `try_join_all`, but not of `rejoin`.
fn has_part(word: &str, parts: &[&str]) -> bool {
    word.split('_')
        .map(|part| part.trim_end_matches(|c: char| c.is_ascii_digit()))
        .any(|part| parts.contains(&part))
}
