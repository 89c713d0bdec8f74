//! The command line.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Keeps a branch office's SIP phones calling while their central proxy is away.

Usage: gateway [--config FILE]

  --config FILE   a TOML file; without it: 127.0.0.1:5080, no proxy, always in emergency
  --help          print this
  --version       print the version

Standard output: one JSON object a line for each notice. Standard error: the log; RUST_LOG=debug for more of it.
SIGHUP: FILE is read again, and no registration or call is lost; what is wrong with it is said, and changes nothing.
Exit status: 0 after Ctrl-C or SIGTERM, 2 if the command line or the configuration is wrong.

A configuration, with the defaults of some of its keys; only listen.udp must be there:

  [listen]
  udp = [\"0.0.0.0:5080\"]
  # tcp = [\"0.0.0.0:5080\"]
  # tls = [\"0.0.0.0:5061\"]
  # ws = [\"0.0.0.0:8080\"]            # WebSocket with the subprotocol sip: browsers
  # wss = [\"0.0.0.0:8443\"]
  # certificate = \"cert.pem\"         # ours, for tls and wss; it and the next two lie beside this file
  # key = \"key.pem\"
  # authorities = \"ca.pem\"           # who vouches for proxies and gateways reached by TLS, by IP address
  # advertise = \"203.0.113.5\"          # our address as the others see it
  # domains = [\"branch.example\"]       # further hosts whose users are ours

  [proxy_set]
  targets = [\"sip:192.0.2.1:5060\"]     # needed unless survivability_mode is \"always-emergency\"
  keepalive_interval = \"4s\"
  down_after = 8                       # unanswered probes, 250 ms apart

  [sas]
  survivability_mode = \"standard\"      # or \"always-emergency\", \"ignore-register\", ...
  # default_gateway = \"sip:192.0.2.9\"  # or a list, tried in order
  # emergency_numbers = [\"911\"]        # to the default gateway in every state
  # redundant_sas = \"sip:10.1.0.1:5080\" # who else may know a user that nobody knows here
  registration_time = \"20s\"
  # homing_lever = \"retry-after\"      # with ignore-register: 503 rather than silence for phones that should go home

  # [[route]]                          # any number; the first that matches, in emergency
  # destination_user = \"9\"             # begins with 9
  # to = \"sip:192.0.2.30\"

  # [journal]                          # all that comes in, for examples/replay; messages as they came, so keep it safe
  # file = \"outage.journal\"          # beside this file; one that is there is kept, and the new one gets a number

  # [store]                            # who is registered outlives a restart, with a secret for tokens, so keep it safe
  # file = \"bindings.redb\"           # beside this file; for one gateway at a time

  # [auth]                             # absent: in emergency anybody registers and calls
  # users = \"users.htdigest\"         # user:realm:HA1 or user:realm:SHA-256:HA1, beside this file
";

const VERSION: &str = concat!("gateway ", env!("CARGO_PKG_VERSION"), "\n");

/// What the user wants.
pub(crate) enum Wish {
    /// To read this.
    Say(&'static str),
    /// Service, by this file or by the built-in default.
    Serve { config: Option<PathBuf> },
}

/// Understands the arguments, the program's name not included, or says in one line why not.
pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let mut config = None;
    while let Some(arg) = args.next() {
        let text = arg.to_string_lossy();
        let file = match &*text {
            "--help" | "-h" => return Ok(Wish::Say(HELP)),
            "--version" | "-V" => return Ok(Wish::Say(VERSION)),
            "--config" => args.next().ok_or("--config needs a file")?,
            other => match other.strip_prefix("--config=") {
                Some(file) => file.into(),
                None => return Err(format!("unknown argument {other:?}; --help lists what there is")),
            },
        };
        if config.replace(PathBuf::from(file)).is_some() {
            return Err("--config stands there twice".into());
        }
    }
    Ok(Wish::Serve { config })
}

/// Prints to standard output; a reader who has gone away has read enough.
pub(crate) fn say(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
