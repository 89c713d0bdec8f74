//! Line ends in a value: those that fold it, and those that would end it.

use super::words::printable_len;

/// How much of `text` can be written as the value of one header field: what would start a line of its own is left out, be it only
/// for those who take a lone CR for a line end, and so is a fold that has nothing behind it, or the line end behind it would make it
/// an empty line.
pub(super) fn one_value(text: &str) -> usize {
    // Nearly always it is one line, and there is nothing behind it.
    let is_closed = text.as_bytes().last().is_some_and(|last| *last > b' ');
    if is_closed && printable_len(text.as_bytes()) == text.len() {
        return text.len();
    }
    match not_a_fold(text.as_bytes()) {
        None if !text.ends_with([' ', '\t']) => text.len(),
        end => {
            let kept = text.get(..end.unwrap_or(text.len())).unwrap_or_default();
            kept.trim_end_matches([' ', '\t', '\r', '\n']).len()
        }
    }
}

/// Where a line end is that starts no fold: `LWS = [*WSP CRLF] 1*WSP`.
pub(super) fn not_a_fold(text: &[u8]) -> Option<usize> {
    let is_fold = |at: usize| {
        let end = text.get(at..).unwrap_or_default();
        matches!(end, [b'\r', b'\n', b' ' | b'\t', ..] | [b'\n', b' ' | b'\t', ..])
    };
    let mut at = 0;
    while let Some(found) = text.get(at..).and_then(|rest| memchr::memchr2(b'\r', b'\n', rest)) {
        at += found;
        if !is_fold(at) {
            return Some(at);
        }
        at += if text.get(at) == Some(&b'\r') { 2 } else { 1 };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_ends_where_another_line_would_start() {
        for (text, value) in [
            ("a", "a"),
            ("a\r\n b\n\tc", "a\r\n b\n\tc"),
            ("a\r\nX: y", "a"),
            ("a\nX: y", "a"),
            ("a\rX: y", "a"),
            ("a\r\n b \r\n\r\nbody", "a\r\n b"),
            ("a \r\n ", "a"),
            ("\r\n", ""),
            ("", ""),
        ] {
            assert_eq!(&text[..one_value(text)], value, "{text:?}");
        }
    }
}
