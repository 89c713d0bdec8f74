//! Lives in which the configuration changes: nobody is lost for it, everybody is answered, and it can be lived through again.

use crate::hold;
use crate::life::{Life, Lived, Site, life};
use crate::support::branch::{self, sas_seed};
use crate::survival::ensure_all_answered_once;
use proptest::prelude::*;
use proptest::sample::Index;
use sip_survivability::config::{BindingMode, Config};
use sip_survivability::journal::{Reader, Told, Writer};
use sip_survivability::time::Instant;
use sip_survivability::{Action, Notice, Sas};

/// Nobody is there.
const NOBODY: &str = "192.0.2.200:5060";

/// Another configuration.
#[derive(Clone, Copy, Debug)]
struct Change {
    site: Site,
    /// Whether there is a proxy before the usual one, and whether the usual one is there.
    proxies: (bool, bool),
    has_domain: bool,
    by_user: bool,
    short_numbers: bool,
}

const USUAL: Change = Change {
    site: Site::Defaults,
    proxies: (false, true),
    has_domain: true,
    by_user: false,
    short_numbers: false,
};

impl Change {
    fn config(self) -> Config {
        let mut settings = branch::settings();
        self.site.tune(&mut settings);
        let uri = |at: &str| format!("sip:{at}").parse().unwrap();
        match self.proxies {
            (false, _) => {}
            (true, true) => settings.proxy_set.targets.insert(0, uri(NOBODY)),
            (true, false) => settings.proxy_set.targets = vec![uri(NOBODY)],
        }
        if !self.has_domain {
            settings.domains.clear();
        }
        if self.by_user {
            settings.sas.binding_mode = BindingMode::UserPart;
        }
        if self.short_numbers {
            settings.registration_manipulation.leave_from_right = 3;
        }
        settings.validate().unwrap()
    }

    /// Reloads it.
    fn happen(self, lived: &mut Lived) {
        let sas = lived.branch.sas;
        let bound = |lived: &Lived| lived.branch.net.node(sas).core().registrar().len();
        let before = bound(lived);
        lived.branch.net.act(sas, |sas, io| sas.reconfigure(io, self.config()));
        // What waits for the proxy may be served here now: that is its phone's own wish.
        let told = lived.branch.net.node(sas).reloads.last().map(|reload| &reload.actions);
        let count = |is_it: fn(&Notice) -> bool| {
            let notices = told.into_iter().flatten().filter(|action| match action {
                Action::Notify(notice) => is_it(notice),
                _ => false,
            });
            notices.count()
        };
        let came = count(|notice| matches!(notice, Notice::UserBound(_)));
        let left = count(|notice| matches!(notice, Notice::UserUnbound(_)));
        assert_eq!(bound(lived) + left, before + came, "bindings behind {self:?}");
    }
}

fn change() -> impl Strategy<Value = Change> {
    let site = prop::sample::select(vec![
        Site::Defaults,
        Site::KeepAliveOnly,
        Site::RequestsOnly,
        Site::AlwaysEmergency,
    ]);
    (site, any::<(bool, bool)>(), any::<(bool, bool, bool)>()).prop_map(
        |(site, proxies, (has_domain, by_user, short_numbers))| Change {
            site,
            proxies,
            has_domain,
            by_user,
            short_numbers,
        },
    )
}

/// A life, and changes before some of its steps.
fn changing(bad: u32) -> impl Strategy<Value = (Life, Vec<(Index, Change)>)> {
    (life(40, bad), prop::collection::vec((any::<Index>(), change()), 1..6))
}

fn live(life: &Life, changes: &[(Index, Change)]) -> Lived {
    let mut lived = life.begin();
    for (number, step) in life.steps.iter().enumerate() {
        let due = changes.iter().filter(|(at, _)| at.index(life.steps.len()) == number);
        due.for_each(|(_, change)| change.happen(&mut lived));
        lived.take(step);
    }
    USUAL.happen(&mut lived);
    lived
}

#[test]
fn every_request_gets_one_final_response_whatever_is_reloaded() {
    hold(64, changing(5), |(life, changes)| ensure_all_answered_once(&mut live(life, changes)));
}

#[test]
fn after_any_reloads_the_branch_comes_home() {
    hold(32, changing(5), |(life, changes)| {
        let mut lived = live(life, changes);
        lived.recover();
        lived.comes_home();
    });
}

#[test]
fn a_journal_with_reloads_replays_byte_for_byte() {
    hold(24, changing(10), |(life, changes)| {
        let lived = live(life, changes);
        let node = lived.branch.net.node(lived.branch.sas);
        let (handled, reloads) = (node.journal.as_ref().unwrap(), &node.reloads);
        let (mut file, mut did) = (Vec::new(), Vec::new());
        let mut journal = Writer::start(sas_seed(life.seed), "", Instant::ZERO, &mut file);
        for place in 0..=handled.len() {
            for (number, reload) in reloads.iter().enumerate().filter(|(_, reload)| reload.behind == place) {
                journal.reconfigured(reload.now, &number.to_string(), &mut file);
                did.push(&reload.actions);
            }
            if let Some(handled) = handled.get(place) {
                journal.append(handled.now, &handled.event, &mut file);
                did.push(&handled.actions);
            }
        }
        let config = |about: &str| Some(reloads[about.parse::<usize>().ok()?].config.clone());
        let first = lived.branch.config().clone();
        let mut again = Sas::replay_with(first, Reader::open(&file).unwrap(), config);
        for (number, did) in did.into_iter().enumerate() {
            let step = again.next().unwrap().unwrap();
            assert_eq!(&step.actions, did, "step {number}, {:?}", step.told);
            let is_reload = matches!(step.told, Told::Reconfigured(_));
            let first = step.actions.iter().next();
            assert_eq!(is_reload, first == Some(&Action::Notify(Notice::Reconfigured)));
        }
        assert!(again.next().is_none());
        assert_eq!(again.sas().next_timeout(), node.core().next_timeout());
    });
}
