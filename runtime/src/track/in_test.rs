//! The scope around what a test looks at.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;

use super::{Carried, Ended, Scoped};
use crate::scope::{Scope, Watched, context};
use crate::site::TrackedFn;

/// What the scope is made of.
#[derive(Debug)]
pub(crate) struct Test {
    /// Stands for the test.
    pub(crate) function: &'static TrackedFn,
    pub(crate) watched: Watched,
    /// Whether the scope is part of those around it.
    pub(crate) is_inside: bool,
}

impl Test {
    /// Runs the future in the scope, which is made by the first poll: the future may be polled elsewhere than it was made.
    pub(crate) fn run<F: Future>(self, future: F) -> InTest<F> {
        InTest {
            scoped: Scoped {
                future: Some(future),
                judge: hand_up::<F::Output>,
                names: Carried(self.function),
                scope: None,
                waits_at: None,
            },
            test: Some(self),
        }
    }
}

fn hand_up<T>(ended: &Ended, value: &T) {
    ended.hand_up(value);
}

pin_project! {
    /// The future of [`Test::run`].
    pub(crate) struct InTest<F: Future> {
        // `None` once its scope was made.
        test: Option<Test>,
        #[pin]
        scoped: Scoped<Carried, F, fn(&Ended, &F::Output)>,
    }
}

impl<F: Future> Future for InTest<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let mut this = self.project();
        if let Some(test) = this.test.take() {
            let around = context::scope().filter(|_| test.is_inside);
            let scope = Scope::of_test(test.function, around, test.watched);
            *this.scoped.as_mut().project().scope = Some(scope);
        }
        this.scoped.poll(cx)
    }
}
