//! Many users register, then all of them refresh twice, in another order each time.

use crate::Figures;
use crate::servers::Server;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

const USERS: u32 = 100_000;
const REFRESHES: u32 = 2;

/// Requests on their way at once.
const WINDOW: usize = 32;

/// No round of them takes longer, or something is wrong.
const LIMIT: Duration = Duration::from_mins(3);

pub(crate) fn run(server: &Server) -> Figures {
    let mut load = Load::toward(server.address);
    // One before the clock runs, so that whatever is made once is made.
    load.register(&[USERS], 1);
    let baseline = server.group.memory();

    let everybody: Vec<u32> = (0..USERS).collect();
    let inserts = microseconds(server, || load.register(&everybody, 1)) / f64::from(USERS);
    let memory = (server.group.memory() - baseline) / f64::from(USERS);

    let refreshes = microseconds(server, || {
        for turn in 1..=REFRESHES {
            // Steps of a number that shares no factor with theirs meet all of them.
            let step = |user: u32| (u64::from(user) * 7_919 % u64::from(USERS)) as u32;
            let order: Vec<u32> = (0..USERS).map(step).collect();
            load.register(&order, turn + 1);
        }
    });
    let refreshes = refreshes / f64::from(USERS * REFRESHES);
    let mut figures = vec![("insert, microseconds", inserts), ("refresh, microseconds", refreshes)];
    if !server.is_echo {
        figures.push(("memory after the inserts, bytes", memory));
    }
    figures
}

fn microseconds(server: &Server, work: impl FnOnce()) -> f64 {
    let before = server.group.processor_time();
    work();
    server.group.processor_time() - before
}

struct Load {
    socket: UdpSocket,
    server: SocketAddr,
    local: SocketAddr,
    request: String,
}

impl Load {
    fn toward(server: SocketAddr) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.connect(server).unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
        let local = socket.local_addr().unwrap();
        Self { socket, server, local, request: String::new() }
    }

    /// Registers all of them, [`WINDOW`] at a time. What is not answered in time is sent again.
    fn register(&mut self, users: &[u32], cseq: u32) {
        let limit = Instant::now() + LIMIT;
        let mut buffer = [0; 4096];
        for some in users.chunks(WINDOW) {
            let mut waiting = some.to_vec();
            while !waiting.is_empty() {
                assert!(Instant::now() < limit, "{} users wait in vain", waiting.len());
                for user in &waiting {
                    self.write(*user, cseq);
                    self.socket.send(self.request.as_bytes()).unwrap();
                }
                while !waiting.is_empty()
                    && let Ok(length) = self.socket.recv(&mut buffer)
                {
                    let text = std::str::from_utf8(buffer.get(..length).unwrap()).unwrap();
                    assert!(
                        text.starts_with("SIP/2.0 200") || text == self.request || text.starts_with("REG"),
                        "{text}"
                    );
                    if let Some(user) = answered(text, cseq) {
                        waiting.retain(|waiting| *waiting != user);
                    }
                }
            }
        }
    }

    /// The contact's value has 60 bytes.
    fn write(&mut self, user: u32, cseq: u32) {
        use std::fmt::Write as _;
        let (server, local) = (self.server, self.local);
        self.request.clear();
        write!(
            self.request,
            "REGISTER sip:branch.example SIP/2.0\r\n\
             Via: SIP/2.0/UDP {local};branch=z9hG4bK-{user:06}-{cseq};rport\r\n\
             Max-Forwards: 70\r\n\
             From: <sip:{user:06}@branch.example>;tag=f{user:06}\r\n\
             To: <sip:{user:06}@branch.example>\r\n\
             Call-ID: {user:06}-9a1b2c3d4e5f@{server}\r\n\
             CSeq: {cseq} REGISTER\r\n\
             Contact: <sip:{user:06}@192.0.2.1:5060;transport=udp;line=a1b2c3d4e5f60>\r\n\
             Expires: 3600\r\n\
             User-Agent: ExamplePhone/2.1.4\r\n\
             Content-Length: 0\r\n\r\n"
        )
        .unwrap();
    }
}

/// Whom a response with that CSeq, or the echo of a request, is for.
fn answered(text: &str, cseq: u32) -> Option<u32> {
    let (_, branch) = text.split_once(";branch=z9hG4bK-")?;
    let (user, rest) = (branch.get(..6)?, branch.get(7..)?);
    let number = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    (number.parse() == Ok(cseq)).then(|| user.parse().ok()).flatten()
}
