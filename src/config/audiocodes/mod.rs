//! Settings out of the ini file of an AudioCodes gateway (`sas.md` sections 5 and 6).
//!
//! Numbers count where the product's manuals call one value by several names (`sas.md` 13.1). What the file does not say has the default
//! of [`Settings`], not the product's. Whatever could not be mapped is in a list, with its line and the reason; a row of a table that can
//! only be had in part is left out as a whole, since half of its conditions would match more calls.
//!
//! ```
//! use sip_survivability::config::{Config, Settings};
//! let ini = r#"
//! [ SIP Params ]
//! EnableSAS = 1
//! SASDefaultGatewayIP = '192.0.2.9'
//! SASEmergencyNumbers = '911'
//! SASLocalSIPUDPPort = 5090
//! EnableSyslog = 1
//!
//! [ ProxyIp ]
//! FORMAT ProxyIp_Index = ProxyIp_IpAddress, ProxyIp_TransportType, ProxyIp_ProxySetId;
//! ProxyIp 0 = "pbx.example.com", 1, 0;
//! [ \ProxyIp ]
//! "#;
//! let imported = Settings::from_audiocodes_ini(ini)?;
//! assert_eq!(imported.settings.proxy_set.targets, ["sip:pbx.example.com;transport=tcp".parse()?]);
//! assert_eq!(imported.listen.udp, 5090);
//! assert_eq!(imported.unmapped[0].to_string(), "line 7: EnableSyslog: no parameter of survivability");
//!
//! let (config, _unmapped) = Config::from_audiocodes_ini(ini)?;
//! assert_eq!(config.gateways()[0].address, "192.0.2.9:5060".parse()?);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod parameters;
mod parse;
mod proxies;
mod tables;
#[cfg(test)]
mod tests;

use super::{Balancing, Config, ConfigError, InboundManipulation, ProxySet, Settings};
use crate::uri::{Host, UriBuf};
use parse::{Ini, Row, Table};
use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// What an ini file says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// The settings, not validated.
    pub settings: Settings,
    /// Where the product listens, which is the caller's to do here.
    pub listen: ListenPorts,
    /// What has no place in them, by line.
    pub unmapped: Vec<Unmapped>,
}

/// The ports of `SASLocalSIPUDPPort`, `SASLocalSIPTCPPort` and `SASLocalSIPTLSPort`. The product listens on all three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ListenPorts {
    /// Default: 5080.
    pub udp: u16,
    /// Default: 5080.
    pub tcp: u16,
    /// Default: 5081.
    pub tls: u16,
}

impl Default for ListenPorts {
    fn default() -> Self {
        Self { udp: 5080, tcp: 5080, tls: 5081 }
    }
}

/// Something in an ini file that is not in the settings.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unmapped {
    /// Its line, from 1.
    pub line: usize,
    /// The parameter, the table, the row (`IP2IPRouting 3`) or the column of a row (`ProxySet 0 SRD`).
    pub name: String,
    /// Its value as written. None where the name is not known here: it may be a password.
    pub value: Option<String>,
    /// Why.
    pub reason: Cow<'static, str>,
}

impl fmt::Display for Unmapped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: {}", self.line, self.name)?;
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.reason)
    }
}

/// A text that is no ini file, or a table in it that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
#[non_exhaustive]
pub struct IniError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong.
    pub kind: IniErrorKind,
}

/// What is wrong with an ini file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IniErrorKind {
    /// More than 1 MiB.
    #[error("the file has more than 1 MiB")]
    TooLarge,
    /// More than 16 KiB.
    #[error("the line has more than 16 KiB")]
    LongLine,
    /// A control character.
    #[error("this is not text; an encoded ini file has to be decoded first")]
    NotText,
    /// More than 128 columns or values.
    #[error("more than 128 columns")]
    ManyColumns,
    /// More than 1,000 rows.
    #[error("the table has more than 1000 rows")]
    ManyRows,
    /// Its FORMAT line has not come.
    #[error("a row without the FORMAT line of its table above it")]
    RowWithoutFormat,
    /// Not one number between the name of the table and the `=`.
    #[error("a row needs its index, such as 0, between the name of its table and the =")]
    NoIndex,
    /// The index has come already.
    #[error("a row of this index stands above")]
    RowTwice,
    /// The FORMAT line has come already.
    #[error("this table stands above already")]
    TableTwice,
    /// A row of another width than its table.
    #[error("the FORMAT line names {columns} columns, and the row has {values} values")]
    Values {
        /// Those that the FORMAT line names.
        columns: usize,
        /// Those that the row has.
        values: usize,
    },
    /// A quote that does not end in its line.
    #[error("a quote without its end")]
    OpenQuote,
    /// Something behind a quote.
    #[error("something stands behind a quote that is no comma and no semicolon")]
    BehindQuote,
}

impl IniErrorKind {
    const fn at(self, line: usize) -> IniError {
        IniError { line, kind: self }
    }
}

/// Why there is no [`Config`] in an ini file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// It cannot be read.
    #[error(transparent)]
    Ini(#[from] IniError),
    /// What it says could not work here.
    #[error(transparent)]
    Config(#[from] ConfigError),
}

impl Config {
    /// The configuration that an AudioCodes ini file describes, and what of the file is not in it: see [`audiocodes`](self).
    ///
    /// # Errors
    /// The file cannot be read, or what it says could not work here.
    pub fn from_audiocodes_ini(text: &str) -> Result<(Self, Vec<Unmapped>), ImportError> {
        let Imported { settings, unmapped, .. } = Settings::from_audiocodes_ini(text)?;
        Ok((settings.validate()?, unmapped))
    }
}

impl Settings {
    /// The settings that an AudioCodes ini file describes, not validated: see [`audiocodes`](self).
    ///
    /// # Errors
    /// The text is no ini file, or a table that is needed cannot be read.
    pub fn from_audiocodes_ini(text: &str) -> Result<Imported, IniError> {
        let ini = parse::parse(text, &tables::WANTED)?;
        let mut draft = Draft::default();
        parameters::apply(&mut draft, &ini);
        tables::apply(&mut draft, &ini);
        draft.join_inbound_manipulation();
        draft.join_proxy_set();
        draft.list_unknown(&ini);
        let Draft { settings, listen, mut unmapped, .. } = draft;
        unmapped.sort_by_key(|unmapped| unmapped.line);
        Ok(Imported { settings, listen, unmapped })
    }
}

/// The longest name of a parameter.
const MAX_NAME: usize = 64;

/// Why a value has no place here.
type Reason = Cow<'static, str>;

/// What has been read so far.
#[derive(Default)]
struct Draft {
    settings: Settings,
    listen: ListenPorts,
    /// `SASProxySet`.
    proxy_set: u32,
    /// `RedundantSASProxySet`, with its line.
    redundant: Option<(usize, u32)>,
    /// The line of `SASInboundManipulationMode`, if that is on.
    manipulates: Option<usize>,
    unmapped: Vec<Unmapped>,
}

impl Draft {
    fn leave_out(
        &mut self,
        line: usize,
        name: impl Into<String>,
        value: Option<&str>,
        reason: impl Into<Reason>,
    ) {
        let (name, value, reason) = (name.into(), value.map(str::to_owned), reason.into());
        self.unmapped.push(Unmapped { line, name, value, reason });
    }

    fn leave_out_row(&mut self, table: &Table<'_>, index: u32, row: &Row<'_>, reason: impl Into<Reason>) {
        self.leave_out(row.line, format!("{} {index}", table.name), Some(row.written), reason);
    }

    /// Rules without the mode that uses them are refused by validation, and so is the mode without rules.
    fn join_inbound_manipulation(&mut self) {
        match (self.manipulates, self.settings.inbound_manipulation_rules.is_empty()) {
            (Some(_), false) => self.settings.sas.inbound_manipulation = InboundManipulation::Emergency,
            (Some(line), true) => {
                let reason = "there is no row of IPInboundManipulation for it";
                self.leave_out(line, "SASInboundManipulationMode", Some("1"), reason);
            }
            (None, _) => {}
        }
    }

    /// What says nothing in the product is refused by validation: a count of sends without hot swap, and a spread over one proxy.
    fn join_proxy_set(&mut self) {
        let set = &mut self.settings.proxy_set;
        if !set.hot_swap {
            set.hot_swap_retransmissions = ProxySet::default().hot_swap_retransmissions;
        }
        if set.targets.len() < 2 {
            set.balancing = Balancing::None;
        }
    }

    /// Lists the tables and lines that mean nothing here.
    fn list_unknown(&mut self, ini: &Ini<'_>) {
        for table in &ini.foreign {
            self.leave_out(table.line, table.name, None, "no table of survivability");
        }
        for (line, text) in &ini.unread {
            // A name, and nothing that may be a part of a password.
            let word = text.split([' ', '\t', '=']).next().unwrap_or_default();
            let is_name = word.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
            let name = if is_name && word.len() <= MAX_NAME { word } else { ".." };
            self.leave_out(*line, name, None, "neither a parameter nor a row of a table");
        }
    }
}

/// `0` or `1`.
fn flag(value: &str) -> Result<bool, Reason> {
    match value {
        "0" => Ok(false),
        "1" => Ok(true),
        _ => Err("must be 0 or 1".into()),
    }
}

fn number<T: FromStr + PartialOrd + fmt::Display>(
    value: &str,
    range: RangeInclusive<T>,
) -> Result<T, Reason> {
    let number = value.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("must be a number from {} to {}", range.start(), range.end()).into())
}

/// The SIP URI of `address`, a host with a port or without, and of a transport by its number.
fn target(address: &str, transport: Option<&str>) -> Result<UriBuf, Reason> {
    let wrong = || Reason::from("must be an IP address or a host name, with a port or without");
    // An IPv6 address may come without the brackets that a URI needs.
    let address = match address.parse::<std::net::Ipv6Addr>() {
        Ok(ip) => Cow::Owned(format!("[{ip}]")),
        Err(_) => Cow::Borrowed(address),
    };
    let transport = match transport {
        None | Some("-1") => "",
        // RFC 3263 4.1: without it, a name would be asked for its transports.
        Some("0") if !is_address(&address) => ";transport=udp",
        Some("0") => "",
        Some("1") => ";transport=tcp",
        Some("2") => ";transport=tls",
        Some(_) => return Err("must have a transport from -1 to 2".into()),
    };
    let is_plain =
        address.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'));
    if !is_plain {
        return Err(wrong());
    }
    let uri: UriBuf = format!("sip:{address}{transport}").parse().map_err(|_| wrong())?;
    if uri.as_uri().user().is_some() || uri.as_uri().host().is_none() { Err(wrong()) } else { Ok(uri) }
}

/// Whether a host, and a port if there is one, is an IP address rather than a name.
fn is_address(text: &str) -> bool {
    let uri = format!("sip:{text}").parse::<UriBuf>();
    uri.is_ok_and(|uri| !matches!(uri.as_uri().host(), Some(Host::Name(_)) | None))
}
