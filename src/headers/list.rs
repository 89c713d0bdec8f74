//! Comma-separated values: `header = "header-name" HCOLON value *(COMMA value)` (RFC 3261 7.3.1).

use super::lex::{closing_quote, trim};

/// The values of one header field. Commas in quoted strings and in angle brackets separate nothing.
#[derive(Clone, Debug)]
pub struct List<'a> {
    rest: Option<&'a str>,
}

impl<'a> List<'a> {
    /// Over a header field's value.
    #[must_use]
    pub const fn new(value: &'a str) -> Self {
        Self { rest: Some(value) }
    }
}

impl<'a> Iterator for List<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.rest.take()?;
        let end = first_value_len(text);
        if end == text.len() {
            return Some(trim(text));
        }
        self.rest = text.get(end + 1..);
        text.get(..end).map(trim)
    }
}

/// How many bytes of `text` stand before the comma that ends its first value.
pub(crate) fn first_value_len(text: &str) -> usize {
    let bytes = text.as_bytes();
    if memchr::memchr(b',', bytes).is_none() {
        return text.len();
    }
    let (mut at, mut bracketed) = (0, false);
    while let Some(rest) = bytes.get(at..) {
        let found = if bracketed {
            memchr::memchr2(b'"', b'>', rest)
        } else {
            memchr::memchr3(b'"', b'<', b',', rest)
        };
        let Some(found) = found else { break };
        at += found;
        match bytes.get(at) {
            Some(b'"') => match bytes.get(at..).and_then(closing_quote) {
                Some(len) => at += len,
                None => break,
            },
            Some(b',') => return at,
            _ => {
                bracketed = !bracketed;
                at += 1;
            }
        }
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commas_in_quotes_and_brackets_do_not_separate() {
        let values: Vec<_> = List::new(r#""a, \", b" <sip:x,y@h> , <sip:b@h>,sip:c@h"#).collect();
        assert_eq!(values, [r#""a, \", b" <sip:x,y@h>"#, "<sip:b@h>", "sip:c@h"]);
    }

    #[test]
    fn an_open_quote_runs_to_the_end() {
        assert_eq!(List::new(r#"a, "b, c"#).collect::<Vec<_>>(), ["a", r#""b, c"#]);
    }

    #[test]
    fn an_empty_value_is_still_one() {
        assert_eq!(List::new("").collect::<Vec<_>>(), [""]);
        assert_eq!(List::new("a,").collect::<Vec<_>>(), ["a", ""]);
    }
}
