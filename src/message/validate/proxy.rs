//! What a proxy looks at before it forwards: RFC 3261 16.3 steps 1 to 5, and RFC 5393.

use super::server::unknown_tags;
use super::{Check, Fault};
use crate::headers::Method;
use crate::headers::field::{Field, MaxBreadth, ProxyRequire};
use crate::uri::{Scheme, Uri};

/// Step 1: what the other steps look at is well-formed. None of them speaks before.
pub(super) fn components(check: &Check<'_>) -> Result<(), Fault> {
    let request = check.request;
    check.request.max_forwards()?;
    if check.asks_by(ProxyRequire::NAME) {
        request.each::<ProxyRequire>().try_for_each(|tag| tag.map(drop))?;
    }
    if check.asks_by(MaxBreadth::NAME) {
        request.typed::<MaxBreadth>()?;
    }
    Ok(())
}

/// Step 2, and 8.2.2.1 for servers.
pub(super) fn scheme(check: &Check<'_>) -> Result<(), Fault> {
    let scheme = match check.read.uri.as_ref().map(Uri::scheme) {
        Ok(Scheme::Sip) => "sip",
        Ok(Scheme::Sips) => "sips",
        Ok(Scheme::Tel) => "tel",
        Ok(Scheme::Other(name)) => name,
        Err(_) => check.request.uri_str().split(':').next().unwrap_or_default(),
    };
    let is_it = |known: &&str| *known == scheme || known.eq_ignore_ascii_case(scheme);
    let knows = check.rules.schemes.iter().any(is_it);
    if knows { Ok(()) } else { Err(Fault::new(416)) }
}

/// Step 3. "If the request was for OPTIONS, the element MAY act as the final recipient".
pub(super) fn hops(check: &Check<'_>) -> Result<(), Fault> {
    let is_spent = check.request.max_forwards()? == Some(0);
    let (rules, method) = (check.rules, check.request.method());
    let is_for_us = (rules.is_final_recipient && method == Method::Options)
        || (rules.is_registrar && method == Method::Register);
    if is_spent && !is_for_us { Err(Fault::new(483)) } else { Ok(()) }
}

/// Step 4. A CANCEL goes no further than the request that it cancels (16.10).
pub(super) fn loops(check: &Check<'_>) -> Result<(), Fault> {
    let looped = check.rules.seen_before.filter(|_| check.request.method() != Method::Cancel);
    if looped.is_some_and(|test| test(check.request)) { Err(Fault::new(482)) } else { Ok(()) }
}

/// Step 5.
pub(super) fn extensions(check: &Check<'_>) -> Result<(), Fault> {
    unknown_tags::<ProxyRequire>(check)
}

/// RFC 5393 5.3.3: too little breadth for even one branch.
pub(super) fn breadth(check: &Check<'_>) -> Result<(), Fault> {
    if check.asks_by(MaxBreadth::NAME) && check.request.typed::<MaxBreadth>()?.get() == 0 {
        Err(Fault::new(440))
    } else {
        Ok(())
    }
}
