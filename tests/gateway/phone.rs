//! A scripted phone, which speaks SIP by any transport.

use crate::line::Line;
use crate::process::{Gateway, PATIENCE};
use std::net::{SocketAddr, UdpSocket};

/// `caller` calls `callee`, who rings and answers; `caller` hangs up.
pub(crate) fn call(caller: &mut Phone, callee: &mut Phone) {
    let dialog = talk(caller, callee);
    hang_up(caller, callee, &dialog);
}

/// A call that is up.
pub(crate) struct Dialog {
    remote: String,
    to: String,
    routes: String,
}

/// `caller` calls `callee`, who rings and answers.
pub(crate) fn talk(caller: &mut Phone, callee: &mut Phone) -> Dialog {
    let target = format!("sip:{}@{}", callee.user, caller.gateway);
    let invite = caller.request("INVITE", &target, &format!("<{target}>"), "");
    caller.send(caller.gateway, &invite);

    let invite = callee.expect("INVITE ");
    assert_eq!(invite.target(), format!("sip:{}", callee.contact()));
    callee.answer(&invite, "180 Ringing");
    caller.expect("SIP/2.0 180");
    callee.answer(&invite, "200 OK");
    let answer = caller.expect("SIP/2.0 200");

    // RFC 3261 12.1.2: the route set is the answer's Record-Route from the last to the first.
    let routes: String = answer.values("Record-Route").rev().map(|uri| format!("Route: {uri}\r\n")).collect();
    assert!(!routes.is_empty(), "the gateway is not on the call's route");
    let remote = answer.value("Contact").trim_matches(['<', '>']).to_owned();
    let to = answer.value("To").to_owned();
    caller.send(caller.gateway, &caller.request("ACK", &remote, &to, &routes));
    callee.expect("ACK ");
    Dialog { remote, to, routes }
}

/// `caller` ends the call.
pub(crate) fn hang_up(caller: &mut Phone, callee: &mut Phone, dialog: &Dialog) {
    let Dialog { remote, to, routes } = dialog;
    caller.cseq += 1;
    caller.send(caller.gateway, &caller.request("BYE", remote, to, routes));
    let bye = callee.expect("BYE ");
    callee.answer(&bye, "200 OK");
    assert!(caller.expect("SIP/2.0 200").value("CSeq").ends_with("BYE"));
    caller.calls += 1;
}

pub(crate) struct Phone {
    pub(crate) user: &'static str,
    pub(crate) line: Line,
    pub(crate) gateway: SocketAddr,
    pub(crate) cseq: u32,
    calls: u32,
    /// What has come, to know retransmissions by.
    pub(crate) seen: Vec<String>,
}

impl Phone {
    pub(crate) fn new(user: &'static str, gateway: &Gateway) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { user, line: Line::Udp(socket), gateway: gateway.address, cseq: 1, calls: 0, seen: Vec::new() }
    }

    /// One that has this line.
    pub(crate) fn on(user: &'static str, gateway: &Gateway, line: Line) -> Self {
        Self { line, ..Self::new(user, gateway) }
    }

    /// RFC 7118 5: a browser does not know its own address.
    pub(crate) fn host(&self) -> String {
        if self.line.is_websocket() {
            format!("{}.invalid", self.user)
        } else {
            self.line.local().to_string()
        }
    }

    pub(crate) fn contact(&self) -> String {
        let params = match self.line.transport() {
            "UDP" => "",
            "TCP" => ";transport=tcp",
            "TLS" => ";transport=tls",
            _ => ";transport=ws",
        };
        format!("{}@{}{params}", self.user, self.host())
    }

    pub(crate) fn register(&mut self) {
        let aor = format!("<sip:{}@{}>", self.user, self.gateway);
        let register = self.request("REGISTER", &format!("sip:{}", self.gateway), &aor, "Expires: 60\r\n");
        self.send(self.gateway, &register);
        let answer = self.expect("SIP/2.0 200");
        assert!(answer.value("Contact").contains(&self.contact()), "{}", answer.text);
        self.cseq += 1;
        self.calls += 1;
    }

    pub(crate) fn request(&self, method: &str, target: &str, to: &str, more: &str) -> String {
        let Self { user, cseq, calls, gateway, .. } = self;
        let (contact, local, transport) = (self.contact(), self.host(), self.line.transport());
        format!(
            "{method} {target} SIP/2.0\r\n\
             Via: SIP/2.0/{transport} {local};branch=z9hG4bK-{user}-{calls}-{cseq}-{method};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user}@{gateway}>;tag={user}\r\n\
             To: {to}\r\n\
             Call-ID: {user}-{calls}@{local}\r\n\
             CSeq: {cseq} {method}\r\n\
             Contact: <sip:{contact}>\r\n\
             {more}Content-Length: 0\r\n\r\n"
        )
    }

    /// RFC 3261 8.2.6: Via, From, To, Call-ID, CSeq and Record-Route are the request's.
    pub(crate) fn answer(&mut self, request: &Message, status: &str) {
        let copied = ["Via", "From", "To", "Call-ID", "CSeq", "Record-Route"];
        let mut answer = format!("SIP/2.0 {status}\r\n");
        for line in request.text.lines().skip(1) {
            if line.split(':').next().is_some_and(|name| copied.contains(&name)) {
                let tag = if line.starts_with("To:") && !line.contains("tag=") { ";tag=callee" } else { "" };
                answer += &format!("{line}{tag}\r\n");
            }
        }
        answer += &format!("Contact: <sip:{}>\r\nContent-Length: 0\r\n\r\n", self.contact());
        self.send(request.from, &answer);
    }

    pub(crate) fn send(&mut self, to: SocketAddr, message: &str) {
        self.line.send(to, message);
    }

    /// The next message, which has to start so. Only 100 Trying and retransmissions may come before it.
    pub(crate) fn expect(&mut self, start: &str) -> Message {
        loop {
            let received = self.line.receive();
            let message = received.unwrap_or_else(|error| panic!("no {start}: {error}"));
            if self.seen.contains(&message.text) || message.text.starts_with("SIP/2.0 100") {
                continue;
            }
            assert!(message.text.starts_with(start), "{} instead of {start}", message.text);
            self.seen.push(message.text.clone());
            return message;
        }
    }
}

pub(crate) struct Message {
    pub(crate) text: String,
    pub(crate) from: SocketAddr,
}

impl Message {
    /// The Request-URI.
    pub(crate) fn target(&self) -> &str {
        self.text.split(' ').nth(1).unwrap()
    }

    /// The values of all header fields of this name, first to last.
    pub(crate) fn values(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        self.text.lines().filter_map(move |line| {
            let (field, value) = line.split_once(':')?;
            (field == name).then(|| value.trim())
        })
    }

    pub(crate) fn value(&self, name: &str) -> &str {
        self.values(name).next().unwrap_or_else(|| panic!("no {name} in {}", self.text))
    }
}
