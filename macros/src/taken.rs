//! The types of which a function is given a value to itself: by value, or by `&mut`.
//!
//! A value of such a type that holds a handle is the function's alone while it runs.

use std::collections::BTreeSet;

use syn::{FnArg, GenericArgument, GenericParam, PathArguments, Signature, Type};

/// Types that share what they contain with others, or contain no handle.
const OTHERS: [&str; 26] = [
    "Arc",
    "Cow",
    "Duration",
    "MySqlPool",
    "PathBuf",
    "PgPool",
    "Pool",
    "Query",
    "Rc",
    "Sender",
    "SqlitePool",
    "State",
    "String",
    "Uuid",
    "bool",
    "char",
    "f64",
    "i16",
    "i32",
    "i64",
    "str",
    "u16",
    "u32",
    "u64",
    "u8",
    "usize",
];

/// Types that stand for what they contain.
const WRAPPERS: [&str; 6] = ["Box", "Extension", "Option", "Pin", "Result", "Vec"];

/// The last words of their paths. `Self` stands for the type of the impl block.
pub(crate) fn taken(signature: &Signature) -> Vec<String> {
    let mut words = BTreeSet::new();
    for input in &signature.inputs {
        match input {
            FnArg::Receiver(receiver) => {
                let is_shared = receiver.reference.is_some() && receiver.mutability.is_none();
                if receiver.colon_token.is_none() && !is_shared {
                    words.insert("Self".to_owned());
                }
            }
            FnArg::Typed(typed) => read(&typed.ty, &mut words),
        }
    }
    for parameter in &signature.generics.params {
        if let GenericParam::Type(parameter) = parameter {
            words.remove(&parameter.ident.to_string());
        }
    }
    words.into_iter().collect()
}

fn read(ty: &Type, words: &mut BTreeSet<String>) {
    match ty {
        Type::Group(inner) => read(&inner.elem, words),
        Type::Paren(inner) => read(&inner.elem, words),
        Type::Tuple(tuple) => tuple.elems.iter().for_each(|it| read(it, words)),
        Type::Reference(reference) if reference.mutability.is_some() => {
            read(&reference.elem, words);
        }
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else {
                return;
            };
            let word = last.ident.to_string();
            if WRAPPERS.contains(&&*word) {
                arguments(&last.arguments).for_each(|it| read(it, words));
            } else if !OTHERS.contains(&&*word) {
                words.insert(word);
            }
        }
        _ => {}
    }
}

fn arguments(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let types = match arguments {
        PathArguments::AngleBracketed(types) => types
            .args
            .iter()
            .filter_map(|it| match it {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        PathArguments::Parenthesized(_) | PathArguments::None => Vec::new(),
    };
    types.into_iter()
}
