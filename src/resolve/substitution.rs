//! The substitution expressions of NAPTR records (RFC 3402 3.2): `!^\+1(.*)$!sip:\1@example.com!`.
//!
//! The expressions are POSIX extended ones, and come from whoever has the domain. So they are limited in length, and a match in
//! steps: what takes more matches nothing. Where several matches begin at the same place the first alternative and the most
//! repetitions count, as in Perl, rather than the longest match of POSIX; the expressions that are in use leave no choice.

/// Longer texts are none: a string of the DNS has 255 bytes (RFC 1035 3.3.14).
const MAX_LENGTH: usize = 255;

/// Steps of one match. The customary expressions take some thirty on the longest number.
const MAX_STEPS: usize = 1_000;

/// Groups inside of groups.
const MAX_DEPTH: usize = 8;

/// Repetitions that are counted; there is no text that is longer.
const MANY: u8 = 255;

/// A substitution expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Substitution {
    expression: Vec<Sequence>,
    replacement: Vec<Part>,
    ignores_case: bool,
}

type Sequence = Vec<Piece>;

#[derive(Clone, Debug, PartialEq, Eq)]
struct Piece {
    atom: Atom,
    least: u8,
    most: u8,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Atom {
    Char(char),
    Any,
    Set {
        is_negated: bool,
        ranges: Vec<(char, char)>,
    },
    Start,
    End,
    /// The number of the group, from 0, and its alternatives.
    Group(usize, Vec<Sequence>),
}

/// A part of what comes out.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Part {
    Char(char),
    /// What the group of this number has matched.
    Group(usize),
}

impl Substitution {
    /// Reads an expression. None if it is none, or one that is not understood.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        let mut chars = text.chars();
        // "delim-char = "/" / "!" / <Any octet not in 'POS-DIGIT' or 'flags'>".
        let delimiter = chars.next().filter(|c| !c.is_ascii_digit() && *c != 'i' && *c != '\\')?;
        let (expression, rest) = field(chars.as_str(), delimiter)?;
        let (replacement, flags) = field(rest, delimiter)?;
        let ignores_case = match flags {
            "" => false,
            "i" | "I" => true,
            _ => return None,
        };
        let mut parser = Parser { text: expression.chars().peekable(), groups: 0 };
        let expression = parser.alternatives(0)?;
        if parser.text.next().is_some() {
            return None;
        }
        let replacement = replaced_by(&replacement, parser.groups)?;
        Some(Self { expression, replacement, ignores_case })
    }

    /// What becomes of `text`. None where it does not match.
    pub(super) fn apply(&self, text: &str) -> Option<String> {
        let subject: Vec<char> = text.chars().take(MAX_LENGTH).collect();
        let mut search = Search {
            subject: &subject,
            ignores_case: self.ignores_case,
            groups: [None; 9],
            steps: MAX_STEPS,
        };
        let is_found = (0..=subject.len()).any(|start| {
            search.groups = [None; 9];
            self.expression.iter().any(|sequence| search.sequence(sequence, start, &mut |_, _| true))
        });
        if !is_found {
            return None;
        }
        let mut result = String::new();
        for part in &self.replacement {
            match part {
                Part::Char(c) => result.push(*c),
                Part::Group(number) => {
                    let range = search.groups.get(*number).copied().flatten();
                    let matched = range.and_then(|(from, to)| subject.get(from..to));
                    result.extend(matched.into_iter().flatten());
                }
            }
        }
        Some(result)
    }
}

/// The text up to the next `delimiter` that is not escaped, whose escapes are undone, and what is behind it.
fn field(text: &str, delimiter: char) -> Option<(String, &str)> {
    let (mut field, mut chars) = (String::new(), text.chars());
    while let Some(c) = chars.next() {
        match c {
            c if c == delimiter => return Some((field, chars.as_str())),
            '\\' => match chars.next()? {
                escaped if escaped == delimiter => field.push(escaped),
                other => field.extend(['\\', other]),
            },
            c => field.push(c),
        }
    }
    None
}

/// The parts of a replacement: "`\` POS-DIGIT" is a group.
fn replaced_by(text: &str, groups: usize) -> Option<Vec<Part>> {
    let (mut parts, mut chars) = (Vec::new(), text.chars());
    while let Some(c) = chars.next() {
        parts.push(match c {
            '\\' => match chars.next()? {
                digit @ '1'..='9' => {
                    let number = digit.to_digit(10)? as usize - 1;
                    Part::Group(Some(number).filter(|number| *number < groups)?)
                }
                other => Part::Char(other),
            },
            c => Part::Char(c),
        });
    }
    Some(parts)
}

struct Parser<'t> {
    text: std::iter::Peekable<std::str::Chars<'t>>,
    groups: usize,
}

impl Parser<'_> {
    /// Sequences with `|` between them, to the end or to a `)`.
    fn alternatives(&mut self, depth: usize) -> Option<Vec<Sequence>> {
        let mut all = vec![Vec::new()];
        while let Some(&c) = self.text.peek() {
            match c {
                ')' => break,
                '|' => {
                    self.text.next();
                    all.push(Vec::new());
                }
                _ => {
                    let piece = self.piece(depth)?;
                    all.last_mut()?.push(piece);
                }
            }
        }
        Some(all)
    }

    fn piece(&mut self, depth: usize) -> Option<Piece> {
        let atom = match self.text.next()? {
            '.' => Atom::Any,
            '^' => Atom::Start,
            '$' => Atom::End,
            '[' => self.set()?,
            '(' => {
                let number = self.groups;
                self.groups += 1;
                if depth == MAX_DEPTH || number >= 9 {
                    return None;
                }
                let alternatives = self.alternatives(depth + 1)?;
                self.text.next().filter(|c| *c == ')')?;
                Atom::Group(number, alternatives)
            }
            // In the middle of an expression it is a reference, which extended expressions have not.
            '\\' => Atom::Char(self.text.next().filter(|c| !c.is_alphanumeric())?),
            '*' | '+' | '?' | '{' => return None,
            c => Atom::Char(c),
        };
        let (least, most) = match self.text.peek() {
            Some('*') => (0, MANY),
            Some('+') => (1, MANY),
            Some('?') => (0, 1),
            Some('{') => return self.counted(atom),
            _ => return Some(Piece { atom, least: 1, most: 1 }),
        };
        self.text.next();
        Some(Piece { atom, least, most })
    }

    /// `{2}`, `{2,}`, `{2,4}`.
    fn counted(&mut self, atom: Atom) -> Option<Piece> {
        self.text.next();
        let mut inside = String::new();
        loop {
            match self.text.next()? {
                '}' => break,
                c => inside.push(c),
            }
        }
        let count = |text: &str| text.parse::<u8>().ok().filter(|_| text.bytes().all(|b| b.is_ascii_digit()));
        let (least, most) = match inside.split_once(',') {
            None => (count(&inside)?, count(&inside)?),
            Some((least, "")) => (count(least)?, MANY),
            Some((least, most)) => (count(least)?, count(most)?),
        };
        (least <= most).then_some(Piece { atom, least, most })
    }

    /// `[0-9]`, `[^a]`, `[]x]`. Classes by name are not understood.
    fn set(&mut self) -> Option<Atom> {
        let is_negated = self.text.next_if_eq(&'^').is_some();
        let mut ranges = Vec::new();
        loop {
            let from = self.text.next()?;
            if from == ']' && !ranges.is_empty() {
                return Some(Atom::Set { is_negated, ranges });
            }
            if from == '[' && matches!(self.text.peek(), Some(':' | '.' | '=')) {
                return None;
            }
            let mut to = from;
            if self.text.peek() == Some(&'-') {
                self.text.next();
                match self.text.peek() {
                    // At the end it is meant as it is.
                    Some(']') => ranges.push(('-', '-')),
                    _ => to = self.text.next()?,
                }
            }
            if from > to {
                return None;
            }
            ranges.push((from, to));
        }
    }
}

/// One match under way: each way is gone to its end before the next one is tried.
struct Search<'s> {
    subject: &'s [char],
    ignores_case: bool,
    groups: [Option<(usize, usize)>; 9],
    steps: usize,
}

/// What has to match from there on.
type Then<'t> = &'t mut dyn FnMut(&mut Search<'_>, usize) -> bool;

impl Search<'_> {
    fn sequence(&mut self, pieces: &[Piece], at: usize, then: Then<'_>) -> bool {
        match pieces.split_first() {
            None => then(self, at),
            Some((first, rest)) => {
                self.repeat(first, 0, at, &mut |search, at| search.sequence(rest, at, then))
            }
        }
    }

    fn repeat(&mut self, piece: &Piece, count: u8, at: usize, then: Then<'_>) -> bool {
        let Some(left) = self.steps.checked_sub(1) else { return false };
        self.steps = left;
        let more = count < piece.most
            && self.atom(&piece.atom, at, &mut |search, next| {
                // What is empty need not be repeated.
                (next > at || count < piece.least)
                    && search.repeat(piece, count.saturating_add(1), next, then)
            });
        more || (count >= piece.least && then(self, at))
    }

    fn atom(&mut self, atom: &Atom, at: usize, then: Then<'_>) -> bool {
        let next = self.subject.get(at).copied();
        let is_same = |a: char, b: char| a == b || (self.ignores_case && a.eq_ignore_ascii_case(&b));
        let is_matched = match atom {
            Atom::Start => return at == 0 && then(self, at),
            Atom::End => return next.is_none() && then(self, at),
            Atom::Group(number, alternatives) => return self.group(*number, alternatives, at, then),
            Atom::Any => next.is_some(),
            Atom::Char(c) => next.is_some_and(|next| is_same(next, *c)),
            Atom::Set { is_negated, ranges } => next.is_some_and(|next| {
                let has = |c: char| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                let any_case = [next.to_ascii_lowercase(), next.to_ascii_uppercase()];
                let is_in = has(next) || (self.ignores_case && any_case.into_iter().any(has));
                is_in != *is_negated
            }),
        };
        is_matched && then(self, at + 1)
    }

    fn group(&mut self, number: usize, alternatives: &[Sequence], at: usize, then: Then<'_>) -> bool {
        let before = self.groups.get(number).copied().flatten();
        alternatives.iter().any(|sequence| {
            self.sequence(sequence, at, &mut |search, end| {
                search.set_group(number, Some((at, end)));
                let goes_on = then(search, end);
                if !goes_on {
                    search.set_group(number, before);
                }
                goes_on
            })
        })
    }

    fn set_group(&mut self, number: usize, range: Option<(usize, usize)>) {
        if let Some(group) = self.groups.get_mut(number) {
            *group = range;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(expression: &str, text: &str) -> Option<String> {
        Substitution::parse(expression).unwrap_or_else(|| panic!("{expression}")).apply(text)
    }

    #[test]
    fn the_customary_ones_are_understood() {
        for (expression, text, result) in [
            ("!^.*$!sip:info@example.com!", "+4930123", Some("sip:info@example.com")),
            (r"!^\+49(.*)$!sip:\1@example.de!", "+4930123", Some("sip:30123@example.de")),
            (r"!^\+49(.*)$!sip:\1@example.de!", "+4330123", None),
            (r"!(^.*$)!sip:\1@example.com!", "+1", Some("sip:+1@example.com")),
            (
                r"/^(\+441632960083)$/sip:\1@example.com/",
                "+441632960083",
                Some("sip:+441632960083@example.com"),
            ),
            (r"!^\+1([0-9]{3})([0-9]{4,})$!sip:\2-\1@h!i", "+12015550123", Some("sip:5550123-201@h")),
            (r"!^\+1(800|888)(.?)[^0-4]*$!tel:\1\2!", "+1888059", Some("tel:8880")),
            (r"!^(a|ab)(c|bcd)$!\1,\2!", "abcd", Some("a,bcd")),
            (r"!x*!y!", "+1", Some("y")),
            (r"!^A[b-d]+$!s!i", "aCBD", Some("s")),
            (r"!^[]-]+$!\\!", "]-", Some("\\")),
            (r"!a\!b!c\!d!", "a!b", Some("c!d")),
            (r"!^((.)(.))*$!\1\2\3!", "abcd", Some("cdcd")),
        ] {
            assert_eq!(apply(expression, text).as_deref(), result, "{expression}");
        }
    }

    #[test]
    fn what_is_none_or_not_understood_is_refused() {
        let long = format!("!{}!x!", "a".repeat(260));
        for text in [
            "",
            "!",
            "!a",
            "!a!b",
            "!a!b!x",
            "1a1b1",
            r"\a\b\",
            "!(!b!",
            "!)!b!",
            "!*!b!",
            "!a{!b!",
            "!a{2!b!",
            "!a{3,2}!b!",
            "!a{x}!b!",
            "!a{+1}!b!",
            "![!b!",
            "![b-a]!b!",
            "![[:digit:]]!b!",
            r"!(a)\1!b!",
            r"!(a)!\2!",
            r"!a!\!",
            "!((((((((((a))))))))))!b!",
            &long,
        ] {
            assert_eq!(Substitution::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_match_that_takes_for_ever_is_none() {
        assert_eq!(apply("!^((.*)*)*x$!y!", "+123456789012345"), None);
        assert_eq!(apply("!^(((a?){255}){255}){255}$!y!", "+1"), None);
    }

    proptest! {
        #[test]
        fn no_text_makes_it_stumble(text in r"![-+*?.^$|()\[\]{}0-9a,\\]{0,24}!\\?[0-9a]!i?", subject in r"\+[0-9a]{0,15}") {
            if let Some(substitution) = Substitution::parse(&text) {
                let _ = substitution.apply(&subject);
            }
        }
    }
}
