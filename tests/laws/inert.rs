//! Law 1: all state change happens in `handle`; actions that are dropped are lost packets and nothing worse.

use crate::hold;
use crate::life::{Site, life};
use crate::support::*;
use sip_survivability::mode::State;

#[test]
fn dropped_actions_are_lost_packets() {
    hold(32, (life(30, 5), 10..=100_u32), |(life, dropped_percent)| {
        let mut lived = life.begin();
        let sas = lived.branch.sas;
        lived.branch.net.act(sas, |sas, _| sas.send_nothing = f64::from(*dropped_percent) / 100.0);
        for step in &life.steps {
            lived.take(step);
        }
        lived.branch.net.act(sas, |sas, _| sas.send_nothing = 0.0);
        lived.recover();
        if life.site == Site::AlwaysEmergency {
            return;
        }
        // The longest dwell is five minutes, and a phone tries again each ten seconds.
        lived.branch.until_state(State::Normal, secs(330));
        lived.branch.net.run_for(secs(60));
        let (alice, bob) = (lived.branch.alice(), lived.branch.bob());
        lived.branch.net.act(bob, |bob, io| bob.register(io));
        lived.branch.net.run_for(secs(40));
        let call = lived.branch.talk(alice, "bob");
        lived.branch.hang_up(alice, call);
        lived.branch.until(alice, call, CallState::Ended(End::HungUp(Some(200))), secs(2));
    });
}
