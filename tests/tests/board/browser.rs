//! The page in a real browser: what it shows and how soon, sorting, freezing, and names that are markup.

use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

use leash_tests::{Browser, in_child};
use sqlx::leash::board::{self, Board};
use sqlx::track;

use crate::programs::{self, line, pool};

/// Runs `program` beside a browser with the page, each in the child of the calling test, where no deadlock panics.
#[track_caller]
fn beside<F: Future<Output = ()>>(
    test: &str,
    program: impl FnOnce() -> F + Send + 'static,
    look: impl FnOnce(&mut Browser, SocketAddr),
) {
    let test = format!("browser::{test}");
    in_child(&test, &[("SQLX_LEASH", "cap=warn")], |_| {
        let Some(mut browser) = Browser::start() else {
            return;
        };
        browser.look(1280, 900, false);
        let address = board::listen("127.0.0.1:0").unwrap();
        browser.open(&format!("http://{address}/"));
        browser.until("document.querySelector('#status')?.textContent === 'live'");
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            runtime.unwrap().block_on(async {
                program().await;
                std::future::pending::<()>().await;
            });
        });
        look(&mut browser, address);
        let complaints = browser.complaints();
        assert!(complaints.is_empty(), "{complaints:#?}");
    });
}

/// Two seconds where nothing else runs: an acquire has waited for one second before the page says why, and the page asks once a
/// second.
const SOON: Duration = Duration::from_secs(5);

/// The page shows each of these soon after the pool.
#[track_caller]
fn shows_soon(browser: &mut Browser, words: &[&str]) {
    let all = serde_json::to_string(words).unwrap();
    browser.until("state.pools.total > 0");
    let took = browser.until(&format!(
        "{all}.every(it => document.body.innerText.includes(it))"
    ));
    println!("shown after {took:?}");
    assert!(took < SOON, "{took:?}");
}

fn pictures(browser: &mut Browser, name: &str) {
    for (suffix, width, dark) in [
        ("light", 1280, false),
        ("dark", 1280, true),
        ("narrow", 400, false),
    ] {
        browser.look(width, 900, dark);
        let wider = "document.documentElement.scrollWidth - innerWidth";
        assert_eq!(
            browser.evaluate(wider),
            0,
            "nothing is wider than {width} pixels"
        );
        browser.evaluate("scrollTo(0, 0), new Promise(done => setTimeout(done, 100))");
        browser.picture(&format!("{name}-{suffix}"));
    }
    browser.look(1280, 900, false);
}

#[test]
fn a_deadlock() {
    beside("a_deadlock", programs::deadlock, |browser, _| {
        shows_soon(
            browser,
            &[
                "deadlock (certain)",
                "2 waiting, the oldest for",
                "Reception::is_licensed",
                &line("admit"),
                &line("licensed"),
                "Who waits while holding",
                "holds 2 permits of reception",
                "pool_deadlock",
            ],
        );
        pictures(browser, "deadlock");
    });
}

#[test]
fn a_hoarder() {
    beside("a_hoarder", programs::hoarder, |browser, _| {
        shows_soon(
            browser,
            &[
                "hoarder",
                "1 waiting, the oldest for",
                "patients_today",
                &line("screen"),
                &line("patients"),
            ],
        );
        pictures(browser, "hoarder");
    });
}

#[test]
fn a_deadlock_of_two_pools() {
    beside(
        "a_deadlock_of_two_pools",
        programs::two_pools,
        |browser, _| {
            let lines = ["put away", "put into", "fetch back", "fetch into"].map(line);
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            shows_soon(browser, &lines);
            shows_soon(
                browser,
                &[
                    "deadlock (certain)",
                    "holds 1 permit of exams",
                    "holds 1 permit of records",
                    "pool_deadlock",
                ],
            );
            pictures(browser, "two-pools");
        },
    );
}

/// Pictures of the page of a program that runs already, for instance the README's.
#[test]
#[ignore = "takes pictures of the page at LEASH_PAGE, after LEASH_PAGE_AFTER seconds"]
fn a_page_elsewhere() {
    let page = std::env::var("LEASH_PAGE").expect("LEASH_PAGE is the page's address");
    let mut browser = Browser::start().expect("chromium is installed");
    browser.look(1280, 900, false);
    browser.open(&page);
    browser.until("document.querySelector('#status')?.textContent === 'live'");
    // So long that the counts of a second are there, and some of the past.
    let seconds = std::env::var("LEASH_PAGE_AFTER").map_or(3, |it| it.parse().expect("seconds"));
    browser.evaluate(&format!(
        "new Promise(done => setTimeout(done, {seconds}000))"
    ));
    pictures(&mut browser, "page");
    assert_eq!(browser.complaints(), Vec::<String>::new());
}

#[test]
fn an_empty_program() {
    beside("an_empty_program", std::future::pending, |browser, _| {
        browser.until("state.pools.total === 0");
        let text = browser.text();
        for words in [
            "no pool is alive",
            "no handle is held",
            "nobody waits",
            "no statement yet",
        ] {
            assert!(text.contains(words), "{text}");
        }
        pictures(browser, "empty");
    });
}

#[track]
async fn often(pool: &sqlx::SqlitePool) {
    for _ in 0..50 {
        sqlx::query("SELECT 'often'").execute(pool).await.unwrap();
    }
}

#[track]
async fn slowly(pool: &sqlx::SqlitePool) {
    sqlx::query(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000) SELECT count(*) FROM n",
    )
    .fetch_one(pool)
    .await
    .unwrap();
}

async fn busy() {
    let pool = pool("clinic", 3).await;
    for number in 0..30 {
        let text = sqlx::AssertSqlSafe(format!(
            "SELECT {number} AS one_of_many_columns_of_a_long_statement"
        ));
        sqlx::query(text).execute(&pool).await.unwrap();
    }
    loop {
        often(&pool).await;
        slowly(&pool).await;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The function in the first row of the call sites.
const FIRST: &str = "document.querySelector('#sites tbody tr td:nth-child(2)').textContent";

#[test]
fn call_sites_are_sorted_by_a_click() {
    beside("call_sites_are_sorted_by_a_click", busy, |browser, _| {
        browser.until(&format!(
            "document.querySelector('#sites tbody tr') && {FIRST} === 'browser::slowly'"
        ));
        browser.click("#sites th:nth-child(4) button");
        browser.until(&format!("{FIRST} === 'browser::often'"));
        assert_eq!(
            browser.evaluate("document.querySelector('#sites th[aria-sort]').textContent"),
            "calls"
        );
        assert_eq!(
            browser.evaluate("document.querySelector('#sites th[aria-sort]').ariaSort"),
            "descending"
        );
        browser.click("#sites th:nth-child(4) button");
        browser.until(&format!("{FIRST} !== 'browser::often'"));
        assert_eq!(
            browser.evaluate("document.querySelector('#sites th[aria-sort]').ariaSort"),
            "ascending"
        );
        for rate in ["acquires a second", "statements a second"] {
            browser.until(&format!("document.body.innerText.includes({rate:?})"));
        }
        browser.until(
            "document.querySelector('.past .taken').getAttribute('d').split('L').length > 2",
        );
        pictures(browser, "busy");
    });
}

#[test]
fn counts_since_the_page_was_opened() {
    beside(
        "counts_since_the_page_was_opened",
        busy,
        |browser, address| {
            browser.until("state.sites?.rows.some(site => site.calls > 200)");
            // Opened anew: what was before does not count.
            browser.open(&format!("http://{address}/"));
            browser.until("typeof state === 'object' && state?.sites?.total > 0");
            browser.click("#since");
            let calls = "[...document.querySelectorAll('#sites tbody tr')].filter(row => row.cells[1].textContent === 'browser::often')\
                     .map(row => Number(row.cells[3].textContent.replace(/\\s/g, '')))[0] ?? 0";
            browser.until(&format!("({calls}) > 0"));
            let (since, all) = (
                browser.evaluate(calls),
                browser.evaluate(
                    "state.sites.rows.find(site => site.function?.endsWith('often')).calls",
                ),
            );
            let (since, all) = (since.as_f64().unwrap(), all.as_f64().unwrap());
            assert!(since + 200.0 <= all, "{since} of {all}");
            let once = "[...document.querySelectorAll('#sites tbody tr')].some(row => row.textContent.includes('one_of_many_columns'))";
            assert_eq!(browser.evaluate(once), false, "nothing of it ran since");
        },
    );
}

#[test]
fn a_frozen_page_stays_as_it_is() {
    beside("a_frozen_page_stays_as_it_is", busy, |browser, _| {
        browser.until("state.sites?.total > 0");
        browser.click("#freeze");
        browser.until("document.querySelector('#status').textContent.startsWith('frozen')");
        let text = "document.querySelector('main').innerText";
        let frozen = browser.evaluate(text);
        browser.evaluate("new Promise(done => setTimeout(done, 2500))");
        assert_eq!(browser.evaluate(text), frozen);
        // What is shown can still be sorted.
        browser.click("#sites th:nth-child(4) button");
        browser.until(&format!("{FIRST} === 'browser::often'"));
        let calls = browser
            .evaluate("state.sites.rows.find(site => site.function?.endsWith('often')).calls");
        browser.click("#freeze");
        browser.until("document.querySelector('#status').textContent === 'live'");
        browser.until(&format!(
            "state.sites.rows.find(site => site.function?.endsWith('often')).calls > {calls}"
        ));
    });
}

#[track]
async fn from_markup(pool: &sqlx::SqlitePool) -> sqlx::Result<()> {
    sqlx::query("CREATE TABLE \"<img src=x onerror=alert(1)>\" (\"<script>alert(2)</script>\")")
        .execute(pool)
        .await?;
    sqlx::query("SELECT * FROM \"<img src=x onerror=alert(1)>\"")
        .fetch_all(pool)
        .await?;
    sqlx::query("SELECT * FROM \"</script><svg onload=alert(3)>\"")
        .fetch_all(pool)
        .await?;
    Ok(())
}

async fn markup() {
    let pool = pool("<b onclick=alert(4)>pool</b>\u{202e}", 1).await;
    from_markup(&pool).await.unwrap_err();
    let held = pool.acquire().await.unwrap();
    std::mem::forget(held);
}

#[test]
fn names_that_are_markup_are_shown_as_they_are() {
    beside(
        "names_that_are_markup_are_shown_as_they_are",
        markup,
        |browser, _| {
            for words in [
                // The last character would turn the text behind it.
                "<b onclick=alert(4)>pool</b>\u{fffd}",
                "<img src=x onerror=alert(1)>",
                "</script><svg onload=alert(3)>",
            ] {
                browser.until(&format!("document.body.textContent.includes({words:?})"));
            }
            let made = "document.querySelectorAll('main img, main script, main b[onclick], svg[onload]').length";
            assert_eq!(browser.evaluate(made), 0);
            pictures(browser, "markup");
        },
    );
}

#[test]
fn the_policy_holds_in_the_browser() {
    let name = "browser::the_policy_holds_in_the_browser";
    in_child(name, &[], |_| {
        let Some(mut browser) = Browser::start() else {
            return;
        };
        let address = Board::new().listen("127.0.0.1:0").unwrap();
        browser.open(&format!("http://{address}/"));
        browser.until("document.querySelector('#status')?.textContent === 'live'");
        assert!(browser.complaints().is_empty());
        let refused = |script: &str| {
            format!("(() => {{ try {{ {script}; return false }} catch {{ return true }} }})()")
        };
        for script in [
            "document.body.innerHTML = '<img src=x onerror=alert(1)>'",
            "eval('1')",
            "new Function('1')",
        ] {
            assert_eq!(browser.evaluate(&refused(script)), true, "{script}");
        }
        let ran = "(() => { const it = document.createElement('img'); it.src = 'http://192.0.2.1/x.png'; document.body.append(it); \
                    return new Promise(done => { it.onload = () => done('loaded'); it.onerror = () => done('refused'); }) })()";
        assert_eq!(browser.evaluate(ran), "refused");
        let elsewhere = "fetch('http://192.0.2.1/').then(() => 'sent', () => 'refused')";
        assert_eq!(browser.evaluate(elsewhere), "refused");
        let complaints = browser.complaints().join("\n");
        assert!(
            complaints.contains("Content Security Policy"),
            "{complaints}"
        );
    });
}
