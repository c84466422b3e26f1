//! A contender with a thousand functions, each with its own call site. Ten thousand would take minutes to compile, so
//! each function sends up to ten texts.

/// Generates the `main` of a contender with one operation, which runs its call sites in turn.
///
/// The crate must have a dependency named `sqlx`. The attributes apply to every function. The
/// [surroundings](crate::Surroundings) set the number of pairs of a call site and a text. The threads share these
/// pairs; if there are fewer pairs than threads, each thread runs all of them.
#[macro_export]
macro_rules! call_sites {
    ([$($attributes:tt)*]) => {
        use $crate::__private::{futures::future::BoxFuture, tokio::runtime};
        use $crate::{Measured, Operations, Surroundings};
        use sqlx::SqlitePool;

        type CallSite = for<'a> fn(&'a SqlitePool, &'static str) -> BoxFuture<'a, ()>;

        macro_rules! one {
            () => {{
                $($attributes)*
                async fn select(pool: &SqlitePool, text: &'static str) {
                    sqlx::query(text).execute(pool).await.expect("it is valid SQL");
                }
                let site: CallSite = |pool, text| Box::pin(select(pool, text));
                site
            }};
        }
        macro_rules! ten {
            () => { [one!(), one!(), one!(), one!(), one!(), one!(), one!(), one!(), one!(), one!()] };
        }
        macro_rules! hundred {
            () => { [ten!(), ten!(), ten!(), ten!(), ten!(), ten!(), ten!(), ten!(), ten!(), ten!()] };
        }
        static CALL_SITES: [[[CallSite; 10]; 10]; 10] = [
            hundred!(), hundred!(), hundred!(), hundred!(), hundred!(),
            hundred!(), hundred!(), hundred!(), hundred!(), hundred!(),
        ];
        static TEXTS: [&str; 10] = [
            "SELECT 0", "SELECT 1", "SELECT 2", "SELECT 3", "SELECT 4",
            "SELECT 5", "SELECT 6", "SELECT 7", "SELECT 8", "SELECT 9",
        ];

        struct Contender {
            runtime: runtime::Runtime,
            pool: SqlitePool,
            sites: Vec<(CallSite, &'static str)>,
        }

        impl Contender {
            fn open(url: &str, surroundings: &Surroundings, thread: usize) -> Self {
                let runtime = runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
                let options = sqlx::sqlite::SqlitePoolOptions::new()
                    .max_connections(1)
                    .test_before_acquire(false)
                    .idle_timeout(None)
                    .max_lifetime(None);
                let pool = runtime.block_on(options.connect(url)).expect("the database is there");
                let sites = CALL_SITES.as_flattened().as_flattened();
                let counted = TEXTS.iter().flat_map(|text| sites.iter().map(|site| (*site, *text)));
                let (count, threads) = (surroundings.sites as usize, surroundings.threads as usize);
                let step = if count < threads { 1 } else { threads };
                let sites = counted.take(count).skip(thread % step).step_by(step).collect();
                Self { runtime, pool, sites }
            }
        }

        impl Operations for Contender {
            fn batch(&mut self, _operation: &str, times: u32, measured: Measured<'_>) {
                let sites = self.sites.iter().cycle().take(times as usize);
                measured(&mut || {
                    self.runtime.block_on(async {
                        for (site, text) in sites.clone() {
                            site(&self.pool, text).await;
                        }
                    });
                });
            }
        }

        fn main() {
            $crate::serve(Contender::open);
        }
    };
}
