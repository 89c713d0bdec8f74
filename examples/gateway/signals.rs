//! Ctrl-C and SIGTERM, the ways to ask for a clean end, and SIGHUP, which asks to read the configuration file again.

use std::io;

/// What a signal asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Wish {
    /// A clean end, by the signal of this name.
    Stop(&'static str),
    /// The configuration file anew.
    #[cfg_attr(windows, expect(dead_code, reason = "there is no such signal"))]
    Reload,
}

/// Listens from its making on, so that no signal falls between two waits.
pub(crate) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    hangup: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

#[cfg(unix)]
impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }

    /// Waits for a signal.
    pub(crate) async fn next(&mut self) -> Wish {
        tokio::select! {
            _ = self.interrupt.recv() => Wish::Stop("Ctrl-C"),
            _ = self.terminate.recv() => Wish::Stop("SIGTERM"),
            _ = self.hangup.recv() => Wish::Reload,
        }
    }
}

#[cfg(windows)]
impl Signals {
    pub(crate) fn listen() -> io::Result<Self> {
        Ok(Self { interrupt: tokio::signal::windows::ctrl_c()? })
    }

    /// Waits for Ctrl-C.
    pub(crate) async fn next(&mut self) -> Wish {
        self.interrupt.recv().await;
        Wish::Stop("Ctrl-C")
    }
}
