//! Recognises return types that are a future or a stream, by their names.

use syn::punctuated::Punctuated;
use syn::visit_mut::{VisitMut, visit_type_mut};
use syn::{
    GenericArgument, Path, PathArguments, PathSegment, ReturnType, Token, TraitBoundModifier, Type,
    TypeParamBound, parse_quote,
};

/// Types of std that are no futures. What stands in their arguments may be one.
pub(crate) const PLAIN: [&str; 34] = [
    "Arc",
    "BTreeMap",
    "BTreeSet",
    "Box",
    "Cow",
    "Duration",
    "HashMap",
    "HashSet",
    "Instant",
    "Option",
    "Ordering",
    "PathBuf",
    "Rc",
    "Result",
    "String",
    "SystemTime",
    "Vec",
    "VecDeque",
    "bool",
    "char",
    "f32",
    "f64",
    "i8",
    "i16",
    "i32",
    "i64",
    "i128",
    "isize",
    "str",
    "u8",
    "u16",
    "u32",
    "u64",
    "usize",
];

/// A future or stream that a sync fn returns.
#[derive(Debug)]
pub(crate) struct Returned {
    pub(crate) kind: Kind,
    /// Whether the value must be in a box: `Pin<Box<…>>`, its aliases, and types that must be `Unpin`.
    pub(crate) boxed: bool,
    /// The whole type, if a `let` can name it.
    pub(crate) annotation: Option<Box<Type>>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    /// With the type of its output, if that is written.
    Future(Option<Box<Type>>),
    Stream,
}

/// Reads the return type of a sync fn.
pub(crate) fn read(output: &ReturnType) -> Option<Returned> {
    let ReturnType::Type(_, ty) = output else {
        return None;
    };
    let ty = peeled(ty);
    match ty {
        Type::ImplTrait(implemented) => {
            let bounds = Bounds::read(&implemented.bounds)?;
            Some(Returned {
                kind: bounds.kind,
                boxed: bounds.unpin,
                annotation: None,
            })
        }
        Type::Path(path) if path.qself.is_none() => Some(Returned {
            kind: boxed(&path.path)?,
            boxed: true,
            annotation: Some(Box::new(inferable(ty))),
        }),
        _ => None,
    }
}

/// The type with `_` in place of each `impl Trait`, which a `let` does not accept.
pub(crate) fn inferable(ty: &Type) -> Type {
    struct Infer;
    impl VisitMut for Infer {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            if let Type::ImplTrait(_) = ty {
                *ty = parse_quote!(_);
            } else {
                visit_type_mut(self, ty);
            }
        }
    }
    let mut ty = ty.clone();
    Infer.visit_type_mut(&mut ty);
    ty
}

/// Whether part of the type is not written: an `impl Trait`, or the `_` in its place.
pub(crate) fn is_opaque(ty: &Type) -> bool {
    struct Search(bool);
    impl VisitMut for Search {
        fn visit_type_mut(&mut self, ty: &mut Type) {
            self.0 |= matches!(ty, Type::ImplTrait(_) | Type::Infer(_));
            visit_type_mut(self, ty);
        }
    }
    let mut search = Search(false);
    search.visit_type_mut(&mut ty.clone());
    search.0
}

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

/// The types among the generic arguments of a segment.
pub(crate) fn types(segment: &PathSegment) -> impl Iterator<Item = &Type> {
    let arguments = match &segment.arguments {
        PathArguments::AngleBracketed(arguments) => Some(&arguments.args),
        _ => None,
    };
    arguments
        .into_iter()
        .flatten()
        .filter_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(ty),
            _ => None,
        })
}

/// Reads `BoxFuture<'_, T>`, `BoxStream<'_, T>`, their local variants, and the `Pin<Box<…>>` behind these aliases.
fn boxed(path: &Path) -> Option<Kind> {
    let last = path.segments.last()?;
    if last.ident == "BoxFuture" || last.ident == "LocalBoxFuture" {
        Some(Kind::Future(last_type(last).map(inferable).map(Box::new)))
    } else if last.ident == "BoxStream" || last.ident == "LocalBoxStream" {
        Some(Kind::Stream)
    } else if last.ident == "Pin" {
        let Type::Path(inner) = last_type(last)? else {
            return None;
        };
        let inner = inner.path.segments.last().filter(|it| it.ident == "Box")?;
        let bounds = match last_type(inner)? {
            Type::TraitObject(object) => &object.bounds,
            Type::ImplTrait(implemented) => &implemented.bounds,
            _ => return None,
        };
        Bounds::read(bounds).map(|bounds| bounds.kind)
    } else {
        None
    }
}

struct Bounds {
    kind: Kind,
    unpin: bool,
}

impl Bounds {
    /// Returns `None` if there is no future or stream, or a bound that its wrapper does not satisfy.
    fn read(bounds: &Punctuated<TypeParamBound, Token![+]>) -> Option<Bounds> {
        let mut kind = None;
        let mut unpin = false;
        for bound in bounds {
            let TypeParamBound::Trait(bound) = bound else {
                continue;
            };
            let last = bound.path.segments.last()?;
            match last.ident.to_string().as_str() {
                "Future" => kind = Some(Kind::Future(output(last).map(inferable).map(Box::new))),
                "Stream" => kind = Some(Kind::Stream),
                "Unpin" => unpin = true,
                "Send" | "Sync" => {}
                _ if matches!(bound.modifier, TraitBoundModifier::Maybe(_)) => {}
                _ => return None,
            }
        }
        kind.map(|kind| Bounds { kind, unpin })
    }
}

/// The `T` of `Future<Output = T>`.
fn output(future: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &future.arguments else {
        return None;
    };
    arguments.args.iter().find_map(|argument| match argument {
        GenericArgument::AssocType(assoc) if assoc.ident == "Output" => Some(&assoc.ty),
        _ => None,
    })
}

/// The last type among the generic arguments of a segment.
fn last_type(segment: &PathSegment) -> Option<&Type> {
    let PathArguments::AngleBracketed(arguments) = &segment.arguments else {
        return None;
    };
    arguments
        .args
        .iter()
        .rev()
        .find_map(|argument| match argument {
            GenericArgument::Type(ty) => Some(peeled(ty)),
            _ => None,
        })
}

/// The type without parentheses and the invisible groups that other macros leave.
fn peeled(ty: &Type) -> &Type {
    match ty {
        Type::Paren(inner) => peeled(&inner.elem),
        Type::Group(inner) => peeled(&inner.elem),
        ty => ty,
    }
}
