//! Law 6: the same configuration, seed and events give the same actions, byte for byte.

use crate::hold;
use crate::life::{Life, life};
use crate::support::branch::sas_seed;
use sip_survivability::{Sas, time::Instant};

fn digest(life: &Life) -> u64 {
    life.live(|_, _| {}).branch.net.trace().digest()
}

#[test]
fn one_life_is_the_same_each_time() {
    hold(24, life(40, 10), |life| assert_eq!(digest(life), digest(life)));
}

#[test]
fn a_journal_replays_byte_for_byte() {
    hold(24, life(40, 10), |life| {
        let lived = life.live(|_, _| {});
        let node = lived.branch.net.node(lived.branch.sas);
        let mut again = Sas::new(lived.branch.config().clone(), sas_seed(life.seed), Instant::ZERO);
        for (number, handled) in node.journal.as_ref().unwrap().iter().enumerate() {
            let actions = again.handle(handled.now, handled.event.clone());
            assert_eq!(actions, handled.actions, "event {number} at {:?}", handled.now);
        }
        assert_eq!(again.next_timeout(), node.core().next_timeout());
        assert_eq!(again.state(), node.state());
    });
}
