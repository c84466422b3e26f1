//! What the attribute reads of connections that are lent. In doubt it records nothing.

use super::{expand, facts};
use crate::model::Mode;

fn helper(parameters: &str, body: &str) -> String {
    let source = format!("#[track] async fn help({parameters}) -> Result<()> {{ {body} }}");
    expand(&source, Mode::On).to_string()
}

/// The two flags of the first executor: whether the borrow ends with the statement, and whether all other uses of the
/// variable are in sight.
#[track_caller]
fn tap(body: &str) -> (bool, bool) {
    let expansion = helper("conn: &mut PgConnection, tx: &mut Tx", body);
    let (_, flags) = expansion.split_once(". tap (").expect("a tap");
    let (flags, _) = flags.split_once(')').expect("its end");
    match flags.trim() {
        "false , false" => (false, false),
        "false , true" => (false, true),
        "true , false" => (true, false),
        "true , true" => (true, true),
        flags => panic!("{flags}"),
    }
}

#[test]
fn a_borrow_may_be_made_in_the_statement() {
    for executor in ["conn.as_mut()", "&mut **tx", "self.tx.as_mut()"] {
        assert!(
            tap(&format!("query(\"…\").execute({executor}).await")).0,
            "{executor}"
        );
    }
    for executor in ["conn", "&mut *conn", "&mut conn", "self.conn", "conn()"] {
        assert!(
            !tap(&format!("query(\"…\").execute({executor}).await")).0,
            "{executor}"
        );
    }
}

#[test]
fn the_uses_of_a_variable_are_in_sight() {
    for rest in [
        "",
        "query(\"…\").fetch_all(&mut *conn).await",
        "sleep(SECOND).await",
        "helper(conn).await",
        "helper(&mut *conn, 7).await?.rows",
        "conn.count().await",
        "let conn = conn;",
        "other.conn.close().await",
    ] {
        assert!(
            tap(&format!("query(\"…\").execute(&mut *conn).await?; {rest}")).1,
            "{rest}"
        );
    }
}

#[test]
fn other_uses_of_a_variable_are_not_in_sight() {
    for rest in [
        "let later = helper(conn);",
        "join!(helper(conn), sleep(SECOND))",
        "timeout(SECOND, helper(conn)).await",
        "Repo { conn }.find().await",
        "conn.execute(\"…\").await",
        "conn.begin().await",
        "let other = conn;",
        "spawn(async { helper(conn).await });",
        "keep(|| conn);",
    ] {
        assert!(
            !tap(&format!("query(\"…\").execute(&mut *conn).await?; {rest}")).1,
            "{rest}"
        );
    }
    let of_a_field = "query(\"…\").execute(&mut *self.conn).await?;";
    assert!(tap(&format!("{of_a_field} self.count += 1;")).1);
    assert!(!tap(&format!("{of_a_field} self.find().await?;")).1);
    assert!(!tap(&format!("{of_a_field} helper(self).await?;")).1);
}

#[test]
fn a_function_whose_loans_are_in_sight_is_recorded() {
    let is_recorded =
        |parameters: &str, body: &str| !facts(&helper(parameters, body), "in_sight").is_empty();
    let two = "one(&mut *conn).await?; other(conn).await";
    assert!(is_recorded("conn: &mut PgConnection", two));
    assert!(is_recorded("conn: &mut sqlx::SqliteConnection", two));
    assert!(!is_recorded(
        "conn: &mut PgConnection",
        "let later = one(conn); later.await"
    ));
    // Its type does not show that it is a connection, or it is none that was lent.
    assert!(!is_recorded("conn: &mut Conn", two));
    assert!(!is_recorded("conn: PgConnection", two));
    assert!(!is_recorded("pool: &PgPool", "one(pool).await"));
}

#[test]
fn a_call_that_is_passed_a_lent_connection_is_wrapped() {
    let wraps = |body: &str| helper("conn: &mut PgConnection", body).contains(":: lending (");
    assert!(wraps("one(&mut *conn).await"));
    assert!(wraps("repo.find(conn, 7).await?.rows"));
    assert!(wraps("conn.count().await"));
    for body in [
        "one().await",
        "query(\"…\").execute(conn).await",
        "conn.ping().await",
        "one(other).await",
    ] {
        assert!(!wraps(body), "{body}");
    }
}

#[test]
fn a_call_lends_a_variable_in_its_arguments() {
    let lends = |body: &str| !facts(&helper("", body), "lends").is_empty();
    for body in [
        "one(&mut conn).await",
        "one(&mut *tx, 7).await?",
        "Repo::new(&mut conn).find().await",
        "repo.find(tx.as_mut()).await",
    ] {
        assert!(lends(body), "{body}");
    }
    for body in [
        "one(conn).await",
        "one(&conn).await",
        "repo.find().await",
        "one(&mut Vec::new()).await",
        "one(|| &mut conn).await",
        "query(\"…\").execute(&mut *conn).await",
    ] {
        assert!(!lends(body), "{body}");
    }
}
