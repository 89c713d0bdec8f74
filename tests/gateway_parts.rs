//! The unit tests of the gateway's modules, which cargo would not run: they belong to an example.

#![allow(dead_code, reason = "each module is here for its tests, and main.rs, which uses the rest, is not")]
#![expect(clippy::disallowed_methods, reason = "the gateway is a caller: clocks and sockets live there")]

#[path = "../examples/gateway/batch.rs"]
mod batch;
#[path = "../examples/gateway/config.rs"]
mod config;
#[path = "../examples/gateway/connections.rs"]
mod connections;
#[path = "../examples/gateway/drops.rs"]
mod drops;
#[path = "../examples/gateway/entrance.rs"]
mod entrance;
#[cfg(target_os = "linux")]
#[path = "../examples/gateway/error_queue.rs"]
mod error_queue;
#[path = "../examples/gateway/feed.rs"]
mod feed;
#[path = "../examples/gateway/journal.rs"]
mod journal;
#[path = "../examples/gateway/json.rs"]
mod json;
#[path = "../examples/gateway/listen.rs"]
mod listen;
#[path = "../examples/gateway/local.rs"]
mod local;
#[path = "../examples/gateway/section.rs"]
mod section;
#[path = "../examples/gateway/settings.rs"]
mod settings;
#[path = "../examples/gateway/site_file.rs"]
mod site_file;
#[path = "../examples/gateway/store.rs"]
mod store;
#[path = "../examples/gateway/tls.rs"]
mod tls;
#[path = "../examples/gateway/udp.rs"]
mod udp;
#[path = "../examples/gateway/users.rs"]
mod users;
#[path = "../examples/gateway/websocket.rs"]
mod websocket;
