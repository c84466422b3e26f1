//! Names the lifetimes that an `async fn` may leave anonymous, and a fn that returns `impl Future` may not.

use proc_macro2::Span;
use syn::visit_mut::{self, VisitMut};
use syn::{
    FnArg, GenericParam, Lifetime, LifetimeParam, ParenthesizedGenericArguments, Signature, Token,
    TypeBareFn, TypeImplTrait, TypeReference,
};

/// Names the anonymous lifetimes inside `impl Trait` arguments. Returns whether there were any.
///
/// ```text
/// in:  async fn find(executor: impl PgExecutor<'_>)
/// out: async fn find<'__leash0>(executor: impl PgExecutor<'__leash0>)
/// ```
pub(super) fn name_anonymous(signature: &mut Signature) -> bool {
    let mut naming = Naming {
        inside: false,
        named: Vec::new(),
    };
    for input in &mut signature.inputs {
        if let FnArg::Typed(input) = input {
            naming.visit_type_mut(&mut input.ty);
        }
    }
    let named = naming.named;
    let generics = &mut signature.generics;
    if !named.is_empty() {
        generics
            .lt_token
            .get_or_insert_with(|| Token![<](Span::mixed_site()));
        generics
            .gt_token
            .get_or_insert_with(|| Token![>](Span::mixed_site()));
    }
    let any = !named.is_empty();
    // Lifetimes precede the other parameters.
    let written = generics.lifetimes().count();
    for (index, lifetime) in named.into_iter().enumerate() {
        let param = GenericParam::Lifetime(LifetimeParam::new(lifetime));
        generics.params.insert(written + index, param);
    }
    any
}

struct Naming {
    /// Whether the visitor is inside an `impl Trait`.
    inside: bool,
    named: Vec<Lifetime>,
}

impl Naming {
    fn fresh(&mut self) -> Lifetime {
        let name = format!("'__leash{}", self.named.len());
        let lifetime = Lifetime::new(&name, Span::mixed_site());
        self.named.push(lifetime.clone());
        lifetime
    }
}

impl VisitMut for Naming {
    fn visit_type_impl_trait_mut(&mut self, implemented: &mut TypeImplTrait) {
        let outer = std::mem::replace(&mut self.inside, true);
        visit_mut::visit_type_impl_trait_mut(self, implemented);
        self.inside = outer;
    }

    fn visit_type_reference_mut(&mut self, reference: &mut TypeReference) {
        if self.inside && reference.lifetime.is_none() {
            reference.lifetime = Some(self.fresh());
        }
        visit_mut::visit_type_reference_mut(self, reference);
    }

    fn visit_lifetime_mut(&mut self, lifetime: &mut Lifetime) {
        if self.inside && lifetime.ident == "_" {
            *lifetime = self.fresh();
        }
    }

    // An elided lifetime in `Fn(&str)` or `fn(&str)` stands for any lifetime, and needs no name.
    fn visit_parenthesized_generic_arguments_mut(&mut self, _: &mut ParenthesizedGenericArguments) {
    }
    fn visit_type_bare_fn_mut(&mut self, _: &mut TypeBareFn) {}
}
