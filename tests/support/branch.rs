//! The usual branch: phones, SAS and gateway on one LAN, the PBX across a WAN.
//!
//! ```text
//!  alice 10.1.0.11 --+
//!  bob   10.1.0.12 --+-- SAS 10.1.0.1:5080 ---- WAN ---- PBX 192.0.2.1
//!  ...               |
//!  PSTN gateway .9 --+
//! ```

use super::call::{Call, CallRef, CallState};
use super::gateway::PstnGateway;
use super::link::Link;
use super::net::{Handle, Net, seed_bytes};
use super::pbx::Pbx;
use super::phone::Phone;
use super::sas_node::SasNode;
use super::{at, secs};
use sip_survivability::config::{Config, Settings};
use sip_survivability::mode::State;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

pub const DOMAIN: &str = "office.example";
pub const SAS: &str = "10.1.0.1:5080";
pub const PBX: &str = "192.0.2.1:5060";
pub const GATEWAY: &str = "10.1.0.9:5060";

/// Users of the phones, in order; more are called `u2`, `u3` ...
const USERS: [&str; 4] = ["alice", "bob", "carol", "dave"];

pub struct Branch {
    pub net: Net,
    pub sas: Handle<SasNode>,
    pub pbx: Handle<Pbx>,
    pub gateway: Handle<PstnGateway>,
    pub phones: Vec<Handle<Phone>>,
    config: Config,
}

/// The defaults, with our proxy, gateway and emergency numbers.
pub fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.domains = vec![DOMAIN.to_owned()];
    settings.proxy_set.targets = vec![format!("sip:{PBX}").parse().unwrap()];
    settings.sas.default_gateway = vec![format!("sip:{GATEWAY}").parse().unwrap()];
    settings.sas.emergency_numbers = vec!["911".to_owned(), "112".to_owned()];
    settings
}

/// The core's own seed, in a run of `seed`.
pub fn sas_seed(seed: u64) -> [u8; 32] {
    let mut bytes = seed_bytes(seed);
    bytes[31] = 1;
    bytes
}

impl Branch {
    /// Two phones, and the settings above.
    pub fn new(seed: u64) -> Self {
        Self::with(seed, 2, |_| {})
    }

    /// So many phones, and the settings above tuned.
    pub fn with(seed: u64, phones: usize, tune: impl FnOnce(&mut Settings)) -> Self {
        let mut settings = settings();
        tune(&mut settings);
        let config = settings.validate().unwrap();
        let mut net = Net::new(seed);
        let sas = Self::fresh_sas(&config, seed, &net);
        let sas = net.add("sas", at(SAS), sas);
        let pbx = net.add("pbx", at(PBX), Self::fresh_pbx());
        let gateway = net.add("gateway", at(GATEWAY), PstnGateway::new(at(GATEWAY), at(SAS)));
        net.link(sas, pbx, Link::WAN);
        net.link(gateway, pbx, Link::WAN);
        let mut branch = Self { net, sas, pbx, gateway, phones: Vec::new(), config };
        for _ in 0..phones {
            branch.add_phone();
        }
        branch
    }

    fn fresh_sas(config: &Config, seed: u64, net: &Net) -> SasNode {
        SasNode::new(config.clone(), sas_seed(seed), net.now(), at(SAS)).record()
    }

    /// A PBX that has just started: nobody is registered.
    pub fn fresh_pbx() -> Pbx {
        let mut pbx = Pbx::new(DOMAIN, at(PBX));
        pbx.trunk = Some(at(GATEWAY));
        pbx
    }

    pub fn config(&self) -> &Config {
        &self.config
    }

    /// A phone in the head office, whose proxy is the PBX itself. It registers there.
    pub fn add_remote_phone(&mut self, user: &str) -> Handle<Phone> {
        let address = at("192.0.2.50:5060");
        let phone = self.net.add(user, address, Phone::new(user, DOMAIN, address, at(PBX)));
        self.net.act(phone, |phone, io| phone.register(io));
        phone
    }

    /// One phone more. It does not register by itself.
    pub fn add_phone(&mut self) -> Handle<Phone> {
        let count = self.phones.len();
        let user = USERS.get(count).map_or_else(|| format!("u{count}"), |user| (*user).to_owned());
        let low = u32::try_from(count + 11).unwrap();
        let address = SocketAddr::from((Ipv4Addr::from_bits(0x0a01_0000 + low), 5060));
        let phone = self.net.add(&user, address, Phone::new(&user, DOMAIN, address, at(SAS)));
        self.phones.push(phone);
        phone
    }

    /// Pulls the plug of a phone.
    pub fn unplug(&mut self, phone: Handle<Phone>) {
        self.net.kill(phone);
    }

    /// Plugs a phone in again: it has forgotten its calls, and registers as phones do when they boot.
    pub fn plug_in(&mut self, phone: Handle<Phone>) {
        let user = self.net.name(phone).to_owned();
        let address = self.net.address(phone);
        self.net.restart(phone, Phone::new(&user, DOMAIN, address, at(SAS)));
        self.net.act(phone, |phone, io| phone.register(io));
    }

    pub fn alice(&self) -> Handle<Phone> {
        self.phones[0]
    }

    pub fn bob(&self) -> Handle<Phone> {
        self.phones[1]
    }

    pub fn state(&self) -> State {
        self.net.node(self.sas).state()
    }

    /// Lets the network be: links between all parties lose and delay as `bad` says, with the WAN's latency on the WAN.
    pub fn disturb(&mut self, bad: Link) {
        self.net.links(bad);
        let wan = Link { latency: bad.latency.max(Link::WAN.latency), ..bad };
        self.net.link(self.sas, self.pbx, wan);
        self.net.link(self.gateway, self.pbx, wan);
    }

    /// Registers every phone, and waits for it.
    #[track_caller]
    pub fn register_all(&mut self) {
        for phone in self.phones.clone() {
            self.net.act(phone, |phone, io| phone.register(io));
        }
        let phones = self.phones.clone();
        self.net.drive_until("every phone is registered", secs(70), |net| {
            phones.iter().all(|phone| net.node(*phone).is_registered(net.now()))
        });
    }

    pub fn dial(&mut self, caller: Handle<Phone>, number: &str) -> CallRef {
        self.net.act(caller, |phone, io| phone.dial(io, number))
    }

    pub fn hang_up(&mut self, phone: Handle<Phone>, call: CallRef) {
        self.net.act(phone, |phone, io| phone.hang_up(io, call));
    }

    pub fn call(&self, phone: Handle<Phone>, call: CallRef) -> &Call {
        self.net.node(phone).call(call)
    }

    /// Waits until the caller's side of a call is in `state`, and says how long that took.
    #[track_caller]
    pub fn until(
        &mut self,
        phone: Handle<Phone>,
        call: CallRef,
        state: CallState,
        limit: Duration,
    ) -> Duration {
        let what = format!("the call is {state:?}");
        self.net.drive_until(&what, limit, |net| net.node(phone).call(call).state() == state)
    }

    /// Calls and waits until the two talk.
    #[track_caller]
    pub fn talk(&mut self, caller: Handle<Phone>, number: &str) -> CallRef {
        let call = self.dial(caller, number);
        self.until(caller, call, CallState::Up, secs(40));
        call
    }

    /// Waits for a state.
    #[track_caller]
    pub fn until_state(&mut self, state: State, limit: Duration) -> Duration {
        let sas = self.sas;
        self.net.drive_until(&format!("the state is {state}"), limit, |net| net.node(sas).state() == state)
    }

    /// Cuts the PBX off, silently.
    pub fn cut(&mut self) {
        self.net.cut(self.pbx);
    }

    pub fn mend(&mut self) {
        self.net.mend(self.pbx);
    }

    /// The call that has this Call-ID, at a phone that was called.
    pub fn peer_call(&self, phone: Handle<Phone>, call_id: &str) -> Option<&Call> {
        self.net.node(phone).call_with_id(call_id)
    }
}
