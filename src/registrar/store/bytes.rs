//! A record as bytes.

use super::Record;
use crate::codec::{self, Input};
use crate::config::Trust;
use crate::headers::{List, NameAddr};
use crate::registrar::binding::{Home, Origin};
use crate::registrar::texts::{Parts, Texts};
use crate::uri::Uri;
use std::time::Duration;

const VERSION: u8 = 2;
/// The longest record, in bytes: more than any binding has.
const MAX: usize = 16_384;
/// The longest text.
const MAX_TEXT: usize = 4096;
/// Eras are counted up from less than half of this.
const MAX_ERA: u64 = 1 << 62;
/// The longest time: what a header field may say at most (RFC 3261 20.19), and as much again.
const MAX_TIME: Duration = Duration::from_secs(1 << 33);

/// Why bytes are no record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// It is of a version that is not known here.
    #[error("a record of version {0}, which is not known here")]
    Version(u8),
    /// It is not what was written, or not all of it.
    #[error("a record that is damaged or cut off")]
    Damaged,
    /// It is what was written, and no binding.
    #[error("a record without a meaning")]
    Meaningless,
}

impl Record {
    /// The record as bytes, some 200 for an ordinary phone.
    ///
    /// | part | bytes |
    /// |---|---|
    /// | version | 1 |
    /// | kind | 0 it is bound, 1 it is gone |
    /// | q, CSeq | numbers |
    /// | `reg-id` | 0; or 1 and a number |
    /// | who granted it | 0 the proxy; 1 we, 2 we to one whom the proxy had known, 3 we to one who had the password |
    /// | home | 0 local only, 1 pending, 2 confirmed |
    /// | source | address |
    /// | where it came in | 0; or 1, transport, address |
    /// | the era of its GRUUs | number |
    /// | the lifetime left, the time since it was over, the time since it was bound and since it was last touched | times |
    /// | key, address of record, contact, Call-ID, instance, User-Agent, Path, public and temporary GRUU | texts |
    /// | check | four bytes, the lowest first: the lower half of SipHash-1-3, with a key of zeros, over all before |
    ///
    /// Numbers, texts, addresses, times (in microseconds) and transports are as in a [journal](crate::journal).
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut out = vec![VERSION, self.is_removal.into()];
        codec::number(&mut out, self.q.into());
        codec::number(&mut out, self.cseq.into());
        out.push(self.reg_id.is_some().into());
        if let Some(reg_id) = self.reg_id {
            codec::number(&mut out, reg_id.into());
        }
        out.push(match (self.origin, self.trust) {
            (Origin::Proxy, _) => 0,
            (Origin::Local, Trust::Unknown | Trust::Pool) => 1,
            (Origin::Local, Trust::Known) => 2,
            (Origin::Local, Trust::Verified) => 3,
        });
        out.push(match self.home {
            Home::LocalOnly => 0,
            Home::Pending => 1,
            Home::Confirmed => 2,
        });
        codec::address(&mut out, self.source);
        out.push(self.local.is_some().into());
        if let Some((transport, address)) = self.local {
            codec::transport(&mut out, transport);
            codec::address(&mut out, address);
        }
        codec::number(&mut out, self.era);
        for time in [self.left, self.lapsed, self.registered, self.updated] {
            codec::duration(&mut out, time.min(MAX_TIME));
        }
        let texts = self.texts.parts();
        let Parts { key, aor, contact, call_id, instance, user_agent, path, pub_gruu, temp_gruu } = texts;
        for text in [key, aor, contact, call_id, instance, user_agent, path, pub_gruu, temp_gruu] {
            codec::bytes(&mut out, text.as_bytes());
        }
        let check = codec::check(&[&out]);
        out.extend(check.to_le_bytes());
        out
    }

    /// Reads what [`to_bytes`](Self::to_bytes) has written. Whatever the bytes are, what is read is a binding that a REGISTER could have
    /// made.
    ///
    /// # Errors
    /// They are no record.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RecordError> {
        match bytes.first() {
            Some(&VERSION) if bytes.len() <= MAX => {}
            Some(&VERSION) | None => return Err(RecordError::Damaged),
            Some(&version) => return Err(RecordError::Version(version)),
        }
        let (body, check) = bytes.split_last_chunk::<4>().ok_or(RecordError::Damaged)?;
        if codec::check(&[body]) != u32::from_le_bytes(*check) {
            return Err(RecordError::Damaged);
        }
        let mut input = Input(body);
        let record = input.byte().and_then(|_| read(&mut input)).filter(|_| input.is_empty());
        record.ok_or(RecordError::Meaningless)
    }
}

fn read(input: &mut Input<'_>) -> Option<Record> {
    let is_removal = flag(input)?;
    let q = input.small().filter(|q| *q <= 1000)?;
    let cseq = input.small()?;
    let reg_id = if flag(input)? { Some(input.small()?) } else { None };
    let (origin, trust) = match input.byte()? {
        0 => (Origin::Proxy, Trust::Known),
        1 => (Origin::Local, Trust::Unknown),
        2 => (Origin::Local, Trust::Known),
        3 => (Origin::Local, Trust::Verified),
        _ => return None,
    };
    let home = match input.byte()? {
        0 => Home::LocalOnly,
        1 => Home::Pending,
        2 => Home::Confirmed,
        _ => return None,
    };
    let source = input.address()?;
    let local = if flag(input)? { Some((input.transport()?, input.address()?)) } else { None };
    let era = input.number().filter(|era| *era < MAX_ERA)?;
    let mut time = || input.duration().filter(|time| *time <= MAX_TIME);
    let (left, lapsed, registered, updated) = (time()?, time()?, time()?, time()?);
    let mut text = || input.text().filter(|text| text.len() <= MAX_TEXT);
    let parts = Parts {
        key: text()?,
        aor: text()?,
        contact: text()?,
        call_id: text()?,
        instance: text()?,
        user_agent: text()?,
        path: text()?,
        pub_gruu: text()?,
        temp_gruu: text()?,
    };
    if !is_sound(&parts, reg_id) || (era != 0 && parts.instance.is_empty()) {
        return None;
    }
    let layout = Uri::parse(parts.contact).ok()?.layout();
    let texts = Texts::new(parts);
    Some(Record {
        is_removal,
        texts,
        layout,
        q,
        cseq,
        reg_id,
        source,
        local,
        origin,
        trust,
        home,
        left,
        lapsed,
        era,
        registered,
        updated,
    })
}

fn flag(input: &mut Input<'_>) -> Option<bool> {
    match input.byte()? {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    }
}

/// Whether a REGISTER could have had these: what is written into messages again has to be what it is said to be.
fn is_sound(parts: &Parts<'_>, reg_id: Option<u32>) -> bool {
    let Parts { key, aor, contact, call_id, instance, user_agent, path, pub_gruu, temp_gruu } = parts;
    let is_plain = |text: &&str| !text.bytes().any(|byte| byte < 0x20 || byte == 0x7f);
    let is_uri = |text: &str| Uri::parse(text).is_ok();
    let is_gruu = |text: &str| text.is_empty() || is_uri(text);
    // The key has the user with its escapes undone.
    !key.is_empty()
        && !call_id.is_empty()
        && [aor, contact, call_id, instance, path, pub_gruu, temp_gruu].into_iter().all(is_plain)
        && !user_agent.contains(['\r', '\n', '\0'])
        && !call_id.contains(' ')
        && !instance.contains(['"', '<', '>', '\\'])
        && (reg_id.is_none() || !instance.is_empty())
        && is_uri(aor)
        && is_uri(contact)
        && is_gruu(pub_gruu)
        && is_gruu(temp_gruu)
        && (path.is_empty() || List::new(path).all(|hop| NameAddr::parse(hop).is_ok()))
}
