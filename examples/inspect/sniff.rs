//! Whether bytes look like SIP: a first line that is a start line, or would be one if it were right.

/// Whether a datagram does. Line ends before the message are let pass (RFC 3261 7.5).
pub(crate) fn is_message(datagram: &[u8]) -> bool {
    let blank = datagram.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count();
    let text = datagram.get(blank..).unwrap_or_default();
    text.split(|&byte| byte == b'\n').next().is_some_and(is_start_line)
}

/// Where in `text` the first line starts that is whole and does.
pub(crate) fn start_of_message(text: &[u8]) -> Option<usize> {
    let mut at = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if line.ends_with(b"\n") && is_start_line(line) {
            return Some(at);
        }
        at += line.len();
    }
    None
}

/// `SIP/2.0 200 OK`, or `INVITE sip:bob@biloxi.example SIP/2.0`, of any version.
fn is_start_line(line: &[u8]) -> bool {
    let mut words = line.trim_ascii_end().split(|&byte| byte == b' ');
    let (Some(first), Some(second)) = (words.next(), words.next()) else { return false };
    if is_version(first) {
        return second.first().is_some_and(u8::is_ascii_digit);
    }
    let is_method = first.iter().all(u8::is_ascii_graphic) && !first.is_empty();
    is_method && words.next_back().is_some_and(is_version)
}

fn is_version(word: &[u8]) -> bool {
    let (name, version) = word.split_at_checked(4).unwrap_or_default();
    name.eq_ignore_ascii_case(b"SIP/") && version.first().is_some_and(u8::is_ascii_digit)
}
