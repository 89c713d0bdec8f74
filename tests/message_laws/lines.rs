//! Edits in the most obvious way, over a list of lines: what the edit list is held against.

use sip_survivability::headers::HeaderName;

/// The start line and the header fields, each with its line end; then the empty line and the body.
#[derive(Clone, Debug)]
pub(crate) struct Lines {
    pub(crate) start: String,
    pub(crate) fields: Vec<String>,
    pub(crate) rest: String,
}

pub(crate) fn name_of(field: &str) -> HeaderName {
    HeaderName::of(field.split(':').next().unwrap_or_default().trim_end().as_bytes())
}

impl Lines {
    pub(crate) fn text(&self) -> String {
        format!("{}{}{}", self.start, self.fields.concat(), self.rest)
    }

    fn first(&self, name: HeaderName) -> Option<usize> {
        self.fields.iter().position(|field| name_of(field) == name)
    }

    pub(crate) fn set_uri(&mut self, uri: &str) {
        let (method, rest) = self.start.split_once(' ').unwrap();
        let (_, version) = rest.rsplit_once(' ').unwrap();
        self.start = format!("{method} {uri} {version}");
    }

    pub(crate) fn set(&mut self, name: HeaderName, value: &str) {
        let Some(at) = self.first(name) else { return self.append(name, value) };
        let (written, old) = self.fields[at].split_once(':').unwrap();
        let space = &old[..old.len() - old.trim_start().len()];
        let end = &old.trim_start()[old.trim().len()..];
        // White space behind the colon of an empty value ends the line as well: the value stands behind it.
        self.fields[at] = if old.trim().is_empty() {
            let line_end = if old.ends_with("\r\n") { "\r\n" } else { "\n" };
            format!("{written}:{}{value}{line_end}", old.strip_suffix(line_end).unwrap())
        } else {
            format!("{written}:{space}{value}{end}")
        };
    }

    pub(crate) fn append(&mut self, name: HeaderName, value: &str) {
        self.fields.push(format!("{name}: {value}\r\n"));
    }

    pub(crate) fn insert_first(&mut self, name: HeaderName, value: &str) {
        let below = || self.fields.iter().position(|field| name_of(field) != HeaderName::Via);
        let at = self.first(name).or_else(below).unwrap_or(self.fields.len());
        self.fields.insert(at, format!("{name}: {value}\r\n"));
    }

    pub(crate) fn remove_all(&mut self, name: HeaderName) {
        self.fields.retain(|field| name_of(field) != name);
    }

    pub(crate) fn remove_values(&mut self, name: HeaderName, mut count: usize) {
        for field in &mut self.fields {
            if name_of(field) != name || count == 0 {
                continue;
            }
            let (written, list) = field.split_once(':').unwrap();
            let mut values = split(list.trim());
            // What has nothing in it has no value, and goes with those that are removed.
            values.pop_if(|last| last.is_empty());
            let gone = count.min(values.len());
            count -= gone;
            let space = &list[..list.len() - list.trim_start().len()];
            let end = &list.trim_start()[list.trim().len()..];
            values.drain(..gone);
            *field = if values.is_empty() {
                String::new()
            } else {
                format!("{written}:{space}{}{end}", values.join(","))
            };
        }
        self.fields.retain(|field| !field.is_empty());
    }
}

/// At the commas that stand neither in quotes nor in brackets.
fn split(list: &str) -> Vec<String> {
    let (mut values, mut quoted, mut escaped, mut bracketed) = (vec![String::new()], false, false, false);
    for c in list.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            ',' if !quoted && !bracketed => {
                values.push(String::new());
                continue;
            }
            _ => {}
        }
        values.last_mut().unwrap().push(c);
    }
    values
}
