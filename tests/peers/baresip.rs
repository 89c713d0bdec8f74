//! Baresip as the phones of a branch: by UDP, TCP and TLS, with passwords, and with sound.

use crate::peer::{is_missing, skip};
use crate::process::{Gateway, PATIENCE, file};
use crate::secure::Host;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Where Debian's package has the modules.
const MODULES: [&str; 3] =
    ["/usr/lib/baresip/modules", "/usr/lib64/baresip/modules", "/usr/local/lib/baresip/modules"];

/// No phone lives longer, even if the test itself is killed.
const LIFETIME: &str = "60";

/// A baresip without a sound card, and the connection by which its keys are pressed.
struct Softphone {
    process: Child,
    control: BufReader<TcpStream>,
}

impl Softphone {
    /// One with this account, after it has started.
    fn start(name: &str, modules: &str, account: &str, authority: &str) -> Self {
        let folder =
            Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("baresip-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let at = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let sound = folder.join("silence.wav");
        fs::write(&sound, silence()).unwrap();
        let config = format!(
            "net_interface 127.0.0.1\nsip_listen 127.0.0.1:0\nsip_cafile {authority}\ncall_max_calls 2\n\
             audio_source aufile,{sound}\naudio_player aufile,{heard}\naudio_alert aufile,{heard}\n\
             module_path {modules}\nmodule g711.so\nmodule aufile.so\nmodule_tmp account.so\n\
             module_app menu.so\nmodule_app ctrl_tcp.so\nctrl_tcp_listen {at}\n",
            sound = sound.display(),
            heard = folder.join("heard.wav").display(),
        );
        fs::write(folder.join("config"), config).unwrap();
        fs::write(folder.join("accounts"), format!("{account}\n")).unwrap();
        let mut process = Command::new("baresip")
            .args(["-4", "-t", LIFETIME, "-f"])
            .arg(&folder)
            .stdin(Stdio::null())
            .stdout(fs::File::create(folder.join("log")).unwrap())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let end = Instant::now() + PATIENCE;
        loop {
            if let Ok(control) = TcpStream::connect(at) {
                control.set_read_timeout(Some(PATIENCE)).unwrap();
                return Self { process, control: BufReader::new(control) };
            }
            if Instant::now() > end || process.try_wait().unwrap().is_some() {
                let _ = process.kill();
                let log = fs::read_to_string(folder.join("log")).unwrap_or_default();
                panic!("baresip {name} does not start: {log}");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Presses keys.
    fn press(&mut self, command: &str, params: &str) {
        let text = json!({ "command": command, "params": params }).to_string();
        write!(self.control.get_mut(), "{}:{text},", text.len()).unwrap();
    }

    /// Waits until it says this.
    fn says(&mut self, event: &str) {
        let mut seen = Vec::new();
        loop {
            let mut length = Vec::new();
            let read = self.control.read_until(b':', &mut length);
            assert!(read.is_ok_and(|length| length > 0), "no {event} after {seen:?}");
            let length: usize = str::from_utf8(&length).unwrap().trim_end_matches(':').parse().unwrap();
            // The comma as well.
            let mut text = vec![0; length + 1];
            self.control.read_exact(&mut text).unwrap();
            let message: Value = serde_json::from_slice(&text[..length]).unwrap();
            if message["type"] == event {
                return;
            }
            seen.push(message.to_string());
        }
    }
}

impl Drop for Softphone {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A second of it: 8,000 samples of 16 bits.
fn silence() -> Vec<u8> {
    let mut wav = b"RIFF".to_vec();
    let samples = 16_000_u32;
    wav.extend((36 + samples).to_le_bytes());
    wav.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0");
    wav.extend(8000_u32.to_le_bytes());
    wav.extend(16_000_u32.to_le_bytes());
    wav.extend(b"\x02\0\x10\0data");
    wav.extend(samples.to_le_bytes());
    wav.resize(44 + 16_000, 0);
    wav
}

#[test]
fn soft_phones_register_and_call_each_other() {
    let modules = MODULES.into_iter().find(|folder| Path::new(folder).join("ctrl_tcp.so").is_file());
    let (false, Some(modules)) = (is_missing("baresip"), modules) else {
        return skip("baresip");
    };
    let host = Host::new("baresip", "127.0.0.1");
    let users: String = ["1001", "1002", "1003"].map(htdigest).concat();
    let users = file("baresip-users", &users);
    let gateway = Gateway::always_emergency_with(
        "baresip",
        &format!(
            "tcp = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\n{}\n[auth]\nusers = {users:?}\n",
            host.lines()
        ),
    );
    let (udp, tcp, tls) = (gateway.address, gateway.listening("tcp"), gateway.listening("tls"));
    let mut phones = [("1001", "udp", udp), ("1002", "tcp", tcp), ("1003", "tls", tls)].map(
        |(user, transport, at): (_, _, SocketAddr)| {
            let account = format!(
                "<sip:{user}@{at};transport={transport}>;auth_pass=secret;regint=60;answermode=auto;audio_codecs=pcmu"
            );
            let phone = Softphone::start(user, modules, &account, &host.certificate_file);
            let bound = gateway.notice("user_bound");
            let contact = bound["contact"].as_str().unwrap();
            assert!(contact.contains(&format!("sip:{user}")), "{bound}");
            assert_eq!(contact.contains(&format!(";transport={transport}")), transport != "udp", "{bound}");
            phone
        },
    );
    for (from, to) in [(0, 1), (1, 2), (2, 0)] {
        let [caller, callee] = phones.get_disjoint_mut([from, to]).unwrap();
        caller.press("dial", &format!("100{}", to + 1));
        caller.says("CALL_ESTABLISHED");
        callee.says("CALL_ESTABLISHED");
        // Once the one who called, once the other.
        let (first, second) = if to == 2 { (callee, caller) } else { (caller, callee) };
        first.press("hangup", "");
        first.says("CALL_CLOSED");
        second.says("CALL_CLOSED");
    }
}

fn htdigest(user: &str) -> String {
    use md5::{Digest as _, Md5};
    let hash = Md5::digest(format!("{user}:branch.example:secret"));
    let digits: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{user}:branch.example:{digits}\n")
}
