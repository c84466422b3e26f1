//! The expansion of each kind of item.

use expect_test::{Expect, expect};

use super::{expand, folded, pretty};
use crate::model::Mode;

#[track_caller]
fn check(source: &str, expected: Expect) {
    expected.assert_eq(&folded(source));
}

#[test]
fn in_full() {
    let source = r#"#[track(root)]
        async fn find(pool: &Pool) -> sqlx::Result<Exam> {
            query.fetch_one(pool).await
        }"#;
    expect![[r#"
        fn find(pool: &Pool) -> impl ::core::future::Future<Output = sqlx::Result<Exam>> {
            fn __leash(index: ::core::primitive::usize, message: &::core::primitive::str) -> ! {
                match index {
                    0 => P::panic_here(message),
                    _ => P::panic_here(message),
                }
            }
            static __LEASH: P::TrackedFn = P::TrackedFn::with_options(
                __leash,
                __leash,
                ::core::file!(),
                "at 2:18; body 2:58-4:10; straight; site 3:19 fetch_one",
                const { &P::Options::NONE.root() },
            );
            P::scope_by_type(
                &__LEASH,
                async move {
                    let __leash_value: sqlx::Result<Exam> = P::awaited(
                        P::awaiting(0),
                        query.fetch_one(pool).await,
                    );
                    #[allow(unreachable_code)] __leash_value
                },
                || P::asked!([] [] [Exam => Exam] []),
            )
        }
    "#]]
    .assert_eq(&pretty(&expand(source, Mode::On).to_string()));
}

#[test]
fn async_fn() {
    check(
        r#"#[track]
        /// Documented.
        pub async fn find<'a>(pool: &'a Pool, id: i64) -> sqlx::Result<Exam>
        where
            Exam: 'a,
        {
            let query = sqlx::query_as("…");
            query.bind(id).fetch_one(pool).await
        }"#,
        expect![[r#"
            /// Documented.
            pub fn find<'a>(
                pool: &'a Pool,
                id: i64,
            ) -> impl ::core::future::Future<Output = sqlx::Result<Exam>>
            where
                Exam: 'a,
            {
                leash! {
                    "at 3:22; straight; site 8:28 fetch_one"
                }
                P::scope_by_type(
                    &__LEASH,
                    async move {
                        let __leash_value: sqlx::Result<Exam> = {
                            let query = sqlx::query_as("…");
                            P::awaited(
                                P::awaiting(0),
                                query.bind(id).fetch_one(pool).await,
                            )
                        };
                        #[allow(unreachable_code)] __leash_value
                    },
                    || P::asked!([] [] [Exam => Exam] []),
                )
            }
        "#]],
    );
}

#[test]
fn options() {
    check(
        r#"#[track(name = "exams.find", root, returns_handle, max_queries = 3, held_idle = "1m 30s 5ms",
            pool_pressure = "90%", connection_churn = "2/s", warn(leaks), allow(held_idle, reason = "a report"))]
        async fn find() {}"#,
        expect![[r#"
            fn find() -> impl ::core::future::Future<Output = ()> {
                leash! {
                    "at 3:18; straight", const { & P::Options::NONE
                    .named("exams.find").root().returns_handle().levels(const { &
                    [(P::Lint::OutlivedScope, P::Level::Warn, ""),
                    (P::Lint::HeldIdle, P::Level::Allow, "a report"),
                    (P::Lint::HeldTooLong, P::Level::Warn, ""),
                    (P::Lint::ImplicitRollback, P::Level::Warn, ""),
                    (P::Lint::SessionState, P::Level::Warn, "")] })
                    .limits(const { & [(P::Lint::HeldIdle,
                    P::Limit::Time(::core::time::Duration::new(90, 5000000))),
                    (P::Lint::PoolPressure, P::Limit::Percent(90)),
                    (P::Lint::ConnectionChurn,
                    P::Limit::PerSecond(2)), (P::Lint::QueryBudget,
                    P::Limit::Count(3))] }) }
                }
                P::scope_spelled(
                    &__LEASH,
                    async move {
                        let __leash_value: () = {};
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "#]],
    );
}

#[test]
fn arguments() {
    check(
        r#"#[track]
        async fn find(mut self, mut id: i64, (a, b): (u8, u8), _: Guard, _kept: Guard,
            #[allow(unused_variables)] unused: u8, #[cfg(test)] &x: &u8) {}"#,
        expect![[r#"
            fn find(
                mut self,
                id: i64,
                __arg2: (u8, u8),
                __arg3: Guard,
                _kept: Guard,
                #[allow(unused_variables)]
                unused: u8,
                #[cfg(test)]
                __arg6: &u8,
            ) -> impl ::core::future::Future<Output = ()> {
                leash! {
                    "at 2:18; straight; takes Guard; takes Self"
                }
                P::scope_spelled(
                    &__LEASH,
                    async move {
                        let _ = &self;
                        let mut id = id;
                        let __arg2 = __arg2;
                        let (a, b) = __arg2;
                        let __arg3 = __arg3;
                        let _ = __arg3;
                        #[allow(
                            clippy::used_underscore_binding,
                            clippy::no_effect_underscore_binding
                        )]
                        let _kept = _kept;
                        #[cfg(test)]
                        let __arg6 = __arg6;
                        #[cfg(test)]
                        let &x = __arg6;
                        let __leash_value: () = {};
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "#]],
    );
}

#[test]
fn diverging() {
    check(
        "#[track] async fn serve() -> ! { loop {} }",
        expect![[r#"
            async fn serve() -> ! {
                leash! {
                    "at 1:19; straight"
                }
                match P::scope_by_type(
                        &__LEASH,
                        async move {
                            let __leash_value: ::core::convert::Infallible = loop {};
                            #[allow(unreachable_code)] __leash_value
                        },
                        || {
                            P::asked!(
                                [::core::convert::Infallible] [::core::convert::Infallible]
                                [::core::convert::Infallible => ::core::convert::Infallible] []
                            )
                        },
                    )
                    .await
                {}
            }
        "#]],
    );
}

#[test]
fn nested_impl_trait() {
    check(
        "#[track] async fn find() -> Result<impl Iterator<Item = u8>> { Ok([].into_iter()) }",
        expect![[r#"
            fn find() -> impl ::core::future::Future<Output = Result<impl Iterator<Item = u8>>> {
                leash! {
                    "at 1:19; straight"
                }
                P::scope_opaque(
                    &__LEASH,
                    async move {
                        let __leash_value: Result<_> = Ok([].into_iter());
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "#]],
    );
}

#[test]
fn impl_with_overrides() {
    check(
        r#"#[track(max_queries = 3)]
        impl Store for Repo {
            const LIMIT: u8 = 3;
            const fn limit() -> u8 { Self::LIMIT }
            fn sync(&self) -> u8 { 1 }
            #[track(skip)]
            async fn skipped(&self) { self.pool.acquire().await }
            #[track(root)]
            async fn find(&self) { self.pool.acquire().await }
        }"#,
        expect![[r#"
            impl Store for Repo {
                const LIMIT: u8 = 3;
                const fn limit() -> u8 {
                    Self::LIMIT
                }
                fn sync(&self) -> u8 {
                    1
                }
                async fn skipped(&self) {
                    self.pool.acquire().await
                }
                fn find(&self) -> impl ::core::future::Future<Output = ()> {
                    leash! {
                        "at 9:22; straight; site 9:46 acquire", const { &
                        P::Options::NONE.root().limits(const { &
                        [(P::Lint::QueryBudget, P::Limit::Count(3))]
                        }) }
                    }
                    P::scope_spelled(
                        &__LEASH,
                        async move {
                            let _ = &self;
                            let __leash_value: () = P::awaited(
                                P::awaiting(0),
                                self.pool.acquire().await,
                            );
                            #[allow(unreachable_code)] __leash_value
                        },
                    )
                }
            }
        "#]],
    );
}

#[test]
fn trait_with_default_bodies() {
    check(
        "#[track] trait Store { async fn get(&self); async fn set(&self) { self.get().await } }",
        expect![[r#"
            trait Store {
                async fn get(&self);
                fn set(&self) -> impl ::core::future::Future<Output = ()> {
                    leash! {
                        "at 1:54; straight"
                    }
                    P::scope_spelled(
                        &__LEASH,
                        async move {
                            let _ = &self;
                            let __leash_value: () = self.get().await;
                            #[allow(unreachable_code)] __leash_value
                        },
                    )
                }
            }
        "#]],
    );
}

#[test]
fn two_attributes_on_one_item() {
    check(
        "#[track(root, max_queries = 3)] #[track(max_queries = 7)] async fn find() {}",
        expect![[r#"
            fn find() -> impl ::core::future::Future<Output = ()> {
                leash! {
                    "at 1:68; straight", const { & P::Options::NONE.root()
                    .limits(const { & [(P::Lint::QueryBudget,
                    P::Limit::Count(7))] }) }
                }
                P::scope_spelled(
                    &__LEASH,
                    async move {
                        let __leash_value: () = {};
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "#]],
    );
}

#[test]
fn module() {
    check(
        "#[track] mod store { use super::*; struct Repo; mod deep { async fn find() {} } }",
        expect![[r#"
            mod store {
                use super::*;
                struct Repo;
                mod deep {
                    fn find() -> impl ::core::future::Future<Output = ()> {
                        leash! {
                            "at 1:69; straight"
                        }
                        P::scope_spelled(
                            &__LEASH,
                            async move {
                                let __leash_value: () = {};
                                #[allow(unreachable_code)] __leash_value
                            },
                        )
                    }
                }
            }
        "#]],
    );
}

#[test]
fn boxed_fn_of_async_trait() {
    check(
        "#[track] fn find<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<u8>> + Send + 'a>> {
            Box::pin(async move { self.pool.acquire().await })
        }",
        expect![[r#"
            fn find<'a>(&'a self) -> Pin<Box<dyn Future<Output = Result<u8>> + Send + 'a>> {
                leash! {
                    "at 1:13; straight; site 2:45 acquire"
                }
                {
                    const _: () = ();
                    Box::pin(
                        P::scope_by_type(
                            &__LEASH,
                            async move {
                                P::awaited(
                                    P::awaiting(0),
                                    self.pool.acquire().await,
                                )
                            },
                            || P::asked!([Result < u8 >] [] [] []),
                        ),
                    )
                }
            }
        "#]],
    );
}

#[test]
fn boxed_fn_with_early_return() {
    check(
        "#[track] fn find(&self) -> BoxFuture<'_, u8> {
            if self.empty { return ready(1).boxed(); }
            self.later(|| { return 3; })
        }",
        expect![[r#"
            fn find(&self) -> BoxFuture<'_, u8> {
                leash! {
                    "at 1:13"
                }
                let __leash_body: BoxFuture<'_, u8> = '__leash: {
                    if self.empty {
                        break '__leash ready(1).boxed();
                    }
                    self.later(|| {
                        return 3;
                    })
                };
                #[allow(unreachable_code)]
                ::std::boxed::Box::pin(P::scope_spelled(&__LEASH, __leash_body))
            }
        "#]],
    );
}

#[test]
fn impl_future_fn() {
    check(
        "#[track] fn find(&self) -> impl Future<Output = u8> + Send { async { 1 } }",
        expect![[r#"
            fn find(&self) -> impl Future<Output = u8> + Send {
                leash! {
                    "at 1:13; straight"
                }
                let __leash_body = {
                    const _: () = ();
                    async { 1 }
                };
                #[allow(unreachable_code)] P::scope_spelled(&__LEASH, __leash_body)
            }
        "#]],
    );
}

#[test]
fn stream_fn() {
    check(
        r#"#[track] fn rows(&self) -> BoxStream<'_, Row> { sqlx::query("…").fetch(&self.pool) }"#,
        expect![[r#"
            fn rows(&self) -> BoxStream<'_, Row> {
                leash! {
                    "at 1:13; site 1:66 fetch"
                }
                let __leash_body: BoxStream<'_, Row> = {
                    const _: () = ();
                    P::leave(
                        sqlx::query("…")
                            .fetch(P::tap_stream(&__LEASH, 0, &self.pool)),
                    )
                };
                #[allow(unreachable_code)]
                ::std::boxed::Box::pin(P::scope_stream(&__LEASH, __leash_body))
            }
        "#]],
    );
}

#[test]
fn sync_fn_with_async_block() {
    check(
        "#[track] fn spawned(&self) -> JoinHandle<()> { spawn(async move { pool.acquire().await; }) }",
        expect![[r#"
            fn spawned(&self) -> JoinHandle<()> {
                leash! {
                    "at 1:13; site 1:72 acquire 1:54-1:90"
                }
                {
                    const _: () = ();
                    spawn(async move {
                        P::at(&__LEASH, 0, pool.acquire()).await;
                    })
                }
            }
        "#]],
    );
}

#[test]
fn test_attribute_expanded_first() {
    check(
        "#[track(__last_of_entry, max_queries = 3)] fn test() { let body = async { pool.acquire().await }; block_on(body) }",
        expect![[r#"
            fn test() {
                leash! {
                    "at 1:47; straight; site 1:80 acquire", const { &
                    P::Options::NONE.limits(const { &
                    [(P::Lint::QueryBudget, P::Limit::Count(3))] }) }
                }
                {
                    let body = P::scope_spelled(
                        &__LEASH,
                        async {
                            P::awaited(
                                P::awaiting(0),
                                pool.acquire().await,
                            )
                        },
                    );
                    block_on(body)
                }
            }
        "#]],
    );
    check(
        "#[track(__last_of_entry)] fn test() { async fn test(pool: Pool) { pool.acquire().await } run(test) }",
        expect![[r#"
            fn test() {
                leash! {
                    "at 1:30; straight; site 1:72 acquire"
                }
                {
                    fn test(pool: Pool) -> impl ::core::future::Future<Output = ()> {
                        P::scope_spelled(
                            &__LEASH,
                            async move {
                                let pool = pool;
                                let __leash_value: () = P::awaited(
                                    P::awaiting(0),
                                    pool.acquire().await,
                                );
                                #[allow(unreachable_code)] __leash_value
                            },
                        )
                    }
                    run(test)
                }
            }
        "#]],
    );
}

#[test]
fn off_is_the_item_as_written() {
    let source = r#"#[track(max_queries = 3)]
        impl Repo {
            #[track(root)]
            #[instrument]
            async fn find(&self) -> u8 { sqlx::query("…").fetch_one(&self.pool).await }
        }"#;
    expect![[r#"
        impl Repo {
            #[instrument]
            async fn find(&self) -> u8 {
                sqlx::query("…").fetch_one(&self.pool).await
            }
        }
    "#]]
    .assert_eq(&pretty(&expand(source, Mode::Off).to_string()));
}

/// Checks the expansion of a body alone.
#[track_caller]
fn check_body(body: &str, expected: Expect) {
    let expansion = folded(&format!("#[track]\nfn f() {{ {body} }}"));
    let (_, body) = expansion.split_once("}\n").expect("the body");
    expected.assert_eq(body);
}

#[test]
fn awaited_sites() {
    check_body(
        r#"async {
            let mut tx = pool.begin().await?;
            repo.save(&mut tx, repo.acquire().await).await;
            (Executor::execute(&mut *tx, "…")).await;
            tx.commit().await
        };"#,
        expect![[r#"
                {
                    async {
                        let mut tx = P::at(&__LEASH, 0, pool.begin()).await?;
                        repo.save(&mut tx, P::at(&__LEASH, 1, repo.acquire()).await)
                            .await;
                        (P::at(&__LEASH, 2, Executor::execute(&mut *tx, "…")))
                            .await;
                        P::at(&__LEASH, 3, tx.commit()).await
                    };
                }
            }
        "#]],
    );
}

#[test]
fn sites_that_the_function_awaits_itself() {
    check(
        r#"#[track]
        async fn save(pool: &Pool, ids: &[i64]) -> sqlx::Result<()> {
            let mut tx = (pool.begin()).await?;
            for id in ids {
                query!("…", id).execute(&mut *tx).await?;
            }
            #[cfg(test)]
            pool.acquire().await;
            tx.commit().await
        }"#,
        expect![[r#"
            fn save(
                pool: &Pool,
                ids: &[i64],
            ) -> impl ::core::future::Future<Output = sqlx::Result<()>> {
                #[allow(unused_imports)]
                use P::TapAny as _;
                leash! {
                    "at 2:18; straight; site 3:32 begin stays; site 5:33 execute; site 8:18 acquire; site 9:16 commit; loop 4:13 for 4:27-6:14 given"
                }
                P::scope_spelled(
                    &__LEASH,
                    async move {
                        let __leash_value: sqlx::Result<()> = {
                            let mut tx = P::awaited(
                                P::awaiting(0),
                                (pool.begin()).await,
                            )?;
                            for id in ids {
                                P::awaited(
                                    P::awaiting(1),
                                    query!("…", id)
                                        .execute(
                                            P::executed(&mut *tx).tap(false, false),
                                        )
                                        .await,
                                )?;
                            }
                            #[cfg(test)]
                            P::awaited(
                                P::awaiting(2),
                                pool.acquire().await,
                            );
                            P::awaited(
                                P::awaiting(3),
                                tx.commit().await,
                            )
                        };
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "#]],
    );
}

#[test]
fn sites_that_the_function_may_leave_or_that_have_others_in_them() {
    check(
        r#"#[track]
        async fn save(pool: &Pool, ids: &[i64]) -> sqlx::Result<()> {
            for id in ids {
                query("…").bind(id.key()?).execute(pool).await?;
                query("…").bind(match id { 0 => continue, id => id }).execute(pool).await?;
                query("…").bind(unknown!(id)).execute(pool).await?;
            }
            query("…").execute(&mut *pool.acquire().await?).await?;
            join!(pool.acquire());
            Ok(())
        }"#,
        expect![[r#"
            fn save(
                pool: &Pool,
                ids: &[i64],
            ) -> impl ::core::future::Future<Output = sqlx::Result<()>> {
                #[allow(unused_imports)]
                use P::TapAny as _;
                leash! {
                    "at 2:18; site 4:44 execute; site 5:71 execute; site 6:47 execute; site 8:43 acquire; site 8:24 execute; site 9:24 acquire 9:18-9:34; loop 3:13 for 3:27-7:14 given"
                }
                P::scope_spelled(
                    &__LEASH,
                    async move {
                        let __leash_value: sqlx::Result<()> = {
                            for id in ids {
                                P::at(
                                        &__LEASH,
                                        0,
                                        query("…")
                                            .bind(id.key()?)
                                            .execute(
                                                P::executed(pool).tap(false, false),
                                            ),
                                    )
                                    .await?;
                                P::at(
                                        &__LEASH,
                                        1,
                                        query("…")
                                            .bind(
                                                match id {
                                                    0 => continue,
                                                    id => id,
                                                },
                                            )
                                            .execute(
                                                P::executed(pool).tap(false, false),
                                            ),
                                    )
                                    .await?;
                                P::at(
                                        &__LEASH,
                                        2,
                                        query("…")
                                            .bind(unknown!(id))
                                            .execute(
                                                P::executed(pool).tap(false, false),
                                            ),
                                    )
                                    .await?;
                            }
                            P::at(
                                    &__LEASH,
                                    4,
                                    query("…")
                                        .execute(
                                            P::executed(
                                                    &mut *P::awaited(
                                                        P::awaiting(3),
                                                        pool.acquire().await,
                                                    )?,
                                                )
                                                .tap(false, false),
                                        ),
                                )
                                .await?;
                            join!(P::at(& __LEASH, 5, pool.acquire()));
                            Ok(())
                        };
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "#]],
    );
}

#[test]
fn query_chains() {
    check_body(
        r#"async {
            sqlx::query("…").bind(1).execute(&mut *tx).await;
            let later = query_as::<_, Exam>("…").fetch_one(pool);
            let rows = sqlx::query!("…").fetch(&pool);
            sqlx::raw_sql("…").fetch_all(&pool);
            let mut builder = sqlx::QueryBuilder::<Sqlite>::new("…");
            builder.build().fetch_all(&pool).await;
            builder.build_query_as().fetch_all(&pool).await;
        };"#,
        expect![[r#"
                {
                    async {
                        P::at(
                                &__LEASH,
                                0,
                                sqlx::query("…")
                                    .bind(1)
                                    .execute(P::executed(&mut *tx).tap(false, true)),
                            )
                            .await;
                        let later = P::at(
                            &__LEASH,
                            1,
                            query_as::<_, Exam>("…")
                                .fetch_one(P::executed(pool).tap(false, true)),
                        );
                        let rows = P::leave(
                            sqlx::query!("…")
                                .fetch(P::tap_stream(&__LEASH, 2, &pool)),
                        );
                        sqlx::raw_sql("…").fetch_all(P::tap(&pool));
                        let mut builder = sqlx::QueryBuilder::<Sqlite>::new("…");
                        P::at(
                                &__LEASH,
                                3,
                                builder.build().fetch_all(P::tap(&pool)),
                            )
                            .await;
                        P::at(
                                &__LEASH,
                                4,
                                builder.build_query_as().fetch_all(P::tap(&pool)),
                            )
                            .await;
                    };
                }
            }
        "#]],
    );
}

#[test]
fn foreign_chains_are_no_queries() {
    check_body(
        r#"async {
            reports::query("…").execute(&client).await;
            query().execute(&client).await;
            Client::builder().build().execute(&client).await;
            client.query("…").execute(&client).await;
            client.execute(|| 3);
            client.fetch(a, b);
        };"#,
        expect![[r#"
                {
                    async {
                        P::at(&__LEASH, 0, reports::query("…").execute(&client))
                            .await;
                        P::at(&__LEASH, 1, query().execute(&client)).await;
                        P::at(
                                &__LEASH,
                                2,
                                Client::builder().build().execute(&client),
                            )
                            .await;
                        P::at(&__LEASH, 3, client.query("…").execute(&client))
                            .await;
                        client.execute(|| 3);
                        client.fetch(a, b);
                    };
                }
            }
        "#]],
    );
}

#[test]
fn attributes_on_expressions() {
    check_body(
        "async {
            #[cfg(test)]
            pool.acquire().await;
            #[cfg(test)]
            sqlx::query(1).execute(pool);
        };",
        expect![[r#"
                {
                    async {
                        #[cfg(test)] P::at(&__LEASH, 0, pool.acquire()).await;
                        #[cfg(test)]
                        P::at(
                            &__LEASH,
                            1,
                            sqlx::query(1)
                                .execute(P::executed(pool).tap(false, false)),
                        );
                    };
                }
            }
        "#]],
    );
}

#[test]
fn streams() {
    check_body(
        r#"async {
            let mut rows = pool.fetch("…");
            sqlx::query("…").fetch(&mut *conn).map(|row| row);
            client.fetch(|| 3);
            client.fetch(url).await;
        };"#,
        expect![[r#"
                {
                    async {
                        let mut rows = P::leave(
                            pool.fetch(P::enter(&__LEASH, 0, "…")),
                        );
                        P::leave(
                                sqlx::query("…")
                                    .fetch(
                                        P::executed(&mut *conn)
                                            .tap_stream(&__LEASH, 1, false, true),
                                    ),
                            )
                            .map(|row| row);
                        client.fetch(|| 3);
                        P::at(&__LEASH, 2, client.fetch(url)).await;
                    };
                }
            }
        "#]],
    );
}

#[test]
fn inside_macros() {
    check_body(
        r#"async {
            tokio::join!(biased; pool.acquire(), repo.find(), sqlx::query("…").fetch_one(&pool));
            futures::try_join!(pool.acquire())?;
            vec![pool.acquire().await; 3];
            assert!(pool.acquire().await.is_ok());
            assert!(pool.acquire().await.is_ok(), "message");
            matches!(pool.acquire().await, Ok(_) if true);
            println!("{} {x}", pool.acquire().await, x = pool.begin().await);
            ensure!(pool.acquire().await.is_ok());
            unknown!(pool.acquire().await);
            info!(%id, "{}", pool.acquire().await);
        };"#,
        expect![[r#"
                {
                    async {
                        tokio::join!(
                            biased; P::at(& __LEASH, 0, pool.acquire()), repo.find(),
                            P::at(& __LEASH, 1, sqlx::query("…")
                            .fetch_one(P::tap(& pool)))
                        );
                        futures::try_join!(P::at(& __LEASH, 2, pool.acquire()))?;
                        vec![P::at(& __LEASH, 3, pool.acquire()). await; 3];
                        assert!(
                            P::at(& __LEASH, 4, pool.acquire()). await .is_ok(),
                            "assertion failed: {}", ::core::stringify!(pool.acquire(). await
                            .is_ok())
                        );
                        assert!(
                            P::at(& __LEASH, 5, pool.acquire()). await .is_ok(),
                            "message"
                        );
                        matches!(
                            P::at(& __LEASH, 6, pool.acquire()). await, Ok(_) if true
                        );
                        println!(
                            "{} {x}", P::at(& __LEASH, 7, pool.acquire()). await, x =
                            P::at(& __LEASH, 8, pool.begin()). await
                        );
                        ensure!(pool.acquire(). await .is_ok());
                        unknown!(pool.acquire(). await);
                        info!(% id, "{}", pool.acquire(). await);
                    };
                }
            }
        "#]],
    );
}

#[test]
fn inside_select() {
    check_body(
        r#"async {
            tokio::select! {
                biased;
                Ok(conn) = pool.acquire(), if pool.ping().await => { conn.commit().await }
                _ = shutdown.recv() => return,
                else => pool.begin().await,
            }
            futures::select! {
                conn = pool.acquire().fuse() => conn,
                row = pool.acquire() => row.commit().await,
                complete => break,
            }
        };"#,
        expect![[r#"
                {
                    async {
                        tokio::select! {
                            biased; Ok(conn) = P::at(& __LEASH, 0, pool.acquire()),
                            if P::at(& __LEASH, 1, pool.ping()). await => {
                            P::at(& __LEASH, 2, conn.commit()). await } _ = shutdown
                            .recv() => return, else => P::at(& __LEASH, 3, pool
                            .begin()). await,
                        }
                        futures::select! {
                            conn = pool.acquire().fuse() => conn, row = pool.acquire() =>
                            P::at(& __LEASH, 4, row.commit()). await, complete =>
                            break,
                        }
                    };
                }
            }
        "#]],
    );
}

#[test]
fn inside_streams() {
    check_body(
        "async_stream::stream! { let conn = pool.acquire().await; yield conn; };",
        expect![[r#"
                {
                    async_stream::stream! {
                        let conn = P::at(& __LEASH, 0, pool.acquire()). await; yield
                        conn;
                    };
                }
            }
        "#]],
    );
}

#[test]
fn debug_macro_prints_what_was_written() {
    check_body(
        "async { dbg!(pool.acquire().await); };",
        expect![[r#"
                {
                    async {
                        {
                            match P::at(&__LEASH, 0, pool.acquire()).await {
                                value => {
                                    ::std::eprintln!(
                                        "[{}:{}:{}] {} = {:#?}", ::core::file!(), 2, 18,
                                        ::core::stringify!(pool.acquire(). await), & value
                                    );
                                    value
                                }
                            }
                        };
                    };
                }
            }
        "#]],
    );
}

#[test]
fn inner_items_are_not_tracked() {
    check_body(
        "async fn inner() { pool.acquire().await } async { pool.begin().await };",
        expect![[r#"
                {
                    async fn inner() {
                        pool.acquire().await
                    }
                    async { P::at(&__LEASH, 0, pool.begin()).await };
                }
            }
        "#]],
    );
}

#[test]
fn anonymous_lifetimes_of_arguments_get_names() {
    check(
        "#[track] async fn find<T>(name: &str, e: impl PgExecutor<'_>, f: impl Fn(&str) -> T, ids: impl Iterator<Item = &i64>) {}",
        expect![[r##"
            #[allow(clippy::needless_lifetimes, clippy::elidable_lifetime_names)]
            fn find<'__leash0, '__leash1, T>(
                name: &str,
                e: impl PgExecutor<'__leash0>,
                f: impl Fn(&str) -> T,
                ids: impl Iterator<Item = &'__leash1 i64>,
            ) -> impl ::core::future::Future<Output = ()> {
                leash! {
                    "at 1:19; straight"
                }
                P::scope_spelled(
                    &__LEASH,
                    async move {
                        let e = e;
                        let f = f;
                        let ids = ids;
                        let __leash_value: () = {};
                        #[allow(unreachable_code)] __leash_value
                    },
                )
            }
        "##]],
    );
}
