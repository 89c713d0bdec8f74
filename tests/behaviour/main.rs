//! The library's behaviour: `Sas` as a box, driven by datagrams in virtual time. Each test is named after the rule that
//! it holds.

#[cfg(test)]
mod attacks;
#[cfg(test)]
mod auth;
#[cfg(test)]
mod cancel;
#[cfg(test)]
mod dialog;
#[cfg(test)]
mod emergency;
#[cfg(test)]
mod enumber;
#[cfg(test)]
mod fork;
#[cfg(test)]
mod forward;
#[cfg(test)]
mod gruu;
#[cfg(test)]
mod homing;
#[cfg(test)]
mod hostile;
#[cfg(test)]
mod modes;
#[cfg(test)]
mod names;
#[cfg(test)]
mod outbound;
#[cfg(test)]
mod pains;
#[cfg(test)]
mod proxy_set;
#[cfg(test)]
mod register;
#[cfg(test)]
mod reload;
#[cfg(test)]
mod rescue;
#[cfg(test)]
mod rig;
mod ringing;
#[cfg(test)]
mod routes;
#[cfg(test)]
mod several;
#[cfg(test)]
mod store;
#[cfg(test)]
mod storm;
#[cfg(test)]
mod streams;
#[cfg(test)]
mod streams_out;
#[cfg(test)]
mod transaction;
#[cfg(test)]
mod trust;
