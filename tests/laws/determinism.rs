//! Law 6: the same configuration, seed and events give the same actions, byte for byte.

use crate::hold;
use crate::life::{Life, life};
use crate::support::branch::sas_seed;
use sip_survivability::journal::{Reader, Told, Writer};
use sip_survivability::{Action, Notice, Sas, time::Instant};

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
        let lived_through = node.journal.as_ref().unwrap();
        let mut file = Vec::new();
        let mut journal = Writer::start(sas_seed(life.seed), "", Instant::ZERO, &mut file);
        lived_through.iter().for_each(|handled| journal.append(handled.now, &handled.event, &mut file));

        let mut again = Sas::replay(lived.branch.config().clone(), Reader::open(&file).unwrap());
        for (number, handled) in lived_through.iter().enumerate() {
            let step = again.next().unwrap().unwrap();
            assert_eq!(
                (step.at, step.told),
                (handled.now, Told::Event(handled.event.clone())),
                "event {number}"
            );
            assert_eq!(step.actions, handled.actions, "event {number} at {:?}", handled.now);
        }
        assert!(again.next().is_none());
        assert_eq!(again.sas().next_timeout(), node.core().next_timeout());
        assert_eq!(again.sas().state(), node.state());
    });
}

/// However often it comes: only a configuration that is another one changes anything.
#[test]
fn the_same_configuration_once_more_changes_nothing() {
    hold(24, life(40, 10), |life| {
        let lived = life.live(|_, _| {});
        let node = lived.branch.net.node(lived.branch.sas);
        let config = lived.branch.config();
        let mut again = Sas::new(config.clone(), sas_seed(life.seed), Instant::ZERO);
        for (number, handled) in node.journal.as_ref().unwrap().iter().enumerate() {
            let reloaded: Vec<_> =
                again.reconfigure(handled.now, config.clone()).unwrap().into_iter().collect();
            assert_eq!(reloaded, [Action::Notify(Notice::Reconfigured)], "before event {number}");
            let actions = again.handle(handled.now, handled.event.clone());
            assert_eq!(actions, handled.actions, "event {number} at {:?}", handled.now);
        }
        assert_eq!(again.next_timeout(), node.core().next_timeout());
    });
}
