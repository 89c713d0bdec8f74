//! Law 1: all state change happens in `handle`; actions that are dropped are lost packets and nothing worse.

use crate::hold;
use crate::life::{Site, life};

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
        lived.comes_home();
    });
}
