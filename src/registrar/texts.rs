//! All text of one binding in one place, shared between the database and those who are told of a change.

use crate::headers::List;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// The texts, one behind the other, and where each ends. Compared by what they say.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Texts {
    all: Arc<str>,
    aor: u16,
    contact: u16,
    call_id: u16,
    instance: u16,
    user_agent: u16,
    path: u16,
    pub_gruu: u16,
    temp_gruu: u16,
    /// Within the address of record, or else behind all others.
    key: (u16, u16),
}

/// The texts before they are put together. What there is none of is empty.
#[derive(Clone, Copy, Debug)]
pub(super) struct Parts<'a> {
    pub(super) key: &'a str,
    pub(super) aor: &'a str,
    pub(super) contact: &'a str,
    pub(super) call_id: &'a str,
    pub(super) instance: &'a str,
    pub(super) user_agent: &'a str,
    /// Behind each other, with commas between them.
    pub(super) path: &'a str,
    /// GRUUs that the proxy has made (RFC 5627).
    pub(super) pub_gruu: &'a str,
    pub(super) temp_gruu: &'a str,
}

impl Texts {
    pub(super) fn new(parts: Parts<'_>) -> Self {
        let Parts { key, aor, contact, call_id, instance, user_agent, path, pub_gruu, temp_gruu } = parts;
        // The key nearly always stands in the address of record as it is.
        let found = aor.find(key);
        let behind = if found.is_some() { "" } else { key };
        let text = [aor, contact, call_id, instance, user_agent, path, pub_gruu, temp_gruu, behind].concat();
        let mut len = 0;
        let mut end = |part: &str| {
            len += part.len();
            short(len)
        };
        Self {
            aor: end(aor),
            contact: end(contact),
            call_id: end(call_id),
            instance: end(instance),
            user_agent: end(user_agent),
            path: end(path),
            pub_gruu: end(pub_gruu),
            temp_gruu: end(temp_gruu),
            key: match found {
                Some(at) => (short(at), short(at + key.len())),
                None => (short(text.len() - key.len()), short(text.len())),
            },
            all: text.into(),
        }
    }

    /// Whether these are the texts that would be put together from `parts`.
    pub(super) fn are(&self, parts: &Parts<'_>) -> bool {
        self.contact() == parts.contact
            && self.call_id() == parts.call_id
            && self.aor() == parts.aor
            && self.key() == parts.key
            && self.instance() == parts.instance
            && self.user_agent() == parts.user_agent
            && self.part(self.user_agent, self.path) == parts.path
            && usize::from(self.temp_gruu - self.path) == parts.pub_gruu.len() + parts.temp_gruu.len()
            && (self.temp_gruu == self.path
                || (self.pub_gruu() == parts.pub_gruu && self.temp_gruu() == parts.temp_gruu))
    }

    /// What they were put together from.
    pub(super) fn parts(&self) -> Parts<'_> {
        Parts {
            key: self.key(),
            aor: self.aor(),
            contact: self.contact(),
            call_id: self.call_id(),
            instance: self.instance(),
            user_agent: self.user_agent(),
            path: self.part(self.user_agent, self.path),
            pub_gruu: self.pub_gruu(),
            temp_gruu: self.temp_gruu(),
        }
    }

    /// Whether these are not only the same texts, but the same place.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.all, &other.all)
    }

    fn part(&self, from: u16, to: u16) -> &str {
        self.all.get(Range { start: usize::from(from), end: usize::from(to) }).unwrap_or_default()
    }

    pub(super) fn key(&self) -> &str {
        self.part(self.key.0, self.key.1)
    }

    pub(super) fn aor(&self) -> &str {
        self.part(0, self.aor)
    }

    pub(super) fn contact(&self) -> &str {
        self.part(self.aor, self.contact)
    }

    pub(super) fn call_id(&self) -> &str {
        self.part(self.contact, self.call_id)
    }

    pub(super) fn instance(&self) -> &str {
        self.part(self.call_id, self.instance)
    }

    pub(super) fn user_agent(&self) -> &str {
        self.part(self.instance, self.user_agent)
    }

    pub(super) fn pub_gruu(&self) -> &str {
        self.part(self.path, self.pub_gruu)
    }

    pub(super) fn temp_gruu(&self) -> &str {
        self.part(self.pub_gruu, self.temp_gruu)
    }

    pub(super) fn path(&self) -> impl Iterator<Item = &str> {
        let path = self.part(self.user_agent, self.path);
        Some(path).filter(|path| !path.is_empty()).into_iter().flat_map(List::new)
    }
}

/// What is kept for a binding is far shorter.
fn short(len: usize) -> u16 {
    u16::try_from(len).unwrap_or(u16::MAX)
}

impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Texts")
            .field("key", &self.key())
            .field("aor", &self.aor())
            .field("contact", &self.contact())
            .field("call_id", &self.call_id())
            .field("instance", &self.instance())
            .field("user_agent", &self.user_agent())
            .field("path", &self.path().collect::<Vec<_>>())
            .field("pub_gruu", &self.pub_gruu())
            .field("temp_gruu", &self.temp_gruu())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_text_is_given_back() {
        let parts = Parts {
            key: "alice",
            aor: "sip:alice@h",
            contact: "sip:a@h1",
            call_id: "1@h1",
            instance: "urn:uuid:1",
            user_agent: "Phone/1",
            path: "<sip:p1,x;lr>,<sip:p2;lr>",
            pub_gruu: "sip:alice@h;gr=urn:uuid:1",
            temp_gruu: "sip:t1@h;gr",
        };
        for key in ["alice", "bob%25@", "sip:alice@h"] {
            let parts = Parts { key, ..parts };
            let texts = Texts::new(parts);
            assert!(texts.are(&parts) && texts.clone().is_same(&texts), "{texts:?}");
            assert!(!texts.are(&Parts { user_agent: "", ..parts }));
            assert!(!texts.are(&Parts { temp_gruu: "sip:t2@h;gr", ..parts }));
            assert!(!texts.are(&Parts { temp_gruu: "", ..parts }));
            assert_eq!((texts.key(), texts.aor(), texts.contact()), (key, parts.aor, parts.contact));
            assert_eq!(
                (texts.call_id(), texts.instance(), texts.user_agent()),
                ("1@h1", "urn:uuid:1", "Phone/1")
            );
            assert_eq!((texts.pub_gruu(), texts.temp_gruu()), (parts.pub_gruu, parts.temp_gruu));
            assert_eq!(texts.path().collect::<Vec<_>>(), ["<sip:p1,x;lr>", "<sip:p2;lr>"]);
        }
    }
}
