//! The test purposes of ETSI TS 102 027-2 for a registrar and a proxy: a test for each, named after it, driven by datagrams.
//!
//! The catalogue beside the project has of each purpose its id and the section that it rests on; what a purpose asks in particular is
//! taken from that section. What cannot apply stands in `catalogue.rs` with the reason, and a test there holds both lists against the
//! catalogue.

/// Purposes that ask the same of different messages: `name: check(arguments);`.
#[cfg(test)]
macro_rules! purposes {
    ($($name:ident: $check:ident($($argument:expr),* $(,)?);)*) => {
        $(
            #[test]
            fn $name() {
                $check($($argument),*);
            }
        )*
    };
}

#[cfg(test)]
mod catalogue;
#[cfg(test)]
mod client;
#[cfg(test)]
mod general;
#[cfg(test)]
mod options;
#[cfg(test)]
mod registrar;
#[cfg(test)]
mod request;
#[cfg(test)]
mod response;
#[cfg(test)]
#[path = "../behaviour/rig.rs"]
#[allow(dead_code, reason = "other tests use the rest")]
mod rig;
#[cfg(test)]
mod server;
#[cfg(test)]
mod support;
