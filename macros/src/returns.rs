//! Recognises return types that are a future or a stream, by their names.

pub(crate) mod asked;

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
