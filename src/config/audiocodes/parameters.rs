//! The parameters that stand alone (`sas.md` section 5).

use super::parse::{Ini, Parameter, value};
use super::{Draft, Reason, flag, number, proxies, target};
use crate::config::{BindingMode, EnteringEmergency, NumberMapping, SurvivabilityMode};
use std::collections::BTreeMap;
use std::time::Duration;

/// What an unknown parameter is told.
const UNKNOWN: Reason = Reason::Borrowed("no parameter of survivability");

/// Takes all of them. Of one that stands there several times, the last one counts.
pub(super) fn apply(draft: &mut Draft, ini: &Ini<'_>) {
    let mut last: BTreeMap<String, &Parameter<'_>> = BTreeMap::new();
    for parameter in &ini.parameters {
        let name = parameter.name.to_ascii_lowercase();
        let line = parameter.line;
        if let Some(earlier) = last.insert(name, parameter) {
            let reason = format!("stands there again in line {line}, and that counts");
            draft.leave_out(earlier.line, earlier.name, None, reason);
        }
    }
    for (name, parameter) in last {
        let value = value(parameter.written).map_err(|error| Reason::from(error.to_string()));
        let outcome = value.and_then(|value| set(draft, &name, value, parameter.line));
        if let Err(reason) = outcome {
            let written = (reason != UNKNOWN).then_some(parameter.written);
            draft.leave_out(parameter.line, parameter.name, written, reason);
        }
    }
}

/// `name`: in small letters.
fn set(draft: &mut Draft, name: &str, value: &str, line: usize) -> Result<(), Reason> {
    let sas = &mut draft.settings.sas;
    match name {
        "enablesas" => {
            if !flag(value)? {
                return Err("survivability was off there, and is on with these settings".into());
            }
        }
        "saslocalsipudpport" => draft.listen.udp = number(value, 1..=65_534)?,
        "saslocalsiptcpport" => draft.listen.tcp = number(value, 1..=65_534)?,
        "saslocalsiptlsport" => draft.listen.tls = number(value, 1..=65_534)?,
        "sasdefaultgatewayip" => {
            if value.is_empty() {
                return Err("the gateway in the product itself: sas.default_gateway has to name it".into());
            }
            sas.default_gateway = vec![target(value, None)?];
        }
        "sasregistrationtime" => sas.registration_time = Duration::from_secs(number(value, 0..=2_000_000)?),
        "sassurvivabilitymode" => {
            // By number: a manual calls 2 by the name of 1 (sas.md 13.1).
            sas.survivability_mode = match number(value, 0..=4)? {
                0 => SurvivabilityMode::Standard,
                1 => SurvivabilityMode::AlwaysEmergency,
                2 => SurvivabilityMode::IgnoreRegister,
                3 => SurvivabilityMode::AutoAnswerRegister,
                _ => SurvivabilityMode::TableInNormal,
            };
        }
        "sasenteringemergencymode" => {
            let by_requests = flag(value)?;
            sas.entering_emergency =
                if by_requests { EnteringEmergency::Requests } else { EnteringEmergency::KeepAlive };
        }
        "sasbindingmode" => {
            sas.binding_mode = if flag(value)? { BindingMode::UserPart } else { BindingMode::Uri };
        }
        "sasemergencynumbers" => {
            let numbers = value.split([',', ' ']).filter(|number| !number.is_empty());
            sas.emergency_numbers = numbers.map(str::to_owned).collect();
        }
        "sasemergencyprefix" => value.clone_into(&mut sas.emergency_prefix),
        "sasblockunregusers" => sas.block_unregistered = flag(value)?,
        "sassubscriberesponse" => sas.subscribe_response = number(value, 200..=699)?,
        "sasenablerecordroute" => sas.record_route = flag(value)?,
        "sasconnectionreuse" => sas.connection_reuse = flag(value)?,
        "sasenablecontactreplace" => not_yet(!flag(value)?)?,
        "sasenableenum" => {
            // The domain that all numbers are in, RFC 6116 3.2.
            sas.number_mapping = flag(value)?.then(|| NumberMapping::new("e164.arpa".to_owned()));
        }
        "sasinboundmanipulationmode" => draft.manipulates = flag(value)?.then_some(line),
        "sasproxyset" => draft.proxy_set = number(value, 0..=u32::MAX)?,
        "redundantsasproxyset" => {
            draft.redundant = if value == "-1" { None } else { Some((line, number(value, 0..=u32::MAX)?)) };
        }
        "sasshortnumberlength" => {
            if value != "0" {
                return Err("obsolete: SASRegistrationManipulation says it since firmware 5.8".into());
            }
        }
        // Of proxy set 0, where the firmware has no table ProxySet.
        other => proxies::set(&mut draft.settings.proxy_set, other, value).unwrap_or(Err(UNKNOWN))?,
    }
    Ok(())
}

/// What has no key here, unless the value asks for what is done anyway.
pub(super) fn not_yet(is_done: bool) -> Result<(), Reason> {
    if is_done { Ok(()) } else { Err("there is no key for it yet".into()) }
}
