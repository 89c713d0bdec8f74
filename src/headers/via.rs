//! `Via` (RFC 3261 20.42, RFC 3581).

use super::lex::{sws, token};
use super::{Params, ValueError};
use crate::uri::HostPort;
use nom::Parser;
use nom::bytes::complete::{tag, tag_no_case};
use nom::sequence::delimited;
use std::net::IpAddr;

/// One Via value.
///
/// `via-parm = sent-protocol LWS sent-by *( SEMI via-params )`,
/// `sent-protocol = protocol-name SLASH protocol-version SLASH transport`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Via<'a> {
    /// The transport as written: `UDP`.
    pub transport: &'a str,
    /// Host and port that the sender claims.
    pub sent_by: HostPort<'a>,
    /// `branch`, `received`, `rport` and others.
    pub params: Params<'a>,
}

impl<'a> Via<'a> {
    /// Parses one value.
    ///
    /// # Errors
    /// [`ValueError`] says where the grammar breaks.
    pub fn parse(text: &'a str) -> Result<Self, ValueError> {
        let slash = || delimited(sws, tag("/"), sws);
        let protocol = (sws, tag_no_case("SIP"), slash(), tag("2.0"), slash(), token, sws);
        let (rest, (_, _, _, _, _, transport, _)) =
            { protocol }.parse(text).map_err(|_: nom::Err<nom::error::Error<&str>>| ValueError::syntax(0))?;
        let (sent_by, used) = HostPort::prefix(rest).ok_or_else(|| ValueError::at(text, rest))?;
        let rest = rest.get(used..).unwrap_or_default();
        let (sent_by, rest) = match sent_by.port {
            Some(_) => (sent_by, rest),
            None => spaced_port(sent_by, rest),
        };
        let params = Params::check(rest)
            .map_err(|error| ValueError::new(error.kind, text.len() - rest.len() + error.offset))?;
        Ok(Self { transport, sent_by, params })
    }

    /// The transaction's id (RFC 3261 8.1.1.7).
    #[must_use]
    pub fn branch(&self) -> Option<&'a str> {
        self.params.value("branch")
    }

    /// The address that the request came from, where the receiver noted it.
    #[must_use]
    pub fn received(&self) -> Option<IpAddr> {
        let text = self.params.value("received")?;
        text.trim_start_matches('[').trim_end_matches(']').parse().ok()
    }

    /// RFC 3581: `Some(None)` asks for the source port, `Some(Some(port))` states it.
    #[must_use]
    pub fn rport(&self) -> Option<Option<u16>> {
        self.params.find("rport").map(|port| port.and_then(|port| port.parse().ok()))
    }
}

/// `sent-by = host [ COLON port ]`, where COLON may have white space around it.
fn spaced_port<'a>(sent_by: HostPort<'a>, rest: &'a str) -> (HostPort<'a>, &'a str) {
    let parsed = delimited(sws, tag(":"), sws)
        .and(nom::character::complete::u16)
        .parse(rest)
        .map_err(|_: nom::Err<nom::error::Error<&str>>| ());
    match parsed {
        Ok((after, (_, port))) => (HostPort { port: Some(port), ..sent_by }, after),
        Err(()) => (sent_by, rest),
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
    fn broken_ones_are_refused() {
        for bad in [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0 192.0.2.1",
            "SIP/3.0/UDP h",
            "SIP/2.0/UDP h:99999",
            "SIP/2.0/UDP h x",
        ] {
            assert!(Via::parse(bad).is_err(), "{bad}");
        }
    }
}
