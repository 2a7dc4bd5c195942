//! The reading head: white space, comments, words and punctuation.

use crate::error::LoadError;

/// A place in the text.
#[derive(Clone, Copy)]
pub(super) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    line: u32,
}

/// Letters, digits, `_` and `$`: what may follow in a name.
const fn continues_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$'
}

/// What may start a name. PTX names start with a letter, or with one of `_`, `$`, `%`.
const fn starts_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b'$' | b'%')
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, line: 1 }
    }

    /// The line of the next token, if [`Self::peek`] was called last.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    /// An error on this line.
    pub(super) fn error(&self, what: impl Into<String>) -> LoadError {
        LoadError::new(self.line, what)
    }

    /// An error that says what was wanted and what stands here.
    pub(super) fn unexpected(&mut self, wanted: &str) -> LoadError {
        match self.peek() {
            None => self.error(format!("expected {wanted}, found the end of the text")),
            Some(_) => {
                let rest: String = self.rest().chars().take_while(|c| !c.is_whitespace()).take(24).collect();
                self.error(format!("expected {wanted}, found '{rest}'"))
            }
        }
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    /// The text from an earlier place to here.
    pub(super) fn since(&self, start: usize) -> &'a str {
        self.text.get(start..self.at).unwrap_or_default()
    }

    /// This place, for [`Self::since`].
    pub(super) fn mark(&self) -> usize {
        self.at
    }

    /// Skips white space and comments, then gives the next byte without taking it.
    pub(super) fn peek(&mut self) -> Option<u8> {
        loop {
            match self.byte(0)? {
                b'\n' => {
                    self.line += 1;
                    self.at += 1;
                }
                b' ' | b'\t' | b'\r' => self.at += 1,
                b'/' if self.byte(1) == Some(b'/') => {
                    self.at += self.rest().find('\n').unwrap_or(self.rest().len());
                }
                b'/' if self.byte(1) == Some(b'*') => {
                    let end = self.rest().find("*/").map_or(self.rest().len(), |end| end + 2);
                    self.line += self.rest().as_bytes()[..end].iter().filter(|&&byte| byte == b'\n').count() as u32;
                    self.at += end;
                }
                byte => return Some(byte),
            }
        }
    }

    /// The byte after the one that [`Self::peek`] gave, white space included.
    pub(super) fn peek_second(&self) -> Option<u8> {
        self.byte(1)
    }

    /// Takes the byte if it comes next.
    pub(super) fn eat(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Takes the characters if they come next, without a gap.
    pub(super) fn eat_text(&mut self, text: &str) -> bool {
        self.peek();
        let found = self.rest().starts_with(text);
        self.at += if found { text.len() } else { 0 };
        found
    }

    pub(super) fn expect(&mut self, byte: u8) -> Result<(), LoadError> {
        if self.eat(byte) { Ok(()) } else { Err(self.unexpected(&format!("'{}'", char::from(byte)))) }
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a str {
        let start = self.at;
        while self.byte(0).is_some_and(&keep) {
            self.at += 1;
        }
        self.since(start)
    }

    /// True if a name comes next.
    pub(super) fn at_name(&mut self) -> bool {
        self.peek().is_some_and(starts_name)
    }

    /// A name: `%r1`, `$L__BB0_2`, `_Z3foo`.
    pub(super) fn name(&mut self, wanted: &str) -> Result<&'a str, LoadError> {
        if !self.at_name() {
            return Err(self.unexpected(wanted));
        }
        let start = self.at;
        self.at += 1;
        self.take_while(continues_name);
        Ok(self.since(start))
    }

    /// The next of `.global`, `.v4`, `.shared::cta`, without the first dot. `None` if no dot and letter or digit (`.2d`) come next.
    pub(super) fn dotted(&mut self) -> Option<&'a str> {
        if self.peek() != Some(b'.') || !self.byte(1).is_some_and(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
            return None;
        }
        self.at += 1;
        let start = self.at;
        self.take_while(continues_name);
        while self.byte(0) == Some(b':') && self.byte(1) == Some(b':') && self.byte(2).is_some_and(continues_name) {
            self.at += 2;
            self.take_while(continues_name);
        }
        Some(self.since(start))
    }

    /// A directive without its dot.
    pub(super) fn directive(&mut self) -> Result<&'a str, LoadError> {
        self.dotted().ok_or_else(|| self.unexpected("a directive"))
    }

    /// Takes the directive if it comes next.
    pub(super) fn eat_directive(&mut self, name: &str) -> bool {
        let mut ahead = *self;
        let found = ahead.dotted() == Some(name);
        if found {
            *self = ahead;
        }
        found
    }

    /// Letters and digits of a number, a decimal point and its exponent included.
    pub(super) fn number(&mut self) -> Result<&'a str, LoadError> {
        if !self.at_number() {
            return Err(self.unexpected("a number"));
        }
        let start = self.at;
        let hexadecimal = self.byte(0) == Some(b'0') && !matches!(self.byte(1), Some(b'.' | b'e' | b'E'));
        self.take_while(|byte| byte.is_ascii_alphanumeric() || byte == b'.');
        // The sign of an exponent: the number so far ends in `e`, and is not hexadecimal.
        if !hexadecimal && self.since(start).ends_with(['e', 'E']) && matches!(self.byte(0), Some(b'+' | b'-')) {
            self.at += 1;
            self.take_while(|byte| byte.is_ascii_digit());
        }
        Ok(self.since(start))
    }

    /// True if a number comes next.
    pub(super) fn at_number(&mut self) -> bool {
        match self.peek() {
            Some(b'.') => self.byte(1).is_some_and(|byte| byte.is_ascii_digit()),
            Some(byte) => byte.is_ascii_digit(),
            None => false,
        }
    }

    /// A decimal number that fits.
    pub(super) fn small<T: std::str::FromStr>(&mut self, what: &str) -> Result<T, LoadError> {
        if !self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
            return Err(self.unexpected(what));
        }
        let digits = self.take_while(|byte| byte.is_ascii_digit());
        digits.parse().map_err(|_| self.error(format!("{what} {digits} is out of range")))
    }

    /// A string in double quotes, with no escape but `\"` and `\\` resolved.
    pub(super) fn string(&mut self) -> Result<String, LoadError> {
        self.expect(b'"')?;
        let mut escaped = false;
        let mut value = String::new();
        for (at, c) in self.rest().char_indices() {
            match c {
                '\n' => break,
                '"' if !escaped => {
                    self.at += at + 1;
                    return Ok(value);
                }
                '\\' if !escaped => escaped = true,
                _ => {
                    if escaped && !matches!(c, '"' | '\\') {
                        value.push('\\');
                    }
                    escaped = false;
                    value.push(c);
                }
            }
        }
        Err(self.error("the string does not end"))
    }

    /// Everything up to the next white space or comment.
    pub(super) fn solid(&mut self) -> &'a str {
        let start = self.at;
        while let Some(byte) = self.byte(0)
            && !byte.is_ascii_whitespace()
            && !(byte == b'/' && matches!(self.byte(1), Some(b'/' | b'*')))
        {
            self.at += 1;
        }
        self.since(start)
    }

    /// Skips a block in braces, whose opening brace comes next.
    pub(super) fn skip_block(&mut self) -> Result<(), LoadError> {
        self.skip_balanced(b'{', b'}')
    }

    /// Skips what stands between a pair of brackets, nested pairs and the brackets themselves included.
    pub(super) fn skip_balanced(&mut self, open: u8, close: u8) -> Result<(), LoadError> {
        self.expect(open)?;
        let mut depth = 1u32;
        while depth > 0 {
            match self.peek() {
                None => return Err(self.unexpected(&format!("'{}'", char::from(close)))),
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(byte) if byte == open => depth += 1,
                Some(byte) if byte == close => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
        }
        Ok(())
    }
}
