//! Turns an item and its options into a model of what happens to each function.
//!
//! All validation that needs the item is done here.

mod function;
mod plain;

use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Attribute, ImplItem, Item, ItemFn, ItemImpl, ItemMod, ItemTrait, TraitItem, Visibility};

pub(crate) use self::function::{EntryPoint, Form, Function, each_async_block};
use crate::attributes::{self, any_foreign, makes_entry_point};
use crate::errors::Errors;
use crate::hollow::Bodies;
use crate::options::{Options, Order, Place};
use crate::words::Text;

const TARGETS: &str = "an `async fn`, a fn that returns a future or a stream, an impl block, a trait or an inline module";

/// Whether the runtime is built with its feature `track`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    On,
    Off,
}

/// A part of the item, and how it is emitted.
#[derive(Debug)]
pub(crate) enum Node {
    /// Rewritten.
    Function(Box<Function>),
    /// Emitted with its members in these forms.
    Container(Container, Vec<Node>),
    /// Emitted with `#[track]` behind the other attributes, which expand first.
    Later {
        attributes: Vec<Attribute>,
        options: Options,
        item: TokenStream,
    },
    /// Emitted as written.
    Untouched(TokenStream),
}

/// An item without its members.
#[derive(Debug)]
pub(crate) enum Container {
    Impl(ItemImpl),
    Trait(ItemTrait),
    Mod(ItemMod),
}

/// Reads the item below `#[track(options)]`.
pub(crate) fn read(
    item: Item,
    bodies: Bodies,
    options: &Options,
    mode: Mode,
    errors: &mut Errors,
) -> Node {
    let mut reader = Reader {
        mode,
        bodies,
        errors,
    };
    reader.item(item, options, Options::stacked)
}

struct Reader<'e> {
    mode: Mode,
    bodies: Bodies,
    errors: &'e mut Errors,
}

impl Reader<'_> {
    /// Reads an item. `merge` combines the options around it with those of its own attributes.
    fn item(
        &mut self,
        item: Item,
        around: &Options,
        merge: fn(&Options, &Options) -> Options,
    ) -> Node {
        let mut item = item;
        if let Item::Fn(ItemFn { attrs, .. })
        | Item::Impl(ItemImpl { attrs, .. })
        | Item::Trait(ItemTrait { attrs, .. })
        | Item::Mod(ItemMod { attrs, .. }) = &mut item
        {
            let options = merge(around, &attributes::take(attrs, self.errors));
            if options.skip {
                return Node::Untouched(self.bodies.put_back(item));
            }
            return match item {
                Item::Fn(item) => {
                    let written = self.bodies.of(&item.block);
                    self.function(Function::from_item(item, written, options))
                }
                Item::Impl(item) => self.implementation(item, options),
                Item::Trait(item) => self.definition(item, options),
                Item::Mod(item) => self.module(item, options),
                item => Node::Untouched(item.into_token_stream()),
            };
        }
        self.wrong_item(&item);
        Node::Untouched(item.into_token_stream())
    }

    fn wrong_item(&mut self, item: &Item) {
        let (word, what) = match item {
            Item::Struct(item) => (item.ident.to_token_stream(), "a struct"),
            Item::Enum(item) => (item.ident.to_token_stream(), "an enum"),
            Item::Union(item) => (item.ident.to_token_stream(), "a union"),
            Item::Const(item) => (item.ident.to_token_stream(), "a constant"),
            Item::Static(item) => (item.ident.to_token_stream(), "a static"),
            Item::Type(item) => (item.ident.to_token_stream(), "a type alias"),
            Item::Use(item) => (item.use_token.to_token_stream(), "an import"),
            Item::Macro(item) => (item.mac.path.to_token_stream(), "a macro"),
            Item::ForeignMod(item) => (item.abi.to_token_stream(), "an extern block"),
            Item::Verbatim(tokens) => {
                let message = "`#[track]` cannot be applied to an item without a body; \
                    apply it to the trait, or to the method in the impl";
                return self.errors.at(tokens, message);
            }
            item @ Item::ExternCrate(_) => (item.to_token_stream(), "an extern crate"),
            item => (item.to_token_stream(), "this item"),
        };
        let message = format!("`#[track]` cannot be applied to {what}; apply it to {TARGETS}");
        self.errors.at(word, message);
    }

    fn implementation(&mut self, mut item: ItemImpl, options: Options) -> Node {
        self.check_container(&options, "an impl block", "a method");
        if self.comes_later(&item.attrs, &options) {
            let attributes = std::mem::take(&mut item.attrs);
            return Node::later(attributes, options, self.bodies.put_back(item));
        }
        let members = std::mem::take(&mut item.items);
        let members = members.into_iter().map(|member| match member {
            ImplItem::Fn(mut member) => {
                let options = options.refined(&attributes::take(&mut member.attrs, self.errors));
                self.function(Function {
                    attributes: member.attrs,
                    visibility: member.vis,
                    defaultness: member.defaultness,
                    signature: member.sig,
                    written: self.bodies.of(&member.block),
                    text: Text::default(),
                    body: member.block,
                    options,
                    form: Form::Plain,
                })
            }
            member => Node::Untouched(member.into_token_stream()),
        });
        let members = members.collect();
        Node::Container(Container::Impl(item), members)
    }

    fn definition(&mut self, mut item: ItemTrait, options: Options) -> Node {
        self.check_container(&options, "a trait", "a method");
        if self.comes_later(&item.attrs, &options) {
            let attributes = std::mem::take(&mut item.attrs);
            return Node::later(attributes, options, self.bodies.put_back(item));
        }
        let members = std::mem::take(&mut item.items);
        let members = members.into_iter().map(|member| match member {
            TraitItem::Fn(mut member) => {
                let own = attributes::take(&mut member.attrs, self.errors);
                let Some(body) = member.default else {
                    self.check_bodyless(&own);
                    return Node::Untouched(member.into_token_stream());
                };
                self.function(Function {
                    attributes: member.attrs,
                    visibility: Visibility::Inherited,
                    defaultness: None,
                    signature: member.sig,
                    written: self.bodies.of(&body),
                    text: Text::default(),
                    body,
                    options: options.refined(&own),
                    form: Form::Plain,
                })
            }
            member => Node::Untouched(member.into_token_stream()),
        });
        let members = members.collect();
        Node::Container(Container::Trait(item), members)
    }

    fn module(&mut self, mut item: ItemMod, options: Options) -> Node {
        self.check_container(&options, "a module", "a function");
        let Some((_, content)) = &mut item.content else {
            let message = "`#[track]` cannot read a module in another file; \
                apply it to the impl blocks and functions in that file";
            self.errors.at(&item.ident, message);
            return Node::Untouched(item.into_token_stream());
        };
        if self.comes_later(&item.attrs, &options) {
            let attributes = std::mem::take(&mut item.attrs);
            return Node::later(attributes, options, item);
        }
        let content = std::mem::take(content);
        let members = content.into_iter().map(|member| match member {
            Item::Mod(ItemMod { content: None, .. }) => Node::Untouched(member.into_token_stream()),
            Item::Fn(_) | Item::Impl(_) | Item::Trait(_) | Item::Mod(_) => {
                self.item(member, &options, Options::refined)
            }
            member => Node::Untouched(member.into_token_stream()),
        });
        let members = members.collect();
        Node::Container(Container::Mod(item), members)
    }

    fn function(&mut self, mut function: Function) -> Node {
        if function.options.skip {
            return Node::untouched(function);
        }
        if function.options.order == Order::AsWritten && any_foreign(&function.attributes) {
            // Not checked here in either mode: the options must fit what the other attributes make of the function.
            return match self.mode {
                Mode::On => {
                    if function.has_inner_attributes() {
                        self.parse_body(&mut function);
                    }
                    let attributes = std::mem::take(&mut function.attributes);
                    let mut options = function.options.clone();
                    let is_async = function.signature.asyncness.is_some();
                    if attributes.iter().any(|it| makes_entry_point(it, is_async)) {
                        options.order = Order::LastOnEntryPoint;
                    }
                    Node::later(attributes, options, function)
                }
                Mode::Off => Node::untouched(function),
            };
        }
        let signature = &function.signature;
        // A `const fn` cannot contain the generated code. An `extern fn` is left as written, too.
        let fixed = signature.constness.is_some() || signature.abi.is_some();
        // The form of an `async fn` shows without its body.
        if self.mode == Mode::On || fixed || signature.asyncness.is_none() {
            self.parse_body(&mut function);
        }
        if !fixed {
            function.form = function.form();
        }
        if matches!(function.form, Form::Plain) {
            self.check_plain(&mut function);
        }
        match self.mode {
            Mode::On if !fixed => Node::Function(Box::new(function)),
            Mode::On | Mode::Off => Node::untouched(function),
        }
    }

    fn parse_body(&mut self, function: &mut Function) {
        if let Err(error) = function.parse_body() {
            self.errors.push(error);
        }
    }

    /// Whether the other attributes must expand first.
    fn comes_later(&self, attributes: &[Attribute], options: &Options) -> bool {
        // `#[track]` moves behind the other attributes only once. Any that are still there afterwards are left alone.
        self.mode == Mode::On && options.order == Order::AsWritten && any_foreign(attributes)
    }

    fn check_container(&mut self, options: &Options, what: &str, target: &str) {
        for word in options.words_among(&["name"]) {
            let message =
                format!("`name` names a single function, but this is {what}; move it to {target}");
            self.errors.at(word, message);
        }
    }

    fn check_bodyless(&mut self, options: &Options) {
        for word in options.words.iter().filter(|word| *word != "skip") {
            let message = format!(
                "`{word}` has no effect on a method without a body; move it to the method in the impl"
            );
            self.errors.at(word, message);
        }
    }

    fn check_plain(&mut self, function: &mut Function) {
        let Function {
            options,
            signature,
            body,
            ..
        } = function;
        let scoped = ["root", "returns_handle", "max_queries", "query_budget"];
        let mut has_scoped = false;
        for word in options.words_among(&scoped) {
            has_scoped = true;
            let message = format!(
                "`{word}` applies only to a function that returns a future; make this one `async`, or remove `{word}`"
            );
            self.errors.at(word, message);
        }
        // A function that another attribute has made is not judged: what it calls may run the user's.
        let is_users = options.place == Place::OnItem && options.order != Order::LastOnEntryPoint;
        if is_users && !has_scoped && !plain::is_worth_tracking(signature, body) {
            let name = &signature.ident;
            let message = format!(
                "`#[track]` does nothing on a fn that is not async; make `{name}` an `async fn`, or remove `#[track]`; \
                 if it returns a future under another name, write `impl Future<Output = …>` as its type"
            );
            self.errors.at(name, message);
        }
    }
}

impl Node {
    fn later(attributes: Vec<Attribute>, options: Options, item: impl ToTokens) -> Node {
        let mut options = options;
        if options.order == Order::AsWritten {
            options.order = Order::Last;
        }
        let item = item.into_token_stream();
        Node::Later {
            attributes,
            options,
            item,
        }
    }

    fn untouched(function: Function) -> Node {
        Node::Untouched(function.into_token_stream())
    }
}
