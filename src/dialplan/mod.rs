//! The dial plan's notation: which numbers a rule is for, and what it makes of them (`sas.md` section 6).
//!
//! * [`Pattern`]: numbers and user names, in the product's notation.
//! * [`HostPattern`]: the host behind them.
//! * [`Manipulation`]: digits taken off and put on.
//! * [`Number`]: what ENUM can be asked for.
//!
//! ```
//! use sip_survivability::dialplan::{Manipulation, Pattern};
//! let local: Pattern = "[5551200-5551300]#".parse()?;
//! assert!(local.matches("5551234") && !local.matches("55512345"));
//!
//! let mut extension = Manipulation::default();
//! extension.leave_from_right = 4;
//! assert_eq!(extension.apply("5551234"), "1234");
//! # Ok::<(), sip_survivability::dialplan::PatternError>(())
//! ```

mod host;
mod manipulation;
mod number;
mod pattern;

pub use host::{HostPattern, HostPatternError};
pub use manipulation::Manipulation;
pub use number::Number;
pub use pattern::{Pattern, PatternError, PatternErrorKind};

use crate::uri::{AorKey, HomeHosts, Uri, user_of};
use std::borrow::Cow;

/// What `uri` calls: its user with the escapes undone, or its number without the visual separators and the parameters of RFC
/// 3966; empty if it has neither. Patterns and manipulations are for this.
#[must_use]
pub fn number_of<'u>(uri: &Uri<'u>) -> Cow<'u, str> {
    let any = HomeHosts::any();
    match uri.user().and_then(|_| AorKey::text(uri, &any)) {
        Some(Cow::Borrowed(key)) => Cow::Borrowed(user_of(key)),
        Some(Cow::Owned(key)) => {
            // A `%` that was meant as one has been kept escaped.
            Cow::Owned(crate::uri::unescape(user_of(&key)).into_owned())
        }
        None => Cow::Borrowed(""),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_is_read_without_separators_parameters_and_escapes() {
        let number = |uri: &str| number_of(&Uri::parse(uri).unwrap()).into_owned();
        assert_eq!(number("sip:5551234@h"), "5551234");
        assert_eq!(number("sip:5551234@h;user=phone"), "5551234");
        assert_eq!(number("sip:555-1234;phone-context=x@h;user=phone"), "5551234");
        assert_eq!(number("tel:+1-201-555-0123;ext=1"), "+12015550123");
        assert_eq!(number("sip:%39%31%31@h"), "911");
        assert_eq!(number("sip:a%40b@h"), "a@b");
        assert_eq!(number("sip:h"), "");
    }

    #[test]
    fn a_plain_number_is_not_copied() {
        assert!(matches!(number_of(&Uri::parse("sip:5551234@h:5080").unwrap()), Cow::Borrowed("5551234")));
    }
}
