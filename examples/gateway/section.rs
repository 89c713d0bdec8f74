//! Reading TOML key by key, so that an error names its key and what is left over is an unknown key.

use sip_survivability::auth::{DigestUri, Realm, RealmError};
use sip_survivability::config::{
    Alternative, Balancing, BindingMode, CascadeLoop, ChangedUri, ConfigError, EnteringEmergency,
    HomingLever, InboundManipulation, Network, OutOfDialogMiss, Redundancy, RequestKind, RouteTo, Secret,
    SecretError, SurvivabilityMode, Trust,
};
use sip_survivability::dialplan::{HostPattern, Pattern};
use sip_survivability::uri::UriBuf;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;
use toml::{Table, Value};

/// One key that cannot be as it is.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) reason: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} = {}: {}", self.key, self.value, self.reason)
    }
}

impl From<ConfigError> for Wrong {
    fn from(error: ConfigError) -> Self {
        // The library has no section for what the caller listens on.
        let key = match error.key {
            "domains" => "listen.domains",
            "names" => "listen.names",
            key => key,
        };
        Self { key: key.into(), value: error.value, reason: error.reason.into() }
    }
}

/// A value that does not fit, and why. For a list it is the member that does not.
pub(crate) struct Refused {
    value: String,
    reason: String,
}

impl Refused {
    pub(crate) fn new(value: &Value, reason: impl Into<String>) -> Self {
        // Strings on one line, whatever is in them.
        let value = value.as_str().map_or_else(|| value.to_string(), |text| format!("{text:?}"));
        Self { value, reason: reason.into() }
    }

    pub(crate) fn at(self, key: String) -> Wrong {
        Wrong { key, value: self.value, reason: self.reason }
    }
}

/// A table of the file, from which keys are taken until none is left.
pub(crate) struct Section {
    /// As in `[proxy_set]`; empty for the file itself.
    name: String,
    keys: Table,
}

impl Section {
    /// The file itself, whose keys are its sections.
    pub(crate) const fn file(keys: Table) -> Self {
        Self { name: String::new(), keys }
    }

    /// Takes the section `name`, which is empty if the file has none.
    pub(crate) fn section(&mut self, name: &'static str) -> Result<Self, Wrong> {
        match self.keys.remove(name) {
            None => Ok(Self { name: self.path(name), keys: Table::new() }),
            Some(Value::Table(keys)) => Ok(Self { name: self.path(name), keys }),
            Some(other) => {
                let path = self.path(name);
                Err(Refused::new(&other, format!("must be one section: [{path}]")).at(path))
            }
        }
    }

    /// Takes the tables `[[name]]`, of which there may be any number.
    pub(crate) fn tables(&mut self, name: &'static str) -> Result<Vec<Self>, Wrong> {
        let wrong = |value: &Value| {
            Refused::new(value, format!("must be tables, each under [[{name}]]")).at(name.to_owned())
        };
        match self.keys.remove(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(tables)) => {
                let table = |value: Value| match value.as_table() {
                    Some(keys) => Ok(Self { name: name.to_owned(), keys: keys.clone() }),
                    None => Err(wrong(&value)),
                };
                tables.into_iter().map(table).collect()
            }
            Some(other) => Err(wrong(&other)),
        }
    }

    /// Like [`set`](Self::set), where each value has a name.
    pub(crate) fn set_named<T: Copy>(
        &mut self,
        key: &str,
        names: &[(&str, T)],
        place: &mut T,
    ) -> Result<(), Wrong> {
        if let Some(value) = self.keys.remove(key) {
            *place = named(&value, names).map_err(|refused| refused.at(self.path(key)))?;
        }
        Ok(())
    }

    /// Sets `place` by the key's value; if there is none, `place` keeps its default.
    pub(crate) fn set<T: Setting>(&mut self, key: &str, place: &mut T) -> Result<(), Wrong> {
        if let Some(value) = self.keys.remove(key) {
            *place = T::read(&value).map_err(|refused| refused.at(self.path(key)))?;
        }
        Ok(())
    }

    /// The end of a section: what has not been taken, nobody knows.
    pub(crate) fn finish(self) -> Result<(), Wrong> {
        match self.keys.iter().next() {
            None => Ok(()),
            Some((key, value)) => Err(Refused::new(value, "unknown key").at(self.path(key))),
        }
    }

    pub(crate) fn has(&self, key: &str) -> bool {
        self.keys.contains_key(key)
    }

    pub(crate) fn path(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }
}

/// A type that a key can have.
pub(crate) trait Setting: Sized {
    fn read(value: &Value) -> Result<Self, Refused>;
}

impl Setting for bool {
    fn read(value: &Value) -> Result<Self, Refused> {
        value.as_bool().ok_or_else(|| Refused::new(value, "must be true or false"))
    }
}

macro_rules! whole_numbers {
    ($($number:ty),*) => {$(
        impl Setting for $number {
            fn read(value: &Value) -> Result<Self, Refused> {
                let number = value.as_integer().and_then(|number| Self::try_from(number).ok());
                // TOML has no larger number than an i64, which a usize may exceed.
                let most = i64::try_from(Self::MAX).unwrap_or(i64::MAX);
                number.ok_or_else(|| Refused::new(value, format!("must be a whole number from 0 to {most}")))
            }
        }
    )*};
}

whole_numbers!(u8, u16, u32, usize);

impl Setting for String {
    fn read(value: &Value) -> Result<Self, Refused> {
        value.as_str().map(Self::from).ok_or_else(|| Refused::new(value, "must be a string"))
    }
}

impl Setting for UriBuf {
    fn read(value: &Value) -> Result<Self, Refused> {
        String::read(value)?
            .parse()
            .map_err(|error| Refused::new(value, format!("must be a SIP URI: {error}")))
    }
}

impl Setting for SocketAddr {
    fn read(value: &Value) -> Result<Self, Refused> {
        let reason = "must be an IP address and a port, such as \"0.0.0.0:5080\"";
        String::read(value)?.parse().map_err(|_| Refused::new(value, reason))
    }
}

impl Setting for Option<IpAddr> {
    fn read(value: &Value) -> Result<Self, Refused> {
        let ip = String::read(value)?.parse().ok().filter(|ip: &IpAddr| !ip.is_unspecified());
        ip.map(Some).ok_or_else(|| Refused::new(value, "must be the IP address that others reach us at"))
    }
}

impl Setting for Duration {
    fn read(value: &Value) -> Result<Self, Refused> {
        let reason = "must be a whole number and a unit (ms, s, m, h), such as \"4s\"";
        value.as_str().and_then(span).ok_or_else(|| Refused::new(value, reason))
    }
}

/// `250ms`, `4s`, `5m`, `1h`.
fn span(text: &str) -> Option<Duration> {
    let unit = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(unit);
    let millis: u64 = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(millis).map(Duration::from_millis)
}

/// The value that `names` has for the text of `value`.
fn named<T: Copy>(value: &Value, names: &[(&str, T)]) -> Result<T, Refused> {
    let found = names.iter().find(|(name, _)| value.as_str() == Some(name));
    found.map(|(_, meant)| *meant).ok_or_else(|| {
        let quoted: Vec<_> = names.iter().map(|(name, _)| format!("{name:?}")).collect();
        let last = quoted.last().cloned().unwrap_or_default();
        let first = quoted.get(..quoted.len().saturating_sub(1)).unwrap_or_default().join(", ");
        Refused::new(value, format!("must be {first} or {last}"))
    })
}

/// Settings that have a name for each value.
macro_rules! named_settings {
    ($($setting:ident { $($name:literal => $variant:ident),+ $(,)? })+) => {$(
        impl Setting for $setting {
            fn read(value: &Value) -> Result<Self, Refused> {
                named(value, &[$(($name, Self::$variant)),+])
            }
        }
    )+};
}

named_settings! {
    SurvivabilityMode {
        "standard" => Standard,
        "always-emergency" => AlwaysEmergency,
        "ignore-register" => IgnoreRegister,
        "auto-answer-register" => AutoAnswerRegister,
        "table-in-normal" => TableInNormal,
    }
    Redundancy { "homing" => Homing, "parking" => Parking }
    Balancing { "none" => None, "round-robin" => RoundRobin, "srv-weight" => SrvWeight }
    Trust { "unknown" => Unknown, "pool" => Pool, "known" => Known, "verified" => Verified }
    EnteringEmergency { "requests" => Requests, "keepalive" => KeepAlive }
    DigestUri { "same-user" => SameUser, "equivalent" => Equivalent, "any" => Any }
    HomingLever { "silence" => Silence, "retry-after" => RetryAfter }
    CascadeLoop { "own-via" => OwnVia, "own-or-next-via" => OwnOrNextVia }
    OutOfDialogMiss { "not-found" => NotFound, "default-gateway" => DefaultGateway }
    BindingMode { "uri" => Uri, "user-part" => UserPart }
    InboundManipulation { "none" => None, "emergency" => Emergency }
    ChangedUri { "destination" => Destination, "source" => Source }
    Alternative { "no" => No, "ignore-inputs" => IgnoreInputs, "consider-inputs" => ConsiderInputs }
    RequestKind {
        "all" => All,
        "invite" => Invite,
        "register" => Register,
        "subscribe" => Subscribe,
        "invite-register" => InviteRegister,
        "invite-subscribe" => InviteSubscribe,
        "options" => Options,
    }
}

/// Settings that read a text of their own.
macro_rules! text_settings {
    ($($setting:ty),*) => {$(
        impl Setting for $setting {
            fn read(value: &Value) -> Result<Self, Refused> {
                let text = String::read(value)?;
                text.parse::<Self>().map_err(|error| Refused::new(value, error.to_string()))
            }
        }
    )*};
}

text_settings!(Pattern, HostPattern, Network);

impl Setting for Option<RouteTo> {
    fn read(value: &Value) -> Result<Self, Refused> {
        let parsed = String::read(value)?.parse::<RouteTo>();
        parsed.map(Some).map_err(|error| Refused::new(value, error.to_string()))
    }
}

impl Setting for Option<UriBuf> {
    fn read(value: &Value) -> Result<Self, Refused> {
        UriBuf::read(value).map(Some)
    }
}

impl Setting for Option<Secret> {
    fn read(value: &Value) -> Result<Self, Refused> {
        // What is wrong with a secret is no reason to print it.
        let refused =
            |reason: &dyn fmt::Display| Refused { value: "..".to_owned(), reason: reason.to_string() };
        let text = value.as_str().ok_or_else(|| refused(&"must be a string"))?;
        text.parse().map(Some).map_err(|error: SecretError| refused(&error))
    }
}

impl Setting for Option<Realm> {
    fn read(value: &Value) -> Result<Self, Refused> {
        String::read(value)?
            .parse()
            .map(Some)
            .map_err(|error: RealmError| Refused::new(value, error.to_string()))
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(value: &Value) -> Result<Self, Refused> {
        let members = value.as_array().ok_or_else(|| Refused::new(value, "must be a list: [..]"))?;
        members.iter().map(T::read).collect()
    }
}

/// A list that may be written without brackets if it has one member.
pub(crate) struct OneOrMore<T>(pub(crate) Vec<T>);

impl<T: Setting> Setting for OneOrMore<T> {
    fn read(value: &Value) -> Result<Self, Refused> {
        if value.is_array() { Vec::read(value).map(Self) } else { T::read(value).map(|one| Self(vec![one])) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_a_number_and_a_unit() {
        assert_eq!(span("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(span("4s"), Some(Duration::from_secs(4)));
        assert_eq!(span("5m"), Some(Duration::from_mins(5)));
        assert_eq!(span("1h"), Some(Duration::from_hours(1)));
        assert_eq!(span("0s"), Some(Duration::ZERO));
        for wrong in ["", "4", "s", "4 s", "-4s", "+4s", "1.5s", "4sec", "1h30m", "99999999999999999999s"] {
            assert_eq!(span(wrong), None, "{wrong:?}");
        }
        assert_eq!(span(&format!("{}h", u64::MAX)), None);
    }
}
