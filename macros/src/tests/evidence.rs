//! The facts that the attribute reads from a body. In doubt it records none: most of these cases are near misses.

use super::{expand, facts};
use crate::model::Mode;

/// The facts in an expansion: the extent of the body, whether it is straight, and its call sites.
#[track_caller]
fn written(expansion: &str) -> (&str, bool, Vec<&str>) {
    let extent = facts(expansion, "body")[0];
    let straight = !facts(expansion, "straight").is_empty();
    (extent, straight, facts(expansion, "site"))
}

/// Whether the handle that this call site takes stays in its variable.
fn site_stays(site: &str) -> bool {
    site.contains(" stays")
}

/// Whether a handle that is taken before `rest` stays in its variable.
#[track_caller]
fn stays_before(rest: &str) -> bool {
    stays(&format!("let mut tx = pool.begin().await?; {rest}"))
}

/// Whether the first handle that is taken stays in its variable.
#[track_caller]
fn stays(body: &str) -> bool {
    let source = format!("#[track] async fn find(pool: &Pool) -> Result<()> {{ {body} }}");
    let expansion = expand(&source, Mode::On).to_string();
    site_stays(written(&expansion).2[0])
}

#[test]
fn a_handle_stays_where_it_is_bound() {
    for binding in [
        "let tx = pool.begin().await;",
        "let tx = pool.begin().await?;",
        "let mut tx = pool.begin().await.unwrap();",
        "let mut tx = pool.begin().await.expect(\"a connection\");",
        "let tx = (pool.begin()).await?;",
        "let tx = (pool.begin().await)?;",
        "let tx: Transaction<'_, Sqlite> = pool.begin().await?;",
        "let conn = self.store.pool().acquire().await?;",
        "let tx = pool.begin_with(\"begin immediate\").await?;",
        "let tx = pool.try_begin().await?;",
        "let tx = Acquire::begin(&pool).await?;",
        "loop { let tx = pool.begin().await?; tx.commit().await?; }",
        "if ready { let tx = pool.begin().await?; } else { let tx = other.begin().await?; }",
        "match kind { Kind::A => { let tx = pool.begin().await?; } Kind::B => {} }",
    ] {
        assert!(stays(binding), "{binding}");
    }
}

#[test]
fn a_handle_does_not_stay_where_it_is_not_bound_to_a_name() {
    for binding in [
        "pool.begin().await?;",
        "let _ = pool.begin().await?;",
        "let Ok(tx) = pool.begin().await else { return };",
        "let tx @ Transaction { .. } = pool.begin().await?;",
        "let ref tx = pool.begin().await?;",
        "let (tx, count) = (pool.begin().await?, 1);",
        "let (tx, count) = join!(pool.begin(), count());",
        "let unit = UnitOfWork { tx: pool.begin().await? };",
        "let unit = UnitOfWork::new(pool.begin().await?);",
        "let tx = Some(pool.begin().await?);",
        "let tx = &mut pool.begin().await?;",
        "let tx = Box::new(pool.begin().await?);",
        "let tx = pool.begin().await?.long_lived(\"a lock\");",
        "let tx = pool.begin().await.map_err(Error::from)?;",
        "let tx = pool.begin().await.context(\"no connection\")?;",
        "let tx = pool.begin().await.unwrap_or_else(|_| panic!());",
        "let tx = pool.begin().await??;",
        "let tx = match pool.begin().await { Ok(tx) => tx, Err(error) => return };",
        "let tx = if ready { pool.begin().await? } else { return };",
        "let tx = { pool.begin().await? };",
        "let tx = unsafe { pool.begin().await? };",
        "let tx = timeout(limit, async { pool.begin().await }).await?;",
        "let tx = dbg!(pool.begin().await?);",
        "if let Ok(tx) = pool.begin().await {}",
        "while let Ok(tx) = pool.begin().await {}",
        "tx = pool.begin().await?;",
        "self.tx = pool.begin().await?;",
        "let rows = pool.begin().await?.fetch_all(\"…\").await?;",
        // Methods that take no handle.
        "let pool = Pool::connect(\"…\").await?;",
        "let row = pool.fetch_one(\"…\").await?;",
        "let tx = conn.transaction(|tx| later(tx)).await?;",
    ] {
        assert!(!stays(binding), "{binding}");
    }
}

#[test]
fn a_handle_taken_for_another_one_does_not_stay() {
    for binding in [
        "let tx = source(other.acquire().await?).begin().await?;",
        "let tx = pool.begin_with(name(other.acquire().await?)).await?;",
        "let tx = pool.begin().await.expect(&name(other.acquire().await));",
    ] {
        let source = format!("#[track] async fn find() {{ {binding} }}");
        let expansion = expand(&source, Mode::On).to_string();
        let (_, _, sites) = written(&expansion);
        let begin = source.find("begin").expect("the word") + 1;
        let stays: Vec<_> = sites.iter().map(|site| site_stays(site)).collect();
        let begins: Vec<_> = sites
            .iter()
            .map(|site| site.contains(&format!(":{begin} ")))
            .collect();
        assert_eq!(stays, begins, "{binding}");
        assert_eq!(sites.len(), 2, "{binding}");
    }
}

#[test]
fn a_handle_that_is_borrowed_or_ended_stays() {
    for rest in [
        "",
        "save(&mut tx).await?;",
        "save(&mut *tx, &tx).await?;",
        "save(&mut **tx).await?;",
        "save(&mut (tx)).await?;",
        "repo.save(&mut tx, Exam { id: 3 }).await?;",
        "let conn = &mut *tx;",
        "let is_open = (*tx).is_in_transaction();",
        "sqlx::query(\"…\").bind(id).execute(&mut *tx).await?;",
        "tx.execute(\"…\").await?;",
        "let row = tx.fetch_one(query(count(&mut tx))).await?;",
        "let mut rows = tx.fetch(\"…\"); while let Some(row) = rows.next().await {}",
        "let mut savepoint = tx.begin().await?; savepoint.commit().await?;",
        "tx.prepare_with(\"…\", &[]).await?; tx.copy_in_raw(\"…\").await?; tx.ping().await?;",
        "tx.as_mut().execute(\"…\").await?;",
        "tx.commit().await?;",
        "tx.rollback().await.unwrap();",
        "if done { tx.commit().await?; } else { tx.close().await?; }",
        "drop(tx);",
        "std::mem::drop(tx);",
        "::core::mem::drop(tx);",
        "for id in ids { save(&mut tx, id).await?; }",
        "#[cfg(test)] save(&mut tx).await?;",
        "assert_eq!(count(&mut tx).await?, 3);",
        "println!(\"{}\", tx.is_in_transaction());",
        "let all: Vec<_> = rows.iter().map(|row| row.get(0)).collect();",
        "fn inner(tx: Tx) -> Tx { tx }",
        "other.tx = 3; let it = Tx { tx: 1 }; it.tx();",
    ] {
        assert!(stays_before(rest), "{rest}");
    }
}

#[test]
fn a_handle_that_may_be_moved_does_not_stay() {
    for rest in [
        // By value.
        "save(tx).await?;",
        "repo.save(1, tx).await?;",
        "drop((tx, 1));",
        "drop(tx, 1);",
        "my::drop(tx);",
        "self.drop(tx);",
        "forget(tx);",
        "Ok(tx)",
        "tx",
        "return tx;",
        "loop { break tx; }",
        "vec.push(tx);",
        "let all = [tx];",
        "let pair = (1, tx);",
        "let other = tx;",
        "let _ = tx;",
        "other = tx;",
        "self.tx = Some(tx);",
        "let unit = UnitOfWork { tx };",
        "let unit = UnitOfWork { inner: tx };",
        "let tx = tx?;",
        "if let Ok(mut conn) = tx {}",
        "match tx { Some(conn) => {} None => {} }",
        "for conn in tx {}",
        "let inner = tx.inner;",
        "let inner = &mut tx.inner;",
        "tx = pool.begin().await?;",
        // Calls that may move it.
        "tx.detach();",
        "tx.leak();",
        "tx.long_lived(\"a lock\");",
        "tx.finish().await?;",
        "tx.unwrap().commit().await?;",
        "std::mem::swap(&mut tx, &mut other);",
        "let old = std::mem::replace(&mut tx, new);",
        "let ending = tx.commit(); later(ending).await?;",
        "send(tx.rollback()).await?;",
        // Another future or thread.
        "spawn(async move { tx.commit().await });",
        "let later = async { tx.execute(\"…\").await };",
        "let later = || tx.ping();",
        "let later = move || { let conn = &mut tx; };",
        "rows.for_each(async |row| save(&mut tx, row).await).await;",
        // In macros.
        "println!(\"{:?}\", tx);",
        "println!(\"{tx:?}\");",
        "info!(?tx, \"begun\");",
        "vec![tx];",
        "join!(save(&mut tx), other());",
        "select! { _ = save(&mut tx) => {} }",
        "unknown!(&mut *tx);",
        "unknown!(a { b [ tx ] });",
        "macro_rules! save { () => { later(tx) } } save!();",
        // Another binding of the same name, or code behind a `cfg`.
        "let tx = 3;",
        "if let Some(tx) = other {}",
        "match other { Some(tx) => {} None => {} }",
        "match other { Unit { tx } => {} }",
        "for tx in others { save(&tx).await; }",
        "{ let mut tx = other.begin().await?; tx.commit().await?; }",
        "#[cfg(test)] let tx = Fake;",
        "#[cfg(test)] save(tx).await?;",
        "let r#tx = 3;",
        "save(r#tx);",
    ] {
        assert!(!stays_before(rest), "{rest}");
    }
}

#[test]
fn two_handles_of_one_name_are_judged_separately() {
    assert!(!stays(
        "if a { let tx = pool.begin().await?; send(tx); } else { let tx = pool.begin().await?; }"
    ));
    assert!(stays(
        "if a { let tx = pool.begin().await?; } else { let tx = pool.begin().await?; send(tx); }"
    ));
    assert!(stays("{ let tx = pool.begin().await?; } send(tx);"));
}

#[track_caller]
fn is_straight(item: &str) -> bool {
    let expansion = expand(&format!("#[track] {item}"), Mode::On).to_string();
    written(&expansion).1
}

#[track_caller]
fn is_straight_body(body: &str) -> bool {
    is_straight(&format!(
        "async fn find(pool: &Pool) -> Result<()> {{ {body} }}"
    ))
}

#[test]
fn a_sequential_body_is_straight() {
    for body in [
        "",
        "let mut tx = pool.begin().await?; save(&mut tx).await?; tx.commit().await",
        "for id in ids { if id > 3 { self.save(id).await?; } else { continue; } }",
        "loop { match self.next().await { Some(row) => row, None => break } }",
        "let ids = rows.iter().map(|row| row.get(0)).filter(|id| *id != 3).collect::<Vec<_>>();",
        "sqlx::query!(\"SELECT 1\", id).fetch_one(pool).await",
        "query_as!(Exam, \"SELECT 1\").fetch_one(pool).await",
        "assert_eq!(a.await?, b != c, \"{a}\"); println!(\"{}\", !a); vec![1; 3]; todo!()",
        "tracing::info!(id, ?row, %name, \"found\"); log::warn!(target: \"t\", \"{}\", 3);",
        "anyhow::bail!(\"no {id}\"); ensure!(a == b); let value = serde_json::json!({ \"a\": [id] });",
        "let timeout = Duration::from_secs(3); let deadline = row.deadline; let joined = 3;",
        "async fn inner() { a().await; } inner().await;",
        "use std::fmt::Write as _; let spawner = rejoin(respawned(selection, traces));",
        "#[cfg(test)] save().await?;",
        "unsafe { raw() }; let Some(x) = y else { return Ok(()) };",
    ] {
        assert!(is_straight_body(body), "{body}");
    }
}

#[test]
fn a_body_that_may_be_concurrent_is_not_straight() {
    for body in [
        // Blocks and closures that are futures.
        "let later = async { 1 };",
        "async move { join!(a(), b()) }.await;",
        "timeout(limit, async move { 1 }).await;",
        "let once = async move { 1 }; if a { once.await } else { retry(once).await }",
        "let once = async move { 1 }; if a { let run = || once.await; }",
        "let once = async move { 1 }; let mut once = pin!(once); (&mut once).await",
        "(&mut async move { 1 }).await;",
        "async move { 1 }.map(f).await;",
        "if a { let later = async { 1 }; }",
        "ids.map(|id| async move { id });",
        "ids.for_each(async |id| save(id).await).await;",
        "ids.map(|id| { let id = id; Box::pin(async move { id }) });",
        // Macros.
        "join!(a(), b());",
        "tokio::try_join!(a(), b())?;",
        "tokio::select! { a = a() => {} }",
        "let future = pin!(a());",
        "unknown!();",
        "other::info!();",
        "let rows = stream! { yield 3; };",
        "println!(\"{}\", join!(a(), b()).0);",
        "assert!(unknown!(3));",
        "println!(\"{:?}\", async { 1 }.await);",
        "vec![tokio::spawn(a())];",
        "vec![[(timeout(limit, a()))]];",
        "macro_rules! vec { () => { join!(a, b) } }",
        "#[cfg(test)] join!(a(), b());",
        // Functions.
        "join(a(), b()).await;",
        "futures::future::join3(a(), b(), c()).await;",
        "join_all(all).await;",
        "future::try_join_all(all).await?;",
        "a().join(b()).await;",
        "select(a(), b()).await; ",
        "futures::future::select_all::<Vec<_>>(all).await;",
        "a().race(b()).await;",
        "tokio::time::timeout(limit, a()).await?;",
        "timeout_at(when, a()).await?;",
        "a().timeout(limit).await?;",
        "with_deadline(limit, a()).await?;",
        "tokio::spawn(a());",
        "tokio::task::spawn_blocking(a).await;",
        "set.spawn_local(a());",
        "all.map(tokio::spawn);",
        "let run = tokio::spawn;",
        "stream.buffered(3).collect().await;",
        "stream.map(|id| find(id)).buffer_unordered(3);",
        "stream.try_for_each_concurrent(3, |id| find(id)).await?;",
        "stream.flatten_unordered(3);",
        "abortable(a());",
        "a().now_or_never();",
        "handle.block_on(a());",
        "a().in_current_scope().await;",
        "poll_fn(|cx| a.as_mut().poll(cx)).await;",
        "Pin::new(&mut a).poll(cx);",
        "token.run_until_cancelled(a()).await;",
        // Inner functions, which this body may await.
        "async fn both(a: A, b: B) { join!(a, b); } both(a(), b()).await;",
        "struct S; impl S { fn run(&self) { spawn(a()); } } S.run();",
        // Types and imports.
        "let mut all = FuturesUnordered::new();",
        "let all: FuturesOrdered<_> = ids.collect();",
        "let all = ids.collect::<futures::stream::FuturesUnordered<_>>();",
        "let mut set = tokio::task::JoinSet::<u8>::new();",
        "let tasks = TaskTracker::new();",
        "use futures::future::join as both; both(a(), b()).await;",
        "loop { while a { match b { _ => { spawn(c()); } } } }",
    ] {
        assert!(!is_straight_body(body), "{body}");
    }
}

#[test]
fn only_a_body_that_is_the_functions_future_is_straight() {
    assert!(is_straight(
        "async fn serve() -> ! { loop { self.next().await; } }"
    ));
    assert!(is_straight(
        "fn main() { let body = async { a().await; }; block_on(body) }"
    ));
    assert!(!is_straight(
        "fn main() { let body = async { join!(a, b); }; block_on(body) }"
    ));
    assert!(is_straight(
        "fn find() -> impl Future<Output = u8> { async move { a().await } }"
    ));
    assert!(is_straight(
        "fn find(id: u8) -> BoxFuture<'static, u8> { let id = id + 1; Box::pin(async move { id }) }"
    ));
    assert!(!is_straight(
        "fn find() -> BoxFuture<'static, u8> { Box::pin(async move { join!(a(), b()).0 }) }"
    ));
    assert!(!is_straight(
        "fn find() -> BoxFuture<'static, u8> { if a { return Box::pin(other()); } Box::pin(async move { 1 }) }"
    ));
    assert!(!is_straight(
        "fn find() -> BoxFuture<'static, u8> { let later = async { 2 }; Box::pin(async move { later.await }) }"
    ));
    assert!(!is_straight(
        "fn find() -> BoxFuture<'static, u8> { Box::pin(timeout(limit, async move { 1 })) }"
    ));
    assert!(!is_straight(
        "fn find() -> impl Future<Output = u8> { self.other() }"
    ));
    assert!(!is_straight(
        "fn rows() -> BoxStream<'static, u8> { self.pool.fetch(\"…\") }"
    ));
    assert!(!is_straight(
        "async fn find(tasks: &mut FuturesUnordered<Task>) { tasks.next().await; }"
    ));
}

/// What other attributes make of `async fn job(pool: &Pool) -> Result<()> { BODY }`, where they expand first.
const WRAPPED: [&str; 11] = [
    // `#[instrument]`, also of tracing 0.1.40 and before, and with `err` and `ret`.
    "async fn job(pool: &Pool) -> Result<()> {
        let __tracing_attr_span = ::tracing::span!(target: module_path!(), ::tracing::Level::INFO, \"job\", id = ::tracing::field::debug(&id));
        let __tracing_instrument_future = async move {
            if false { let __tracing_attr_fake_return: Result<()> = loop {}; return __tracing_attr_fake_return; }
            { BODY }
        };
        if !__tracing_attr_span.is_disabled() {
            ::tracing::Instrument::instrument(__tracing_instrument_future, __tracing_attr_span).await
        } else {
            __tracing_instrument_future.await
        }
    }",
    "async fn job(pool: &Pool) -> Result<()> {
        let __tracing_attr_span = tracing::span!(Level::INFO, \"job\");
        tracing::Instrument::instrument(async move { BODY }, __tracing_attr_span).await
    }",
    "async fn job(pool: &Pool) -> Result<()> {
        let __tracing_attr_span = ::tracing::span!(Level::INFO, \"job\");
        let __tracing_instrument_future = async move {
            match async move { BODY }.await {
                Ok(x) => { ::tracing::event!(Level::INFO, return = ?x); Ok(x) }
                Err(e) => { ::tracing::event!(Level::ERROR, error = %e); Err(e) }
            }
        };
        if !__tracing_attr_span.is_disabled() {
            ::tracing::Instrument::instrument(__tracing_instrument_future, __tracing_attr_span).await
        } else {
            __tracing_instrument_future.await
        }
    }",
    // `#[async_trait]`, and `#[instrument]` on top of it.
    "fn job<'a>(pool: &'a Pool) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin(async move {
            if let ::core::option::Option::Some(__ret) = ::core::option::Option::None::<Result<()>> { return __ret; }
            let pool = pool;
            let __ret: Result<()> = { BODY };
            __ret
        })
    }",
    "fn job<'a>(pool: &'a Pool) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        ::std::boxed::Box::pin(async move {
            let __tracing_attr_span = ::tracing::span!(Level::INFO, \"job\");
            let __tracing_instrument_future = async move { let __ret: Result<()> = { BODY }; __ret };
            if !__tracing_attr_span.is_disabled() {
                ::tracing::Instrument::instrument(__tracing_instrument_future, __tracing_attr_span).await
            } else {
                __tracing_instrument_future.await
            }
        })
    }",
    // `#[fastrace::trace]`, with `properties`, with `enter_on_poll`, and on top of `#[async_trait]`.
    "async fn job(pool: &Pool) -> Result<()> {
        {
            let __span__ = ::fastrace::Span::enter_with_local_parent(::fastrace::func_path!())
                .with_properties(|| [(Cow::from(\"id\"), Cow::from(format!(\"{id}\")))]);
            ::fastrace::future::FutureExt::in_span(async move { { BODY } }, __span__)
        }.await
    }",
    "async fn job(pool: &Pool) -> Result<()> {
        ::fastrace::future::FutureExt::enter_on_poll(async move { { BODY } }, \"job\").await
    }",
    "fn job<'a>(pool: &'a Pool) -> Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>> {
        Box::pin({
            let __span__ = ::fastrace::Span::enter_with_local_parent(\"job\");
            ::fastrace::future::FutureExt::in_span(async move { { let __ret: Result<()> = { BODY }; __ret } }, __span__)
        })
    }",
    // `#[test_log::test]`.
    "async fn job() {
        { mod init { pub fn init() { { let _ = ::test_log::tracing_subscriber::FmtSubscriber::builder().try_init(); } } } init::init(); }
        BODY
    }",
    // `#[tokio::main]` and `#[sqlx::test]`.
    "fn main() {
        let body = async { BODY };
        let body = { if false { let _: &dyn Future<Output = ()> = &body; } body };
        { return Builder::new_multi_thread().enable_all().build().expect(\"…\").block_on(body); }
    }",
    "fn main() {
        async fn main(pool: Pool) { { BODY } }
        let f: fn(_) -> _ = main;
        ::sqlx::testing::TestFn::run_test(f, args)
    }",
];

#[test]
fn a_body_in_what_another_attribute_wrote_is_read_as_written() {
    let body = "let mut tx = pool.begin().await?; save(&mut tx).await?; tx.commit().await";
    for wrapped in WRAPPED {
        let source = format!("#[track] {}", wrapped.replace("BODY", body));
        let expansion = expand(&source, Mode::On).to_string();
        let (_, straight, sites) = written(&expansion);
        assert!(straight, "{source}");
        assert!(site_stays(sites[0]), "{source}");
        assert!(sites.iter().all(|site| !site.contains('-')), "{source}");
        assert!(!expansion.contains("__leash_in_place"), "{expansion}");
    }
}

#[test]
fn a_concurrent_body_stays_one_in_what_another_attribute_wrote() {
    let body = "let tx = pool.begin().await?; join!(a(), b()); send(tx).await";
    for wrapped in WRAPPED {
        let source = format!("#[track] {}", wrapped.replace("BODY", body));
        let expansion = expand(&source, Mode::On).to_string();
        let (_, straight, sites) = written(&expansion);
        assert!(!straight && !site_stays(sites[0]), "{source}");
    }
}

/// The value of such a block need not be the function's: an error in it may be handled. So the block is recorded.
#[test]
fn a_block_in_place_whose_value_is_used_is_recorded() {
    for body in [
        "async { let tx = pool.begin().await?; }.await;",
        "let attempt = async { let tx = pool.begin().await?; }.await; Ok(())",
        "if async { let tx = pool.begin().await?; }.await.is_ok() { return Ok(()); } Ok(())",
        "match async { let tx = pool.begin().await?; }.await { Ok(x) => Ok(x), Err(_) => Ok(()) }",
        "let once = async { let tx = pool.begin().await?; }; match once.await { _ => {} } Ok(())",
    ] {
        let source = format!("#[track] async fn find(pool: &Pool) -> Result<()> {{ {body} }}");
        let expansion = expand(&source, Mode::On).to_string();
        let (_, straight, sites) = written(&expansion);
        assert!(straight && sites[0].contains('-'), "{body}");
    }
}

/// The text of an extent.
#[track_caller]
fn text<'s>(source: &'s str, extent: &str) -> &'s str {
    let numbers: Vec<usize> = extent
        .split([':', '-'])
        .map(|number| number.parse().expect("a number"))
        .collect();
    let [from_line, from_column, to_line, to_column] = numbers[..] else {
        panic!("four numbers in {extent}");
    };
    let offset = |line: usize, column: usize| {
        let before: usize = source
            .split_inclusive('\n')
            .take(line - 1)
            .map(str::len)
            .sum();
        let line = &source[before..];
        let column = line
            .char_indices()
            .nth(column - 1)
            .map_or(line.len(), |it| it.0);
        before + column
    };
    &source[offset(from_line, from_column)..offset(to_line, to_column)]
}

#[track_caller]
fn check_inside(body: &str, expected: Option<&str>) {
    let source = format!("#[track]\nasync fn find(pool: &Pool) {{\n    {body}\n}}");
    let expansion = expand(&source, Mode::On).to_string();
    let site = written(&expansion).2[0];
    let inside = site.split(' ').find(|word| word.contains('-'));
    let inside = inside.map(|extent| text(&source, extent));
    assert_eq!(inside, expected, "{body}");
}

#[test]
fn a_call_site_records_the_innermost_block_around_it() {
    check_inside("pool.acquire().await;", None);
    check_inside("if a { loop { pool.acquire().await; } }", None);
    check_inside("let a = unsafe { pool.acquire().await };", None);
    check_inside(
        "let f = || 1; let g = async { 2 }; vec![3]; pool.acquire().await;",
        None,
    );
    check_inside(
        "let é = async move { pool.acquire().await };",
        Some("async move { pool.acquire().await }"),
    );
    check_inside(
        "spawn(async { later(async {\n pool.acquire().await }) });",
        Some("async {\n pool.acquire().await }"),
    );
    check_inside(
        "ids.map(|id| sqlx::query(id).fetch_one(pool)).collect();",
        Some("|id| sqlx::query(id).fetch_one(pool)"),
    );
    check_inside(
        "ids.for_each(async move |id| pool.acquire().await);",
        Some("async move |id| pool.acquire().await"),
    );
    check_inside(
        "join!(pool.acquire(), other());",
        Some("(pool.acquire(), other())"),
    );
    check_inside(
        "select! { a = pool.acquire() => a }",
        Some("{ a = pool.acquire() => a }"),
    );
    check_inside(
        "vec![pool.acquire().await];",
        Some("[pool.acquire().await]"),
    );
    check_inside(
        "dbg!(pool.acquire().await);",
        Some("(pool.acquire().await)"),
    );
    check_inside(
        "let a = dbg!(pool.acquire().await);",
        Some("(pool.acquire().await)"),
    );
    check_inside(
        "join!(async { pool.acquire().await }, other());",
        Some("async { pool.acquire().await }"),
    );
    check_inside("async { join!(pool.acquire()) };", Some("(pool.acquire())"));
}

#[test]
fn a_function_records_the_extent_of_its_body() {
    let source = "#[track]\nasync fn find(pool: [u8; { 3 }]) -> u8 { 'é';\n    1\n}\n";
    let expansion = expand(source, Mode::On).to_string();
    assert_eq!(text(source, written(&expansion).0), "{ 'é';\n    1\n}");
}

#[test]
fn a_generated_function_records_the_extent_of_the_users_body() {
    for source in [
        "#[track]\nfn main() { block_on(async { 1 }) }",
        "#[track]\nfn main() { async fn main() { 1 } run(main) }",
    ] {
        let expansion = expand(source, Mode::On).to_string();
        assert_eq!(text(source, written(&expansion).0), "{ 1 }", "{source}");
    }
}

/// The number of places whose value the function keeps.
#[track_caller]
fn keeps(body: &str) -> usize {
    places("keeps", body)
}

/// The number of places in a loop whose value the function keeps.
#[track_caller]
fn repeats(body: &str) -> usize {
    places("repeats", body)
}

#[track_caller]
fn places(kind: &str, body: &str) -> usize {
    let source = format!("#[track] async fn find(&self) -> Result<()> {{ {body} }}");
    let expansion = expand(&source, Mode::On).to_string();
    facts(&expansion, kind).len()
}

#[test]
fn the_value_of_a_callee_is_kept_where_it_stays() {
    assert_eq!(
        keeps("let mut tx = self.open().await?; self.audit().await"),
        1
    );
    assert_eq!(
        keeps("let tx = open(&self.pool).await?; tx.commit().await"),
        1
    );
    assert_eq!(
        keeps("let a = self.open().await?; if x { let b = self.open().await.unwrap(); }"),
        2
    );
    for body in [
        "let rows = self.rows().await?; rows.len()",
        "let tx = self.open().await?; self.queue.send(tx).await",
        "let tx = self.open().await?; Ok(tx)",
        "let (tx, id) = self.open().await?; tx.commit().await",
        "let tx = pool.begin().await?; tx.commit().await",
        "self.open().await?; self.audit().await",
        "spawn(async move { let tx = self.open().await?; tx.commit().await })",
        "let tx = self.open(); tx.commit().await",
    ] {
        assert_eq!(keeps(body), 0, "{body}");
    }
}

#[test]
fn a_handle_that_stays_in_a_loop_is_taken_repeatedly() {
    for body in [
        "loop { let tx = pool.begin().await?; }",
        "while self.more() { let tx = pool.begin().await?; tx.commit().await?; }",
        "for id in ids { let tx = self.open().await?; }",
        "'each: for id in ids { if id { let tx = pool.begin().await?; } }",
        "let found = loop { let tx = pool.begin().await?; break 3; };",
        "match x { _ => loop { for id in ids { let tx = pool.begin().await?; } } }",
    ] {
        assert_eq!(repeats(body), 1, "{body}");
    }
    for body in [
        "let tx = pool.begin().await?; for id in ids { save(&mut tx, id).await?; }",
        "loop { self.wait().await } let tx = pool.begin().await?;",
        "for id in ids { pool.execute(id).await?; }",
        "for id in ids { save(pool.begin().await?).await?; }",
    ] {
        assert_eq!(repeats(body), 0, "{body}");
    }
}

#[test]
fn a_stream_stays_where_it_is_bound() {
    for body in [
        "let mut rows = sqlx::query(A).fetch(pool); while let Some(row) = rows.try_next().await? {}",
        "let mut rows = sqlx::query(A).fetch(&self.pool); rows.next().await;",
        "let mut rows = pool.fetch_many(A); read(&mut rows).await?;",
    ] {
        assert!(stays(body), "{body}");
    }
    for body in [
        "let mut rows = sqlx::query(A).fetch(pool).map(f); rows.next().await;",
        "let rows = sqlx::query(A).fetch(pool); rows.try_collect().await",
        "let rows = sqlx::query(A).fetch(pool); Ok(rows)",
        "read(sqlx::query(A).fetch(pool)).await?;",
        "let row = sqlx::query(A).fetch_one(pool).await?; row.get(0)",
    ] {
        assert!(!stays(body), "{body}");
    }
}

/// Asserts at which of its calls the body holds what `open` has returned: `here` is awaited while it does, `gone` while it
/// does not.
#[track_caller]
fn check_held(body: &str) {
    let source = format!("#[track] async fn find(&self) -> Result<()> {{ {body} }}");
    let expansion = expand(&source, Mode::On).to_string();
    let holds = facts(&expansion, "holds").join("; ");
    let numbers: Vec<usize> = holds
        .split(|c: char| !c.is_numeric())
        .filter_map(|number| number.parse().ok())
        .collect();
    let open = await_after(&source, source.find("open(").expect("an `open`"));
    let is_held = |place: usize| {
        // The line is always the first.
        numbers
            .chunks(6)
            .any(|numbers| numbers[1] == open && (numbers[3]..numbers[5]).contains(&place))
    };
    for (word, held) in [("here(", true), ("gone(", false)] {
        for (index, _) in source.match_indices(word) {
            let place = await_after(&source, index);
            assert_eq!(is_held(place), held, "{}: {holds}", &source[index..]);
        }
    }
}

/// The column of the next `await`.
fn await_after(source: &str, index: usize) -> usize {
    index + source[index..].find(".await").expect("an await") + 2
}

#[test]
fn a_value_is_followed_through_patterns() {
    for body in [
        "let (tx, id) = open().await?; here(id).await?; tx.commit().await?; Ok(())",
        "let Some((tx, id)) = open().await? else { return Ok(()) }; here(id).await?; finish(tx).await",
        "let (mut tx, row) = open().await?.expect(\"a job\"); here(row).await?; save(&mut tx).await?; here().await",
        "let Job { tx, id } = open().await?; here(id).await?; tx.commit().await",
        "let Job { tx: mut one, .. } = open().await?; here().await?; save(&mut one).await",
        "let Ext(mut c) = open(pool).await?; here().await?; save(&mut c).await?; here().await",
        "let [one, two] = open().await?; here().await",
        "let job = open().await?; here(job.1).await?; here(&job.2).await?; finish(job.0).await?; gone().await",
        "let job = open().await?; here(job.id).await?; job.tx.commit().await?; here().await",
        "let job = open().await?; if job.id > 3 { here(job.id).await?; } here().await?; job.finish().await",
        "let mut job = open().await?; here(job.id).await?; save(&mut job.tx, job.id).await?; here().await",
        "let tx = open().await.map(|opened| opened.0)?; here().await",
        "let tx = open().await?.map(Job::into_tx).ok_or(Error::None)?; here().await",
        "let tx = match open().await? { Some(tx) => tx, None => return Ok(()) }; here().await?; finish(tx).await",
        "let tx = if let Some(tx) = open().await? { tx } else { return Ok(()) }; here().await",
        "if let Some((tx, id)) = open().await? { here(id).await?; finish(tx).await?; gone().await?; } gone().await",
        "while let Some((tx, id)) = open().await? { here(id).await?; finish(tx).await?; gone().await?; } gone().await",
        "match open().await? { Some((tx, id)) => { here(id).await?; finish(tx).await } None => gone().await }",
        "match open().await { Ok(Some(job)) if job.ready => here(&job).await, _ => gone().await }",
        "if ready && let Ok(tx) = open().await { here().await?; tx.commit().await?; }",
        "let (id, _guard) = open().await?; here(id).await?; here().await",
        "let unit = UnitOfWork::over(open().await?); here().await?; unit.commit().await",
        "let tx = Some(open().await?); here().await",
        "let unit = Unit { tx: open().await?, id: 3 }; here().await",
        "let conn = &mut open().await?; here().await",
        "take(open().await?, here()).await?; gone().await",
        "let tx; tx = open().await?; here().await?; finish(tx).await?; gone().await",
        "self.tx = Some(open().await?); here().await?; save(self.tx.as_mut().unwrap()).await?; here().await",
        "self.tx = open().await?; here(self.id).await?; finish(self.tx.take().unwrap()).await?; gone().await",
        "self.jobs.current = open().await?; here().await",
        "open().await?.here(3).await?; gone().await",
    ] {
        check_held(body);
    }
}

#[test]
fn a_value_is_followed_until_it_is_passed_on() {
    for body in [
        "let tx = open().await?; here().await?; queue.push(tx); gone().await",
        "let tx = open().await?; here(tx).await?; gone().await",
        "let tx = open().await?; queue.send(tx).await?; gone().await",
        "let tx = open().await?; spawn(async move { tx.commit().await }); gone().await",
        "let tx = open().await?; let later = move || tx.id(); gone().await",
        "let tx = open().await?; self.tx = Some(tx); gone().await",
        "let tx = open().await?; unknown!(a { tx }); gone().await",
        "let all = vec![open().await?]; gone().await",
        "*self.tx.lock() = open().await?; gone().await",
        "self.jobs[3].tx = open().await?; gone().await",
        "registry.insert(open().await?); gone().await",
        "let _ = open().await?; gone().await",
        "open().await?; gone().await",
        "let (tx, id) = open().await?; queue.push(tx); gone(id).await",
        "let (one, id) = open().await?; queue.push(one); gone(&id).await",
        "let (one, row) = open().await?; queue.push(one); gone(row.get(0)).await",
        "let job = open().await?; queue.push(job.tx); gone(job.id).await",
        // A name that the value has got.
        "let tx = open().await?; let unit = Unit { tx }; here().await?; queue.push(unit); gone().await",
        "let tx = open().await?; let mut tx = Some(tx); here().await?; queue.push(tx.take()); gone().await",
        "let job = open().await?; let (tx, id) = job; here(id).await?; queue.push(tx); gone().await",
        "let job = open().await?; if let Some(tx) = job { here().await?; queue.push(tx); gone().await?; } gone().await",
        "let job = open().await?; match job { Some(tx) => { queue.push(tx); gone().await } None => here().await }",
        "let job = open().await?; let (tx, id) = job.unwrap(); note(id); here().await?; finish(tx).await?; gone().await",
        "let job = open().await?; if job.is_none() { return Ok(()); } let (tx1, id) = job.unwrap(); match id { 1 => here(id).await, _ => here().await } finish(tx1).await",
        "let tx = match open().await? { Next::Start(tx) => tx, Next::Saved(it) => return Ok(it) }; note(it); here().await?; save(tx, it).await?; gone().await",
        "let mut tx = open().await?; if new { Ok(Next::Start(tx)) } else { here().await?; Ok(Next::Saved) }",
        // Another variable of the same name.
        "let tx = open().await?; let tx = 3; queue.push(tx); here().await",
        // Branches and loops.
        "let tx = open().await?; if a { queue.push(tx); gone().await? } else { here().await?; save(&mut tx).await? } gone().await",
        "let tx = open().await?; if a { queue.push(tx); return gone().await; } here().await",
        "let tx = open().await?; if a { return finish(tx).await; } here().await?; tx.commit().await",
        "let tx = open().await?; let Some(a) = a else { queue.push(tx); return gone().await }; here().await",
        "let tx = open().await?; match a { 1 => queue.push(tx), 2 => here().await, _ => return Ok(()) } gone().await",
        "let tx = open().await?; loop { gone().await?; queue.push(tx); } gone().await",
        "let tx = open().await?; loop { here().await?; if a { queue.push(tx); break; } here().await?; } gone().await",
        "let mut tx = open().await?; for id in ids { here(id).await?; save(&mut tx, id).await?; } here().await",
    ] {
        check_held(body);
    }
}

#[test]
fn only_what_may_be_a_handle_is_followed() {
    for body in [
        "let row = query(A).fetch_one(pool).await?; read(row)",
        "let rows = sqlx::query(A).fetch_all(pool).await?; rows.len()",
        "let pool = Pool::connect(A).await?; Ok(pool)",
        "spawn(async move { let tx = self.open().await?; tx.commit().await })",
    ] {
        assert_eq!(places("holds", body), 0, "{body}");
    }
}

#[test]
fn a_function_with_the_name_of_a_method_of_sqlx_is_followed() {
    for body in [
        "let Some((tx, id)) = fetch(pool).await? else { return Ok(()) }; finish(tx, id).await",
        "let tx = execute(pool).await?; finish(tx).await",
        "let job = self.jobs.fetch().await?; finish(job).await",
        "let tx = self.state.transaction().await?; finish(tx).await",
    ] {
        assert_ne!(places("holds", body), 0, "{body}");
    }
    assert_eq!(
        places(
            "holds",
            "let row = Executor::fetch_one(pool, A).await?; read(row)"
        ),
        0
    );
}

fn joins(body: &str) -> usize {
    places("joins", body)
}

#[test]
fn a_carried_task_is_joined_where_nothing_else_is_awaited_before() {
    for body in [
        "tokio::spawn(work().in_current_scope()).await.unwrap()?;",
        "work().in_current_scope().await?;",
        "self.runtime.spawn(Box::pin(work().in_current_scope())).await?;",
        "timeout(LIMIT, tokio::spawn(work().in_current_scope())).await??;",
        "join_all(ids.iter().map(|id| tokio::spawn(work(id).in_current_scope()))).await;",
        "let task = tokio::spawn(work().in_current_scope()); task.await?;",
        "let task = tokio::spawn(work().in_current_scope()); let n = count(); (task.await?, n)",
        "let mut set = JoinSet::new(); set.spawn(work().in_current_scope()); while let Some(it) = set.join_next().await {}",
        "let mut set = JoinSet::new(); for id in ids { set.spawn(work(id).in_current_scope()); } set.join_all().await",
        "let mut tasks = Vec::new(); for id in ids { tasks.push(spawn(work(id).in_current_scope())); } for task in tasks { task.await?; }",
        "let tasks: Vec<_> = ids.map(|id| spawn(work(id).in_current_scope())).collect(); try_join_all(tasks).await?;",
        "if late { let task = spawn(work().in_current_scope()); task.await?; }",
    ] {
        assert_eq!(joins(body), 1, "{body}");
    }
    let two = "let a = spawn(one().in_current_scope()); let b = spawn(two().in_current_scope()); tokio::try_join!(a, b)?;";
    assert_eq!(joins(two), 2);
}

#[test]
fn a_carried_task_is_not_joined_where_it_may_run_beside() {
    for body in [
        "tokio::spawn(work().in_current_scope());",
        "tokio::spawn(work().in_current_scope()); other().await?;",
        "let task = tokio::spawn(work().in_current_scope()); other().await?; task.await?;",
        "let task = tokio::spawn(work().in_current_scope()); tasks.lock().await.push(task);",
        "self.register(tokio::spawn(work().in_current_scope())).await;",
        "let _ = tokio::spawn(work().in_current_scope()); tx.commit().await",
        "tasks.push(work().in_current_scope());",
        "for id in ids { set.spawn(work(id).in_current_scope()); other().await?; }",
    ] {
        assert_eq!(joins(body), 0, "{body}");
    }
}

/// The types that a function with these parameters is given to itself.
fn taken(parameters: &str) -> Vec<String> {
    let source = format!("#[track] async fn find<T: Tr>({parameters}) {{}}");
    let expansion = expand(&source, Mode::On).to_string();
    facts(&expansion, "takes")
        .into_iter()
        .map(String::from)
        .collect()
}

#[test]
fn a_function_is_given_values_to_itself() {
    for (parameters, types) in [
        ("tenant: Tenant", "Tenant"),
        ("Ext(mut conn): app::Ext", "Ext"),
        ("Extension(tenant): Extension<Tenant>", "Tenant"),
        ("work: &mut Work<'_>", "Work"),
        ("work: Option<Box<Work>>", "Work"),
        ("tx: &mut Transaction<'_, Sqlite>, id: i64", "Transaction"),
        ("(a, b): (Left, &mut Right)", "Left Right"),
        ("self", "Self"),
        ("mut self", "Self"),
        ("&mut self", "Self"),
        // Shared, or without a handle.
        ("&self", ""),
        ("self: Arc<Self>", ""),
        ("tenant: &Tenant", ""),
        ("service: Arc<Service>", ""),
        ("pool: SqlitePool, State(pool): State<Pool>", ""),
        ("id: i64, name: String, flag: Option<bool>", ""),
        ("value: T, f: impl Fn(Tenant)", ""),
    ] {
        assert_eq!(taken(parameters).join(" "), types, "{parameters}");
    }
}
