//! The gateway between real peers: Kamailio as the central proxy, SIPp as the phones and as the PSTN gateway, all on
//! the loopback and in real time. The proxy is taken away in two ways, and each row measures what a branch gets then.
//!
//! Both runs have the same course: calls by way of the proxy; a cut while nothing is going on; the branch on its own;
//! the proxy's return; and a second cut in the middle of calls.
//!
//! The limits are requirements on the product, which is why this test asserts times.
#![allow(clippy::disallowed_methods, reason = "real peers live in real time, on real sockets")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

#[path = "peers/processes.rs"]
mod processes;
#[path = "peers/rows.rs"]
mod rows;
#[path = "peers/sipp.rs"]
mod sipp;

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use processes::{Cut, Gateway, Kamailio, Line, find_program, wait_for, wall_clock};
use rows::{Rows, say};
use sipp::{Message, Phone};

/// How long is waited for what ought to be there at once, so that a late figure is a figure and not "never".
const PATIENCE: f64 = 5.0;
/// The same for what may take seconds.
const LONG_PATIENCE: f64 = 10.0;
/// An outside number: the proxy does not know it, the PSTN gateway takes every number.
const OUTSIDE: &str = "90441234567";

#[test]
fn a_branch_whose_proxy_is_killed_keeps_calling() {
    // The phones' domain is a name, and the branch is their outbound proxy.
    run("killed", Cut::Killed, Some("branch.example"), Line::Udp);
}

#[test]
fn a_branch_whose_proxy_freezes_keeps_calling() {
    // The phones know nothing but the address of the branch: it is their domain too.
    run("frozen", Cut::Frozen, None, Line::Udp);
}

#[test]
fn a_branch_whose_proxy_freezes_behind_its_connection_keeps_calling() {
    // The system goes on to take connections and bytes for it.
    run("frozen-tcp", Cut::Frozen, None, Line::Tcp);
}

fn run(name: &'static str, cut: Cut, domain: Option<&str>, line: Line) {
    for program in ["kamailio", "sipp"] {
        if find_program(program).is_none() {
            say(&format!("[{name}] skipped: {program} is not installed"));
            return;
        }
    }
    let directory =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("peers-{name}-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    say(&format!("[{name}] logs, kept if the run fails: {}", directory.display()));

    let mut rows = Rows::new(name);
    let mut branch = Branch::open(&directory, domain, line);
    branch.calls_through_the_proxy(&mut rows);
    branch.idle_outage(cut, &mut rows);
    branch.on_its_own(&mut rows);
    branch.homecoming(cut, &mut rows);
    branch.outage_in_the_middle_of_calls(cut, &mut rows);
    branch.close(&mut rows);
    rows.finish();
    std::fs::remove_dir_all(&directory).unwrap();
}

/// The branch, its proxy and its line to the outside.
struct Branch {
    directory: PathBuf,
    domain: String,
    proxy: Kamailio,
    gateway: Gateway,
    pstn: Phone,
    /// All phones that are to be registered, the first four from the start.
    phones: Vec<Phone>,
    /// A phone that rings and that nobody answers.
    unattended: Phone,
}

impl Branch {
    fn open(directory: &Path, domain: Option<&str>, line: Line) -> Self {
        let proxy = Kamailio::start(directory, line);
        let pstn = Phone::start_pstn(directory);
        let gateway = Gateway::start(directory, &proxy, pstn.port);
        let domain = domain.map_or_else(|| format!("127.0.0.1:{}", gateway.port), str::to_owned);
        let phone = |user, calls| Phone::start(directory, user, &domain, calls, gateway.port);
        let phones = ["2001", "2002", "2003", "2004"].map(|user| phone(user, "call.xml")).into();
        let unattended = phone("2005", "ringing.xml");
        let directory = directory.to_owned();
        let branch = Self { directory, domain, proxy, gateway, pstn, phones, unattended };
        for phone in branch.phones.iter().chain([&branch.unattended]) {
            phone.registers(0.0, PATIENCE).unwrap_or_else(|| panic!("{} registers", phone.user));
        }
        branch
    }

    fn new_phone(&mut self, user: &str) -> &Phone {
        let phone = Phone::start(&self.directory, user, &self.domain, "call.xml", self.gateway.port);
        self.phones.push(phone);
        self.phones.last().unwrap()
    }

    /// A call that is up, by its Call-ID, and whether its INVITE came by way of the proxy.
    fn call(&self, from: &Phone, to: &Phone) -> Option<(String, bool)> {
        let call = from.dial(&to.user);
        let invite = to.received(&call, "INVITE", "INVITE", PATIENCE)?;
        to.received(&call, "ACK", "ACK", PATIENCE)?;
        Some((call, invite.came_through(self.proxy.port)))
    }

    fn calls_through_the_proxy(&self, rows: &mut Rows) {
        for phone in self.phones.iter().chain([&self.unattended]) {
            let registration = wait_for(PATIENCE, || self.proxy.registration(&phone.user));
            let by_the_branch = registration.as_ref().is_some_and(|found| {
                found.path.contains(&format!("127.0.0.1:{}", self.gateway.port))
                    && found.contact.contains(&phone.port.to_string())
            });
            rows.holds(
                by_the_branch,
                "registered at the proxy, our Path in it",
                &format!("{registration:?}"),
            );
        }
        let [first, second, ..] = &self.phones[..] else { unreachable!() };
        let call = self.call(first, second);
        rows.holds(
            call.as_ref().is_some_and(|call| call.1),
            "a call runs through the proxy",
            &format!("{call:?}"),
        );
        if let Some((call, _)) = call {
            second.hang_up(&call);
            rows.comes("its BYE reaches the caller", second.reaches(first, &call, "BYE", PATIENCE));
        }
        let call = first.dial(OUTSIDE);
        rows.comes("the proxy's 404 reaches the phone", first.answered(&call, "404", "INVITE", PATIENCE));
        let (call, took) = self.emergency_call(first, rows);
        rows.comes("911 in the normal state, to the gateway", took);
        first.hang_up(&call);
        rows.comes("911 hung up", first.reaches(&self.pstn, &call, "BYE", PATIENCE));
    }

    /// A call to 911 that is up, by its Call-ID, and how long it took to the PSTN gateway.
    fn emergency_call(&self, from: &Phone, rows: &mut Rows) -> (String, Option<f64>) {
        let call = from.dial("911");
        let took = from.reaches(&self.pstn, &call, "INVITE", PATIENCE);
        self.dialled_outside(&call, "911", rows);
        (call, took)
    }

    fn dialled_outside(&self, call: &str, number: &str, rows: &mut Rows) {
        let invite = self.pstn.received(call, "INVITE", "INVITE", 0.0);
        let dialled = invite.as_ref().map(Message::dialled);
        rows.holds(
            dialled == Some(number),
            "the number at the PSTN gateway, undecorated",
            &format!("{dialled:?}"),
        );
        let up = self.pstn.received(call, "ACK", "ACK", PATIENCE);
        rows.holds(up.is_some(), "the PSTN gateway's answer is acknowledged", up.map_or("no", |_| "yes"));
    }

    fn idle_outage(&mut self, cut: Cut, rows: &mut Rows) {
        let at = self.proxy.cut(cut);
        let entered = self.gateway.entered("emergency", at, LONG_PATIENCE);
        rows.within(6.0, "emergency after an idle cut", entered.map(|entered| entered - at));
    }

    fn on_its_own(&mut self, rows: &mut Rows) {
        let registered = self.new_phone("2006").registers(0.0, PATIENCE);
        rows.within(0.2, "a new phone's REGISTER", registered.as_ref().map(|(took, _)| *took));
        let granted = registered.and_then(|(_, answer)| answer.granted());
        rows.holds(matches!(granted, Some(1..=20)), "its granted expiry, 1 to 20 s", &format!("{granted:?}"));

        let [first, second, .., newcomer] = &self.phones[..] else { unreachable!() };
        self.local_call(first, second, "a local call", rows);
        self.local_call(second, newcomer, "a call to the new phone", rows);
        self.local_call(newcomer, first, "a call by the new phone", rows);

        let (call, took) = self.emergency_call(first, rows);
        rows.within(0.2, "911 in emergency, to the gateway", took);
        first.hang_up(&call);
        rows.within(0.2, "its hang-up", first.reaches(&self.pstn, &call, "BYE", PATIENCE));

        let call = first.dial(OUTSIDE);
        rows.within(0.2, "an outside number", first.reaches(&self.pstn, &call, "INVITE", PATIENCE));
        self.dialled_outside(&call, OUTSIDE, rows);
        first.hang_up(&call);
        rows.within(0.2, "its hang-up", first.reaches(&self.pstn, &call, "BYE", PATIENCE));

        self.cancelled_call(rows);
        self.questions(rows);
    }

    fn local_call(&self, from: &Phone, to: &Phone, row: &str, rows: &mut Rows) {
        let call = from.dial(&to.user);
        rows.within(0.2, row, from.reaches(to, &call, "INVITE", PATIENCE));
        rows.within(0.2, &format!("{row}: answered"), from.answered(&call, "200", "INVITE", PATIENCE));
        to.received(&call, "ACK", "ACK", PATIENCE);
        from.hang_up(&call);
        rows.within(0.2, &format!("{row}: hung up"), from.reaches(to, &call, "BYE", PATIENCE));
        rows.within(0.2, &format!("{row}: hang-up answered"), from.answered(&call, "200", "BYE", PATIENCE));
    }

    fn cancelled_call(&self, rows: &mut Rows) {
        let caller = &self.phones[0];
        let call = caller.dial(&self.unattended.user);
        rows.comes("a call that rings", caller.answered(&call, "180", "INVITE", PATIENCE));
        caller.hang_up(&call);
        rows.comes("CANCEL answered", caller.answered(&call, "200", "CANCEL", PATIENCE));
        rows.comes("CANCEL ends the ringing with 487", {
            let sent = caller.sent(&call, "CANCEL", "CANCEL", PATIENCE);
            let ended = self.unattended.sent(&call, "487", "INVITE", PATIENCE);
            sent.zip(ended).map(|(sent, ended)| ended.at - sent.at)
        });
        let acknowledged = self.unattended.received(&call, "ACK", "ACK", PATIENCE);
        rows.holds(acknowledged.is_some(), "its 487 is acknowledged", acknowledged.map_or("no", |_| "yes"));
        let ended = caller.received(&call, "487", "INVITE", PATIENCE);
        rows.holds(ended.is_some(), "487 at the caller", ended.map_or("no", |_| "yes"));
    }

    /// Requests that are to be answered by the gateway itself.
    fn questions(&self, rows: &mut Rows) {
        let here = format!("127.0.0.1:{}", self.gateway.port);
        let subscribe =
            self.ask("SUBSCRIBE", &format!("sip:2002@{}", self.domain), "", "Event: presence\r\n");
        rows.holds(
            subscribe.is_some_and(|(status, _)| status == 489),
            "SUBSCRIBE gets 489",
            &format!("{subscribe:?}"),
        );
        let options = self.ask("OPTIONS", &format!("sip:{here}"), "", "");
        rows.holds(
            options.is_some_and(|(status, _)| status == 200),
            "OPTIONS to us gets 200",
            &format!("{options:?}"),
        );
        for target in
            [format!("sip:{here}"), format!("sip:nobody@{here}"), format!("sip:2999@{}", self.domain)]
        {
            let bye = self.ask("BYE", &target, ";tag=of-no-dialog", "");
            let row = format!("BYE of an unknown dialog to {target}");
            rows.within(1.0, &row, bye.map(|(_, took)| took));
            rows.holds(bye.is_some_and(|(status, _)| status == 481), &row, &format!("{bye:?}"));
        }
    }

    /// Sends one request to the gateway, and gives the final status and the time that it took.
    fn ask(&self, method: &str, target: &str, to_tag: &str, headers: &str) -> Option<(u16, f64)> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = socket.local_addr().unwrap();
        let port = from.port();
        let request = format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch=z9hG4bK-{port};rport\r\n\
             From: <sip:2001@{domain}>;tag={port}\r\n\
             To: <{target}>{to_tag}\r\n\
             Call-ID: question-{port}\r\n\
             CSeq: 1 {method}\r\n\
             Contact: <sip:2001@{from}>\r\n\
             Max-Forwards: 70\r\n\
             {headers}Content-Length: 0\r\n\r\n",
            domain = self.domain,
        );
        let sent = wall_clock();
        socket.send_to(request.as_bytes(), ("127.0.0.1", self.gateway.port)).unwrap();
        socket.set_read_timeout(Some(Duration::from_secs_f64(PATIENCE))).unwrap();
        let mut answer = [0; 65536];
        loop {
            let length = socket.recv(&mut answer).ok()?;
            let text = String::from_utf8_lossy(&answer[..length]);
            let status = text.split(' ').nth(1)?.parse().ok()?;
            if status >= 200 {
                return Some((status, wall_clock() - sent));
            }
        }
    }

    fn homecoming(&mut self, cut: Cut, rows: &mut Rows) {
        let returned = self.proxy.restore(cut);
        let Some(normal) = self.gateway.entered("normal", returned, 60.0) else {
            rows.within(20.0, "normal after the proxy's return", None);
            return;
        };
        rows.within(20.0, "normal after the proxy's return", Some(normal - returned));

        let mut slowest = Some(normal);
        for phone in self.phones.iter().chain([&self.unattended]) {
            // The proxy stamps its records in whole seconds.
            let home =
                || self.proxy.registration(&phone.user).filter(|found| found.modified >= normal.floor());
            let found = wait_for((normal + 30.0 - wall_clock()).max(0.0), || home().map(|_| wall_clock()));
            slowest = slowest.zip(found).map(|(slowest, found)| slowest.max(found));
            if found.is_none() {
                rows.note(&format!("{} is not home", phone.user));
            }
        }
        let took = slowest.map(|slowest| slowest - normal);
        rows.within(20.0, "every phone registered at the proxy again", took);

        let [first, second, .., newcomer] = &self.phones[..] else { unreachable!() };
        for (from, to) in [(first, second), (newcomer, first), (second, newcomer)] {
            let call = self.call(from, to);
            let row = format!("after the return, {} calls {} through the proxy", from.user, to.user);
            rows.holds(call.as_ref().is_some_and(|call| call.1), &row, &format!("{call:?}"));
            if let Some((call, _)) = call {
                from.hang_up(&call);
                rows.comes("its BYE reaches the other phone", from.reaches(to, &call, "BYE", PATIENCE));
            }
        }
    }

    fn outage_in_the_middle_of_calls(&mut self, cut: Cut, rows: &mut Rows) {
        let [first, second, third, fourth, ..] = &self.phones[..] else { unreachable!() };
        let up = |from, to| {
            let (call, through_the_proxy) = self.call(from, to).expect("a call before the cut");
            assert!(through_the_proxy, "the call before the cut runs through the proxy");
            call
        };
        let caller_in_gap = up(first, second);
        let callee_in_gap = up(third, second);
        let caller_after = up(second, third);
        let callee_after = up(first, third);

        let at = self.proxy.cut(cut);
        thread::sleep(Duration::from_millis(500));
        let in_gap = fourth.dial(&second.user);
        first.hang_up(&caller_in_gap);
        second.hang_up(&callee_in_gap);
        let newcomer = self.new_phone("2007").registers(0.0, LONG_PATIENCE);
        let [first, second, third, fourth, ..] = &self.phones[..] else { unreachable!() };

        let row = "a call 0.5 s after the cut reaches the callee";
        rows.within(2.5, row, fourth.reaches(second, &in_gap, "INVITE", LONG_PATIENCE));
        rows.within(
            3.0,
            "a new phone's REGISTER 0.5 s after the cut",
            newcomer.as_ref().map(|(took, _)| *took),
        );
        let granted = newcomer.and_then(|(_, answer)| answer.granted());
        rows.holds(matches!(granted, Some(1..=20)), "its granted expiry, 1 to 20 s", &format!("{granted:?}"));
        let row = "BYE in the gap, by the caller, reaches the other phone";
        rows.within(3.0, row, first.reaches(second, &caller_in_gap, "BYE", LONG_PATIENCE));
        let row = "BYE in the gap, by the callee, reaches the other phone";
        rows.within(3.0, row, second.reaches(third, &callee_in_gap, "BYE", LONG_PATIENCE));
        rows.comes("the caller's BYE is answered", first.answered(&caller_in_gap, "200", "BYE", PATIENCE));
        rows.comes("the callee's BYE is answered", second.answered(&callee_in_gap, "200", "BYE", PATIENCE));

        let entered = self.gateway.entered("emergency", at, LONG_PATIENCE);
        rows.within(6.0, "emergency after a cut in the middle of calls", entered.map(|entered| entered - at));

        second.hang_up(&caller_after);
        let row = "BYE after the gap, by the caller, reaches the other phone";
        rows.within(0.5, row, second.reaches(third, &caller_after, "BYE", PATIENCE));
        third.hang_up(&callee_after);
        let row = "BYE after the gap, by the callee, reaches the other phone";
        rows.within(0.5, row, third.reaches(first, &callee_after, "BYE", PATIENCE));

        let up = fourth.answered(&in_gap, "200", "INVITE", PATIENCE);
        rows.holds(up.is_some(), "the call of the gap is answered", &format!("{up:?}"));
        fourth.hang_up(&in_gap);
        rows.within(0.2, "its BYE reaches the callee", fourth.reaches(second, &in_gap, "BYE", PATIENCE));

        if cut == Cut::Frozen {
            self.thaw(&in_gap, rows);
        }
    }

    /// A proxy that wakes up reads what it was sent while it stood still, and so rings the callee of the gap again.
    /// What comes of that is no requirement, but worth seeing.
    fn thaw(&mut self, call: &str, rows: &Rows) {
        let at = self.proxy.restore(Cut::Frozen);
        thread::sleep(Duration::from_secs(2));
        let late: Vec<_> = self.phones[1]
            .messages()
            .into_iter()
            .filter(|message| message.at >= at && message.header("Call-ID") == call)
            .map(|message| message.start_line().to_owned())
            .collect();
        rows.note(&format!("after the thaw, of the call of the gap at its callee: {late:?}"));
    }

    fn close(mut self, rows: &mut Rows) {
        for phone in self.phones.iter_mut().chain([&mut self.unattended, &mut self.pstn]) {
            rows.holds(phone.is_alive(), "a SIPp that did as its scenario says", &phone.user);
        }
        let status = self.gateway.terminate();
        rows.holds(status == Some(0), "SIGTERM ends the gateway with 0", &format!("{status:?}"));
    }
}
