//! Reads a text word by word and statement by statement.

use crate::sql::tokens::{Token, Tokens};

/// Reads a text. Nothing is read beyond the end of a statement until the next one is asked for.
pub(super) struct Reader<'a> {
    tokens: Tokens<'a>,
    next: Option<Token<'a>>,
}

/// Objects that have a body of statements.
const WITH_BODY: [&str; 5] = ["TRIGGER", "FUNCTION", "PROCEDURE", "EVENT", "PACKAGE"];
/// Objects after whose names a word of [`WITH_BODY`] is a name: `CREATE TABLE event`.
const WITHOUT_BODY: [&str; 6] = ["TABLE", "INDEX", "VIEW", "SCHEMA", "DATABASE", "TYPE"];

impl<'a> Reader<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        let mut tokens = Tokens::new(sql);
        let next = tokens.next();
        Self { tokens, next }
    }

    /// Whether databases may read the text so far in different ways.
    pub(super) fn is_unsure(&self) -> bool {
        self.tokens.is_unsure()
    }

    /// Goes to the beginning of the next statement, unless it is there. Returns false if there is none.
    pub(super) fn find_statement(&mut self) -> bool {
        while self.next == Some(Token::Punct(';')) {
            self.next = self.tokens.next();
        }
        self.next.is_some()
    }

    /// Takes the rest of the statement.
    pub(super) fn take_rest(&mut self) {
        while self.take().is_some() {}
    }

    /// The next token of the statement, which stays the next one.
    pub(super) fn peek(&self) -> Option<Token<'a>> {
        self.next.filter(|next| *next != Token::Punct(';'))
    }

    /// The next token of the statement.
    pub(super) fn take(&mut self) -> Option<Token<'a>> {
        let next = self.peek()?;
        self.next = self.tokens.next();
        Some(next)
    }

    /// The next token, if it is a word.
    pub(super) fn word(&mut self) -> Option<&'a str> {
        let Some(Token::Word(word)) = self.peek() else {
            return None;
        };
        self.take();
        Some(word)
    }

    /// The next token, if it is a word or a quoted name.
    pub(super) fn name(&mut self) -> Option<&'a str> {
        let (Token::Word(name) | Token::Quoted(name)) = self.peek()? else {
            return None;
        };
        self.take();
        Some(name)
    }

    /// Whether the next token is this word.
    pub(super) fn is_at(&self, word: &str) -> bool {
        matches!(self.peek(), Some(Token::Word(next)) if next.eq_ignore_ascii_case(word))
    }

    /// Whether the next token is one of these words.
    pub(super) fn is_at_one_of(&self, words: &[&str]) -> bool {
        words.iter().any(|word| self.is_at(word))
    }

    /// Takes the next token if it is this word, and returns whether it was.
    pub(super) fn takes(&mut self, word: &str) -> bool {
        let is_at = self.is_at(word);
        if is_at {
            self.take();
        }
        is_at
    }

    /// Takes the words up to the kind of a created object, and returns whether that kind has a body of statements.
    pub(super) fn creates_body(&mut self) -> bool {
        while self.peek().is_some_and(|next| next != Token::Punct('(')) {
            if self.is_at_one_of(&WITH_BODY) {
                return true;
            } else if self.is_at_one_of(&WITHOUT_BODY) {
                return false;
            }
            self.take();
        }
        false
    }

    /// Takes the rest of a statement, with the statements between its BEGIN and END. `depth` is the number of those that
    /// have begun.
    pub(super) fn take_body(&mut self, mut depth: u32) {
        let mut was_end = false;
        while let Some(token) = self.next {
            let word = match token {
                Token::Punct(';') if depth == 0 => return,
                Token::Word(word) => word,
                Token::Punct(_) | Token::Quoted(_) => "",
            };
            let mut letters = [0; 16];
            let word = upper(word, &mut letters);
            match word {
                // `END CASE` ends what CASE began.
                "BEGIN" | "CASE" if !was_end => depth += 1,
                // These have an END of their own.
                "IF" | "LOOP" | "WHILE" | "REPEAT" | "FOR" if was_end => depth += 1,
                "END" => depth = depth.saturating_sub(1),
                _ => {}
            }
            was_end = word == "END";
            self.next = self.tokens.next();
        }
    }
}

/// The word in upper case. Empty if it is too long for a keyword.
pub(super) fn upper<'b>(word: &str, letters: &'b mut [u8; 16]) -> &'b str {
    let Some(letters) = letters.get_mut(..word.len()) else {
        return "";
    };
    letters.copy_from_slice(word.as_bytes());
    letters.make_ascii_uppercase();
    std::str::from_utf8(letters).expect("BUG: changes ASCII letters alone")
}
