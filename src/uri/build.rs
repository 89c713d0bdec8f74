//! Making SIP URIs out of parts, with the escapes that each needs (RFC 3261 19.1.2).

use super::{Component, Host, UriBuf, UriError, escape};
use std::fmt::Write;

/// Puts a SIP or SIPS URI together. Values are given as they are meant: what may not stand where they go is escaped.
///
/// ```
/// use sip_survivability::uri::{Host, UriBuilder};
/// let uri = UriBuilder::sip(Host::Name("example.com")).user("j@s0n").port(5070).param("transport", "tcp").flag("lr").build()?;
/// assert_eq!(uri.as_str(), "sip:j%40s0n@example.com:5070;transport=tcp;lr");
/// # Ok::<(), sip_survivability::uri::UriError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct UriBuilder {
    scheme: &'static str,
    user: Option<String>,
    password: Option<String>,
    host: String,
    port: Option<u16>,
    params: String,
    headers: String,
}

impl UriBuilder {
    /// `sip:host`
    pub fn sip(host: Host<'_>) -> Self {
        Self::new("sip", host)
    }

    /// `sips:host`
    pub fn sips(host: Host<'_>) -> Self {
        Self::new("sips", host)
    }

    fn new(scheme: &'static str, host: Host<'_>) -> Self {
        let (user, password, port) = (None, None, None);
        Self {
            scheme,
            user,
            password,
            host: host.to_string(),
            port,
            params: String::new(),
            headers: String::new(),
        }
    }

    /// The user: any bytes.
    pub fn user(self, user: impl AsRef<[u8]>) -> Self {
        self.written_user(escape(user.as_ref(), Component::User).into_owned())
    }

    /// The user with the escapes that it needs.
    pub(super) fn written_user(mut self, user: String) -> Self {
        self.user = Some(user);
        self
    }

    /// The password, which is there with a user only, and better not at all (RFC 3261 19.1.1).
    pub fn password(mut self, password: impl AsRef<[u8]>) -> Self {
        self.password = Some(escape(password.as_ref(), Component::Password).into_owned());
        self
    }

    /// The port. None is written unless this is called: 5060 written and not written differ (RFC 3261 19.1.4).
    pub fn port(mut self, port: u16) -> Self {
        self.port = Some(port);
        self
    }

    /// A parameter with a value.
    pub fn param(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self = self.flag(name);
        self.params.push('=');
        self.params.push_str(&escape(value.as_ref(), Component::Param));
        self
    }

    /// A parameter without a value.
    pub fn flag(mut self, name: &str) -> Self {
        self.params.push(';');
        self.params.push_str(&escape(name.as_bytes(), Component::Param));
        self
    }

    /// A header field for the request that is made from the URI (RFC 3261 19.1.5).
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push(if self.headers.is_empty() { '?' } else { '&' });
        self.headers.push_str(&escape(name.as_bytes(), Component::Header));
        self.headers.push('=');
        self.headers.push_str(&escape(value.as_ref(), Component::Header));
        self
    }

    /// The URI.
    ///
    /// # Errors
    /// The user is empty, the host is a name that cannot be one, or the whole is too long.
    pub fn build(self) -> Result<UriBuf, UriError> {
        let mut text = format!("{}:", self.scheme);
        if let Some(user) = &self.user {
            text.push_str(user);
            if let Some(password) = &self.password {
                text.push(':');
                text.push_str(password);
            }
            text.push('@');
        }
        text.push_str(&self.host);
        if let Some(port) = self.port {
            // Writing to a String cannot fail.
            let _ = write!(text, ":{port}");
        }
        text.push_str(&self.params);
        text.push_str(&self.headers);
        let uri = UriBuf::parse(&text)?;
        // A name with a `@`, `:` or `;` in it would have become other parts.
        if uri.as_uri().host_str() != self.host {
            return Err(UriError { kind: super::UriErrorKind::Host, offset: 0 });
        }
        Ok(uri)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_host_that_is_none_is_refused() {
        for bad in ["", "a b", "a@b", "a:5060", "a;lr", "a?b=c"] {
            assert!(UriBuilder::sip(Host::Name(bad)).build().is_err(), "{bad}");
        }
        assert!(UriBuilder::sips(Host::Name("h")).user("").build().is_err());
    }

    proptest! {
        #[test]
        fn what_goes_in_comes_out(
            user in prop::collection::vec(any::<u8>(), 1..20),
            password: Vec<u8>,
            name in "[a-z]{1,8}",
            value: Vec<u8>,
            port: Option<u16>,
        ) {
            use crate::uri::unescape_bytes;
            let mut builder = UriBuilder::sip(Host::Name("h")).user(&user).password(&password);
            builder = builder.param(&name, &value).header(&name, &value);
            if let Some(port) = port {
                builder = builder.port(port);
            }
            let built = builder.build().unwrap();
            let uri = built.as_uri();
            prop_assert_eq!(&unescape_bytes(uri.user().unwrap().as_bytes())[..], &user[..]);
            prop_assert_eq!(&unescape_bytes(uri.password().unwrap_or_default().as_bytes())[..], &password[..]);
            prop_assert_eq!(&unescape_bytes(uri.param(&name).unwrap().unwrap().as_bytes())[..], &value[..]);
            let header = uri.headers().next().unwrap();
            prop_assert_eq!(header.0, &name[..]);
            prop_assert_eq!(&unescape_bytes(header.1.as_bytes())[..], &value[..]);
            prop_assert_eq!(uri.port(), port);
        }
    }
}
