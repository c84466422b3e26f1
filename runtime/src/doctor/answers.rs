//! Questions to a server and its answers.

use std::time::Duration;

/// A row of texts. All questions select texts, because the driver `Any` knows few other types.
pub(crate) type Row = Vec<Option<String>>;

/// One question: a statement without parameters.
#[derive(Debug)]
pub(crate) struct Question {
    pub(crate) name: &'static str,
    pub(crate) sql: &'static str,
}

/// The answers of a server.
#[derive(Debug, Default)]
pub(crate) struct Answers {
    given: Vec<(&'static str, Result<Vec<Row>, String>)>,
    /// Why a question without an answer has none.
    silence: String,
    /// Time from the beginning of the connect to the first answers.
    pub(crate) first_after: Option<Duration>,
}

impl Answers {
    /// Adds an answer, or the error with which the server refused to answer. A later answer replaces an earlier one.
    pub(crate) fn add(&mut self, question: &Question, answer: Result<Vec<Row>, String>) {
        self.given.push((question.name, answer));
    }

    /// Records why the questions from here on have no answer.
    pub(crate) fn fall_silent(&mut self, why: &str) {
        why.clone_into(&mut self.silence);
    }

    /// The rows that answer a question, or why there are none.
    pub(super) fn rows(&self, question: &str) -> Result<&[Row], String> {
        let answer = self.given.iter().rev().find(|(name, _)| *name == question);
        match answer {
            Some((_, Ok(rows))) => Ok(rows),
            Some((_, Err(refusal))) => Err(format!("the server refuses to say: {refusal}")),
            None => Err(self.silence.clone()),
        }
    }

    /// The first row.
    pub(super) fn row(&self, question: &str) -> Result<&Row, String> {
        let rows = self.rows(question)?;
        rows.first().ok_or_else(unclear)
    }

    /// A column of the first row, as a number.
    pub(super) fn number<T: std::str::FromStr>(
        &self,
        question: &str,
        column: usize,
    ) -> Result<T, String> {
        number(self.row(question)?, column)
    }
}

/// A column as text.
pub(super) fn text(row: &Row, column: usize) -> Option<&str> {
    row.get(column)?.as_deref()
}

/// A column as a number.
pub(super) fn number<T: std::str::FromStr>(row: &Row, column: usize) -> Result<T, String> {
    let number = text(row, column).and_then(|text| text.trim().parse().ok());
    number.ok_or_else(unclear)
}

fn unclear() -> String {
    "the server's answer is not understood".to_owned()
}
