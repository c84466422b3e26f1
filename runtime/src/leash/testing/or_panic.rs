//! A future that panics at its `.await`.

use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use pin_project_lite::pin_project;

pin_project! {
    /// Panics with what `future` objects to.
    pub(super) struct OrPanic<F> {
        pub(super) called: &'static Location<'static>,
        #[pin]
        pub(super) future: F,
    }
}

impl<T, F: Future<Output = Result<T, String>>> Future for OrPanic<F> {
    type Output = T;

    /// The caller's location is that of the user's `.await`, unless other code polls in between.
    #[track_caller]
    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let this = self.project();
        match ready!(this.future.poll(cx)) {
            Ok(output) => Poll::Ready(output),
            Err(objection) if Location::caller().file() == this.called.file() => {
                panic!("{objection}")
            }
            Err(objection) => panic!("{objection}\n\ncalled at {}", this.called),
        }
    }
}
