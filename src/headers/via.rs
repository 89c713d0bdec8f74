//! `Via` (RFC 3261 20.42, RFC 3581).

use super::lex::{is_word, separator, skip_lws, sws, token};
use super::{Params, ValueError, params, push_decimal};
use crate::uri::{Host, HostPort};
use nom::bytes::complete::{tag, tag_no_case};
use nom::sequence::delimited;
use nom::{IResult, Parser};
use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};

/// One Via value.
///
/// `via-parm = sent-protocol LWS sent-by *( SEMI via-params )`,
/// `sent-protocol = protocol-name SLASH protocol-version SLASH transport`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Via<'a> {
    text: &'a str,
    /// The transport as written: `UDP`.
    pub transport: &'a str,
    /// Host and port that the sender claims.
    pub sent_by: HostPort<'a>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params<'a>,
    branch: Option<&'a str>,
    rport: Option<Option<u16>>,
    /// Where that parameter ends in the text, if it stands there once and without a value; else 0.
    rport_end: u16,
    has_received: bool,
    has_maddr: bool,
    /// The host of `sent_by` as written.
    host: &'a str,
}

impl<'a> Via<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// [`ValueError`] says where the grammar breaks.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let rest = text.strip_prefix("SIP/2.0/").or_else(|| spaced_protocol(text));
        let rest = rest.ok_or(ValueError::syntax(0))?;
        let (rest, transport) = token(rest).map_err(|_| ValueError::at(text, rest))?;
        // LWS between them, at least a space.
        let sent_by = skip_lws(rest);
        if sent_by.len() == rest.len() {
            return Err(ValueError::at(text, rest));
        }
        let rest = sent_by;
        let (sent_by, host_len, used) = HostPort::prefix(rest).ok_or_else(|| ValueError::at(text, rest))?;
        let (host, rest) = (rest.get(..host_len).unwrap_or_default(), rest.get(used..).unwrap_or_default());
        let (sent_by, rest) = match sent_by.port {
            Some(_) => (sent_by, rest),
            None => spaced_port(sent_by, rest),
        };
        let (mut branch, mut rport, mut rport_end) = (None, None, 0);
        let (mut has_received, mut has_maddr) = (false, false);
        let params = Params::check_each(rest, |name, value| {
            if branch.is_none() && is_word(name.as_bytes(), "branch") {
                branch = Some(value);
            } else if is_word(name.as_bytes(), "rport") {
                let end = (name.as_ptr() as usize + name.len()).saturating_sub(text.as_ptr() as usize);
                let is_plain = rport.is_none() && value.is_none();
                rport_end = if is_plain { u16::try_from(end).unwrap_or(0) } else { 0 };
                rport = rport.or_else(|| Some(value.and_then(|port| port.parse().ok())));
            } else if is_word(name.as_bytes(), "received") {
                has_received = true;
            } else if is_word(name.as_bytes(), "maddr") {
                has_maddr = true;
            }
        });
        let params =
            params.map_err(|error| ValueError::new(error.kind, text.len() - rest.len() + error.offset))?;
        Ok(Self {
            text,
            transport,
            sent_by,
            params,
            branch: branch.flatten(),
            rport,
            rport_end,
            has_received,
            has_maddr,
            host,
        })
    }

    /// The branch of the first value of a header field that nobody has checked.
    pub(crate) fn peek_branch(field: &'a [u8]) -> Option<&'a str> {
        // Neither the protocol nor the host has a semicolon; a comma would start the next value.
        let params = field.get(memchr::memchr2(b';', b',', field)?..)?;
        params::peek(params, "branch")
    }

    /// The value as it came.
    #[must_use]
    pub const fn as_str(&self) -> &'a str {
        self.text
    }

    /// The value as a server passes it on that got it from `source`: with `received` where the host that the sender
    /// claims is not the source's address (RFC 3261 18.2.1), and with both `received` and `rport` where the sender
    /// asked for them (RFC 3581 section 4).
    #[must_use]
    pub fn stamped(&self, source: SocketAddr) -> Cow<'a, str> {
        let asked = self.rport().is_some();
        let claimed = self.sent_by.host.ip() == Some(source.ip());
        if claimed && !asked && !self.has_received {
            return Cow::Borrowed(self.text);
        }
        let mut stamped = String::with_capacity(self.text.len() + 40);
        self.stamp(source, &mut stamped);
        Cow::Owned(stamped)
    }

    /// Writes what [`stamped`](Self::stamped) gives behind `stamped`.
    pub(crate) fn stamp(&self, source: SocketAddr, stamped: &mut String) {
        let claimed = self.sent_by.host.ip() == Some(source.ip());
        match self.rport() {
            None if claimed && !self.has_received => return stamped.push_str(self.text),
            Some(None) if !self.has_received && self.rport_end > 0 => {
                // Nearly always: what is asked for stands there without a value.
                let (before, behind) =
                    self.text.split_at_checked(self.rport_end.into()).unwrap_or((self.text, ""));
                stamped.push_str(before);
                stamped.push('=');
                push_decimal(stamped, source.port().into());
                stamped.push_str(behind);
                stamped.push_str(";received=");
                match source.ip() {
                    // Written in the only way there is.
                    IpAddr::V4(_) if claimed => stamped.push_str(self.host),
                    ip @ (IpAddr::V4(_) | IpAddr::V6(_)) => push_ip(ip, stamped),
                }
                return;
            }
            None | Some(_) => {}
        }
        let untouched = self.text.len() - self.params.as_str().len();
        stamped.push_str(self.text.get(..untouched).unwrap_or_default());
        for (name, value) in self.params.iter() {
            if name.eq_ignore_ascii_case("received") {
                continue;
            }
            let port = name.eq_ignore_ascii_case("rport").then(|| source.port().to_string());
            stamped.push(';');
            stamped.push_str(name);
            if let Some(value) = port.as_deref().or(value) {
                stamped.push('=');
                stamped.push_str(value);
            }
        }
        stamped.push_str(";received=");
        push_ip(source.ip(), stamped);
    }

    /// Where a response goes to whose topmost Via this is, over UDP, by RFC 3261 18.2.2 and RFC 3581 section 4, if the
    /// request came from `source`: to its `maddr`, back to the source's port where the sender asked for that, else to the port
    /// that it claims.
    ///
    /// A `maddr` counts where it is the source's own address, or both are addresses of private networks. Whoever asks from the
    /// Internet could have anybody else flooded with our answers.
    #[must_use]
    pub fn response_address(&self, source: SocketAddr) -> SocketAddr {
        if let Some(maddr) = self.maddr().filter(|maddr| may_answer_for(*maddr, source.ip())) {
            return SocketAddr::new(maddr, self.sent_by.port.unwrap_or(5060));
        }
        match self.rport() {
            Some(_) => source,
            None => SocketAddr::new(source.ip(), self.sent_by.port.unwrap_or(5060)),
        }
    }

    /// The transaction's id (RFC 3261 8.1.1.7).
    #[must_use]
    pub const fn branch(&self) -> Option<&'a str> {
        self.branch
    }

    /// The address that the request came from, where the receiver noted it.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.value("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// The address that the sender wants its responses sent to (RFC 3261 18.2.2), if it is one.
    fn maddr(&self) -> Option<IpAddr> {
        if !self.has_maddr {
            return None;
        }
        Host::parse(self.params.value("maddr")?)?.ip()
    }

    /// RFC 3581: `Some(None)` asks for the source port, `Some(Some(port))` states it.
    #[must_use]
    pub const fn rport(&self) -> Option<Option<u16>> {
        self.rport
    }
}

/// Without the white space that the text has at odd places: see [`Via::as_str`] for the value as it came.
impl fmt::Display for Via<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SIP/2.0/{} {}{}", self.transport, self.sent_by, self.params)
    }
}

/// Whether what came from `source` may have its answer sent to `maddr`.
fn may_answer_for(maddr: IpAddr, source: IpAddr) -> bool {
    maddr == source || (is_private(maddr) && is_private(source))
}

/// An address of a network that the Internet does not reach.
const fn is_private(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_unique_local() || ip.is_loopback() || ip.is_unicast_link_local(),
    }
}

/// Behind `sent-protocol` up to the transport, in any case and with white space around its slashes.
fn spaced_protocol(text: &str) -> Option<&str> {
    let slash = || delimited(sws, tag("/"), sws);
    let mut protocol = (sws, tag_no_case("SIP"), slash(), tag("2.0"), slash());
    protocol.parse(text).ok().map(|(rest, _): (_, (_, _, _, _, &str))| rest)
}

/// `sent-by = host [ COLON port ]`, where COLON may have white space around it.
fn spaced_port<'a>(sent_by: HostPort<'a>, rest: &'a str) -> (HostPort<'a>, &'a str) {
    let port = separator(rest, b':').and_then(|port| digits(port).ok());
    port.map_or((sent_by, rest), |(after, port)| (HostPort { port: Some(port), ..sent_by }, after))
}

fn digits(text: &str) -> IResult<&str, u16> {
    nom::character::complete::u16(text)
}

/// Writes `address` behind `text` as [`fmt::Display`] has it, in fewer steps.
pub(crate) fn push_address(text: &mut String, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            push_ip((*v4.ip()).into(), text);
            text.push(':');
            push_decimal(text, v4.port().into());
        }
        // Writing to a String cannot fail.
        SocketAddr::V6(_) => drop(write!(text, "{address}")),
    }
}

fn push_ip(ip: IpAddr, text: &mut String) {
    match ip {
        IpAddr::V4(ip) => {
            for (n, octet) in ip.octets().into_iter().enumerate() {
                text.push_str(if n == 0 { "" } else { "." });
                push_decimal(text, octet.into());
            }
        }
        // Writing to a String cannot fail.
        IpAddr::V6(ip) => drop(write!(text, "{ip}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_ordinary_via() {
        let via =
            Via::parse("SIP/2.0/UDP 192.0.2.1:5070;branch=z9hG4bKa;rport=5071;received=192.0.2.7").unwrap();
        assert_eq!((via.transport, via.sent_by.to_string().as_str()), ("UDP", "192.0.2.1:5070"));
        assert_eq!(via.branch(), Some("z9hG4bKa"));
        assert_eq!(via.rport(), Some(Some(5071)));
        assert_eq!(via.received(), "192.0.2.7".parse().ok());
    }

    #[test]
    fn a_peek_stays_in_the_first_value() {
        let peek = |text: &'static str| Via::peek_branch(text.as_bytes());
        assert_eq!(peek("SIP/2.0/UDP a;rport;branch=b, SIP/2.0/UDP c;branch=d"), Some("b"));
        assert_eq!(peek("SIP/2.0/UDP a, SIP/2.0/UDP c;branch=d"), None);
        assert_eq!(peek("SIP/2.0/UDP a;rport, SIP/2.0/UDP c;branch=d"), None);
    }

    #[test]
    fn white_space_may_stand_around_the_slashes_and_the_colon() {
        let via = Via::parse("SIP  / 2.0\r\n /UDP\t192.0.2.2 : 5061 ; branch = z9hG4bKb;rport").unwrap();
        assert_eq!(via.sent_by.port, Some(5061));
        assert_eq!(via.rport(), Some(None));
        assert_eq!(via.branch(), Some("z9hG4bKb"));
    }

    #[test]
    fn ipv6_and_names_and_unknown_transports() {
        let via =
            Via::parse("SIP/2.0/X-NEW [2001:db8::9:1]:6050;branch=z9hG4bKas3-111;received=2001:db8::9:255")
                .unwrap();
        assert_eq!((via.transport, via.sent_by.port), ("X-NEW", Some(6050)));
        assert_eq!(via.received(), "2001:db8::9:255".parse().ok());
        assert!(Via::parse("SIP/2.0/TLS pc33.atlanta.example").is_ok());
    }

    #[test]
    fn a_via_is_stamped_with_where_it_came_from() {
        let source = "192.0.2.7:4000".parse().unwrap();
        let stamped = |text| Via::parse(text).unwrap().stamped(source).into_owned();
        assert_eq!(stamped("SIP/2.0/UDP 192.0.2.7:5060;branch=a"), "SIP/2.0/UDP 192.0.2.7:5060;branch=a");
        assert_eq!(stamped("SIP/2.0/UDP h;branch=a"), "SIP/2.0/UDP h;branch=a;received=192.0.2.7");
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.7;rport;branch=a"),
            "SIP/2.0/UDP 192.0.2.7;rport=4000;branch=a;received=192.0.2.7"
        );
        assert_eq!(
            stamped("SIP/2.0/UDP 192.0.2.7;received=192.0.2.66"),
            "SIP/2.0/UDP 192.0.2.7;received=192.0.2.7"
        );
    }

    #[test]
    fn responses_go_to_the_source_port_only_if_asked_for() {
        let source = "192.0.2.7:4000".parse().unwrap();
        let address = |text| Via::parse(text).unwrap().response_address(source).to_string();
        assert_eq!(address("SIP/2.0/UDP 10.0.0.1:5070;rport"), "192.0.2.7:4000");
        assert_eq!(address("SIP/2.0/UDP 10.0.0.1:5070"), "192.0.2.7:5070");
        assert_eq!(address("SIP/2.0/UDP phone.example"), "192.0.2.7:5060");
    }

    #[test]
    fn responses_go_to_the_maddr_within_private_networks() {
        let address = |source: &str, text| {
            Via::parse(text).unwrap().response_address(source.parse().unwrap()).to_string()
        };
        let maddr = "SIP/2.0/UDP phone.example:5070;maddr=10.0.0.9;rport";
        assert_eq!(address("192.168.0.7:4000", maddr), "10.0.0.9:5070");
        assert_eq!(address("127.0.0.1:4000", "SIP/2.0/UDP h;maddr=127.0.0.2"), "127.0.0.2:5060");
        assert_eq!(address("[fd00::1]:4000", "SIP/2.0/UDP h;maddr=[fd00::2]"), "[fd00::2]:5060");
        assert_eq!(address("192.0.2.7:4000", maddr), "192.0.2.7:4000", "from outside");
        assert_eq!(address("10.0.0.7:4000", "SIP/2.0/UDP h;maddr=192.0.2.9;rport"), "10.0.0.7:4000");
        assert_eq!(address("10.0.0.7:4000", "SIP/2.0/UDP h;maddr=224.0.1.75;rport"), "10.0.0.7:4000");
        assert_eq!(address("10.0.0.7:4000", "SIP/2.0/UDP h;maddr=h.example;rport"), "10.0.0.7:4000");
    }

    #[test]
    fn broken_ones_are_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 192.0.2.1",
            "SIP/3.0/UDP h",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP h x",
            "SIP/2.0/UDP[::1]",
        ] {
            assert!(Via::parse(bad).is_err(), "{bad}");
        }
    }
}
