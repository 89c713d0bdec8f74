//! Phones and the PSTN gateway, each a SIPp process, and what they have sent and received, read from their logs.

use std::net::UdpSocket;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::processes::{LIFETIME, Process, find_program, free_port, recipes, wait_for};

/// Seconds for which phones ask to be registered. They renew at half of what is granted.
const EXPIRES: &str = "30";

/// One line of the log: a message as it was on the wire.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    /// Seconds since 1970.
    pub(crate) at: f64,
    pub(crate) sent: bool,
    pub(crate) text: String,
}

impl Message {
    pub(crate) fn start_line(&self) -> &str {
        self.text.lines().next().unwrap_or_default()
    }

    /// The method if it is a request, the status if it is a response.
    fn kind(&self) -> &str {
        let mut words = self.start_line().split(' ');
        match words.next() {
            Some("SIP/2.0") => words.next().unwrap_or_default(),
            other => other.unwrap_or_default(),
        }
    }

    /// The value of the first header of that name.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map_or("", |(_, value)| value.trim())
    }

    /// Whether it came by way of that port of the loopback.
    pub(crate) fn came_through(&self, port: u16) -> bool {
        let hop = format!("127.0.0.1:{port};");
        self.text.lines().any(|line| line.starts_with("Via:") && line.contains(&hop))
    }

    /// The user part of the Request-URI.
    pub(crate) fn dialled(&self) -> &str {
        let uri = self.start_line().split(' ').nth(1).unwrap_or_default();
        uri.trim_start_matches("sip:").split('@').next().unwrap_or_default()
    }

    /// The seconds that the registrar granted.
    pub(crate) fn granted(&self) -> Option<u32> {
        let parameter = self.header("Contact").split(';').find_map(|one| one.strip_prefix("expires="));
        parameter.unwrap_or_else(|| self.header("Expires")).trim().parse().ok()
    }
}

/// A SIPp process on a port of its own.
#[derive(Debug)]
pub(crate) struct Phone {
    process: Process,
    log: PathBuf,
    pub(crate) user: String,
    pub(crate) port: u16,
}

impl Phone {
    /// A phone that registers at once and stays registered, and that makes and takes calls by `calls`.
    pub(crate) fn start(directory: &Path, user: &str, domain: &str, calls: &str, gateway: u16) -> Self {
        let mut command = sipp(directory, user, domain, "registration.xml");
        let server = format!("127.0.0.1:{gateway}");
        command
            .arg(&server)
            // What a call from outside brings in is answered by way of the gateway too, whoever sent it.
            .args(["-rsa", &server])
            .arg("-oocsf")
            .arg(recipes().join(calls))
            .args(["-m", "1", "-key", "expires", EXPIRES]);
        Self::run(directory, user, command)
    }

    /// The PSTN gateway: it takes calls, and registers nowhere.
    pub(crate) fn start_pstn(directory: &Path) -> Self {
        let command = sipp(directory, "pstn", "pstn.example", "call.xml");
        Self::run(directory, "pstn", command)
    }

    fn run(directory: &Path, user: &str, mut command: Command) -> Self {
        let port = free_port();
        let process = Process::start(command.args(["-p", &port.to_string()]));
        Self { process, log: directory.join(format!("{user}.log")), user: user.to_owned(), port }
    }

    /// Its user dials. Gives the Call-ID of the call.
    pub(crate) fn dial(&self, number: &str) -> String {
        static CALLS: AtomicU32 = AtomicU32::new(1);
        let call = format!("{}-{}", self.user, CALLS.fetch_add(1, Ordering::Relaxed));
        self.press(&call, &format!("X-Dial: {number}\r\n"));
        call
    }

    /// Its user puts the handset down: BYE in a call, CANCEL before the answer.
    pub(crate) fn hang_up(&self, call: &str) {
        self.press(call, "");
    }

    fn press(&self, call: &str, header: &str) {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let from = socket.local_addr().unwrap();
        let key = format!(
            "INFO sip:{user}@127.0.0.1:{port} SIP/2.0\r\n\
             Via: SIP/2.0/UDP {from};branch=z9hG4bK-key-{}\r\n\
             From: <sip:finger@{from}>;tag=1\r\n\
             To: <sip:{user}@127.0.0.1:{port}>\r\n\
             Call-ID: {call}\r\n\
             CSeq: 1 INFO\r\n\
             Max-Forwards: 70\r\n\
             {header}Content-Length: 0\r\n\r\n",
            from.port(),
            user = self.user,
            port = self.port,
        );
        socket.send_to(key.as_bytes(), ("127.0.0.1", self.port)).unwrap();
    }

    /// All that it has sent and received so far.
    pub(crate) fn messages(&self) -> Vec<Message> {
        parse(&std::fs::read_to_string(&self.log).unwrap_or_default())
    }

    /// The first message that is like this, waited for.
    pub(crate) fn message(&self, limit: f64, like: impl Fn(&Message) -> bool) -> Option<Message> {
        wait_for(limit, || self.messages().into_iter().find(&like))
    }

    /// The first message of that call that it received: `kind` is a method or a status, `method` the CSeq's.
    pub(crate) fn received(&self, call: &str, kind: &str, method: &str, limit: f64) -> Option<Message> {
        self.message(limit, |message| !message.sent && belongs(message, call, kind, method))
    }

    /// The first message of that call that it sent.
    pub(crate) fn sent(&self, call: &str, kind: &str, method: &str, limit: f64) -> Option<Message> {
        self.message(limit, |message| message.sent && belongs(message, call, kind, method))
    }

    /// How long the request of that call took from this phone to another.
    pub(crate) fn reaches(&self, other: &Self, call: &str, method: &str, limit: f64) -> Option<f64> {
        let sent = self.sent(call, method, method, 2.0)?;
        // SIPp stamps a message after it has sent it, by when it may have come.
        Some((other.received(call, method, method, limit)?.at - sent.at).max(0.0))
    }

    /// How long this phone waited for a response of that status to its request.
    pub(crate) fn answered(&self, call: &str, status: &str, method: &str, limit: f64) -> Option<f64> {
        let sent = self.sent(call, method, method, 2.0)?;
        Some(self.received(call, status, method, limit)?.at - sent.at)
    }

    /// The first registration after that moment: how long it took, and the 200.
    pub(crate) fn registers(&self, since: f64, limit: f64) -> Option<(f64, Message)> {
        let request = |message: &Message| message.sent && message.kind() == "REGISTER" && message.at >= since;
        let sent = self.message(limit, request)?;
        let answer = |message: &Message| {
            !message.sent && message.kind() == "200" && message.header("CSeq") == sent.header("CSeq")
        };
        let answer = self.message(limit, answer)?;
        Some((answer.at - sent.at, answer))
    }

    /// Whether it is still running: a scenario that could not go on ends its process.
    pub(crate) fn is_alive(&mut self) -> bool {
        !self.process.has_ended()
    }
}

fn belongs(message: &Message, call: &str, kind: &str, method: &str) -> bool {
    message.kind() == kind && message.header("Call-ID") == call && message.header("CSeq").ends_with(method)
}

/// What all SIPp processes have in common.
fn sipp(directory: &Path, user: &str, domain: &str, scenario: &str) -> Command {
    let file = |suffix: &str| directory.join(format!("{user}.{suffix}"));
    let mut command = Command::new(find_program("sipp").unwrap());
    command
        // The log has no zone in its times.
        .env("TZ", "UTC0")
        .args(["-i", "127.0.0.1", "-bind_local", "-ci", "127.0.0.1"])
        // A message out of place is for the test to judge, never a reason to hang up; nor does it end a pause.
        .args(["-nd", "-pause_msg_ign"])
        .args(["-nostdin", "-timeout", LIFETIME])
        .args(["-key", "user", user, "-key", "domain", domain])
        .arg("-sf")
        .arg(recipes().join(scenario))
        .arg("-trace_msg")
        .arg("-message_file")
        .arg(file("log"))
        .arg("-trace_err")
        .arg("-error_file")
        .arg(file("errors"))
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command
}

/// The log is a row of
/// `----------------------------------------------- 2025-01-31 12:00:00.000000`,
/// `UDP message sent (349 bytes):` or `UDP message received [376] bytes :`, an empty line, and the message.
fn parse(log: &str) -> Vec<Message> {
    let ruler = "-----------------------------------------------";
    log.split(ruler).filter_map(entry).collect()
}

fn entry(text: &str) -> Option<Message> {
    let (stamp, rest) = text.split_once('\n')?;
    // What comes for a call that is over is logged a second time, with a remark in place of the time.
    let at = seconds(stamp.trim())?;
    let (kind, message) = rest.split_once("\n\n")?;
    // Only a message that SIPp is still writing has no empty line in it.
    let complete = message.contains("\r\n\r\n");
    complete.then(|| Message { at, sent: kind.contains("message sent"), text: message.to_owned() })
}

/// `2025-01-31 12:00:00.000000` in UTC, as seconds since 1970.
fn seconds(stamp: &str) -> Option<f64> {
    let (date, time) = stamp.split_once([' ', '\t'])?;
    let mut date = date.split('-').map(|part| part.parse::<i64>());
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    // Years begin in March here, so that the leap day is the last of its year.
    let (year, month) = if month < 3 { (year - 1, month + 9) } else { (year, month - 3) };
    let leap_days = year / 4 - year / 100 + year / 400;
    let days = year * 365 + leap_days + (month * 153 + 2) / 5 + day - 1 - 719_468;
    let of_day = time.split(':').try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?))?;
    Some(days as f64 * 86_400.0 + of_day)
}
