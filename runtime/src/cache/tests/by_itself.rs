//! One cache, one thread: what is kept, for how long, and what is counted.

use std::cell::Cell;
use std::future::{Future, pending, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use super::now;
use crate::cache::{CacheStats, Cached};

const LONG: Duration = Duration::from_hours(1);

/// Gets a key whose loader returns the number.
fn get(cache: &Cached<u8, u32>, key: u8, number: u32) -> u32 {
    now(cache.get(&key, async || Ok::<_, ()>(number))).unwrap()
}

/// Whether a value is kept for the key.
fn is_kept(cache: &Cached<u8, u32>, key: u8) -> bool {
    let is_kept = Cell::new(true);
    let loader = async || {
        is_kept.set(false);
        Err(())
    };
    let _ = now(cache.get(&key, loader));
    is_kept.get()
}

#[test]
fn the_least_recently_used_goes_first() {
    let cache = Cached::new(3, LONG);
    for key in 1..=3 {
        get(&cache, key, 0);
    }
    get(&cache, 1, 0);
    get(&cache, 4, 0);
    let kept: Vec<_> = (1..=4).filter(|key| is_kept(&cache, *key)).collect();
    assert_eq!(kept, [1, 3, 4]);
}

#[test]
fn there_are_never_more_values_than_the_capacity() {
    let cache = Cached::new(10, LONG);
    for key in 0..200 {
        get(&cache, key, 0);
        assert!(cache.shared.store.len() <= 10);
    }
    assert_eq!(cache.stats().entries, 10);
    assert_eq!(cache.shared.keys.len(), 0);
}

#[test]
fn a_value_is_kept_for_its_time() {
    let cache = Cached::new(3, Duration::from_millis(1));
    get(&cache, 1, 10);
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(get(&cache, 1, 11), 11);
    let cache = Cached::new(3, Duration::MAX);
    get(&cache, 1, 10);
    assert_eq!(get(&cache, 1, 11), 10);
}

#[test]
fn a_cache_of_nothing_keeps_nothing() {
    for cache in [Cached::new(0, LONG), Cached::new(3, Duration::ZERO)] {
        get(&cache, 1, 10);
        assert_eq!(get(&cache, 1, 11), 11);
        assert_eq!(cache.stats().entries, 0);
    }
}

#[test]
fn an_error_is_not_kept() {
    let cache = Cached::new(3, LONG);
    assert_eq!(
        now(cache.get(&1, async || Err::<u32, _>("down"))),
        Err("down")
    );
    assert_eq!(get(&cache, 1, 10), 10);
}

#[test]
fn a_key_is_bypassed_while_a_guard_lives() {
    let cache = Cached::new(3, LONG);
    get(&cache, 1, 10);
    get(&cache, 2, 20);
    let outer = cache.writing(&1);
    let inner = cache.writing(&1);
    assert_eq!(get(&cache, 1, 11), 11);
    drop(outer);
    assert_eq!(get(&cache, 1, 12), 12);
    assert_eq!(get(&cache, 2, 21), 20, "another key is served");
    drop(inner);
    assert_eq!(get(&cache, 1, 13), 13, "nothing was kept meanwhile");
    assert_eq!(get(&cache, 1, 14), 13);
}

#[test]
fn a_guard_ends_while_unwinding_and_in_a_cancelled_future() {
    let cache = Cached::new(3, LONG);
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        let _writing = cache.writing(&1);
        panic!("of the writer");
    }));
    unwound.unwrap_err();
    let mut write = Box::pin(async {
        let _writing = cache.writing(&1);
        pending::<()>().await;
    });
    let mut context = Context::from_waker(Waker::noop());
    assert!(write.as_mut().poll(&mut context).is_pending());
    assert_eq!(cache.shared.keys.len(), 1);
    drop(write);
    assert_eq!(cache.shared.keys.len(), 0);
    get(&cache, 1, 10);
    assert!(is_kept(&cache, 1));
}

#[test]
fn what_is_forgotten_is_loaded_again() {
    let cache = Cached::new(3, LONG);
    for key in 1..=2 {
        get(&cache, key, 10);
    }
    cache.forget(&1);
    assert_eq!(get(&cache, 1, 11), 11);
    assert_eq!(get(&cache, 2, 11), 10, "another key is kept");
    cache.forget_all();
    assert_eq!((get(&cache, 1, 12), get(&cache, 2, 12)), (12, 12));
}

#[test]
fn a_loader_may_write_its_key() {
    let cache = Cached::new(3, LONG);
    let loader = async || {
        let _writing = cache.writing(&1);
        Ok::<_, ()>(10)
    };
    assert_eq!(now(cache.get(&1, loader)), Ok(10));
    assert_eq!(get(&cache, 1, 11), 11);
}

#[test]
fn a_key_may_be_borrowed() {
    let cache: Cached<String, usize> = Cached::new(3, LONG);
    let value = now(cache.get("OCT", async || Ok::<_, ()>(3)));
    drop(cache.writing("MRT"));
    cache.forget("MRT");
    assert_eq!(value, now(cache.get(&"OCT".to_owned(), async || Err(()))));
}

#[test]
fn what_happens_is_counted() {
    let cache = Cached::new(3, LONG);
    get(&cache, 1, 10);
    get(&cache, 1, 10);
    get(&cache.clone(), 1, 10);
    let writing = cache.writing(&1);
    get(&cache, 1, 11);
    drop(writing);
    let _ = now(cache.get(&2, async || Err::<u32, _>(())));
    let stats = cache.stats();
    let expected = CacheStats {
        hits: 2,
        misses: 2,
        refusals: 1,
        loads: 2,
        entries: 0,
    };
    assert_eq!(stats, expected);
    let shown = format!("{cache:?} {:?}", cache.writing(&77));
    assert!(
        shown.contains("hits: 2") && !shown.contains("77"),
        "{shown}"
    );
}

/// A caller whose loader ends when the test says so.
struct Caller<'a> {
    get: Pin<Box<dyn Future<Output = Result<u32, ()>> + 'a>>,
    answer: Rc<Cell<Option<Result<u32, ()>>>>,
    loads: Rc<Cell<bool>>,
}

impl<'a> Caller<'a> {
    fn new(cache: &'a Cached<u8, u32>) -> Self {
        let answer: Rc<Cell<Option<_>>> = Rc::default();
        let loads: Rc<Cell<bool>> = Rc::default();
        let (told, begun) = (Rc::clone(&answer), Rc::clone(&loads));
        let get = async move {
            let answer = || poll_fn(|_| told.take().map_or(Poll::Pending, Poll::Ready));
            let loader = || {
                begun.set(true);
                answer()
            };
            cache.get(&1, loader).await
        };
        Self {
            get: Box::pin(get),
            answer,
            loads,
        }
    }

    fn poll(&mut self) -> Poll<Result<u32, ()>> {
        let mut context = Context::from_waker(Waker::noop());
        self.get.as_mut().poll(&mut context)
    }

    /// Whether its loader runs, after a poll.
    fn loads(&mut self) -> bool {
        let _ = self.poll();
        self.loads.get()
    }

    fn end(&mut self, answer: Result<u32, ()>) {
        self.answer.set(Some(answer));
        assert_eq!(self.poll(), Poll::Ready(answer));
    }
}

#[test]
fn a_caller_waits_for_one_load_after_one_that_failed() {
    let cache = Cached::new(3, LONG);
    let [mut first, mut second, mut third, mut fourth] = [(); 4].map(|()| Caller::new(&cache));
    assert!(first.loads());
    assert!(!second.loads() && !third.loads() && !fourth.loads());
    first.end(Err(()));
    assert!(second.loads());
    assert!(!third.loads() && !fourth.loads());
    second.end(Err(()));
    assert!(third.loads() && fourth.loads(), "they do not queue up");
    third.end(Ok(30));
    fourth.end(Ok(40));
    assert_eq!(cache.shared.keys.len(), 0);
}

#[test]
fn callers_that_are_cancelled_leave_the_queue() {
    struct Nobody;
    impl Wake for Nobody {
        fn wake(self: Arc<Self>) {}
    }
    let cache = Cached::new(3, LONG);
    let [mut first, mut second, mut third] = [(); 3].map(|()| Caller::new(&cache));
    assert!(first.loads());
    let known = Arc::new(Nobody);
    let mut wait = || {
        let waker = Waker::from(Arc::clone(&known));
        let polled = second.get.as_mut().poll(&mut Context::from_waker(&waker));
        assert!(polled.is_pending());
        Arc::strong_count(&known) - 2
    };
    assert_eq!((wait(), wait()), (1, 1), "a caller has one waker");
    drop(second);
    assert_eq!(Arc::strong_count(&known), 1, "it is not kept");
    assert!(!third.loads());
    drop(first);
    assert!(third.loads());
    third.end(Ok(30));
    assert_eq!(get(&cache, 1, 10), 30);
}

#[test]
fn nobody_waits_for_a_load_that_a_write_has_overtaken() {
    let overtake: [fn(&Cached<u8, u32>); 3] = [
        |cache| drop(cache.writing(&1)),
        |cache| cache.forget(&1),
        Cached::forget_all,
    ];
    for overtake in overtake {
        let cache = Cached::new(3, LONG);
        let [mut before, mut after] = [(); 2].map(|()| Caller::new(&cache));
        assert!(before.loads());
        overtake(&cache);
        assert!(after.loads());
        after.end(Ok(20));
        before.end(Ok(10));
        assert_eq!(get(&cache, 1, 0), 20);
    }
}

/// A future that holds a loader three times would be boxed by its caller.
#[test]
fn the_future_holds_the_loader_s_once() {
    let cache: Cached<u8, u32> = Cached::new(3, LONG);
    let loader = || async {
        let buffer = [0_u8; 4096];
        std::future::ready(()).await;
        Ok::<u32, ()>(u32::from(buffer[0]))
    };
    let (alone, whole) = (size_of_val(&loader()), size_of_val(&cache.get(&1, loader)));
    assert!(whole < alone + 512, "{whole} bytes for {alone}");
}
