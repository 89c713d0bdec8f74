//! The four machines against the RFCs' tables, written here as plain rows: random requests, responses and pauses, and each message
//! that goes out, goes up or ends a transaction is compared, with its time.
//!
//! `PROPTEST_CASES` sets how many runs.

use super::tests::Rig;
use super::*;
use proptest::prelude::*;
use std::collections::BTreeMap;

const T1: u64 = 500;
const T2: u64 = 4_000;
const T4: u64 = 5_000;
const LONG: u64 = 64 * T1;

/// What a row does.
#[derive(Clone, Copy, Debug)]
enum Act {
    /// The request, or the latest response.
    Send,
    /// The ACK of a refusal.
    Ack,
    /// To the transaction's user.
    Pass,
    /// The user hears that nobody answered, or that nothing can be delivered.
    Fail,
    Start(char, u64),
    /// The timer again after twice its time, up to the bound.
    Double(char, u64),
    Stop(&'static str),
}

use Act::{Ack, Double, Fail, Pass, Send, Start, Stop};

/// State, input, what is done, next state. An input is a timer's letter, a class of responses, a message, or an error.
type Row = (&'static str, &'static str, &'static [Act], &'static str);

const END: &str = "Terminated";

/// RFC 3261 figure 5, with RFC 6026 8.4.
const INVITE_CLIENT: &[Row] = &[
    ("", "begin", &[Send, Start('A', T1), Start('B', LONG)], "Calling"),
    ("Calling", "A", &[Send, Double('A', u64::MAX)], "Calling"),
    ("Calling", "B", &[Fail, Stop("A")], END),
    ("Calling", "error", &[Fail, Stop("AB")], END),
    ("Calling", "1xx", &[Pass, Stop("AB")], "Proceeding"),
    ("Calling", "2xx", &[Pass, Stop("AB"), Start('M', LONG)], "Accepted"),
    ("Calling", "300-699", &[Ack, Pass, Stop("AB"), Start('D', 32_000)], "Completed"),
    ("Proceeding", "1xx", &[Pass], "Proceeding"),
    ("Proceeding", "2xx", &[Pass, Start('M', LONG)], "Accepted"),
    ("Proceeding", "300-699", &[Ack, Pass, Start('D', 32_000)], "Completed"),
    ("Proceeding", "error", &[], "Proceeding"),
    ("Completed", "1xx", &[], "Completed"),
    ("Completed", "2xx", &[], "Completed"),
    ("Completed", "300-699", &[Ack], "Completed"),
    ("Completed", "error", &[], "Completed"),
    ("Completed", "D", &[], END),
    ("Accepted", "1xx", &[], "Accepted"),
    ("Accepted", "2xx", &[Pass], "Accepted"),
    ("Accepted", "300-699", &[], "Accepted"),
    ("Accepted", "error", &[], "Accepted"),
    ("Accepted", "M", &[], END),
];

/// RFC 3261 figure 6.
const OTHER_CLIENT: &[Row] = &[
    ("", "begin", &[Send, Start('E', T1), Start('F', LONG)], "Trying"),
    ("Trying", "E", &[Send, Double('E', T2)], "Trying"),
    ("Trying", "F", &[Fail, Stop("E")], END),
    ("Trying", "error", &[Fail, Stop("EF")], END),
    ("Trying", "1xx", &[Pass], "Proceeding"),
    ("Trying", "2xx", &[Pass, Stop("EF"), Start('K', T4)], "Completed"),
    ("Trying", "300-699", &[Pass, Stop("EF"), Start('K', T4)], "Completed"),
    ("Proceeding", "E", &[Send, Start('E', T2)], "Proceeding"),
    ("Proceeding", "F", &[Fail, Stop("E")], END),
    ("Proceeding", "error", &[], "Proceeding"),
    ("Proceeding", "1xx", &[Pass], "Proceeding"),
    ("Proceeding", "2xx", &[Pass, Stop("EF"), Start('K', T4)], "Completed"),
    ("Proceeding", "300-699", &[Pass, Stop("EF"), Start('K', T4)], "Completed"),
    ("Completed", "1xx", &[], "Completed"),
    ("Completed", "2xx", &[], "Completed"),
    ("Completed", "300-699", &[], "Completed"),
    ("Completed", "error", &[], "Completed"),
    ("Completed", "K", &[], END),
];

/// RFC 3261 figure 7, with RFC 6026 8.3. `tell` is what the user answers.
const INVITE_SERVER: &[Row] = &[
    ("", "begin", &[], "Silent"),
    ("Silent", "again", &[], "Silent"),
    ("Silent", "ACK", &[], "Silent"),
    ("Silent", "tell 1xx", &[Send], "Proceeding"),
    ("Silent", "tell 2xx", &[Send, Start('L', LONG)], "Accepted"),
    ("Silent", "tell 300-699", &[Send, Start('G', T1), Start('H', LONG)], "Completed"),
    ("Proceeding", "again", &[Send], "Proceeding"),
    ("Proceeding", "ACK", &[], "Proceeding"),
    ("Proceeding", "tell 1xx", &[Send], "Proceeding"),
    ("Proceeding", "tell 2xx", &[Send, Start('L', LONG)], "Accepted"),
    ("Proceeding", "tell 300-699", &[Send, Start('G', T1), Start('H', LONG)], "Completed"),
    ("Completed", "again", &[Send], "Completed"),
    ("Completed", "G", &[Send, Double('G', T2)], "Completed"),
    ("Completed", "H", &[Stop("G")], END),
    ("Completed", "ACK", &[Stop("GH"), Start('I', T4)], "Confirmed"),
    ("Completed", "tell 1xx", &[], "Completed"),
    ("Completed", "tell 2xx", &[], "Completed"),
    ("Completed", "tell 300-699", &[], "Completed"),
    ("Confirmed", "again", &[], "Confirmed"),
    ("Confirmed", "ACK", &[], "Confirmed"),
    ("Confirmed", "I", &[], END),
    ("Confirmed", "tell 1xx", &[], "Confirmed"),
    ("Confirmed", "tell 2xx", &[], "Confirmed"),
    ("Confirmed", "tell 300-699", &[], "Confirmed"),
    ("Accepted", "again", &[], "Accepted"),
    ("Accepted", "ACK", &[Pass], "Accepted"),
    ("Accepted", "L", &[], END),
    ("Accepted", "tell 1xx", &[], "Accepted"),
    ("Accepted", "tell 2xx", &[Send], "Accepted"),
    ("Accepted", "tell 300-699", &[], "Accepted"),
];

/// RFC 3261 figure 8, with RFC 4320 4.2: a user that has nothing to say in time says nothing (`abandon`).
const OTHER_SERVER: &[Row] = &[
    ("", "begin", &[], "Trying"),
    ("Trying", "again", &[], "Trying"),
    ("Trying", "tell 1xx", &[Send], "Proceeding"),
    ("Trying", "tell 2xx", &[Send, Start('J', LONG)], "Completed"),
    ("Trying", "tell 300-699", &[Send, Start('J', LONG)], "Completed"),
    ("Trying", "abandon", &[], END),
    ("Proceeding", "again", &[Send], "Proceeding"),
    ("Proceeding", "tell 1xx", &[Send], "Proceeding"),
    ("Proceeding", "tell 2xx", &[Send, Start('J', LONG)], "Completed"),
    ("Proceeding", "tell 300-699", &[Send, Start('J', LONG)], "Completed"),
    ("Proceeding", "abandon", &[], END),
    ("Completed", "again", &[Send], "Completed"),
    ("Completed", "tell 1xx", &[], "Completed"),
    ("Completed", "tell 2xx", &[], "Completed"),
    ("Completed", "tell 300-699", &[], "Completed"),
    ("Completed", "J", &[], END),
    ("Completed", "abandon", &[Stop("J")], END),
];

/// A machine that does what its table says.
struct Model {
    table: &'static [Row],
    state: &'static str,
    /// When each timer fires, and how long it ran.
    timers: BTreeMap<char, (u64, u64)>,
    now: u64,
    /// What was done, and when.
    done: Vec<(u64, &'static str)>,
}

impl Model {
    fn new(table: &'static [Row]) -> Self {
        Self { table, state: "", timers: BTreeMap::new(), now: 0, done: Vec::new() }
    }

    fn input(&mut self, input: &str) {
        let row = self.table.iter().find(|(state, on, ..)| *state == self.state && *on == input);
        let (_, _, acts, next) = row.unwrap_or_else(|| panic!("no row for {input} in {}", self.state));
        for act in *acts {
            match *act {
                Send => self.done.push((self.now, "send")),
                Ack => self.done.push((self.now, "ACK")),
                Pass => self.done.push((self.now, "pass")),
                Fail => self.done.push((self.now, "fail")),
                Start(timer, span) => {
                    self.timers.insert(timer, (self.now + span, span));
                }
                Double(timer, bound) => {
                    let span = (self.timers[&timer].1 * 2).min(bound);
                    self.timers.insert(timer, (self.now + span, span));
                }
                Stop(timers) => self.timers.retain(|timer, _| !timers.contains(*timer)),
            }
        }
        self.state = next;
    }

    fn wait(&mut self, span: u64) {
        let end = self.now + span;
        while let Some((&timer, &(due, ran))) =
            self.timers.iter().filter(|(_, (due, _))| *due <= end).min_by_key(|(_, (due, _))| *due)
        {
            self.now = due;
            // It has fired; how long it ran is known until its row is done.
            self.timers.insert(timer, (u64::MAX, ran));
            self.input(timer.encode_utf8(&mut [0; 4]));
            self.timers.retain(|_, (due, _)| *due != u64::MAX);
        }
        self.now = end;
    }
}

/// What happens at random, after a pause.
type Step = (u64, u8);

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let pause = prop_oneof![0..600_u64, 0..6_000_u64, Just(500), 31_000..33_000_u64];
    prop::collection::vec((pause, any::<u8>()), 0..14)
}

const CLASSES: [(&str, &[u16]); 3] =
    [("1xx", &[100, 180, 199]), ("2xx", &[200, 202, 299]), ("300-699", &[300, 404, 487, 503, 699])];

fn class(dice: u8) -> (&'static str, u16) {
    let (class, statuses) = CLASSES[usize::from(dice) % 3];
    (class, statuses[usize::from(dice / 3) % statuses.len()])
}

fn wait(rig: &mut Rig, model: &mut Model, done: &mut Vec<(u64, &'static str)>, span: u64) {
    model.wait(span);
    rig.wait(Duration::from_millis(span), done);
}

fn run_client(table: &'static [Row], method: Method, name: &'static str, steps: &[Step]) {
    let (mut rig, mut model, mut done) = (Rig::new(), Model::new(table), Vec::new());
    model.input("begin");
    rig.start(method, name);
    rig.take_sent(&mut done);
    for (pause, dice) in steps {
        wait(&mut rig, &mut model, &mut done, *pause);
        if *dice % 8 == 7 {
            if model.state != END {
                model.input("error");
            }
            rig.fail(&mut done);
        } else {
            let (class, status) = class(dice / 8 * 7 + dice % 8);
            if model.state == END {
                assert_eq!(rig.response(name, status), ResponseMatch::Stray);
                continue;
            }
            model.input(class);
            let matched = rig.response(name, status);
            rig.take_sent(&mut done);
            match matched {
                ResponseMatch::Pass(..) => done.push((model.now, "pass")),
                ResponseMatch::Absorbed => {}
                ResponseMatch::Stray => panic!("it belongs to the transaction"),
            }
        }
        assert_eq!(done, model.done, "in {}", model.state);
    }
    // Whatever happened, it ends, but for a ringing call, which is its user's to end.
    wait(&mut rig, &mut model, &mut done, 200_000);
    assert_eq!(done, model.done);
    assert_eq!(model.state == END, model.state != "Proceeding");
    assert_eq!(rig.transactions.len(), usize::from(model.state != END));
}

fn run_server(table: &'static [Row], name: &'static str, steps: &[Step]) {
    let (mut rig, mut model, mut done) = (Rig::new(), Model::new(table), Vec::new());
    model.input("begin");
    let id = rig.server(name);
    for (pause, dice) in steps {
        wait(&mut rig, &mut model, &mut done, *pause);
        if model.state == END {
            break;
        }
        match dice % 4 {
            0 => {
                model.input("again");
                assert_eq!(rig.request(name, "z9hG4bKtheirs"), RequestMatch::Absorbed);
            }
            1 if name == "INVITE" => {
                model.input("ACK");
                match rig.request("ACK", "z9hG4bKtheirs") {
                    RequestMatch::StrayAck => done.push((model.now, "pass")),
                    RequestMatch::Absorbed => {}
                    other @ (RequestMatch::New(_) | RequestMatch::Full) => panic!("{other:?}"),
                }
            }
            1 if *dice > 200 => {
                model.input("abandon");
                rig.transactions.abandon(id);
            }
            _ => {
                let (class, status) = class(dice / 4);
                model.input(&format!("tell {class}"));
                rig.respond(id, name, status);
            }
        }
        rig.take_sent(&mut done);
        assert_eq!(done, model.done, "in {}", model.state);
    }
    wait(&mut rig, &mut model, &mut done, 200_000);
    assert_eq!(done, model.done);
    let waits = matches!(model.state, "Silent" | "Trying" | "Proceeding");
    assert_eq!((model.state == END, rig.transactions.len()), (!waits, usize::from(waits)));
}

fn cases() -> ProptestConfig {
    ProptestConfig { failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn an_invite_client_does_what_the_table_says(steps in steps()) {
        run_client(INVITE_CLIENT, Method::Invite, "INVITE", &steps);
    }

    #[test]
    fn another_client_does_what_the_table_says(steps in steps()) {
        run_client(OTHER_CLIENT, Method::Message, "MESSAGE", &steps);
    }

    #[test]
    fn an_invite_server_does_what_the_table_says(steps in steps()) {
        run_server(INVITE_SERVER, "INVITE", &steps);
    }

    #[test]
    fn another_server_does_what_the_table_says(steps in steps()) {
        run_server(OTHER_SERVER, "MESSAGE", &steps);
    }
}
