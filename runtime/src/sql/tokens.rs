//! Cuts SQL into words, quoted names, literals and punctuation. Comments are left out.

/// A part of a text that is no comment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a plain name, with its dots: `public.exam`.
    Word(&'a str),
    /// A quoted name, without its quotes.
    Quoted(&'a str),
    /// A literal in single quotes or between dollar signs, without them. Not for anything that is kept or shown.
    Literal(&'a str),
    /// Any other character that is not white space.
    Punct(char),
}

/// The tokens of a text.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    is_unsure: bool,
    /// Inside of what SQLite reads as a name in brackets: the number of bytes behind it.
    behind_brackets: Option<usize>,
}

impl<'a> Tokens<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        Self {
            rest: sql,
            is_unsure: false,
            behind_brackets: None,
        }
    }

    /// Whether databases may read the text so far in different ways, so that a word may be part of a literal.
    pub(super) fn is_unsure(&self) -> bool {
        self.is_unsure
    }

    /// Cuts off everything up to and including `end`; if there is no `end`, all the rest.
    fn skip_past(&mut self, end: &str) -> &'a str {
        let (inside, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        inside
    }

    /// Cuts off a quoted text, from its first quote. A quote after a backslash ends the text in standard SQL, but not
    /// in MySQL.
    fn skip_quoted(&mut self, quote: &str) -> &'a str {
        self.rest = &self.rest[quote.len()..];
        let inside = self.skip_past(quote);
        let backslashes = inside.bytes().rev().take_while(|byte| *byte == b'\\');
        self.is_unsure |= backslashes.count() % 2 == 1;
        inside
    }

    /// Cuts off the rest of the line, which is a comment in some databases or in all.
    fn skip_line(&mut self, is_comment_everywhere: bool) {
        let line = self.skip_past("\n");
        self.is_unsure |= !is_comment_everywhere && line.contains(['\'', '"', '`', '$', '/']);
    }

    /// Cuts off a comment. If another one begins inside it, PostgreSQL ends it where both have ended.
    fn skip_comment(&mut self) {
        self.rest = &self.rest["/*".len()..];
        self.is_unsure |= self.skip_past("*/").contains("/*");
    }

    /// Cuts off `$tag$ … $tag$`. `None` for a lone `$` and for `$1`, which are punctuation.
    fn skip_dollar_quoted(&mut self) -> Option<&'a str> {
        let (tag, _) = self.rest[1..].split_once('$')?;
        if !tag.chars().all(|c| c.is_alphanumeric() || c == '_')
            || tag.starts_with(|c: char| c.is_ascii_digit())
        {
            return None;
        }
        let fence = &self.rest[..tag.len() + 2];
        self.rest = &self.rest[fence.len()..];
        Some(self.skip_past(fence))
    }

    /// Follows a `[name]` of SQLite, which ends at the first `]`. In another database that bracket may be in a literal,
    /// as in `ARRAY['x]']`. A token that reaches across it makes the text unsure.
    fn mind_brackets(&mut self, token: Option<&Token<'a>>) {
        let rest = self.rest.len();
        if let Some(behind) = self.behind_brackets {
            self.is_unsure |= rest < behind;
            self.behind_brackets = Some(behind).filter(|behind| rest > *behind);
        } else if token == Some(&Token::Punct('[')) {
            let end = self.rest.find(']');
            self.behind_brackets = Some(end.map_or(0, |end| rest - end - 1));
        }
    }

    fn read(&mut self) -> Option<Token<'a>> {
        loop {
            self.rest = self.rest.trim_start();
            let first = self.rest.chars().next()?;
            if first.is_alphanumeric() || first == '_' {
                let (word, rest) = self.rest.split_at(word_end(self.rest));
                self.rest = rest;
                return Some(Token::Word(word));
            }
            if let Some(comment) = self.rest.strip_prefix("--") {
                // Without white space here, MySQL reads no comment: `1--1` is a sum.
                self.skip_line(comment.is_empty() || comment.starts_with(char::is_whitespace));
            } else if first == '#' && !self.rest.starts_with("#>") && !self.rest.starts_with("#-") {
                // A comment in MySQL, an operator in PostgreSQL.
                self.skip_line(false);
            } else if self.rest.starts_with("/*") {
                self.skip_comment();
            } else if first == '\'' {
                // A doubled quote is read as the border of two literals.
                return Some(Token::Literal(self.skip_quoted("'")));
            } else if first == '$'
                && let Some(inside) = self.skip_dollar_quoted()
            {
                return Some(Token::Literal(inside));
            } else if first == '"' {
                return Some(Token::Quoted(self.skip_quoted("\"")));
            } else if first == '`' {
                self.rest = &self.rest[1..];
                return Some(Token::Quoted(self.skip_past("`")));
            } else {
                self.rest = &self.rest[first.len_utf8()..];
                return Some(Token::Punct(first));
            }
        }
    }
}

/// Where the word ends that the text begins with.
fn word_end(text: &str) -> usize {
    let is_of_word = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$');
    match text.bytes().position(|byte| !is_of_word(byte)) {
        None => text.len(),
        Some(end) if text.as_bytes()[end].is_ascii() => end,
        // Letters of other scripts.
        Some(_) => {
            let ends = |c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$'));
            text.find(ends).unwrap_or(text.len())
        }
    }
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        let token = self.read();
        self.mind_brackets(token.as_ref());
        token
    }
}
