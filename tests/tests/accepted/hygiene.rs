//! Names of the user that could meet those of the expansion.

#![deny(warnings, rust_2018_idioms)]
#![allow(non_camel_case_types, non_upper_case_globals, non_snake_case)]

use futures::future::BoxFuture;
use sqlx::{SqlitePool, track};

mod std {}
mod core {}
mod alloc {}
mod sqlx_leash {}
mod leash {}
mod __private {}

struct Box;
struct Option;
struct Result;
struct Some;
struct Ok;
struct Err;
struct None;
struct Pin;
struct Vec;
struct String;
struct str;
struct u32;
struct bool;
struct Future;
struct Send;
struct Default;
struct Site;
struct Scope;

#[allow(unused_macros)]
macro_rules! line {
    () => {
        compile_error!("not ours")
    };
}

#[allow(unused_macros)]
macro_rules! concat {
    ($($any:tt)*) => {
        compile_error!("not ours")
    };
}

#[track]
async fn arguments(
    value: i64,
    ended: i64,
    here: i64,
    SITE: i64,
    __leash_value: i64,
    body: i64,
    scope: i64,
    future: i64,
) -> i64 {
    value + ended + here + SITE + __leash_value + body + scope + future
}

#[track]
async fn locals(pool: &SqlitePool) -> ::sqlx::Result<i64> {
    let site = 1;
    let SITE = 2;
    let scope = 3;
    let query = ::sqlx::query_scalar::<_, i64>("SELECT 4");
    let number = query.fetch_one(pool).await?;
    ::core::result::Result::Ok(site + SITE + scope + number)
}

#[track]
fn boxed<'a>(value: &'a SqlitePool, __leash_body: i64) -> BoxFuture<'a, ::sqlx::Result<i64>> {
    ::std::boxed::Box::pin(async move {
        let number: i64 = ::sqlx::query_scalar("SELECT 5").fetch_one(value).await?;
        ::core::result::Result::Ok(number + __leash_body)
    })
}

#[track]
fn opaque(value: i64) -> impl ::std::future::Future<Output = i64> {
    async move { value }
}

#[track(max_queries = 3, held_idle = "60s", allow(slow_query, reason = "why"))]
async fn with_options(r#async: i64) -> i64 {
    r#async
}

trait Methods {
    fn poll(&self) -> i64 {
        1
    }
    fn enter(&self) -> i64 {
        2
    }
    fn into(&self) -> i64 {
        3
    }
    fn clone(&self) -> i64 {
        4
    }
    fn drop(&self) -> i64 {
        5
    }
}

impl<T> Methods for T {}

struct Repo;

#[track]
impl Repo {
    #[track(name = "drop")]
    async fn drop(&self) -> i64 {
        self.poll() + self.enter()
    }

    async fn __leash_body(&self) -> i64 {
        Self::drop(self).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs() -> ::sqlx::Result<()> {
    let pool = ::leash_tests::in_memory().await;
    assert_eq!(arguments(1, 2, 3, 4, 5, 6, 7, 8).await, 36);
    assert_eq!(locals(&pool).await?, 10);
    assert_eq!(boxed(&pool, 1).await?, 6);
    assert_eq!(opaque(1).await + with_options(1).await, 2);
    assert_eq!(Repo.__leash_body().await, 3);
    ::core::result::Result::Ok(())
}
