//! The gateway as a process, and the files that it reads.

use crate::program::example;
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long anything may take that should be at once.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

pub(crate) fn run(args: &[&str]) -> Output {
    Command::new(example("gateway")).args(args).stdin(Stdio::null()).output().unwrap()
}

/// A configuration file of its own for each caller.
pub(crate) fn file(name: &str, text: &str) -> String {
    let path =
        Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("gateway-{}-{name}.toml", std::process::id()));
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

/// A running gateway. It ends with the test.
pub(crate) struct Gateway {
    pub(crate) process: Child,
    pub(crate) notices: Receiver<Value>,
    pub(crate) address: SocketAddr,
}

impl Gateway {
    /// Starts one, and waits for the line that says where it listens.
    pub(crate) fn start(name: &str, text: &str) -> Self {
        Self::run(Command::new(example("gateway")).args(["--config", &file(name, text)]))
    }

    /// Starts one that ignores a signal.
    #[cfg(target_os = "linux")]
    pub(crate) fn start_ignoring(signal: &str, name: &str, text: &str) -> Self {
        let script = format!("trap '' {signal}; exec \"$0\" \"$@\"");
        let mut shell = Command::new("sh");
        Self::run(shell.args(["-c", &script]).arg(example("gateway")).args(["--config", &file(name, text)]))
    }

    fn run(command: &mut Command) -> Self {
        let mut process =
            command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, notices) = channel();
        let stdout = BufReader::new(process.stdout.take().unwrap());
        std::thread::spawn(move || {
            for line in stdout.lines().map_while(Result::ok) {
                let notice = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line}: {error}"));
                if sender.send(notice).is_err() {
                    return;
                }
            }
        });
        let mut gateway = Self { process, notices, address: ([0, 0, 0, 0], 0).into() };
        gateway.address = gateway.listening("udp");
        gateway
    }

    /// A branch without a proxy, on a port that the system chooses.
    pub(crate) fn always_emergency(name: &str) -> Self {
        Self::always_emergency_with(name, "")
    }

    /// The same, with more of the section `[listen]`.
    pub(crate) fn always_emergency_with(name: &str, more: &str) -> Self {
        let sas = "[sas]\nsurvivability_mode = \"always-emergency\"\n";
        Self::start(name, &format!("[listen]\nudp = [\"127.0.0.1:0\"]\n{more}\n{sas}"))
    }

    /// Where it says next that it listens, which has to be for `transport`.
    pub(crate) fn listening(&self, transport: &str) -> SocketAddr {
        let listening = self.notice("listening");
        assert_eq!(listening["transport"], transport);
        listening["address"].as_str().unwrap().parse().unwrap()
    }

    /// The next notice of this name; others before it are passed over.
    pub(crate) fn notice(&self, name: &str) -> Value {
        let end = Instant::now() + PATIENCE;
        loop {
            let notice = self.notices.recv_timeout(end.saturating_duration_since(Instant::now()));
            let notice = notice.unwrap_or_else(|_| panic!("no notice {name}"));
            assert!(notice["at"].is_number(), "{notice}");
            if notice["notice"] == name {
                return notice;
            }
        }
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(crate) fn wait(&mut self) -> Option<i32> {
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            if let Some(status) = self.process.try_wait().unwrap() {
                return status.code();
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        panic!("the gateway does not end");
    }

    pub(crate) fn log(&mut self) -> String {
        let mut log = String::new();
        self.process.stderr.take().unwrap().read_to_string(&mut log).unwrap();
        log
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What a gateway that will not run says and how it ends: one line on standard error, nothing else, status 2.
pub(crate) fn refusal(args: &[&str]) -> String {
    let output = run(args);
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{args:?}: {line}");
    assert!(output.stdout.is_empty(), "{args:?}");
    assert_eq!(line.matches('\n').count(), 1, "{args:?}: {line}");
    line.trim_end().to_owned()
}
