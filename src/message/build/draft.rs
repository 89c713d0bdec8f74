//! The head of a message under construction, and what is wrong with it.

use super::BuildError;
use super::reason::{reason_phrase, usual_status_line};
use crate::headers::{HeaderName, Text, Unfolded, ValueError, field, is_whole_token, push_decimal, trim};
use crate::message::fold::{not_a_fold, one_value};
use crate::message::{Defect, FieldError};
use bytes::Bytes;
use std::fmt::{self, Write as _};

/// The start line and the header fields so far, and the first thing that was wrong.
#[derive(Clone, Debug)]
pub(super) struct Draft {
    pub(super) text: String,
    present: u128,
    error: Option<BuildError>,
}

impl Draft {
    /// A head that starts with the words of `start_line` and may take `room` bytes.
    pub(super) fn new(start_line: [&str; 3], room: usize) -> Self {
        let mut text = String::with_capacity(room);
        let [first, second, third] = start_line;
        for part in [first, " ", second, " ", third, "\r\n"] {
            text.push_str(part);
        }
        Self { text, present: 0, error: None }
    }

    /// The head of a response with the usual phrase of `status`.
    pub(super) fn answer(status: u16, room: usize) -> Self {
        match usual_status_line(status) {
            Some(line) => {
                let mut text = String::with_capacity(room);
                text.push_str(line);
                Self { text, present: 0, error: None }
            }
            None => Self::new(["SIP/2.0", &status.to_string(), reason_phrase(status)], room),
        }
    }

    /// Notes what is wrong. The first error is the one that is told.
    pub(super) fn fail(&mut self, error: impl Into<BuildError>) {
        self.error.get_or_insert_with(|| error.into());
    }

    pub(super) fn has(&self, name: HeaderName) -> bool {
        self.present & bit(name) != 0
    }

    /// Adds a header field of the caller's: its value is held against the field's own rule.
    pub(super) fn add(&mut self, written: &str, value: impl fmt::Display) {
        if !is_whole_token(written) {
            self.fail(BuildError::Name);
        }
        let name = HeaderName::of(written.as_bytes());
        // RFC 3261 20.14: the length of the body, which the builder knows best.
        if name == HeaderName::ContentLength {
            self.fail(BuildError::NotYours(name));
        }
        // RFC 3261 7.3.1: only lists may be spread over several header fields.
        if self.has(name) && !field::may_repeat(name) {
            self.fail(Defect::Repeated(name));
        }
        self.present |= bit(name);
        let _ = write!(self.text, "{written}: ");
        let start = self.text.len();
        let _ = write!(self.text, "{value}");
        if let Err(error) = self.tidy(start).and_then(|()| field::check(name, self.from(start))) {
            self.fail(FieldError::Malformed { name, error });
        }
        self.text.push_str("\r\n");
    }

    /// Puts the value that starts at `start` on one line, without white space around it.
    fn tidy(&mut self, start: usize) -> Result<(), ValueError> {
        let value = self.from(start);
        if let Some(at) = not_a_fold(value.as_bytes()) {
            return Err(ValueError::syntax(at));
        }
        let tidy = trim(value);
        if tidy.len() < value.len() || tidy.contains('\n') {
            let tidy = Unfolded(tidy).to_string();
            self.text.replace_range(start.., &tidy);
        }
        Ok(())
    }

    fn from(&self, start: usize) -> &str {
        self.text.get(start..).unwrap_or_default()
    }

    /// Adds a header field of another message as it stands there, but for what would start a line of its own.
    pub(super) fn copy(&mut self, name: HeaderName, value: &str) {
        self.copy_with(name, false, |text| text.push_str(value));
    }

    /// The same with a value that is put together; `is_line` if it is known to be one line.
    #[inline(always)]
    pub(super) fn copy_with(&mut self, name: HeaderName, is_line: bool, write: impl FnOnce(&mut String)) {
        self.present |= bit(name);
        let start = self.text.len();
        self.text.push_str(name.as_str());
        self.text.push_str(": ");
        write(&mut self.text);
        if !is_line {
            self.text.truncate(start + one_value(self.from(start)));
        }
        self.text.push_str("\r\n");
    }

    pub(super) const fn is_sound(&self) -> bool {
        self.error.is_none()
    }

    /// The message with its body.
    ///
    /// # Errors
    /// What was wrong first.
    pub(super) fn finish(mut self, content_type: &str, body: &[u8]) -> Result<Bytes, BuildError> {
        if !body.is_empty() {
            self.add(HeaderName::ContentType.as_str(), content_type);
        }
        if let Some(error) = self.error {
            return Err(error);
        }
        if body.is_empty() {
            self.text.push_str("Content-Length: 0\r\n\r\n");
            return Ok(self.text.into());
        }
        self.text.push_str("Content-Length: ");
        push_decimal(&mut self.text, body.len() as u64);
        self.text.push_str("\r\n\r\n");
        let mut bytes = self.text.into_bytes();
        bytes.extend_from_slice(body);
        Ok(bytes.into())
    }
}

/// A name's place in a set of names.
const fn bit(name: HeaderName) -> u128 {
    const { assert!((HeaderName::Other as u32) < u128::BITS) };
    1 << name as u32
}

/// `Reason-Phrase = *(reserved / unreserved / escaped / UTF8-NONASCII / UTF8-CONT / SP / HTAB)`, with the ASCII that this leaves out.
pub(super) fn is_phrase(text: &str) -> bool {
    !text.contains(['\r', '\n']) && Text::parse(text).is_ok()
}
