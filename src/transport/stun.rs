//! STUN keep-alives on SIP's own datagram sockets (RFC 5626 5.4 and 8, RFC 5389): whoever was told that its flow is kept asks
//! now and then at which address we see it, and takes silence, or another address, for the end of the flow.

use std::net::{IpAddr, SocketAddr};

const HEADER: usize = 20;
const BINDING_REQUEST: [u8; 2] = [0x00, 0x01];
const BINDING_RESPONSE: [u8; 2] = [0x01, 0x01];
const COOKIE: [u8; 4] = [0x21, 0x12, 0xA4, 0x42];
const XOR_MAPPED_ADDRESS: [u8; 2] = [0x00, 0x20];

/// Whether a datagram is STUN and no SIP: "the first octet of a STUN Binding method has a value of 0 or 1" (RFC 5626 8), and there
/// is the magic cookie.
pub(crate) fn is_stun(datagram: &[u8]) -> bool {
    matches!(datagram.first(), Some(0 | 1)) && datagram.get(4..8) == Some(&COOKIE)
}

/// The answer to a Binding Request that came from `source`. None to whatever else it is. Attributes are not looked at: the usage has
/// none (RFC 5626 8), and nothing that a server could be asked for beyond is given.
pub(crate) fn answer(datagram: &[u8], source: SocketAddr) -> Option<Vec<u8>> {
    let length = datagram.get(2..4).and_then(|length| length.try_into().ok()).map(u16::from_be_bytes)?;
    let is_whole = usize::from(length) == datagram.len().checked_sub(HEADER)? && length % 4 == 0;
    if datagram.get(..2) != Some(&BINDING_REQUEST) || datagram.get(4..8) != Some(&COOKIE) || !is_whole {
        return None;
    }
    let (family, ip) = match source.ip() {
        IpAddr::V4(ip) => (1, ip.octets().to_vec()),
        IpAddr::V6(ip) => (2, ip.octets().to_vec()),
    };
    // RFC 5389 15.2: XORed with the cookie, and the transaction's id behind it.
    let mask = datagram.get(4..HEADER)?;
    let xored = |bytes: &[u8]| bytes.iter().zip(mask).map(|(byte, mask)| byte ^ mask).collect::<Vec<_>>();
    let value_len = u8::try_from(4 + ip.len()).ok()?;
    let mut answer = Vec::with_capacity(HEADER + 24);
    answer.extend(BINDING_RESPONSE);
    answer.extend([0, 4 + value_len]);
    answer.extend(mask);
    answer.extend(XOR_MAPPED_ADDRESS);
    answer.extend([0, value_len, 0, family]);
    answer.extend(xored(&source.port().to_be_bytes()));
    answer.extend(xored(&ip));
    Some(answer)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> Vec<u8> {
        [&[0, 1, 0, 0][..], &COOKIE, b"abcdefghijkl"].concat()
    }

    #[test]
    fn a_binding_request_is_told_where_it_came_from() {
        let answer = answer(&request(), "192.0.2.1:32853".parse().unwrap()).unwrap();
        // The address and port of RFC 5769 2.2, whose XORed form does not depend on the transaction.
        let expected = [
            &[1, 1, 0, 12][..],
            &COOKIE,
            b"abcdefghijkl",
            &[0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43],
        ];
        assert_eq!(answer, expected.concat());
    }

    #[test]
    fn an_address_of_sixteen_bytes_is_xored_with_the_transaction() {
        let answer = answer(&request(), "[2001:db8::1]:1".parse().unwrap()).unwrap();
        assert_eq!((answer.len(), answer[3], answer[25]), (44, 24, 2));
        assert_eq!(answer[28..32], [0x20 ^ 0x21, 0x01 ^ 0x12, 0x0d ^ 0xA4, 0xb8 ^ 0x42]);
        assert_eq!(answer[43], 1 ^ b'l');
    }

    #[test]
    fn nothing_else_is_answered() {
        let source = "192.0.2.1:1".parse().unwrap();
        for (at, byte) in [(0, 1), (1, 2), (3, 4), (3, 1), (4, 0x20)] {
            let mut other = request();
            other[at] = byte;
            assert_eq!(answer(&other, source), None, "byte {at}");
        }
        assert!((0..20).all(|len| answer(&request()[..len], source).is_none()));
        assert!(is_stun(&request()) && !is_stun(b"INVITE sip:a SIP/2.0") && !is_stun(&[0, 1]));
    }
}
