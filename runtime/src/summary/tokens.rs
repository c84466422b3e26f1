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
}

impl<'a> Tokens<'a> {
    pub(super) fn new(sql: &'a str) -> Self {
        Self { rest: sql }
    }

    /// Cuts off everything up to and including `end`, or all the rest where it does not come.
    fn skip_past(&mut self, end: &str) -> &'a str {
        let (inside, rest) = self.rest.split_once(end).unwrap_or((self.rest, ""));
        self.rest = rest;
        inside
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
}

impl<'a> Iterator for Tokens<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            self.rest = self.rest.trim_start();
            let first = self.rest.chars().next()?;
            if self.rest.starts_with("--") {
                self.skip_past("\n");
            } else if self.rest.starts_with("/*") {
                self.skip_past("*/");
            } else if first == '\'' {
                // A doubled quote reads as two literals side by side, which comes to the same.
                self.rest = &self.rest[1..];
                self.skip_past("'");
            } else if first == '$' && self.skip_dollar_quoted() {
            } else if first == '"' || first == '`' {
                self.rest = &self.rest[1..];
                return Some(Token::Quoted(self.skip_past(if first == '"' {
                    "\""
                } else {
                    "`"
                })));
            } else if first.is_alphanumeric() || first == '_' {
                let end = self
                    .rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
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
