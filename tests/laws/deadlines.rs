//! Law 4: after a tick at its time no deadline is due; a tick too early does nothing; time that runs backwards is
//! clamped. The network itself fails any run in which a tick leaves a deadline due.

use crate::hold;
use crate::life::life;
use crate::support::*;
use sip_survivability::time::Instant;
use sip_survivability::{Actions, Event};

#[test]
fn a_tick_too_early_does_nothing() {
    hold(48, life(30, 10), |life| {
        life.live(|_, lived| {
            let (sas, now) = (lived.branch.sas, lived.branch.net.now());
            lived.branch.net.act(sas, |sas, _| {
                let core = sas.core_mut();
                let due = core.next_timeout();
                if due.is_some_and(|due| due > now) {
                    assert_eq!(core.handle(now, Event::Tick), Actions::new(), "a tick before its time");
                    let past = Instant::ZERO + (now - Instant::ZERO) / 2;
                    assert_eq!(core.handle(past, Event::Tick), Actions::new(), "a tick in the past");
                    assert_eq!(core.next_timeout(), due, "the deadline moved");
                }
            });
        });
    });
}

#[test]
fn a_core_that_slept_wakes_able() {
    // A host that sleeps: the core hears nothing, then everything at once.
    hold(48, (life(20, 10), 1..200_000_u64), |(life, late)| {
        let mut lived = life.live(|_, _| {});
        lived.branch.net.freeze(lived.branch.sas);
        lived.branch.net.run_for(millis(*late));
        lived.branch.net.thaw(lived.branch.sas);
        lived.recover();
        lived.branch.net.run_for(secs(30));
        let call = lived.branch.dial(lived.branch.alice(), "911");
        lived.branch.until(lived.branch.alice(), call, CallState::Up, secs(2));
    });
}
