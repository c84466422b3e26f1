//! Values in the statics of tracked functions.

use once_cell::race::OnceRef;

/// A value that is made when it is first asked for.
///
/// The compiler proves of each static that its type can be shared. Here it does so once, where the value is made: behind
/// a trait object, which can be shared by definition.
pub(crate) struct Late<T: 'static>(OnceRef<'static, &'static dyn Shared<T>>);

trait Shared<T>: Send + Sync {
    fn value(&self) -> &T;
}

impl<T: Send + Sync> Shared<T> for T {
    #[inline]
    fn value(&self) -> &T {
        self
    }
}

impl<T: Send + Sync + 'static> Late<T> {
    /// A value that was not made. A constant, because the compiler runs each call in the value of a static.
    #[expect(
        clippy::declare_interior_mutable_const,
        reason = "each static has a copy of its own"
    )]
    pub(crate) const NONE: Self = Self(OnceRef::new());

    /// The value, which is never freed. Where two threads make it at the same time, neither of theirs is.
    #[inline]
    pub(crate) fn get_or_init(&self, value: impl FnOnce() -> T) -> &T {
        let shared = self.0.get_or_init(|| {
            let shared: &'static dyn Shared<T> = Box::leak(Box::new(value()));
            Box::leak(Box::new(shared))
        });
        (**shared).value()
    }
}
