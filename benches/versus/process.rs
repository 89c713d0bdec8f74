//! Processes that do not outlive us, and what the system says of them.

use std::net::UdpSocket;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

/// A process with those that it forks, in a group of their own.
pub(crate) struct Group(Child);

impl Group {
    pub(crate) fn start(command: &mut Command) -> Self {
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        Self(quiet.process_group(0).spawn().unwrap_or_else(|error| panic!("{command:?}: {error}")))
    }

    /// Processor time of all of them so far, user and system, in microseconds.
    pub(crate) fn processor_time(&self) -> f64 {
        // proc(5): field 14 is utime, 15 stime, both in clock ticks, of which Linux tells programs that a second has 100.
        let ticks: u64 = self.stat().flat_map(|fields| [number(&fields, 14), number(&fields, 15)]).sum();
        ticks as f64 * 10_000.0
    }

    /// Memory that they hold for themselves, in bytes: what they share counts once.
    pub(crate) fn memory(&self) -> f64 {
        let kilobytes: u64 = self.stat().map(|fields| proportional_set(number(&fields, 1))).sum();
        kilobytes as f64 * 1024.0
    }

    /// The fields of each one's `/proc/PID/stat`, from the first on.
    fn stat(&self) -> impl Iterator<Item = Vec<String>> {
        let group = u64::from(self.0.id());
        let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| {
            let text = std::fs::read_to_string(entry.ok()?.path().join("stat")).ok()?;
            // The second field is the name in parentheses, with whatever it has in it.
            let (pid, rest) = (text.split(' ').next()?, text.rsplit_once(')')?.1);
            let fields = [pid, "()"].into_iter().chain(rest.split_whitespace());
            Some(fields.map(str::to_owned).collect::<Vec<_>>())
        });
        all.filter(move |fields| number(fields, 5) == group)
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", self.0.id())]).status();
        let _ = self.0.wait();
    }
}

fn number(fields: &[String], field: usize) -> u64 {
    fields.get(field - 1).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn proportional_set(pid: u64) -> u64 {
    let text = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

/// Where a program is, also in the directories of system daemons, which the PATH of a user need not have.
pub(crate) fn find_program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut files = std::env::split_paths(&path)
        .chain(["/usr/sbin", "/usr/local/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(name));
    files.find(|file| file.is_file()).unwrap_or_else(|| panic!("this needs {name}, a package of Debian's"))
}

pub(crate) fn free_port() -> u16 {
    UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
