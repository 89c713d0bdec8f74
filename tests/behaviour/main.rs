//! The library's behaviour: `Sas` as a box, driven by datagrams in virtual time. Each test is named after the rule that
//! it holds.

mod cancel;
mod dialog;
mod emergency;
mod fork;
mod forward;
mod hostile;
mod register;
mod rescue;
mod rig;
mod several;
mod transaction;
