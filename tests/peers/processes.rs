//! The processes that are no phones: the central proxy (Kamailio) and the gateway under test.
//!
//! Each is killed by its own id when its owner is dropped, so also by a panic. Kamailio forks, so it gets a process
//! group of its own, and what is done to it is done to the group.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;

/// Nothing that the test starts lives longer, even if the test itself is killed.
pub(crate) const LIFETIME: &str = "170";

/// Seconds since 1970: the scale on which the logs of SIPp can be compared with what the test sees.
pub(crate) fn wall_clock() -> f64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs_f64()
}

/// Asks again and again until there is an answer, for at most `limit` seconds.
pub(crate) fn wait_for<T>(limit: f64, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + Duration::from_secs_f64(limit);
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() >= deadline {
            return None;
        }
        thread::sleep(Duration::from_millis(10));
    }
}

/// A UDP port of the loopback that nobody uses, given out once only.
pub(crate) fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    loop {
        let port = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        if GIVEN.lock().unwrap().insert(port) {
            return port;
        }
    }
}

/// Where the program is, also in the directories of system daemons, which the PATH of a user need not have.
pub(crate) fn find_program(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|file| file.is_file())
}

/// Where the scenarios and the proxy's configuration are.
pub(crate) fn recipes() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/peers")
}

/// A child that does not outlive its owner.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    leads_group: bool,
}

impl Process {
    pub(crate) fn start(command: &mut Command) -> Self {
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        Self { child, leads_group: false }
    }

    fn start_group(command: &mut Command) -> Self {
        let mut leader = Self::start(command.process_group(0));
        leader.leads_group = true;
        leader
    }

    /// Sends a signal by name to this process, or to all of its group. The standard library has only SIGKILL.
    fn signal(&self, name: &str) {
        let sign = if self.leads_group { "-" } else { "" };
        let target = format!("{sign}{}", self.child.id());
        let script = r#"kill -s "$1" -- "$2""#;
        Command::new("sh").args(["-c", script, "sh", name, &target]).stderr(Stdio::null()).status().unwrap();
    }

    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.leads_group {
            self.signal("KILL");
        }
        // Both fail only if the child is gone already, which is what is wanted.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How the branch loses its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    /// The process dies: its port answers with ICMP port unreachable, and its bindings are gone.
    Killed,
    /// The process stands still: its port takes what is sent and says nothing, and reads all of it afterwards.
    Frozen,
}

/// How the branch reaches its proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Line {
    Udp,
    Tcp,
}

/// The central proxy and registrar.
#[derive(Debug)]
pub(crate) struct Kamailio {
    line: Line,
    process: Option<Process>,
    directory: PathBuf,
    pub(crate) port: u16,
    rpc: u16,
}

/// A phone as the proxy has it registered.
#[derive(Debug)]
pub(crate) struct Registration {
    pub(crate) contact: String,
    pub(crate) path: String,
    /// The second of its last refresh, on the scale of [`wall_clock`].
    pub(crate) modified: f64,
}

impl Kamailio {
    pub(crate) fn start(directory: &Path, line: Line) -> Self {
        let (process, directory) = (None, directory.to_owned());
        let mut proxy = Self { line, process, directory, port: free_port(), rpc: free_port() };
        proxy.run();
        proxy
    }

    fn run(&mut self) {
        let log =
            File::options().create(true).append(true).open(self.directory.join("kamailio.log")).unwrap();
        // `timeout` leads the group, and ends it if this test no longer can.
        let mut command = Command::new("timeout");
        command
            .args(["-s", "KILL", LIFETIME])
            .arg(find_program("kamailio").unwrap())
            .args(["-DD", "-E", "-m", "16", "-M", "4", "-f"])
            .arg(recipes().join("kamailio.cfg"))
            .arg("-Y")
            .arg(&self.directory)
            .args(["-l", &format!("udp:127.0.0.1:{}", self.port)])
            .args(match self.line {
                Line::Udp => vec!["-T".to_owned()],
                Line::Tcp => vec![
                    "-N".to_owned(),
                    "1".to_owned(),
                    "-l".to_owned(),
                    format!("tcp:127.0.0.1:{}", self.port),
                ],
            })
            .args(["-A", &format!("RPC_SOCKET=\"udp:127.0.0.1:{}\"", self.rpc)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log);
        self.process = Some(Process::start_group(&mut command));
        wait_for(10.0, || self.ask("core.version", &[])).expect("the proxy starts");
    }

    /// Takes the proxy away, and says when: a quarter of a second after it has answered a keep-alive, so that the next
    /// one is as far away as it ever is, but for what a busy machine may add.
    pub(crate) fn cut(&mut self, cut: Cut) -> f64 {
        let before = self.keepalives();
        wait_for(10.0, || (self.keepalives() > before).then_some(())).expect("a keep-alive");
        thread::sleep(Duration::from_millis(250));
        let at = wall_clock();
        match cut {
            Cut::Killed => self.process = None,
            Cut::Frozen => self.process.as_ref().unwrap().signal("STOP"),
        }
        at
    }

    /// Gives the proxy back, and says since when it works.
    pub(crate) fn restore(&mut self, cut: Cut) -> f64 {
        match cut {
            Cut::Killed => {
                // The group dies a moment after its leader.
                wait_for(5.0, || UdpSocket::bind(("127.0.0.1", self.port)).ok())
                    .expect("the port is free again");
                self.run();
            }
            Cut::Frozen => self.process.as_ref().unwrap().signal("CONT"),
        }
        wall_clock()
    }

    /// The phone's registration, if the proxy has one.
    pub(crate) fn registration(&self, user: &str) -> Option<Registration> {
        let found = self.ask("ul.lookup", &["location", user])?;
        let contact = found.pointer("/result/Contacts/0/Contact")?;
        Some(Registration {
            contact: contact["Address"].as_str()?.to_owned(),
            path: contact["Path"].as_str()?.to_owned(),
            modified: contact["Last-Modified"].as_f64()?,
        })
    }

    /// How many it has got.
    fn keepalives(&self) -> Option<u32> {
        let counters = self.ask("stats.get_statistics", &["rcv_requests_options"])?;
        counters["result"][0].as_str()?.rsplit(' ').next()?.parse().ok()
    }

    fn ask(&self, method: &str, params: &[&str]) -> Option<Value> {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
        let question = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params});
        // Not up yet: the port is unreachable, or silent. The caller asks again.
        socket.connect(("127.0.0.1", self.rpc)).ok()?;
        socket.send(question.to_string().as_bytes()).ok()?;
        let mut answer = [0; 65536];
        let length = socket.recv(&mut answer).ok()?;
        serde_json::from_slice(&answer[..length]).ok()
    }
}

/// One line of the gateway's standard output, with the time at which it came.
#[derive(Debug, Clone)]
pub(crate) struct Notice {
    pub(crate) seen: f64,
    pub(crate) value: Value,
}

impl Notice {
    pub(crate) fn is(&self, name: &str) -> bool {
        self.value["notice"] == name
    }
}

/// The program under test.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Process,
    notices: Arc<Mutex<Vec<Notice>>>,
    pub(crate) port: u16,
}

impl Gateway {
    /// Starts it with the defaults, between the proxy and the PSTN gateway.
    pub(crate) fn start(directory: &Path, proxy: &Kamailio, pstn: u16) -> Self {
        let port = free_port();
        let by = if proxy.line == Line::Tcp { ";transport=tcp" } else { "" };
        let proxy = proxy.port;
        let configuration = directory.join("gateway.toml");
        let text = format!(
            r#"
[listen]
udp = ["127.0.0.1:{port}"]
tcp = ["127.0.0.1:{port}"]
[proxy_set]
targets = ["sip:127.0.0.1:{proxy}{by}"]
keepalive_interval = "4s"
keepalive_interval_down = "4s"
reprobe_interval = "250ms"
down_after = 8
up_after = 2
[sas]
survivability_mode = "standard"
entering_emergency = "requests"
default_gateway = "sip:127.0.0.1:{pstn}"
registration_time = "20s"
emergency_numbers = ["911"]
request_patience = "2s"
record_route = true
path = true
"#
        );
        std::fs::write(&configuration, text).unwrap();
        let mut command = Command::new(build_gateway());
        command
            .arg("--config")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(directory.join("gateway.log")).unwrap());
        let mut process = Process::start(&mut command);
        let notices = Arc::new(Mutex::new(Vec::new()));
        let output = process.child.stdout.take().unwrap();
        let copy = File::create(directory.join("gateway.jsonl")).unwrap();
        let collected = Arc::clone(&notices);
        thread::spawn(move || collect(output, copy, &collected));
        let gateway = Self { process, notices, port };
        gateway.notice(0.0, 10.0, |notice| notice.is("listening")).expect("the gateway listens");
        gateway
    }

    /// The first notice since then that is like this, waited for.
    pub(crate) fn notice(&self, since: f64, limit: f64, like: impl Fn(&Notice) -> bool) -> Option<Notice> {
        let find = |all: &[Notice]| all.iter().find(|notice| notice.seen >= since && like(notice)).cloned();
        wait_for(limit, || find(&self.notices.lock().unwrap()))
    }

    /// When the state became this one, after that moment.
    pub(crate) fn entered(&self, state: &str, since: f64, limit: f64) -> Option<f64> {
        let like = |notice: &Notice| notice.is("state_changed") && notice.value["to"] == state;
        self.notice(since, limit, like).map(|notice| notice.seen)
    }

    /// Asks it to end, and gives its exit status if it does so in time.
    pub(crate) fn terminate(mut self) -> Option<i32> {
        self.process.signal("TERM");
        wait_for(3.0, || self.process.has_ended().then_some(()))?;
        self.process.child.wait().unwrap().code()
    }
}

/// Stamps each line as it comes, and keeps a copy for who has to look into a failure.
fn collect(output: impl std::io::Read, mut copy: impl std::io::Write, notices: &Mutex<Vec<Notice>>) {
    for line in BufReader::new(output).lines().map_while(Result::ok) {
        let seen = wall_clock();
        let _ = writeln!(copy, "{seen:.6} {line}");
        let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
        notices.lock().unwrap().push(Notice { seen, value });
    }
}

/// Builds the example, in the profile of this test, and gives its path. A `cargo test` of all has built it already,
/// one of this test alone has not; where it is up to date, this costs nothing.
fn build_gateway() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command
            .args(["build", "--quiet", "--example", "gateway", "--message-format", "json"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .stderr(Stdio::inherit());
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let output = command.output().unwrap();
        assert!(output.status.success(), "the example gateway builds");
        let executable = |line: &[u8]| {
            let message: Value = serde_json::from_slice(line).ok()?;
            (message["target"]["name"] == "gateway").then_some(())?;
            message["executable"].as_str().map(PathBuf::from)
        };
        output.stdout.split(|byte| *byte == b'\n').find_map(executable).expect("cargo names the executable")
    })
}
