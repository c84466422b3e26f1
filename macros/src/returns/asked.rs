//! What the expansion must ask of a returned type: which parts of it are not spelled with names of std.

use syn::{Path, PathArguments, Type};

use super::{PLAIN, peeled, types};

/// The types that a value of this one may be or may have inside, and that must be asked whether they hold a handle: not
/// those that are spelled with names of std, as no type of another crate is likely to be.
///
/// ```text
/// Result<Exam, Error>, Option<Exam>  -> Exam
/// Page<Exam>, an alias or not        -> Exam, Page<Exam>
/// Exam                               -> Exam
/// ```
pub(crate) fn parts(ty: &Type) -> Vec<&Type> {
    let ty = peeled(ty);
    let parts = match inside(ty) {
        Some(("Option" | "Result", inside)) => vec![inside],
        Some(("", inside)) => vec![inside, ty],
        _ => vec![ty],
    };
    parts.into_iter().filter(|part| !is_of_std(part)).collect()
}

/// Whether the type is a name alone, which may be an alias of any type.
pub(crate) fn may_be_alias(ty: &Type) -> bool {
    match peeled(ty) {
        Type::Path(path) => path.path.segments.last().is_some_and(|last| {
            let is_of_std =
                last.ident != "Result" && PLAIN.into_iter().any(|name| last.ident == name);
            types(last).next().is_none() && !is_of_std
        }),
        _ => false,
    }
}

/// The type inside a container of std that hides nothing itself, of up to three in each other.
pub(crate) fn content(ty: &Type) -> &Type {
    (0..3).fold(peeled(ty), |ty, _| match inside(ty) {
        Some(("Box" | "Option" | "Result" | "Vec", inside)) => peeled(inside),
        _ => ty,
    })
}

/// The name of a container, or nothing for a generic type that is not of std, with the first type in its arguments.
fn inside(ty: &Type) -> Option<(&'static str, &Type)> {
    let Type::Path(path) = ty else {
        return None;
    };
    let last = path.path.segments.last()?;
    let name = PLAIN.into_iter().find(|name| last.ident == name);
    Some((name.unwrap_or_default(), types(last).next()?))
}

/// Whether a value of this type has parts alone whose types have names of std that no type of another crate is likely to
/// have.
fn is_of_std(ty: &Type) -> bool {
    const SHARED: [&str; 4] = ["Duration", "Instant", "Ordering", "SystemTime"];
    match ty {
        Type::Tuple(tuple) => tuple.elems.iter().all(is_of_std),
        Type::Array(array) => is_of_std(&array.elem),
        Type::Paren(inner) => is_of_std(&inner.elem),
        Type::Group(inner) => is_of_std(&inner.elem),
        Type::Path(path) => {
            let Some(last) = path.path.segments.last() else {
                return false;
            };
            let name = last.ident.to_string();
            let of_arguments = match &last.arguments {
                PathArguments::None => name != "Result",
                PathArguments::AngleBracketed(_) if name == "Result" => {
                    types(last).next().is_some_and(is_of_std)
                }
                PathArguments::AngleBracketed(_) => types(last).all(is_of_std),
                PathArguments::Parenthesized(_) => false,
            };
            of_arguments && PLAIN.contains(&&*name) && !SHARED.contains(&&*name)
        }
        _ => false,
    }
}

/// Whether this type has no error, or one of sqlx or of another crate whose errors hold nothing, as its path shows:
/// `sqlx::Result<…>`, `Result<…, anyhow::Error>`. Another name may be an alias.
pub(crate) fn has_known_error(ty: &Type) -> bool {
    let Type::Path(path) = peeled(ty) else {
        return true;
    };
    match path.path.segments.last() {
        Some(last) if last.ident == "Result" => match types(last).nth(1) {
            Some(error) => is_known_error(error),
            None => is_of_known_crate(&path.path),
        },
        Some(last) => PLAIN.into_iter().any(|name| last.ident == name),
        None => false,
    }
}

fn is_known_error(ty: &Type) -> bool {
    matches!(peeled(ty), Type::Path(error) if is_of_known_crate(&error.path)
        && error.path.segments.last().is_some_and(|last| last.ident == "Error"))
}

/// Whether the path names its crate or module: `sqlx::Result`, `io::Error`.
fn is_of_known_crate(path: &Path) -> bool {
    let mut segments = path.segments.iter().rev().skip(1);
    segments.next().is_some_and(|before| {
        let before = before.ident.to_string();
        before.starts_with("sqlx") || ["anyhow", "eyre", "io"].contains(&&*before)
    })
}
