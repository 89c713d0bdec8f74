//! Notices in plain words, for the log on standard error.

use sip_survivability::Notice;
use sip_survivability::mode::State;
use std::io::IsTerminal;
use tracing::{debug, error, info, level_filters::LevelFilter, warn};
use tracing_subscriber::EnvFilter;

/// Logs to standard error, from `info` up unless RUST_LOG says otherwise.
pub(crate) fn start_logging() {
    let filter = EnvFilter::builder().with_default_directive(LevelFilter::INFO.into()).from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_target(false)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .init();
}

/// What an operator should see is `info` and above; what each call does is `debug`, and always on standard output.
pub(crate) fn log(notice: &Notice) {
    match notice {
        Notice::Listening { transport, address } => info!("listening on {address} ({transport})"),
        Notice::Reconfigured => info!("the configuration was read again"),
        Notice::StateChanged { to, cause, .. } => match to {
            State::Emergency => warn!("emergency: the branch serves itself ({})", plain(cause.as_str())),
            State::Normal => info!("normal: the proxy serves the branch ({})", plain(cause.as_str())),
        },
        Notice::ProxyStatus { target, status, cause } => {
            info!("proxy {target} is {} ({})", plain(status.as_str()), plain(cause.as_str()));
        }
        Notice::NameResolved { target, addresses } => info!("{target} is at {addresses:?}"),
        Notice::NameUnresolved { target, reason } => {
            warn!("{target} cannot be resolved: {reason}; its addresses, if it has any, stay in use");
        }
        Notice::UserBound(user) => debug!("{} registered at {}", user.aor(), user.contact()),
        Notice::UserRefreshed(user) => debug!("{} is still at {}", user.aor(), user.contact()),
        Notice::UserUnbound(user) => debug!("{} left {}", user.aor(), user.contact()),
        Notice::UserExpired(user) => debug!("{} expired at {}", user.aor(), user.contact()),
        Notice::DatabaseFull { aor } => warn!("the database is full: {aor} not stored"),
        Notice::RequestRouted { method, from, to, step, .. } => {
            debug!("{method} from {from} goes to {to} ({})", plain(step.as_str()));
        }
        Notice::RequestRejected { method, from, status, reason } => {
            debug!("{method} from {from} refused with {status}: {reason}");
        }
        Notice::EmergencyCallFailed { from, number } => {
            error!("EMERGENCY CALL FAILED: {from} dialled {number} and no route took it");
        }
        Notice::UsersNotHome { users, total } => {
            warn!("users that have not come home to the proxy: {total}, {}", users.join(", "));
        }
        Notice::MessagesDropped { from, count } => {
            warn!("messages without use, the latest from {from}; dropped: {count}");
        }
        newer => info!("{newer:?}"),
    }
}

/// `keepalive_lost` as a person says it.
fn plain(snake_case: &str) -> String {
    snake_case.replace('_', " ")
}
