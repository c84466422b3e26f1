//! Arguments that are patterns, and the order in which they are dropped.

#![deny(warnings, rust_2018_idioms)]

use std::cell::RefCell;

use sqlx::track;

thread_local! {
    static DROPPED: RefCell<Vec<&'static str>> = const { RefCell::new(Vec::new()) };
}

struct Guard(&'static str);

impl Drop for Guard {
    fn drop(&mut self) {
        DROPPED.with_borrow_mut(|dropped| dropped.push(self.0));
    }
}

struct Point {
    x: i64,
    y: (i64, i64),
}

#[track]
async fn destructured(
    (a, (b, ..)): (u8, (u8, u8)),
    Point { x, y: (y, _) }: Point,
    [first, .., last]: [i64; 4],
    &borrowed: &i64,
    ref kept: String,
    mut changed: i64,
    all @ (one, _): (i64, i64),
) -> i64 {
    changed += 1;
    let lengths = i64::try_from(kept.len()).unwrap();
    i64::from(a) + i64::from(b) + x + y + first + last + borrowed + lengths + changed + all.1 + one
}

#[track]
async fn unused(_: Guard, _named: &str, (): ()) {}

#[track]
async fn with_attributes(
    #[allow(unused_variables)] unused: u8,
    #[cfg(any())] gone: u8,
    #[cfg(test)] kept: u8,
) -> u8 {
    kept
}

#[track]
async fn raw_names(r#type: u8, r#match: u8) -> u8 {
    r#type + r#match
}

#[track]
async fn many(a: u8, b: u8, c: u8, d: u8, e: u8, f: u8, g: u8, h: u8) -> u8 {
    a + b + c + d + e + f + g + h
}

#[track]
async fn tracked(a: Guard, _: Guard, (b, _c): (Guard, Guard), _d: Guard) -> &'static str {
    let _local = Guard("local");
    tokio::task::yield_now().await;
    if a.0 == "a" { b.0 } else { a.0 }
}

async fn plain(a: Guard, _: Guard, (b, _c): (Guard, Guard), _d: Guard) -> &'static str {
    let _local = Guard("local");
    tokio::task::yield_now().await;
    if a.0 == "a" { b.0 } else { a.0 }
}

struct Pair {
    kept: Guard,
    _other: Guard,
}

#[track]
impl Pair {
    async fn moved_in_part(self, Guard(name): &Guard) -> Guard {
        let Pair { kept, .. } = self;
        drop(Guard(name));
        kept
    }

    async fn unused(self, _other: Guard) {
        drop(Guard("body"));
    }
}

impl Pair {
    async fn plain_moved_in_part(self, Guard(name): &Guard) -> Guard {
        let Pair { kept, .. } = self;
        drop(Guard(name));
        kept
    }

    async fn plain_unused(self, _other: Guard) {
        drop(Guard("body"));
    }
}

async fn dropped_by<T>(future: impl Future<Output = T>) -> Vec<&'static str> {
    DROPPED.take();
    drop(future.await);
    DROPPED.take()
}

fn guards() -> (Guard, Guard, (Guard, Guard), Guard) {
    (Guard("a"), Guard("_"), (Guard("b"), Guard("c")), Guard("d"))
}

fn pair() -> Pair {
    Pair {
        kept: Guard("kept"),
        _other: Guard("other"),
    }
}

#[tokio::test]
async fn runs() {
    let point = Point { x: 1, y: (2, 3) };
    let text = String::from("text");
    let sum = destructured((1, (2, 3)), point, [4, 5, 6, 7], &8, text, 9, (10, 11)).await;
    assert_eq!(sum, 1 + 2 + 1 + 2 + 4 + 7 + 8 + 4 + 10 + 11 + 10);
    unused(Guard("_"), "", ()).await;
    assert_eq!(with_attributes(1, 2).await, 2);
    assert_eq!(raw_names(1, 2).await, 3);
    assert_eq!(many(1, 2, 3, 4, 5, 6, 7, 8).await, 36);

    let (a, b, c, d) = guards();
    let expected = dropped_by(plain(a, b, c, d)).await;
    assert_eq!(expected.len(), 6);
    let (a, b, c, d) = guards();
    assert_eq!(dropped_by(tracked(a, b, c, d)).await, expected);

    // A future that was never polled, and one that was given up.
    let (a, b, c, d) = guards();
    let expected = dropped_by(async { drop(plain(a, b, c, d)) }).await;
    let (a, b, c, d) = guards();
    assert_eq!(
        dropped_by(async { drop(tracked(a, b, c, d)) }).await,
        expected
    );
    let (a, b, c, d) = guards();
    let expected = dropped_by(async { futures::FutureExt::now_or_never(plain(a, b, c, d)) }).await;
    let (a, b, c, d) = guards();
    let given_up = async { futures::FutureExt::now_or_never(tracked(a, b, c, d)) };
    assert_eq!(dropped_by(given_up).await, expected);

    let (e, f) = (Guard("e"), Guard("f"));
    let expected = dropped_by(pair().plain_moved_in_part(&e)).await;
    assert_eq!(dropped_by(pair().moved_in_part(&e)).await, expected);
    let expected = dropped_by(pair().plain_unused(Guard("f"))).await;
    assert_eq!(dropped_by(pair().unused(f)).await, expected);
}
