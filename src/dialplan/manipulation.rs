//! Manipulation of numbers (`sas.md` 6.1, 6.2).

use std::borrow::Cow;

/// What is made of a number, in the order of the fields. Counts are of characters, not bytes.
///
/// It works on what the number says: where it stands in a URI, escapes are undone before and written anew behind it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manipulation {
    /// So many characters are taken off at the left: 0 to 30.
    pub remove_from_left: u8,
    /// So many at the right: 0 to 30.
    pub remove_from_right: u8,
    /// Of what is left, no more than so many are kept, the rightmost: 0 to 30; 0 keeps all.
    pub leave_from_right: u8,
    /// Put before it.
    pub prefix: String,
    /// Put behind it.
    pub suffix: String,
}

impl Manipulation {
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_identity(&self) -> bool {
        *self == Self::default()
    }

    /// What the removals leave of `number`.
    #[must_use]
    pub fn cut<'n>(&self, number: &'n str) -> &'n str {
        let behind = |text: &str, count: usize| text.char_indices().nth(count).map(|(at, _)| at);
        let start = behind(number, self.remove_from_left.into()).unwrap_or(number.len());
        let number = number.get(start..).unwrap_or_default();
        let number = before_last(number, self.remove_from_right.into());
        match self.leave_from_right {
            0 => number,
            kept => number.get(before_last(number, kept.into()).len()..).unwrap_or_default(),
        }
    }

    /// What becomes of `number`.
    #[must_use]
    pub fn apply<'n>(&self, number: &'n str) -> Cow<'n, str> {
        let cut = self.cut(number);
        if self.prefix.is_empty() && self.suffix.is_empty() {
            return cut.into();
        }
        format!("{}{cut}{}", self.prefix, self.suffix).into()
    }
}

/// `text` without its last `count` characters.
fn before_last(text: &str, count: usize) -> &str {
    match count.checked_sub(1) {
        None => text,
        Some(back) => {
            let end = text.char_indices().nth_back(back).map_or(0, |(at, _)| at);
            text.get(..end).unwrap_or_default()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn apply(left: u8, right: u8, leave: u8, prefix: &str, suffix: &str, number: &str) -> String {
        let manipulation = Manipulation {
            remove_from_left: left,
            remove_from_right: right,
            leave_from_right: leave,
            prefix: prefix.to_owned(),
            suffix: suffix.to_owned(),
        };
        manipulation.apply(number).into_owned()
    }

    #[test]
    fn leaving_4_from_right_of_976653434_gives_3434() {
        assert_eq!(apply(0, 0, 4, "", "", "976653434"), "3434");
    }

    #[test]
    fn leaving_4_from_right_of_7184002_gives_4002() {
        assert_eq!(apply(0, 0, 4, "", "", "7184002"), "4002");
    }

    #[test]
    fn removing_3_from_left_of_john_gives_n() {
        assert_eq!(apply(3, 0, 0, "", "", "john"), "n");
    }

    #[test]
    fn removing_3_from_right_of_john_gives_j() {
        assert_eq!(apply(0, 3, 0, "", "", "john"), "j");
    }

    #[test]
    fn the_prefix_user_makes_userjohn() {
        assert_eq!(apply(0, 0, 0, "user", "", "john"), "userjohn");
    }

    #[test]
    fn the_suffix_01_makes_john01() {
        assert_eq!(apply(0, 0, 0, "", "01", "john"), "john01");
    }

    #[test]
    fn the_order_is_left_right_leave_prefix_suffix() {
        assert_eq!(apply(1, 1, 2, "p", "s", "123456"), "p45s");
        assert_eq!(apply(1, 1, 9, "", "", "1234"), "23");
    }

    #[test]
    fn more_is_removed_than_there_is() {
        assert_eq!(apply(3, 0, 0, "", "", "ab"), "");
        assert_eq!(apply(0, 3, 0, "", "", "ab"), "");
        assert_eq!(apply(30, 30, 30, "0", "", ""), "0");
    }

    #[test]
    fn characters_count_and_not_bytes() {
        assert_eq!(apply(1, 1, 0, "", "", "äöü"), "ö");
        assert_eq!(apply(0, 0, 2, "", "", "äöü"), "öü");
    }

    proptest! {
        #[test]
        fn it_is_what_it_is_on_a_list_of_characters(
            left in 0u8..8, right in 0u8..8, leave in 0u8..8, prefix in "[0-9]{0,3}", suffix in "[0-9]{0,3}", number in "\\PC{0,10}",
        ) {
            let mut chars: Vec<char> = number.chars().skip(left.into()).collect();
            chars.truncate(chars.len().saturating_sub(right.into()));
            if leave > 0 {
                chars.drain(..chars.len().saturating_sub(leave.into()));
            }
            let expected = format!("{prefix}{}{suffix}", chars.into_iter().collect::<String>());
            prop_assert_eq!(apply(left, right, leave, &prefix, &suffix, &number), expected);
        }
    }
}
