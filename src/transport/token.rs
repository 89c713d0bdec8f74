//! Flow tokens (RFC 5626 5.2): what names a flow to those who are to send it requests by way of us. A token "can be any
//! algorithm it wants as long as the flow token is unique to a flow, the flow can be recovered from the token, and the token
//! cannot be modified by attackers": it is what names the flow and HMAC-SHA-256 over that, cut to 80 bits as in the example
//! there, in the letters of base64url, which no SIP URI has to escape. Nothing is kept for it.
//!
//! A connection is named by its [`FlowId`] and by the run of the program that gave it: a token of an earlier run is that of a
//! flow that is gone. A datagram flow is named by its two ends, so that its token stays good over a restart if the key does.

use super::{FlowId, Peer};
use ctutils::CtEq as _;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

/// What a user part starts with that is a token.
const MARK: &str = "ft.";
const MAC: usize = 10;

/// Makes flow tokens, and knows them again.
#[derive(Clone)]
pub(crate) struct FlowTokens {
    mac: Hmac<Sha256>,
    run: u32,
}

impl fmt::Debug for FlowTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FlowTokens")
    }
}

/// What a token says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// A connection of this run.
    Connection(FlowId),
    /// One of an earlier run.
    Earlier,
    /// Datagrams between one of our addresses and another.
    Datagrams { local: SocketAddr, remote: SocketAddr },
}

/// Why a token leads nowhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenError {
    /// It is none of ours (RFC 5626 5.3.1: 403).
    Forged,
    /// The flow no longer exists (430).
    Gone,
}

impl FlowTokens {
    /// `seed` is that of the run. `secret`, where there is one, is the same over restarts.
    pub(crate) fn new(seed: [u8; 32], secret: Option<&str>) -> Self {
        let seeded = hmac(&seed);
        let key = match secret {
            Some(secret) => hmac(b"flow tokens of").chain_update(secret).finalize().into_bytes(),
            None => seeded.clone().chain_update(b"flow tokens").finalize().into_bytes(),
        };
        let run = seeded.chain_update(b"run").finalize().into_bytes();
        Self { mac: hmac(&key), run: run.iter().take(4).fold(0, |run, byte| run << 8 | u32::from(*byte)) }
    }

    /// Whether the user part `user` is meant to be a token.
    pub(crate) fn is_token(user: &str) -> bool {
        user.starts_with(MARK)
    }

    /// Whether a token may stand in `text`, a header field's value.
    pub(crate) fn may_be_in(text: &str) -> bool {
        text.contains(MARK)
    }

    /// The token of the connection `flow`.
    pub(super) fn of_connection(&self, flow: FlowId) -> String {
        let mut content = vec![2];
        content.extend(self.run.to_be_bytes());
        content.extend(flow.0.to_be_bytes());
        self.seal(content)
    }

    /// The token of the datagrams between `local` and `peer`.
    pub(super) fn of_datagrams(&self, local: SocketAddr, peer: Peer) -> String {
        let mut content = Vec::with_capacity(48);
        match (local.ip(), peer.address) {
            (IpAddr::V4(ip), SocketAddr::V4(remote)) => {
                content.push(0);
                content.extend(ip.octets());
                content.extend(local.port().to_be_bytes());
                content.extend(remote.ip().octets());
                content.extend(remote.port().to_be_bytes());
            }
            (ip, remote) => {
                content.push(1);
                content.extend(v6(ip).octets());
                content.extend(local.port().to_be_bytes());
                content.extend(v6(remote.ip()).octets());
                content.extend(remote.port().to_be_bytes());
                let scope = if let SocketAddr::V6(v6) = remote { v6.scope_id() } else { 0 };
                content.extend(scope.to_be_bytes());
            }
        }
        self.seal(content)
    }

    fn seal(&self, mut content: Vec<u8>) -> String {
        let mac = self.mac.clone().chain_update(&content).finalize().into_bytes();
        content.extend(mac.iter().take(MAC));
        let mut text = String::from(MARK);
        push_base64(&mut text, &content);
        text
    }

    /// What `token` says, if we have made it.
    pub(super) fn read(&self, token: &str) -> Option<Named> {
        let sealed = from_base64(token.strip_prefix(MARK)?)?;
        let content = sealed.get(..sealed.len().checked_sub(MAC)?)?;
        // Comparing whole texts leaves each token one way to be written.
        let ours = self.seal(content.to_vec()).as_bytes().ct_eq(token.as_bytes()).to_bool();
        if !ours {
            return None;
        }
        let (kind, content) = content.split_first()?;
        match kind {
            0 => Some(Named::Datagrams {
                local: SocketAddr::new(Ipv4Addr::from(array::<4>(content, 0)?).into(), port(content, 4)?),
                remote: SocketAddr::new(Ipv4Addr::from(array::<4>(content, 6)?).into(), port(content, 10)?),
            }),
            1 => {
                let remote = Ipv6Addr::from(array::<16>(content, 18)?);
                let scope = u32::from_be_bytes(array::<4>(content, 36)?);
                Some(Named::Datagrams {
                    local: SocketAddr::new(
                        Ipv6Addr::from(array::<16>(content, 0)?).into(),
                        port(content, 16)?,
                    ),
                    remote: SocketAddrV6::new(remote, port(content, 34)?, 0, scope).into(),
                })
            }
            _ => {
                let is_ours = u32::from_be_bytes(array::<4>(content, 0)?) == self.run;
                let flow = FlowId(u64::from_be_bytes(array::<8>(content, 4)?));
                Some(if is_ours { Named::Connection(flow) } else { Named::Earlier })
            }
        }
    }
}

fn hmac(key: &[u8]) -> Hmac<Sha256> {
    // HMAC fills its key up to a block with zeros (RFC 2104 section 2); no key here is longer than that.
    let mut block = [0; 64];
    for (byte, key) in block.iter_mut().zip(key) {
        *byte = *key;
    }
    Hmac::new(&block.into())
}

const fn v6(ip: IpAddr) -> Ipv6Addr {
    match ip {
        IpAddr::V4(v4) => v4.to_ipv6_mapped(),
        IpAddr::V6(v6) => v6,
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn port(bytes: &[u8], at: usize) -> Option<u16> {
    array(bytes, at).map(u16::from_be_bytes)
}

/// RFC 4648 section 5, without padding.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Adds `bytes` in base64url.
pub(crate) fn push_base64(text: &mut String, bytes: &[u8]) {
    for group in bytes.chunks(3) {
        let bits =
            group.iter().fold(0_u32, |bits, byte| bits << 8 | u32::from(*byte)) << (8 * (3 - group.len()));
        for i in 0..=group.len() {
            let letter = LETTERS.get((bits >> (18 - 6 * i) & 63) as usize);
            text.push(letter.map_or('A', |letter| char::from(*letter)));
        }
    }
}

/// Undoes it.
pub(crate) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(text.len() * 3 / 4);
    for group in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for letter in group {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                b'a'..=b'z' => letter - b'a' + 26,
                b'0'..=b'9' => letter - b'0' + 52,
                b'-' => 62,
                b'_' => 63,
                _ => return None,
            };
            bits = bits << 6 | u32::from(value);
        }
        let bits = bits << (6 * (4 - group.len()));
        let [_, group_bytes @ ..] = bits.to_be_bytes();
        bytes.extend(group_bytes.iter().take(group.len() * 6 / 8));
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tokens(seed: u8, secret: Option<&str>) -> FlowTokens {
        FlowTokens::new([seed; 32], secret)
    }

    fn peer(address: &str) -> Peer {
        Peer { flow: FlowId(1), address: address.parse().unwrap() }
    }

    #[test]
    fn base64url_is_that_of_rfc_4648_section_10() {
        let vectors = [
            ("", ""),
            ("f", "Zg"),
            ("fo", "Zm8"),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg"),
            ("fooba", "Zm9vYmE"),
            ("foobar", "Zm9vYmFy"),
        ];
        for (plain, coded) in vectors {
            let mut text = String::new();
            push_base64(&mut text, plain.as_bytes());
            assert_eq!(text, coded);
            assert_eq!(from_base64(coded).as_deref(), Some(plain.as_bytes()));
        }
        assert_eq!(from_base64("a+b/"), None);
    }

    /// RFC 5626 5.2: "unique to a flow, the flow can be recovered from the token".
    #[test]
    fn a_token_says_which_flow_it_is() {
        let tokens = tokens(1, None);
        for (local, remote) in
            [("192.0.2.1:5060", "10.0.0.1:40000"), ("[2001:db8::1]:5060", "[fe80::1%3]:5061")]
        {
            let (local, remote): (SocketAddr, SocketAddr) = (local.parse().unwrap(), remote.parse().unwrap());
            let token = tokens.of_datagrams(local, Peer { flow: FlowId(9), address: remote });
            assert!(
                FlowTokens::is_token(&token)
                    && token.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
            );
            assert_eq!(tokens.read(&token), Some(Named::Datagrams { local, remote }));
        }
        let token = tokens.of_connection(FlowId(77));
        assert_eq!(tokens.read(&token), Some(Named::Connection(FlowId(77))));
        assert_ne!(token, tokens.of_connection(FlowId(78)));
    }

    /// 5.2: "the token cannot be modified by attackers".
    #[test]
    fn no_letter_of_a_token_can_be_changed() {
        let tokens = tokens(1, None);
        let token = tokens.of_datagrams("192.0.2.1:5060".parse().unwrap(), peer("10.0.0.1:40000"));
        for at in MARK.len()..token.len() {
            for letter in ["A", "B", "_", "=", "%"] {
                let mut forged = token.clone();
                forged.replace_range(at..=at, letter);
                assert!(forged == token || tokens.read(&forged).is_none(), "{forged}");
            }
        }
        for cut in 0..token.len() {
            assert_eq!(tokens.read(&token[..cut]), None);
        }
        assert_eq!(tokens.read(&format!("{token}A")), None);
    }

    /// What holds over a restart: with the same secret the tokens of datagram flows, and it is known of a connection that it is gone.
    /// Without a secret, nothing.
    #[test]
    fn with_a_secret_a_datagram_flow_outlives_a_restart() {
        let local = "192.0.2.1:5060".parse().unwrap();
        let of = |tokens: &FlowTokens| {
            [tokens.of_datagrams(local, peer("10.0.0.1:40000")), tokens.of_connection(FlowId(1))]
        };
        let (before, after) =
            (tokens(1, Some("a secret of the site")), tokens(2, Some("a secret of the site")));
        let [datagrams, connection] = of(&before);
        assert!(matches!(after.read(&datagrams), Some(Named::Datagrams { .. })));
        assert_eq!(after.read(&connection), Some(Named::Earlier));
        let other = tokens(2, Some("another secret"));
        assert!(of(&before).iter().all(|token| other.read(token).is_none()));
        assert!(of(&tokens(1, None)).iter().all(|token| tokens(2, None).read(token).is_none()));
    }
}
