//! Bodies of triggers, functions, procedures and events: their statements run later.

use super::reader::{Reader, upper};
use crate::sql::tokens::Token;

/// Words after the END of a statement within a body.
pub(super) const PARTS: [&str; 6] = ["IF", "LOOP", "WHILE", "REPEAT", "CASE", "FOR"];

/// What has an END of its own.
#[derive(PartialEq, Eq)]
enum Block {
    Begin,
    Case,
}

/// Takes the rest of a statement, with the statements between its BEGIN and END. `has_begun` if BEGIN was taken.
pub(super) fn take(reader: &mut Reader<'_>, has_begun: bool) {
    let mut open = Vec::from_iter(has_begun.then_some(Block::Begin));
    let mut starts_statement = has_begun;
    let mut parentheses = 0_u32;
    while let Some(token) = reader.take_of_body(!open.is_empty()) {
        let mut letters = [0; 16];
        let word = match token {
            Token::Word(word) => upper(word, &mut letters),
            Token::Punct('(') => "(",
            Token::Punct(')') => ")",
            // The second one is behind a label.
            Token::Punct(';' | ':') => ";",
            Token::Punct(_) | Token::Quoted(_) | Token::Literal(_) => "",
        };
        match word {
            "(" => parentheses += 1,
            ")" => parentheses = parentheses.saturating_sub(1),
            // The first one ends the head, the others begin a statement. Elsewhere it is a name.
            "BEGIN" if starts_statement || open.is_empty() && parentheses == 0 => {
                open.push(Block::Begin);
            }
            "CASE" => open.push(Block::Case),
            "END" => end(reader, &mut open, starts_statement),
            _ => {}
        }
        starts_statement = matches!(
            word,
            ";" | "BEGIN" | "THEN" | "ELSE" | "DO" | "LOOP" | "REPEAT"
        );
    }
    if !open.is_empty() {
        reader.misread();
    }
}

/// Closes what END ends. Within an expression it ends a CASE, or is a name.
fn end(reader: &mut Reader<'_>, open: &mut Vec<Block>, starts_statement: bool) {
    let is_in_case = open.last() == Some(&Block::Case);
    let ends_last = if starts_statement {
        let is_case = reader.takes("CASE");
        is_case == is_in_case && (is_case || !reader.is_at_one_of(&PARTS))
    } else {
        is_in_case
    };
    if ends_last {
        open.pop();
    }
}
