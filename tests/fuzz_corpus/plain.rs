//! A reader of messages in the most obvious way, line by line and with copies of everything: what the head index is held
//! against. It knows no typed header fields and no speed.

const MAX_MESSAGE: usize = 65_535;
const MAX_HEADERS: usize = 256;

/// A message as text in pieces.
#[derive(Debug, PartialEq, Eq)]
pub struct Plain {
    pub start: Start,
    /// Names as written; values unfolded and without white space around them.
    pub fields: Vec<(Vec<u8>, Vec<u8>)>,
    pub body: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Start {
    Request { method: String, uri: String },
    Response { status: u16, reason: String },
}

/// Reads `data`; `None` for what is no message, or too large a one.
pub fn read(data: &[u8]) -> Option<Plain> {
    if data.len() > MAX_MESSAGE {
        return None;
    }
    let leading = data.iter().take_while(|byte| b"\r\n".contains(byte)).count();
    let mut rest = &data[leading..];
    let mut lines = Vec::new();
    while let Some(line) = next_line(&mut rest) {
        if line.is_empty() {
            break;
        }
        lines.push(line);
    }
    let (first, lines) = lines.split_first()?;
    let start = read_start(&first.iter().map(|&byte| char::from(byte)).collect::<String>())?;
    let fields = read_fields(lines)?;
    let body = body(rest, &fields);
    Some(Plain { start, fields, body })
}

/// The next line without its end; a bare line feed will do for one.
fn next_line<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    if rest.is_empty() {
        return None;
    }
    let Some(len) = rest.iter().position(|&byte| byte == b'\n') else {
        return Some(std::mem::take(rest));
    };
    let line = &rest[..len];
    *rest = &rest[len + 1..];
    Some(line.strip_suffix(b"\r").unwrap_or(line))
}

/// Of a line whose characters are bytes. A part that is no UTF-8 reads as nothing.
fn read_start(line: &str) -> Option<Start> {
    let text = |part: &str| String::from_utf8(part.chars().map(|c| c as u8).collect()).unwrap_or_default();
    let is_space = [' ', '\t'];
    if line.to_ascii_lowercase().starts_with("sip/") {
        let (version, rest) = line.split_once(is_space)?;
        let rest = rest.trim_start_matches(is_space);
        let (code, reason) = rest.split_at(rest.find(is_space).unwrap_or(rest.len()));
        let is_code = version.len() > 4 && code.len() == 3 && code.bytes().all(|b| b.is_ascii_digit());
        let status = code.parse().ok().filter(|&code| is_code && code >= 100)?;
        return Some(Start::Response { status, reason: text(reason.trim_ascii()) });
    }
    let (method, rest) = line.trim_ascii_end().split_once(' ')?;
    let (uri, version) = rest.rsplit_once(' ')?;
    let uri = uri.trim_ascii();
    let is_request = is_token(method.as_bytes())
        && !uri.is_empty()
        && version.trim_ascii_start().to_ascii_lowercase().starts_with("sip/");
    is_request.then(|| Start::Request { method: text(method), uri: text(uri) })
}

fn read_fields(lines: &[&[u8]]) -> Option<Vec<(Vec<u8>, Vec<u8>)>> {
    let mut fields: Vec<(Vec<u8>, Vec<u8>)> = Vec::new();
    // Whether the line before was a header field: one that was none is continued to no avail.
    let mut in_field = false;
    for (nth, line) in lines.iter().enumerate() {
        // The line behind the start line continues nothing.
        if nth > 0 && matches!(line.first(), Some(b' ' | b'\t')) {
            if let Some((_, value)) = fields.last_mut().filter(|_| in_field) {
                value.extend_from_slice(line);
            }
            continue;
        }
        if fields.len() == MAX_HEADERS {
            return None;
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = colon.map_or((&b""[..], &b""[..]), |at| (&line[..at], &line[at + 1..]));
        let name = trim(name, b" \t", false);
        in_field = is_token(name);
        if in_field {
            fields.push((name.to_vec(), value.to_vec()));
        }
    }
    for (_, value) in &mut fields {
        *value = trim(value, b" \t\r\n", true).to_vec();
    }
    Some(fields)
}

/// What Content-Length says of the rest, or all of it.
fn body(rest: &[u8], fields: &[(Vec<u8>, Vec<u8>)]) -> Vec<u8> {
    let is_length = |name: &[u8]| {
        let name = name.to_ascii_lowercase();
        name == b"content-length" || name == b"l"
    };
    let length = fields.iter().find(|(name, _)| is_length(name)).map(|(_, value)| value);
    let length = length.filter(|value| !value.is_empty() && value.iter().all(u8::is_ascii_digit));
    let length = length.map(|digits| {
        digits
            .iter()
            .fold(0_usize, |sum, digit| sum.saturating_mul(10).saturating_add(usize::from(digit - b'0')))
    });
    rest[..length.unwrap_or(rest.len()).min(rest.len())].to_vec()
}

/// The lines of a head as they stand, ends included: the start line, then each header field with its folds.
pub fn raw_lines(mut head: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    loop {
        let mut len = line_len(head);
        if matches!(&head[..len], b"" | b"\n" | b"\r\n") {
            return lines;
        }
        while !lines.is_empty() && matches!(head.get(len), Some(b' ' | b'\t')) {
            len += line_len(&head[len..]);
        }
        let (line, rest) = head.split_at(len);
        lines.push(line);
        head = rest;
    }
}

fn line_len(text: &[u8]) -> usize {
    text.iter().position(|&byte| byte == b'\n').map_or(text.len(), |at| at + 1)
}

/// A value on one line: folds are white space, whose line ends do not count.
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let mut rest = value;
    let mut unfolded = Vec::with_capacity(value.len());
    while let Some(line) = next_line(&mut rest) {
        unfolded.extend_from_slice(line);
    }
    unfolded
}

fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|b| b.is_ascii_alphanumeric() || b"-.!%*_+`'~".contains(b))
}

fn trim<'a>(mut text: &'a [u8], what: &[u8], at_start: bool) -> &'a [u8] {
    while let Some((_, rest)) = text.split_last().filter(|(last, _)| what.contains(last)) {
        text = rest;
    }
    while let Some((_, rest)) = text.split_first().filter(|(first, _)| at_start && what.contains(first)) {
        text = rest;
    }
    text
}
