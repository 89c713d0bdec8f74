//! A ring of three SASes (`sas.md` section 8): what one does not know the next may, and what has come round goes to the gateway of
//! the first.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may")]

mod support;

use sip_survivability::config::{Settings, SurvivabilityMode};
use support::*;

const SAS: [&str; 3] = ["10.1.0.1:5080", "10.2.0.1:5080", "10.3.0.1:5080"];
const GATEWAY: [&str; 3] = ["10.1.0.9:5060", "10.2.0.9:5060", "10.3.0.9:5060"];
const PHONE: [&str; 3] = ["10.1.0.11:5060", "10.2.0.11:5060", "10.3.0.11:5060"];
const USERS: [&str; 3] = ["alice", "bob", "carol"];

struct Ring {
    net: Net,
    sas: Vec<Handle<SasNode>>,
    gateways: Vec<Handle<PstnGateway>>,
    phones: Vec<Handle<Phone>>,
}

fn ring() -> Ring {
    let mut net = Net::new(1);
    let (mut sas, mut gateways, mut phones) = (Vec::new(), Vec::new(), Vec::new());
    for i in 0..3 {
        let mut settings = Settings::default();
        settings.domains = vec!["office.example".to_owned()];
        settings.sas.survivability_mode = SurvivabilityMode::AlwaysEmergency;
        settings.sas.default_gateway = vec![format!("sip:{}", GATEWAY[i]).parse().unwrap()];
        settings.sas.redundant_sas = Some(format!("sip:{}", SAS[(i + 1) % 3]).parse().unwrap());
        settings.sas.registration_time = secs(3600);
        let (here, seed) = (at(SAS[i]), [i as u8; 32]);
        let node = SasNode::new(settings.validate().unwrap(), seed, net.now(), here);
        sas.push(net.add(&format!("sas{i}"), here, node));
        let gateway = at(GATEWAY[i]);
        gateways.push(net.add(&format!("gateway{i}"), gateway, PstnGateway::new(gateway, here)));
        let phone = at(PHONE[i]);
        phones.push(net.add(USERS[i], phone, Phone::new(USERS[i], "office.example", phone, here)));
    }
    for phone in phones.clone() {
        net.act(phone, |phone, io| phone.register(io));
    }
    let all = phones.clone();
    net.drive_until("all are registered", secs(60), |net| {
        all.iter().all(|phone| net.node(*phone).is_registered(net.now()))
    });
    Ring { net, sas, gateways, phones }
}

impl Ring {
    /// Alice calls `number`, talks and hangs up.
    fn call(&mut self, number: &str) {
        let alice = self.phones[0];
        let call = self.net.act(alice, |alice, io| alice.dial(io, number));
        self.net.drive_until("they talk", secs(10), |net| net.node(alice).call(call).is_up());
        self.net.act(alice, |alice, io| alice.hang_up(io, call));
        self.net.drive_until("it is over", secs(10), |net| net.node(alice).call(call).is_over());
        let over = self.net.node(alice).call(call).state();
        assert_eq!(over, CallState::Ended(End::HungUp(Some(200))));
    }

    fn dialled(&self) -> Vec<usize> {
        self.gateways.iter().map(|gateway| self.net.node(*gateway).dialled().len()).collect()
    }
}

#[test]
fn a_user_of_the_next_or_the_next_but_one_is_found() {
    let mut ring = ring();
    for user in ["bob", "carol"] {
        ring.call(user);
    }
    assert_eq!(ring.dialled(), [0, 0, 0]);
}

#[test]
fn what_nobody_knows_comes_round_and_goes_to_the_gateway_of_the_first() {
    let mut ring = ring();
    ring.call("5551234");
    assert_eq!(ring.dialled(), [1, 0, 0]);
    assert_eq!(ring.net.node(ring.gateways[0]).dialled(), ["5551234"]);
}

#[test]
fn with_the_next_one_gone_the_first_takes_its_own_gateway() {
    let mut ring = ring();
    ring.net.cut(ring.sas[1]);
    ring.call("5559999");
    assert_eq!(ring.dialled(), [1, 0, 0]);
}
