//! The registrar by its rules (RFC 3261 10.3, RFC 3327, RFC 5626, `sas.md` 2.1, 3.4 and 7), and against a plain model.

#[cfg(test)]
mod expiry;
#[cfg(test)]
mod limits;
#[cfg(test)]
mod lookup;
#[cfg(test)]
mod model;
#[cfg(test)]
mod record;
#[cfg(test)]
mod reginfo;
#[cfg(test)]
mod register;
#[cfg(test)]
mod support;
