//! Reads a text word by word and statement by statement.

use crate::sql::tokens::{Token, Tokens};

/// The number of tokens kept of a value. A longer one is an expression.
const LONGEST_VALUE: usize = 16;

/// Reads a text. Nothing is read beyond the end of a statement until the next one is asked for.
pub(super) struct Reader<'a> {
    tokens: Tokens<'a>,
    next: Option<Token<'a>>,
    is_misread: bool,
}

impl<'a> Reader<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        let mut tokens = Tokens::new(sql);
        let next = tokens.next();
        Self {
            tokens,
            next,
            is_misread: false,
        }
    }

    /// Whether databases may read the text so far in different ways, or otherwise than this reader.
    pub(super) fn is_unsure(&self) -> bool {
        self.tokens.is_unsure() || self.is_misread
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

    /// The next name, with the schema before it.
    pub(super) fn qualified_name(&mut self) -> Option<Qualified<'a>> {
        let mut name = Qualified::of(self.peek()?)?;
        self.take();
        loop {
            // A word ends with the dot behind it: `temp."x"`.
            if !name.name.is_empty() && !self.takes_sign('.') {
                return Some(name);
            }
            let schema = name.schema.filter(|_| name.name.is_empty());
            let last = Qualified::of(self.take()?)?;
            name = Qualified {
                schema: last.schema.or(schema).or(Some(name.name)),
                name: last.name,
            };
        }
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

    /// Takes these words as long as they follow, and returns whether all did.
    pub(super) fn takes_all(&mut self, words: &[&str]) -> bool {
        words.iter().all(|word| self.takes(word))
    }

    /// Takes the next token if it is one of these words, and returns whether it was.
    pub(super) fn takes_one_of(&mut self, words: &[&str]) -> bool {
        words.iter().any(|word| self.takes(word))
    }

    /// Whether the next token is this sign.
    pub(super) fn is_at_sign(&self, sign: char) -> bool {
        self.peek() == Some(Token::Punct(sign))
    }

    /// Takes the next token if it is this sign, and returns whether it was.
    pub(super) fn takes_sign(&mut self, sign: char) -> bool {
        let is_at = self.is_at_sign(sign);
        if is_at {
            self.take();
        }
        is_at
    }

    /// Takes an expression, up to a comma, a parenthesis that it has not opened, or the end of the statement.
    pub(super) fn value(&mut self) -> Value<'a> {
        let mut value = Value::default();
        let mut depth = 0_u32;
        while let Some(token) = self.peek() {
            match token {
                Token::Punct(',' | ')') if depth == 0 => break,
                Token::Punct('(') => depth += 1,
                Token::Punct(')') => depth -= 1,
                Token::Punct('?' | '$') => value.is_bound = true,
                _ => {}
            }
            value.length += 1;
            if value.tokens.len() < LONGEST_VALUE {
                value.tokens.push(token);
            }
            self.take();
        }
        value
    }

    /// The next token, also the one that ends a statement if that is one of an open body.
    pub(super) fn take_of_body(&mut self, is_open: bool) -> Option<Token<'a>> {
        let next = if is_open { self.next } else { self.peek() }?;
        self.next = self.tokens.next();
        Some(next)
    }

    /// Notes that the text ends in the middle of a body: a word of it was not what it seemed.
    pub(super) fn misread(&mut self) {
        self.is_misread = true;
    }
}

/// A name with its schema.
#[derive(Clone, Copy, Debug)]
pub(super) struct Qualified<'a> {
    pub(super) schema: Option<&'a str>,
    pub(super) name: &'a str,
}

impl<'a> Qualified<'a> {
    pub(super) fn of(token: Token<'a>) -> Option<Self> {
        match token {
            Token::Word(word) => {
                let split = word.rsplit_once('.');
                Some(Self {
                    schema: split.map(|(schema, _)| schema),
                    name: split.map_or(word, |(_, name)| name),
                })
            }
            Token::Quoted(name) => Some(Self { schema: None, name }),
            Token::Literal(_) | Token::Punct(_) => None,
        }
    }
}

/// An expression.
#[derive(Debug, Default)]
pub(super) struct Value<'a> {
    /// The first tokens.
    tokens: Vec<Token<'a>>,
    /// The number of all tokens.
    length: usize,
    /// Whether it has a parameter.
    pub(super) is_bound: bool,
}

/// A value that the text shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plain<'a> {
    /// A literal, a number or one word.
    pub(super) text: &'a str,
    pub(super) is_negative: bool,
    /// Whether it is a word or a quoted name: the name of a value, or of a column.
    pub(super) is_name: bool,
}

impl<'a> Value<'a> {
    fn tokens(&self) -> &[Token<'a>] {
        if self.length == self.tokens.len() {
            &self.tokens
        } else {
            &[]
        }
    }

    /// The name of an argument that is given by name: `is_local => false`, `is_local := false`.
    pub(super) fn argument_name(&self) -> Option<&'a str> {
        match self.tokens() {
            [Token::Word(name), Token::Punct('='), Token::Punct('>'), ..]
            | [Token::Word(name), Token::Punct(':'), Token::Punct('='), ..] => Some(name),
            _ => None,
        }
    }

    /// Whether it is what a variable of the user's holds: `@old`.
    pub(super) fn is_user_variable(&self) -> bool {
        matches!(
            self.tokens(),
            [Token::Punct('@'), Token::Word(_) | Token::Quoted(_)]
        )
    }

    /// What the text shows of it, without a cast. `None` for an expression.
    pub(super) fn plain(&self) -> Option<Plain<'a>> {
        let mut tokens = self.tokens();
        if self.argument_name().is_some() {
            tokens = &tokens[3..];
        }
        while let [
            rest @ ..,
            Token::Punct(':'),
            Token::Punct(':'),
            Token::Word(_),
        ] = tokens
        {
            tokens = rest;
        }
        if let [Token::Word(cast), Token::Punct('('), rest @ ..] = tokens
            && cast.eq_ignore_ascii_case("CAST")
            && let [rest @ .., Token::Word(_), Token::Word(_), Token::Punct(')')] = rest
        {
            tokens = rest;
        }
        let (tokens, is_negative) = match tokens {
            [Token::Punct('-'), rest @ ..] => (rest, true),
            rest => (rest, false),
        };
        let [token] = tokens else { return None };
        let (text, is_name) = match *token {
            Token::Word(word) => (word, !word.starts_with(|c: char| c.is_ascii_digit())),
            Token::Quoted(name) => (name, true),
            Token::Literal(text) => (text, false),
            Token::Punct(_) => return None,
        };
        Some(Plain {
            text,
            is_negative,
            is_name,
        })
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
