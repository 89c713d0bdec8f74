//! The syntax of an ini file of the product: parameters, and tables whose columns a FORMAT line names.
//!
//! ```text
//! line      = comment / title / format / row / parameter
//! comment   = ";" *CHAR
//! title     = "[" *CHAR
//! format    = "FORMAT" table "_Index" "=" values
//! row       = table index "=" values
//! values    = value *( "," value ) [ ";" *CHAR ]
//! parameter = name "=" value [ ";" *CHAR ]
//! value     = DQUOTE *CHAR DQUOTE / "'" *CHAR "'" / *CHAR
//! ```
//!
//! Names are compared without their case. Titles say nothing but that a table ends, since each row names its table.

use super::{IniError, IniErrorKind};
use std::collections::BTreeMap;

/// The largest file, in bytes.
const MAX_TEXT: usize = 1 << 20;
/// The longest line, in bytes.
const MAX_LINE: usize = 16 << 10;
/// Columns of a table at most: each has a bit in [`Fields`].
const MAX_COLUMNS: usize = 128;
/// Rows of a table at most.
const MAX_ROWS: usize = 1_000;

/// What stands in a file.
#[derive(Debug, Default)]
pub(super) struct Ini<'t> {
    pub(super) parameters: Vec<Parameter<'t>>,
    /// The tables that are wanted.
    pub(super) tables: Vec<Table<'t>>,
    /// The others.
    pub(super) foreign: Vec<Foreign<'t>>,
    /// What is neither parameter nor row, with its line.
    pub(super) unread: Vec<(usize, &'t str)>,
}

/// `name = value`.
#[derive(Debug)]
pub(super) struct Parameter<'t> {
    pub(super) line: usize,
    pub(super) name: &'t str,
    /// As written, quotes and all.
    pub(super) written: &'t str,
}

/// A table that is not wanted.
#[derive(Debug)]
pub(super) struct Foreign<'t> {
    pub(super) line: usize,
    pub(super) name: &'t str,
}

/// A table that is wanted.
#[derive(Debug)]
pub(super) struct Table<'t> {
    /// That of its FORMAT line.
    pub(super) line: usize,
    pub(super) name: &'t str,
    /// Without the name of the table before them.
    columns: Vec<&'t str>,
    /// By index.
    rows: BTreeMap<u32, Row<'t>>,
}

/// As many values as the table has columns.
#[derive(Debug)]
pub(super) struct Row<'t> {
    pub(super) line: usize,
    /// All of them, as written.
    pub(super) written: &'t str,
    values: Vec<&'t str>,
}

impl<'t> Table<'t> {
    /// The rows in the order of their indices, which is the one that counts.
    pub(super) fn fields<'r>(&'r self) -> impl Iterator<Item = (u32, Fields<'r, 't>)> + use<'r, 't> {
        self.rows.iter().map(|(index, row)| (*index, Fields { columns: &self.columns, row, taken: 0 }))
    }
}

/// The values of a row, taken by their columns.
#[derive(Debug)]
pub(super) struct Fields<'r, 't> {
    columns: &'r [&'t str],
    pub(super) row: &'r Row<'t>,
    /// A bit for each column.
    taken: u128,
}

impl<'t> Fields<'_, 't> {
    /// The value of `column`. None if there is no such column, or nothing in it; `$$` stands for nothing.
    pub(super) fn take(&mut self, column: &str) -> Option<&'t str> {
        let at = self.columns.iter().position(|name| name.eq_ignore_ascii_case(column))?;
        self.taken |= 1 << at;
        self.row.values.get(at).copied().filter(|value| !matches!(*value, "" | "$$"))
    }

    /// The columns that have not been taken, and their values.
    pub(super) fn rest(&self) -> impl Iterator<Item = (&'t str, &'t str)> {
        let all = self.columns.iter().copied().zip(self.row.values.iter().copied()).enumerate();
        all.filter(|(at, _)| self.taken & (1 << at) == 0).map(|(_, field)| field)
    }
}

/// Reads a file. Time and memory are in proportion to it.
pub(super) fn parse<'t>(text: &'t str, wanted: &[&str]) -> Result<Ini<'t>, IniError> {
    if text.len() > MAX_TEXT {
        return Err(IniErrorKind::TooLarge.at(1));
    }
    let mut reader = Reader { wanted, ini: Ini::default(), open: Open::Nothing };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    for (number, line) in (1..).zip(text.lines()) {
        reader.line(number, line).map_err(|kind| kind.at(number))?;
    }
    Ok(reader.ini)
}

/// The value of a parameter, out of its quotes.
pub(super) fn value(written: &str) -> Result<&str, IniErrorKind> {
    first(written, &[';']).map(|(value, _)| value)
}

/// The table whose rows may come.
#[derive(Clone, Copy)]
enum Open<'t> {
    Nothing,
    /// It is the last one of [`Ini::tables`].
    Wanted,
    Foreign(&'t str),
}

struct Reader<'w, 't> {
    wanted: &'w [&'w str],
    ini: Ini<'t>,
    open: Open<'t>,
}

impl<'t> Reader<'_, 't> {
    fn line(&mut self, number: usize, line: &'t str) -> Result<(), IniErrorKind> {
        if line.len() > MAX_LINE {
            return Err(IniErrorKind::LongLine);
        }
        if line.contains(|c: char| c.is_control() && c != '\t') {
            return Err(IniErrorKind::NotText);
        }
        let line = line.trim();
        if line.is_empty() || line.starts_with(';') {
            return Ok(());
        }
        if line.starts_with('[') {
            self.open = Open::Nothing;
            return Ok(());
        }
        let Some((left, written)) = line.split_once('=') else {
            self.ini.unread.push((number, line));
            return Ok(());
        };
        let mut words = left.split_whitespace();
        let (first, second, third) = (words.next().unwrap_or_default(), words.next(), words.next());
        match (second, third) {
            (Some(index), None) if first.eq_ignore_ascii_case("FORMAT") => {
                self.format(number, index, written)
            }
            (None, _) if !first.is_empty() => {
                self.ini.parameters.push(Parameter { line: number, name: first, written: written.trim() });
                Ok(())
            }
            (Some(index), rest) => self.row(number, line, first, rest.map_or(Some(index), |_| None), written),
            (None, _) => {
                self.ini.unread.push((number, line));
                Ok(())
            }
        }
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.wanted.iter().any(|wanted| wanted.eq_ignore_ascii_case(name))
    }

    fn format(&mut self, line: usize, index: &'t str, written: &'t str) -> Result<(), IniErrorKind> {
        let name = index.rsplit_once('_').map_or(index, |(table, _)| table);
        if !self.is_wanted(name) {
            self.ini.foreign.push(Foreign { line, name });
            self.open = Open::Foreign(name);
            return Ok(());
        }
        if self.ini.tables.iter().any(|table| table.name.eq_ignore_ascii_case(name)) {
            return Err(IniErrorKind::TableTwice);
        }
        let columns = values(written)?.into_iter().map(|column| {
            let start = column.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name));
            let plain =
                start.and_then(|start| column.get(start.len()..)).and_then(|rest| rest.strip_prefix('_'));
            plain.unwrap_or(column)
        });
        self.ini.tables.push(Table { line, name, columns: columns.collect(), rows: BTreeMap::new() });
        self.open = Open::Wanted;
        Ok(())
    }

    /// `index`: none if something else stands behind it.
    fn row(
        &mut self,
        number: usize,
        line: &'t str,
        name: &'t str,
        index: Option<&str>,
        written: &'t str,
    ) -> Result<(), IniErrorKind> {
        if !self.is_wanted(name) {
            if !matches!(self.open, Open::Foreign(open) if open.eq_ignore_ascii_case(name)) {
                self.ini.unread.push((number, line));
            }
            return Ok(());
        }
        let open = matches!(self.open, Open::Wanted).then(|| self.ini.tables.last_mut()).flatten();
        let table = open.filter(|table| table.name.eq_ignore_ascii_case(name));
        let table = table.ok_or(IniErrorKind::RowWithoutFormat)?;
        let index = index.and_then(|index| index.parse().ok()).ok_or(IniErrorKind::NoIndex)?;
        let values = values(written)?;
        if values.len() != table.columns.len() {
            return Err(IniErrorKind::Values { columns: table.columns.len(), values: values.len() });
        }
        if table.rows.len() >= MAX_ROWS {
            return Err(IniErrorKind::ManyRows);
        }
        let row = Row { line: number, written: written.trim(), values };
        if table.rows.insert(index, row).is_some() {
            return Err(IniErrorKind::RowTwice);
        }
        Ok(())
    }
}

/// All values of a row, or all columns of a FORMAT line.
fn values(written: &str) -> Result<Vec<&str>, IniErrorKind> {
    let mut values = Vec::new();
    let mut rest = Some(written);
    while let Some(written) = rest {
        if values.len() >= MAX_COLUMNS {
            return Err(IniErrorKind::ManyColumns);
        }
        let (value, behind) = first(written, &[',', ';'])?;
        values.push(value);
        rest = behind.strip_prefix(',');
    }
    Ok(values)
}

/// The first value, and what is behind it: nothing, or what begins with one of `ends`.
fn first<'t>(written: &'t str, ends: &[char]) -> Result<(&'t str, &'t str), IniErrorKind> {
    let written = written.trim();
    let quote = written.chars().next().filter(|first| matches!(first, '"' | '\''));
    let Some(quote) = quote else {
        let end = written.find(ends).unwrap_or(written.len());
        let (value, behind) = written.split_at_checked(end).unwrap_or((written, ""));
        return Ok((value.trim_end(), behind));
    };
    let inside = written.strip_prefix(quote).unwrap_or_default();
    let (value, behind) = inside.split_once(quote).ok_or(IniErrorKind::OpenQuote)?;
    let behind = behind.trim_start();
    if !behind.is_empty() && !behind.starts_with(ends) {
        return Err(IniErrorKind::BehindQuote);
    }
    Ok((value, behind))
}
