//! Number patterns (`sas.md` 6.4).
//!
//! ```text
//! pattern = "*" / "$" / prefix "#" / prefix [ "(" suffix ")" ] / "(" suffix ")"
//! prefix  = 1*( "x" / "[" set "]" / literal )
//! suffix  = prefix / set
//! set     = member *( "," member ) / 1*literal
//! member  = 1*DIGIT "-" 1*DIGIT / 1*literal
//! ```
//!
//! Invariant: all members of a set have the same length, so that each element takes a known number of characters and a match is one walk
//! over the pattern, whatever the number that somebody dials.

use std::fmt;
use std::str::FromStr;

/// The longest pattern, in bytes.
const MAX_LEN: usize = 128;

/// Which numbers or user names are meant.
///
/// | token | meaning |
/// |---|---|
/// | `x` | one digit |
/// | `*` alone | anything, also nothing; within a longer pattern a star |
/// | `$` alone | an empty user |
/// | `#` at the end | the number ends here; elsewhere a `#`. A `#` that ends the pattern is written `[#]` |
/// | `[5551200-5551300]` | a number of that range; both ends have the same number of digits |
/// | `[2-4,7,9]`, `[abc]` | one of these, all of the same length |
/// | `(23[4,5,6])`, `(4-8)` | what the number ends with; before it may stand what it begins with, which does not overlap |
/// | anything else | itself, and the number may go on behind it |
///
/// An `x` that is meant as one is written `[x]`. Letters count in their case.
#[derive(Clone, PartialEq, Eq)]
pub struct Pattern {
    text: Box<str>,
    shape: Shape,
}

#[derive(Clone, PartialEq, Eq)]
enum Shape {
    Any,
    Empty,
    Number { prefix: Part, suffix: Part, is_whole: bool },
}

/// Elements one after the other.
#[derive(Clone, Default, PartialEq, Eq)]
struct Part {
    elements: Vec<Element>,
    /// How many characters they take.
    width: usize,
}

#[derive(Clone, PartialEq, Eq)]
enum Element {
    Digit,
    Literal(char),
    OneOf { members: Vec<Member>, width: usize },
}

#[derive(Clone, PartialEq, Eq)]
enum Member {
    Text(Box<str>),
    /// Both have the same number of digits, so that texts are in the order of their numbers.
    Range(Box<str>, Box<str>),
}

/// A pattern that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (at character {})", .at + 1)]
#[non_exhaustive]
pub struct PatternError {
    /// What is wrong.
    pub kind: PatternErrorKind,
    /// Before how many characters of the pattern that is.
    pub at: usize,
}

/// What is wrong with a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PatternErrorKind {
    /// Nothing is there.
    #[error("an empty pattern; \"*\" matches anything, \"$\" an empty user")]
    Empty,
    /// It is longer than 128 bytes.
    #[error("a pattern has at most 128 bytes")]
    TooLong,
    /// A control character or a space.
    #[error("a number has no spaces and no control characters")]
    Unprintable,
    /// `[` or `(` without its end, or an end without its beginning.
    #[error("a bracket without its other half")]
    Unbalanced,
    /// `[]` or `()`.
    #[error("nothing between the brackets, or between the commas")]
    EmptySet,
    /// A bracket within another one of its kind.
    #[error("a bracket within brackets")]
    Nested,
    /// The ends of a range are not numbers.
    #[error("both ends of a range must be numbers")]
    NotNumeric,
    /// The ends of a range differ in length.
    #[error("both ends of a range must have the same number of digits")]
    UnequalRange,
    /// The first end of a range is above the second.
    #[error("a range must go up")]
    Descending,
    /// The members of a set differ in length.
    #[error("all members of a set must have the same length")]
    UnequalSet,
    /// Something stands behind a suffix.
    #[error("nothing can stand behind the suffix, which is where the number ends")]
    BehindSuffix,
    /// `#` and nothing else.
    #[error("\"#\" alone; an empty user is \"$\", the sign itself \"[#]\"")]
    OnlyEnd,
}

impl Pattern {
    /// The pattern `*`.
    #[must_use]
    pub fn any() -> Self {
        Self { text: "*".into(), shape: Shape::Any }
    }

    /// Whether it is the pattern `*`.
    #[must_use]
    pub const fn is_any(&self) -> bool {
        matches!(self.shape, Shape::Any)
    }

    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether `number` is meant. Takes time in proportion to the pattern, and allocates nothing.
    #[must_use]
    pub fn matches(&self, number: &str) -> bool {
        match &self.shape {
            Shape::Any => true,
            Shape::Empty => number.is_empty(),
            Shape::Number { prefix, suffix, is_whole } => {
                let Some(rest) = prefix.matched(number) else { return false };
                if *is_whole {
                    return rest.is_empty();
                }
                suffix.width == 0 || last(rest, suffix.width).is_some_and(|end| suffix.matched(end).is_some())
            }
        }
    }
}

impl Default for Pattern {
    fn default() -> Self {
        Self::any()
    }
}

/// The last `count` characters of `text`, which has them.
fn last(text: &str, count: usize) -> Option<&str> {
    let (at, _) = text.char_indices().nth_back(count.checked_sub(1)?)?;
    text.get(at..)
}

/// `text` behind its first `count` characters, and those; none if it has fewer.
fn split(text: &str, count: usize) -> Option<(&str, &str)> {
    let end = text.char_indices().map(|(at, _)| at).chain([text.len()]).nth(count)?;
    text.split_at_checked(end)
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

impl Part {
    /// What is left of `text` behind this, if it begins with this.
    fn matched<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.elements.iter().try_fold(text, |text, element| {
            let (head, rest) = split(text, element.width())?;
            element.takes(head).then_some(rest)
        })
    }

    fn push(&mut self, element: Element) {
        self.width += element.width();
        self.elements.push(element);
    }
}

impl Element {
    const fn width(&self) -> usize {
        match self {
            Self::Digit | Self::Literal(_) => 1,
            Self::OneOf { width, .. } => *width,
        }
    }

    /// `head`: as many characters as this takes.
    fn takes(&self, head: &str) -> bool {
        match self {
            Self::Digit => is_number(head),
            Self::Literal(literal) => head.chars().eq([*literal]),
            Self::OneOf { members, .. } => members.iter().any(|member| match member {
                Member::Text(text) => head == &**text,
                Member::Range(first, last) => is_number(head) && &**first <= head && head <= &**last,
            }),
        }
    }
}

impl FromStr for Pattern {
    type Err = PatternError;

    fn from_str(text: &str) -> Result<Self, PatternError> {
        Ok(Self { text: text.into(), shape: Reader::new(text)?.shape()? })
    }
}

/// Reads a pattern from left to right.
struct Reader {
    chars: Vec<char>,
    at: usize,
}

impl Reader {
    fn new(text: &str) -> Result<Self, PatternError> {
        let reader = Self { chars: text.chars().collect(), at: 0 };
        if text.is_empty() {
            return Err(reader.error(PatternErrorKind::Empty));
        }
        if text.len() > MAX_LEN {
            return Err(PatternError { kind: PatternErrorKind::TooLong, at: MAX_LEN });
        }
        match reader.chars.iter().position(|c| c.is_control() || c.is_whitespace()) {
            Some(at) => Err(PatternError { kind: PatternErrorKind::Unprintable, at }),
            None => Ok(reader),
        }
    }

    const fn error(&self, kind: PatternErrorKind) -> PatternError {
        PatternError { kind, at: self.at }
    }

    fn next(&mut self) -> Option<char> {
        let next = self.chars.get(self.at).copied();
        self.at += usize::from(next.is_some());
        next
    }

    fn is_at_end(&self) -> bool {
        self.at >= self.chars.len()
    }

    fn shape(mut self) -> Result<Shape, PatternError> {
        match self.chars.as_slice() {
            ['*'] => return Ok(Shape::Any),
            ['$'] => return Ok(Shape::Empty),
            ['#'] => return Err(self.error(PatternErrorKind::OnlyEnd)),
            _ => {}
        }
        let (mut prefix, mut suffix) = (Part::default(), Part::default());
        while let Some(c) = self.next() {
            match c {
                '#' if self.is_at_end() => return Ok(Shape::Number { prefix, suffix, is_whole: true }),
                '(' => {
                    suffix = self.suffix()?;
                    if !self.is_at_end() {
                        return Err(self.error(PatternErrorKind::BehindSuffix));
                    }
                }
                c => {
                    let element = self.element(c)?;
                    prefix.push(element);
                }
            }
        }
        Ok(Shape::Number { prefix, suffix, is_whole: false })
    }

    /// The element that `first`, which has been taken, begins.
    fn element(&mut self, first: char) -> Result<Element, PatternError> {
        match first {
            'x' => Ok(Element::Digit),
            '[' => {
                let (start, inside) = (self.at, self.until(']')?);
                set(&inside, start)
            }
            ']' | ')' => Err(PatternError { kind: PatternErrorKind::Unbalanced, at: self.at - 1 }),
            literal => Ok(Element::Literal(literal)),
        }
    }

    /// What stands before the next `end`, which is taken too.
    fn until(&mut self, end: char) -> Result<Vec<char>, PatternError> {
        let start = self.at;
        while let Some(c) = self.next() {
            match c {
                c if c == end => {
                    return Ok(self.chars.get(start..self.at - 1).unwrap_or_default().to_vec());
                }
                '[' | '(' | ')' => {
                    return Err(PatternError { kind: PatternErrorKind::Nested, at: self.at - 1 });
                }
                _ => {}
            }
        }
        Err(PatternError { kind: PatternErrorKind::Unbalanced, at: start.saturating_sub(1) })
    }

    /// What stands between `(`, which has been taken, and `)`.
    fn suffix(&mut self) -> Result<Part, PatternError> {
        let (start, mut part) = (self.at, Part::default());
        let rest = self.chars.get(start..).unwrap_or_default();
        let inside = rest.iter().position(|c| *c == ')').and_then(|end| rest.get(..end));
        // `(4-8)` needs no brackets within.
        if let Some(inside) = inside.filter(|inside| !inside.contains(&'[') && inside.iter().any(is_list)) {
            let inside = inside.to_vec();
            self.at += inside.len() + 1;
            part.push(set(&inside, start)?);
            return Ok(part);
        }
        while let Some(c) = self.next() {
            match c {
                ')' if part.width == 0 => {
                    return Err(PatternError { kind: PatternErrorKind::EmptySet, at: start });
                }
                ')' => return Ok(part),
                '(' => return Err(PatternError { kind: PatternErrorKind::Nested, at: self.at - 1 }),
                c => {
                    let element = self.element(c)?;
                    part.push(element);
                }
            }
        }
        Err(PatternError { kind: PatternErrorKind::Unbalanced, at: start.saturating_sub(1) })
    }
}

const fn is_list(c: &char) -> bool {
    matches!(c, '-' | ',')
}

/// The set that is written `inside` its brackets, which begin at `at`.
fn set(inside: &[char], at: usize) -> Result<Element, PatternError> {
    let error = |kind| PatternError { kind, at };
    let is_listed = inside.len() > 1 && inside.iter().any(is_list);
    let members: Vec<Member> = if is_listed {
        inside.split(|c| *c == ',').map(|member| self::member(member, at)).collect::<Result<_, _>>()?
    } else {
        inside.iter().map(|c| Member::Text(c.to_string().into())).collect()
    };
    let width = |member: &Member| match member {
        Member::Text(text) | Member::Range(text, _) => text.chars().count(),
    };
    let mut widths = members.iter().map(width);
    let width = widths.next().ok_or_else(|| error(PatternErrorKind::EmptySet))?;
    if widths.any(|other| other != width) {
        return Err(error(PatternErrorKind::UnequalSet));
    }
    Ok(Element::OneOf { members, width })
}

fn member(written: &[char], at: usize) -> Result<Member, PatternError> {
    let error = |kind| PatternError { kind, at };
    let text: String = written.iter().collect();
    if text.is_empty() {
        return Err(error(PatternErrorKind::EmptySet));
    }
    let Some((first, last)) = text.split_once('-').filter(|_| text != "-") else {
        return Ok(Member::Text(text.into()));
    };
    if !is_number(first) || !is_number(last) {
        return Err(error(PatternErrorKind::NotNumeric));
    }
    if first.len() != last.len() {
        return Err(error(PatternErrorKind::UnequalRange));
    }
    if first > last {
        return Err(error(PatternErrorKind::Descending));
    }
    Ok(Member::Range(first.into(), last.into()))
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.text)
    }
}
