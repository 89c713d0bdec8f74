//! The laws of the library, held against random lives of a branch: calls, registrations, cuts, crashes and rubbish on
//! bad lines.
//!
//! A failure prints the life that led to it, shrunk, and the end of its trace. The lives are the same ones each time;
//! to search on, choose others and more of them:
//!
//! ```text
//! PROPTEST_RNG_SEED=7 PROPTEST_CASES=2000 cargo test --test laws
//! ```

#![allow(
    unreachable_pub,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::wildcard_enum_match_arm,
    reason = "a test may"
)]

mod bounds;
mod deadlines;
mod determinism;
mod inert;
mod infallible;
mod life;
mod reload;
mod streams;
#[path = "../support/mod.rs"]
mod support;
mod survival;

use proptest::strategy::Strategy;
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use std::cell::Cell;
use std::fmt::Debug;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

/// Holds a law against so many values. What it says of the simplest value that breaks it is the failure's message; the
/// many tries of shrinking say nothing.
#[track_caller]
fn hold<S: Strategy>(cases: u32, values: S, law: impl Fn(&S::Value))
where
    S::Value: Debug,
{
    let environment = Config::default();
    let cases = if environment.cases == 256 { cases } else { environment.cases };
    let rng_seed = match environment.rng_seed {
        RngSeed::Random => RngSeed::Fixed(1),
        fixed => fixed,
    };
    let config = Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 500, ..environment };
    let broken = TestRunner::new(config).run(&values, |value| {
        let outcome = quietly(|| panic::catch_unwind(AssertUnwindSafe(|| law(&value))));
        outcome.map_err(|payload| {
            let text = payload.downcast_ref::<String>().cloned();
            let text = text.or_else(|| payload.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            TestCaseError::fail(text.unwrap_or_default())
        })
    });
    match broken {
        Ok(()) => {}
        Err(TestError::Fail(reason, value)) => panic!("{reason}\nThe law is broken by {value:#?}"),
        Err(TestError::Abort(reason)) => panic!("{reason}"),
    }
}

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Runs `f` without the message that a panic prints.
fn quietly<R>(f: impl FnOnce() -> R) -> R {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !QUIET.get() {
                usual(panic);
            }
        }));
    });
    QUIET.set(true);
    let result = f();
    QUIET.set(false);
    result
}
