//! Values that are one word: Allow, Supported, Require and others in lists; Priority, SIP-ETag; Call-ID and In-Reply-To.

use super::lex::{is_lws, token};
use super::{Method, ValueError, is_token, trim};
use std::fmt;

/// `token` (RFC 3261 25.1): one method of `Allow = "Allow" HCOLON [Method *(COMMA Method)]` (20.5), one `option-tag` of
/// Supported, Require, Proxy-Require and Unsupported (20.37, 20.32, 20.29, 20.40), one `event-type` of Allow-Events
/// (RFC 6665 8.2.2), one `content-coding` (20.12), one `priority-value` (20.26), one `entity-tag` (RFC 3903 11.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Token<'a>(&'a str);

impl<'a> Token<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// It is empty, or holds what no token holds.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let start = text.trim_start_matches(is_lws);
        match token(start) {
            Ok((rest, word)) if trim(rest).is_empty() => Ok(Self(word)),
            Ok((rest, _)) => Err(ValueError::at(text, rest)),
            Err(_) => Err(ValueError::at(text, start)),
        }
    }

    /// The text as it came.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }

    /// Whether it is `word`. Tokens compare without case (RFC 3261 7.3.1), but for methods: see [`Token::method`].
    #[must_use]
    pub fn is(&self, word: &str) -> bool {
        self.0.eq_ignore_ascii_case(word)
    }

    /// The method of this name.
    #[must_use]
    pub fn method(&self) -> Method {
        Method::of(self.0.as_bytes())
    }
}

impl fmt::Display for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// `callid = word [ "@" word ]` (RFC 3261 20.8), which also stands in In-Reply-To (20.21), Replaces and Join.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CallId<'a>(&'a str);

impl<'a> CallId<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// It is no word, nor two with an `@` between them.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let id = trim(text);
        let leading = text.len() - text.trim_start_matches(is_lws).len();
        let fail = |at| Err(ValueError::syntax(leading + at));
        if let Some(at) = id.bytes().position(|byte| byte != b'@' && !is_word(byte)) {
            return fail(at);
        }
        match id.split_once('@') {
            None if id.is_empty() => fail(0),
            None => Ok(Self(id)),
            Some((left, right)) if left.is_empty() || right.is_empty() => fail(left.len()),
            Some((left, right)) => match right.find('@') {
                Some(at) => fail(left.len() + 1 + at),
                None => Ok(Self(id)),
            },
        }
    }

    /// The text as it came. It compares byte by byte (RFC 3261 20.8).
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.0
    }
}

/// `word = 1*(alphanum / "-" / "." / "!" / "%" / "*" / "_" / "+" / "`" / "'" / "~" / "(" / ")" / "<" / ">" / ":" / "\" /
/// DQUOTE / "/" / "[" / "]" / "?" / "{" / "}" )`
fn is_word(byte: u8) -> bool {
    is_token(byte)
        || matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b':' | b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'{' | b'}'
        )
}

impl fmt::Display for CallId<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// `Privacy-hdr = "Privacy" HCOLON priv-value *(";" priv-value)` (RFC 3323 4.2): `header`, `session`, `user`, `none`,
/// `critical`, `id` (RFC 3325 9.3), `history` (RFC 7044 10.1) and others.
#[derive(Clone, Copy, Debug, Eq)]
pub struct Privacy<'a>(&'a str);

impl<'a> Privacy<'a> {
    /// Parses a value.
    ///
    /// # Errors
    /// One of the values is no token.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let mut offset = 0;
        for value in text.split(';') {
            Token::parse(value).map_err(|error| ValueError::new(error.kind, offset + error.offset))?;
            offset += value.len() + 1;
        }
        Ok(Self(text))
    }

    /// The values, in their order.
    pub fn iter(&self) -> impl Iterator<Item = Token<'a>> + use<'a> {
        self.0.split(';').filter_map(|value| Token::parse(value).ok())
    }

    /// Whether `value` is asked for.
    #[must_use]
    pub fn asks_for(&self, value: &str) -> bool {
        self.iter().any(|token| token.is(value))
    }
}

impl PartialEq for Privacy<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl fmt::Display for Privacy<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, value) in self.iter().enumerate() {
            write!(f, "{}{value}", if at > 0 { ";" } else { "" })?;
        }
        Ok(())
    }
}

/// `r-value = namespace "." r-priority` (RFC 4412 3.1), `namespace` and `r-priority` being tokens without a dot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ResourcePriority<'a> {
    /// The namespace: `dsn`, `ets`, `esnet` (RFC 7135).
    pub namespace: &'a str,
    /// The priority within it.
    pub priority: &'a str,
}

impl<'a> ResourcePriority<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// No two words with a dot between them.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let value = Token::parse(text)?.as_str();
        match value.split_once('.') {
            Some((namespace, priority))
                if !namespace.is_empty() && !priority.is_empty() && !priority.contains('.') =>
            {
                Ok(Self { namespace, priority })
            }
            _ => Err(ValueError::syntax(0)),
        }
    }
}

impl fmt::Display for ResourcePriority<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.namespace, self.priority)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_one_word() {
        let token = Token::parse(" 100rel ").unwrap();
        assert!(token.is("100REL"));
        assert_eq!(Token::parse("INVITE").unwrap().method(), Method::Invite);
        assert_eq!(Token::parse("invite").unwrap().method(), Method::Other);
        for (bad, offset) in [("", 0), ("a b", 1), (" @", 1), ("ä", 0)] {
            assert_eq!(Token::parse(bad).unwrap_err().offset, offset, "{bad}");
        }
    }

    #[test]
    fn a_call_id_is_a_word_or_two() {
        for good in ["f81d4fae-7dec-11d0-a765-00a0c91e6bf6@foo.bar.com", "{a}<b>\"c", "1"] {
            assert_eq!(CallId::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "a@b@c", "@b", "a@", "a;b", "a,b"] {
            assert!(CallId::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn privacy_is_a_list_with_semicolons() {
        let privacy = Privacy::parse("user ; id;critical").unwrap();
        assert!(privacy.asks_for("ID") && !privacy.asks_for("none"));
        assert_eq!(privacy.to_string(), "user;id;critical");
        assert_eq!(Privacy::parse("id;").unwrap_err().offset, 3);
    }

    #[test]
    fn a_resource_priority_has_a_namespace() {
        let value = ResourcePriority::parse("ets.0").unwrap();
        assert_eq!((value.namespace, value.priority), ("ets", "0"));
        for bad in ["ets", "ets.", ".0", "a.b.c", ""] {
            assert!(ResourcePriority::parse(bad).is_err(), "{bad}");
        }
    }
}
