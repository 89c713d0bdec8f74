//! The command line.

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

const HELP: &str = "\
Looks at SIP messages as the library sip-survivability reads them.

Usage: inspect [--stream | --pcap] [--pretty] PATH...

  PATH        a file, a folder with all that is below it, or - for standard input
  --stream    each file is a byte stream that holds messages one after another, as TCP carries them
  --pcap      each file is a packet capture (pcap or pcapng): SIP over UDP on any port, and over TCP
  --pretty    print what a person wants to read; of captures, a ladder diagram for each call
  --help      print this
  --version   print the version

Without --pretty, one JSON object a line for each message. What is absent or unreadable is null:

  file, outcome (request, response, refused), error (what is wrong), answer (the status a proxy answers with),
  method, request_uri, status, reason, via [{transport, host, port, branch, received, rport}],
  from and to {display, uri, tag}, call_id, cseq {number, method}, max_forwards,
  contacts [{display, uri, q, expires, params}], contact_star, routes, record_routes, paths (URIs), expires,
  content_length, body_bytes, trailing_bytes (behind the body), headers [[name, value], ...]

A list is null if one of its values is unreadable. A Via's rport is true where it has no value. Numbers are those that
the message says, in range or not. Behind file, --stream adds offset; --pcap adds time, source, destination, transport.

Exit status: 0, or 1 if a path cannot be read, or 2 if the command line is wrong.
";

const VERSION: &str = concat!("inspect ", env!("CARGO_PKG_VERSION"), "\n");

/// What the user wants.
pub(crate) enum Wish {
    /// To read this.
    Say(&'static str),
    Inspect(Job),
}

/// What to inspect, and for whom.
pub(crate) struct Job {
    pub(crate) source: Source,
    pub(crate) pretty: bool,
    pub(crate) paths: Vec<PathBuf>,
}

/// What a file holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// One message.
    Messages,
    /// Messages, one after another.
    Streams,
    /// Packets.
    Captures,
}

/// Understands the arguments, the program's name not included, or says in one line why not.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Wish, String> {
    let mut job = Job { source: Source::Messages, pretty: false, paths: Vec::new() };
    let mut only_paths = false;
    for arg in args {
        let text = arg.to_string_lossy();
        match &*text {
            _ if only_paths => job.paths.push(arg.into()),
            "--" => only_paths = true,
            "--help" | "-h" => return Ok(Wish::Say(HELP)),
            "--version" | "-V" => return Ok(Wish::Say(VERSION)),
            "--pretty" => job.pretty = true,
            "--stream" | "--pcap" => {
                let source = if text == "--pcap" { Source::Captures } else { Source::Streams };
                if job.source != Source::Messages && job.source != source {
                    return Err("a file is a stream or a capture, not both".into());
                }
                job.source = source;
            }
            "-" => job.paths.push(arg.into()),
            other if other.starts_with('-') => {
                return Err(format!("unknown argument {other:?}; --help lists what there is"));
            }
            _ => job.paths.push(arg.into()),
        }
    }
    if job.paths.is_empty() {
        return Err("nothing to inspect: name a file or a folder; --help tells more".into());
    }
    Ok(Wish::Inspect(job))
}

/// Prints to standard output; a reader who has gone away has read enough.
pub(crate) fn say(text: &str) -> ExitCode {
    match std::io::stdout().write_all(text.as_bytes()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(_) => ExitCode::FAILURE,
    }
}
