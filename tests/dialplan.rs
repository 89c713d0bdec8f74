//! The notation of number patterns (`sas.md` 6.4): each row of its table, and the pattern against a plain reference.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use sip_survivability::dialplan::{Pattern, PatternErrorKind};

#[track_caller]
fn check(pattern: &str, yes: &[&str], no: &[&str]) {
    let pattern: Pattern = pattern.parse().unwrap();
    for number in yes {
        assert!(pattern.matches(number), "{pattern} has to match {number:?}");
    }
    for number in no {
        assert!(!pattern.matches(number), "{pattern} must not match {number:?}");
    }
}

#[test]
fn x_is_one_digit() {
    check("x", &["0", "9", "12"], &["", "a", "٣"]);
    check("54xx6", &["54126", "541267"], &["5412", "54a26"]);
}

#[test]
fn a_star_alone_is_any_string_and_within_a_longer_pattern_a_star() {
    check("*", &["", "1", "anything"], &[]);
    check("*345", &["*345", "*3456"], &["345", "12345"]);
    check("*#", &["*"], &["", "**", "1"]);
}

#[test]
fn a_number_sign_at_the_end_is_the_end_of_the_number() {
    check("54324#", &["54324"], &["543245", "5432"]);
    check("54324xx#", &["5432412"], &["543241", "54324123"]);
    check("5#4", &["5#4", "5#45"], &["54"]);
    check("54[#]", &["54#", "54#1"], &["54"]);
    check("54[#]#", &["54#"], &["54#1", "54"]);
}

#[test]
fn a_dollar_sign_is_an_empty_user() {
    check("$", &[""], &["$", "1"]);
    check("$1", &["$1", "$12"], &["1"]);
}

#[test]
fn a_range_is_of_numbers_of_equal_length() {
    check(
        "[5551200-5551300]#",
        &["5551200", "5551234", "5551300"],
        &["5551199", "5551301", "55512345", "555"],
    );
    check("[08-11]", &["08", "0999", "11"], &["07", "12", "8"]);
}

#[test]
fn a_set_mixes_single_values_and_ranges() {
    check("[a,b,c]", &["a", "bob"], &["d", ","]);
    check("[abc]", &["a", "cd"], &["d"]);
    check("[2-4,7,9]", &["2", "3", "4", "7", "99"], &["1", "5", "8"]);
    check("[11,23-25]#", &["11", "24"], &["12", "2"]);
    check("[x]", &["x"], &["1"]);
    check("[-]1", &["-1"], &["1"]);
}

#[test]
fn round_brackets_are_a_suffix() {
    check("(4)", &["4", "1234"], &["", "45"]);
    check("(4-8)", &["14", "8"], &["9", "49"]);
    check("(23[4,5,6])", &["234", "99235"], &["23", "237", "2345"]);
    check("(2x)", &["20", "129"], &["2", "2a"]);
}

#[test]
fn prefix_and_suffix_stand_together_and_do_not_overlap() {
    check("[4-8](23[4,5,6])", &["4234", "81235"], &["3234", "4237", "234"]);
    check("4(4)", &["44", "434"], &["4"]);
}

#[test]
fn a_plain_string_is_a_prefix() {
    check("555", &["555", "5551234"], &["55", "1555"]);
    check("+1", &["+1201"], &["1201"]);
    check("bob", &["bob", "bobby"], &["Bob"]);
}

#[test]
fn what_cannot_be_read_is_refused_with_the_place() {
    use PatternErrorKind as Kind;
    let long = "1".repeat(129);
    for (text, kind, at) in [
        ("", Kind::Empty, 0),
        (&long, Kind::TooLong, 128),
        ("12 3", Kind::Unprintable, 2),
        ("12\u{7}", Kind::Unprintable, 2),
        ("1[23", Kind::Unbalanced, 1),
        ("1]", Kind::Unbalanced, 1),
        ("(12", Kind::Unbalanced, 0),
        ("12)", Kind::Unbalanced, 2),
        ("[]", Kind::EmptySet, 1),
        ("()", Kind::EmptySet, 1),
        ("[1,,2]", Kind::EmptySet, 1),
        ("[1[2]]", Kind::Nested, 2),
        ("(1(2))", Kind::Nested, 2),
        ("[a-c]", Kind::NotNumeric, 1),
        ("[1-]", Kind::NotNumeric, 1),
        ("[9-10]", Kind::UnequalRange, 1),
        ("[19-10]", Kind::Descending, 1),
        ("[1,23]", Kind::UnequalSet, 1),
        ("(4)5", Kind::BehindSuffix, 3),
        ("(4)#", Kind::BehindSuffix, 3),
        ("#", Kind::OnlyEnd, 0),
    ] {
        let error = text.parse::<Pattern>().unwrap_err();
        assert_eq!((error.kind, error.at), (kind, at), "{text:?}");
    }
    let error = "[19-10]".parse::<Pattern>().unwrap_err();
    assert_eq!(error.to_string(), "a range must go up (at character 2)");
}

/// A token of a pattern, and what it says: sets of texts of one length.
#[derive(Clone, Debug)]
enum Token {
    Digit,
    Plain(char),
    Set(Vec<String>),
    Range(u16, u16),
}

impl Token {
    fn written(&self) -> String {
        match self {
            Self::Digit => "x".into(),
            Self::Plain(c) => c.to_string(),
            Self::Set(members) => format!("[{}]", members.join(",")),
            Self::Range(first, last) => format!("[{first:03}-{last:03}]"),
        }
    }

    /// All texts that it stands for.
    fn texts(&self) -> Vec<String> {
        match self {
            Self::Digit => (0..10).map(|digit| digit.to_string()).collect(),
            Self::Plain(c) => vec![c.to_string()],
            Self::Set(members) => members.clone(),
            Self::Range(first, last) => (*first..=*last).map(|number| format!("{number:03}")).collect(),
        }
    }
}

/// What is left of `text` behind the tokens, every way they can be read.
fn rests<'t>(tokens: &[Token], text: &'t str) -> Vec<&'t str> {
    tokens.iter().fold(vec![text], |rests, token| {
        let texts = token.texts();
        rests
            .iter()
            .flat_map(|rest| texts.iter().filter_map(|text| rest.strip_prefix(text.as_str())))
            .collect()
    })
}

/// The plainest matcher that there is: it writes out all that a token can be, and tries every place for the suffix.
fn reference(prefix: &[Token], suffix: &[Token], is_whole: bool, number: &str) -> bool {
    rests(prefix, number).into_iter().any(|rest| {
        if is_whole {
            return rest.is_empty();
        }
        let mut places = rest.char_indices().map(|(at, _)| at).chain([rest.len()]);
        suffix.is_empty() || places.any(|at| rests(suffix, &rest[at..]).contains(&""))
    })
}

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![
        2 => Just(Token::Digit),
        4 => prop::sample::select(vec!['1', '2', '3', 'a', '+', 'é']).prop_map(Token::Plain),
        1 => prop::collection::vec("[1-3a]{2}", 2..4).prop_map(Token::Set),
        1 => (100u16..130, 0u16..30).prop_map(|(first, more)| Token::Range(first, first + more)),
    ]
}

fn number_like(tokens: Vec<Token>) -> impl Strategy<Value = String> {
    (prop::collection::vec(any::<prop::sample::Index>(), tokens.len()), "[123a+é]{0,3}", "[123a]{0,2}")
        .prop_map(move |(picks, tail, head)| {
            let body: String =
                tokens.iter().zip(picks).map(|(token, pick)| pick.get(&token.texts()).clone()).collect();
            if head.len() == 2 { format!("{head}{body}{tail}") } else { format!("{body}{tail}") }
        })
}

proptest! {
    #[test]
    fn a_pattern_matches_what_the_reference_matches(
        (prefix, suffix, number) in (prop::collection::vec(token(), 1..4), prop::collection::vec(token(), 0..3))
            .prop_flat_map(|(prefix, suffix)| {
                let all: Vec<Token> = prefix.iter().chain(&suffix).cloned().collect();
                (Just(prefix), Just(suffix), number_like(all))
            }),
        whole in any::<bool>(),
    ) {
        let is_whole = whole && suffix.is_empty();
        let written = |tokens: &[Token]| tokens.iter().map(Token::written).collect::<String>();
        let mut text = written(&prefix);
        if !suffix.is_empty() {
            text.push_str(&format!("({})", written(&suffix)));
        } else if is_whole {
            text.push('#');
        }
        let pattern: Pattern = text.parse().unwrap();
        prop_assert_eq!(pattern.matches(&number), reference(&prefix, &suffix, is_whole, &number), "{} on {:?}", text, number);
    }

    #[test]
    fn no_text_makes_it_panic_and_what_is_read_is_written_the_same(
        text in "[0-9x*#$\\[\\](),a-cé -]{0,16}", number in "\\PC{0,20}",
    ) {
        if let Ok(pattern) = text.parse::<Pattern>() {
            let _ = pattern.matches(&number);
            prop_assert_eq!(&pattern.to_string(), &text);
            prop_assert_eq!(pattern.to_string().parse::<Pattern>(), Ok(pattern));
        }
    }
}
