//! What identifies a transaction, as a keyed 128-bit hash: fixed in size, and not to be forged into a collision.

use crate::headers::Method;
use crate::headers::Via;
use crate::message::Request;
use crate::uri::{Host, HostPort};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use std::collections::HashMap;
use std::hash::{BuildHasherDefault, Hasher};
use std::net::IpAddr;

/// A transaction's identity. Client and server transactions have tables of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Key(u64, u64);

/// Makes keys with a secret.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeyHasher([u64; 2]);

/// The magic cookie of a branch that is unique by itself (RFC 3261 8.1.1.7).
const COOKIE: &str = "z9hG4bK";

impl KeyHasher {
    pub(super) const fn new(secret: [u64; 2]) -> Self {
        Self(secret)
    }

    /// The key of the server transaction that `request` belongs to (RFC 3261 17.2.3). An ACK belongs to its INVITE's.
    pub(super) fn server_key(&self, request: &Request, via: Option<&Via<'_>>) -> Key {
        let method = if request.method() == Method::Ack { Method::Invite } else { request.method() };
        self.server_key_as(request, via, method)
    }

    /// The same as if the method were `method`, as a CANCEL asks for.
    pub(super) fn server_key_as(&self, request: &Request, via: Option<&Via<'_>>, method: Method) -> Key {
        let branch = via.and_then(|via| via.branch()).unwrap_or_default();
        let mut hash = self.start();
        hash.0.write_u64(u64::from(method as u8));
        if method == Method::Other {
            hash.part(request.method_str().as_bytes());
        }
        if let Some(via) = via.filter(|_| branch.len() > COOKIE.len() && branch.starts_with(COOKIE)) {
            // "The branch parameter ... the sent-by value ... the method of the request matches".
            hash.part(branch.as_bytes()).sent_by(via.sent_by);
        } else {
            // An element of RFC 2543: the whole topmost Via, Request-URI, From's tag, Call-ID and CSeq number. To's tag
            // is left out: it differs between an INVITE and its ACK.
            let from = request.from().ok();
            hash.part(via.map(|via| via.as_str()).unwrap_or_default().as_bytes())
                .part(request.uri_str().as_bytes())
                .part(from.and_then(|from| from.tag()).unwrap_or_default().as_bytes())
                .part(request.call_id().unwrap_or_default().as_bytes())
                .part(&request.cseq().map_or(0, |cseq| cseq.number).to_be_bytes());
        }
        hash.finish()
    }

    /// 64 bits that only we can tell of the transaction that `request` would belong to. A CANCEL has those of its INVITE.
    pub(super) fn stateless(&self, request: &Request, via: Option<&Via<'_>>) -> u64 {
        let is_cancel = request.method() == Method::Cancel;
        self.stateless_of(if is_cancel {
            self.server_key_as(request, via, Method::Invite)
        } else {
            self.server_key(request, via)
        })
    }

    /// The same where the transaction's key is known.
    pub(super) fn stateless_of(&self, Key(high, low): Key) -> u64 {
        // With a key of its own, since it is told.
        let mut hash = SipHasher13::new_with_keys(!self.0[0], self.0[1]);
        hash.write_u64(high);
        hash.write_u64(low);
        hash.finish128().h1
    }

    /// The key of the client transaction whose request had `branch` and `method` (RFC 3261 17.1.3).
    pub(super) fn client_key(&self, branch: &str, method: &str) -> Key {
        let mut hash = self.start();
        hash.part(branch.as_bytes()).part(method.as_bytes());
        hash.finish()
    }

    fn start(&self) -> Parts {
        Parts(SipHasher13::new_with_keys(self.0[0], self.0[1]))
    }
}

/// A hash over parts, each with its length, so that no two lists of parts read alike.
struct Parts(SipHasher13);

impl Parts {
    fn part(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.write_usize(bytes.len());
        self.0.write(bytes);
        self
    }

    /// Names without case, addresses by value (RFC 3261 19.1.4): what is equal has the same hash. Nothing may follow.
    fn sent_by(&mut self, sent_by: HostPort<'_>) -> &mut Self {
        let port = sent_by.port.map_or(u32::MAX, u32::from);
        if let Some(IpAddr::V4(address)) = sent_by.host.ip() {
            self.0.write_u64(u64::from(port) << 32 | u64::from(address.to_bits()));
            return self;
        }
        self.0.write_u32(port);
        match sent_by.host.ip() {
            Some(IpAddr::V4(address)) => self.part(&address.octets()),
            Some(IpAddr::V6(address)) => self.part(&address.octets()),
            None => {
                self.0.write_u8(0);
                if let Host::Name(name) = sent_by.host {
                    name.bytes().for_each(|byte| self.0.write_u8(byte.to_ascii_lowercase()));
                }
                self
            }
        }
    }

    fn finish(&self) -> Key {
        let hash = self.0.finish128();
        Key(hash.h1, hash.h2)
    }
}

/// Ids by key. Never iterated, so that order plays no part.
#[derive(Debug)]
pub(super) struct Keyed<T>(HashMap<Key, T, BuildHasherDefault<Hashed>>);

impl<T> Default for Keyed<T> {
    fn default() -> Self {
        Self(HashMap::default())
    }
}

impl<T: Copy> Keyed<T> {
    pub(super) fn get(&self, key: Key) -> Option<T> {
        self.0.get(&key).copied()
    }

    pub(super) fn insert(&mut self, key: Key, value: T) {
        self.0.insert(key, value);
    }

    pub(super) fn remove(&mut self, key: Key) {
        self.0.remove(&key);
        // What a burst has needed is given back.
        if self.0.capacity() > 1024 && self.0.len() < self.0.capacity() / 8 {
            self.0.shrink_to(self.0.len() * 2);
        }
    }
}

/// A key is a hash already: its bits serve as they are.
#[derive(Debug, Default)]
pub(super) struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = self.0.rotate_left(8) ^ u64::from(byte);
        }
    }

    fn write_u64(&mut self, bits: u64) {
        self.0 ^= bits;
    }
}
