//! SQL cut into words, quoted names and punctuation; literals and comments are passed over.

/// A token that a summary can use.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// A keyword or a plain name, with its dots: `public.exam`.
    Word(&'a str),
    /// A quoted name, without its quotes.
    Quoted(&'a str),
    /// Anything else that is not white space.
    Punct(char),
}

/// The tokens of a text.
pub(super) struct Tokens<'a> {
    rest: &'a str,
    is_unsure: bool,
    /// How much of the text is behind the name in brackets that SQLite reads here.
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

    /// Whether databases differ in what the text so far is, so that what looks like a name may stand inside a literal.
    pub(super) fn is_unsure(&self) -> bool {
        self.is_unsure
    }

    /// Cuts off everything up to and including `end`, or all the rest where it does not come.
    fn skip_past(&mut self, end: &str) -> &'a str {
        let (inside, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        inside
    }

    /// Cuts off a quoted text, whose first quote is still there. Behind a backslash, a quote ends the text in standard SQL, and
    /// does not in MySQL.
    fn skip_quoted(&mut self, quote: &str) -> &'a str {
        self.rest = &self.rest[quote.len()..];
        let inside = self.skip_past(quote);
        let backslashes = inside.bytes().rev().take_while(|byte| *byte == b'\\');
        self.is_unsure |= backslashes.count() % 2 == 1;
        inside
    }

    /// Cuts off the rest of the line: a comment, unless some database reads it otherwise.
    fn skip_line(&mut self, is_comment_everywhere: bool) {
        let line = self.skip_past("\n");
        self.is_unsure |= !is_comment_everywhere && line.contains(['\'', '"', '`', '$', '/']);
    }

    /// Cuts off a comment, in which another one may begin: PostgreSQL then ends it where both have ended.
    fn skip_comment(&mut self) {
        self.rest = &self.rest["/*".len()..];
        self.is_unsure |= self.skip_past("*/").contains("/*");
    }

    /// `$tag$ … $tag$`; a lone `$` or `$1` is punctuation.
    fn skip_dollar_quoted(&mut self) -> bool {
        let Some((tag, _)) = self.rest[1..].split_once('$') else {
            return false;
        };
        if !tag.chars().all(|c| c.is_alphanumeric() || c == '_')
            || tag.starts_with(|c: char| c.is_ascii_digit())
        {
            return false;
        }
        let fence = &self.rest[..tag.len() + 2];
        self.rest = &self.rest[fence.len()..];
        self.skip_past(fence);
        true
    }

    /// `[name]` in SQLite: it ends at the first `]`, also at one that stands in a literal of `ARRAY['x']` or `a[1]`.
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
            if let Some(comment) = self.rest.strip_prefix("--") {
                // MySQL wants white space here: to it, `1--1` is a sum.
                self.skip_line(comment.is_empty() || comment.starts_with(char::is_whitespace));
            } else if first == '#' && !self.rest.starts_with("#>") && !self.rest.starts_with("#-") {
                // A comment in MySQL, an operator in PostgreSQL.
                self.skip_line(false);
            } else if self.rest.starts_with("/*") {
                self.skip_comment();
            } else if first == '\'' {
                // A doubled quote reads as two literals side by side, which comes to the same.
                self.skip_quoted("'");
            } else if first == '$' && self.skip_dollar_quoted() {
            } else if first == '"' {
                return Some(Token::Quoted(self.skip_quoted("\"")));
            } else if first == '`' {
                self.rest = &self.rest[1..];
                return Some(Token::Quoted(self.skip_past("`")));
            } else if first.is_alphanumeric() || first == '_' {
                let end = self
                    .rest
                    .find(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '.' | '$')))
                    .unwrap_or(self.rest.len());
                let (word, rest) = self.rest.split_at(end);
                self.rest = rest;
                return Some(Token::Word(word));
            } else {
                self.rest = &self.rest[first.len_utf8()..];
                return Some(Token::Punct(first));
            }
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
