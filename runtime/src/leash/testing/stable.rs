//! What was sent, in a form that is the same in every run.

use crate::scope::record::Sent;
use crate::source::function::Function;
use crate::sql::one_line;
use crate::test_data::{Statement, Statements};

/// Sorts and sums what was sent so that nothing depends on the run.
pub(super) fn statements(mut sent: Vec<Sent>) -> Statements {
    for sent in &mut sent {
        sent.sql = one_line(&sent.sql);
    }
    sent.sort_by_cached_key(|sent| {
        // The test's own statements come from any place around it.
        let place = sent.place.filter(|_| sent.is_tracked());
        let place = place.map(|place| (place.line, place.column));
        (name_of(sent).map(str::to_owned), place, sent.sql.clone())
    });
    let mut rows: Vec<Statement> = Vec::new();
    for sent in sent {
        let function = name_of(&sent);
        let known = rows
            .iter_mut()
            .rev()
            .take_while(|row| row.function.as_deref() == function)
            .find(|row| row.sql == sent.sql);
        match known {
            Some(row) => row.calls += sent.calls,
            None => rows.push(Statement {
                function: function.map(str::to_owned),
                summary: sent.summary,
                sql: sent.sql,
                calls: sent.calls,
            }),
        }
    }
    Statements { rows }
}

fn name_of(sent: &Sent) -> Option<&'static str> {
    let function = sent.function().filter(|_| sent.is_tracked());
    function.map(Function::name)
}
