//! The gateway: the core of this library on real UDP sockets and connections by TCP, TLS and WebSocket, with real clocks and signals.
//!
//! ```text
//! cargo run --release --example gateway                    # two soft phones on this machine can call at once
//! cargo run --release --example gateway -- --config FILE   # a branch with its proxy
//! ```
//!
//! This is also the example of how a caller drives the core, in four steps that repeat:
//!
//! 1. wait for a datagram, an undeliverable one, what happens on a connection, the core's next deadline, or a signal;
//! 2. tell the core what happened and when ([`Gateway::tell`]);
//! 3. carry out its actions in their order: send (datagrams together, once all that had come has been told), connect, close, or publish a
//!    notice;
//! 4. ask for its next deadline.
//!
//! Standard output carries one JSON object a line for each notice (`json.rs`), standard error the log (`words.rs`).
//! SIGHUP reads the configuration file again (`reload.rs`).
//! With `[journal] file = ".."` all that the core is told is kept (`journal.rs`), for `examples/replay` to look at. With
//! `[store] file = ".."` bindings outlive a restart (`store.rs`).

#![expect(clippy::disallowed_methods, reason = "this is the caller: clocks, sockets and threads live here")]

mod args;
mod batch;
mod config;
mod connections;
mod dns;
mod drops;
mod entrance;
#[cfg(target_os = "linux")]
mod error_queue;
mod feed;
mod journal;
mod json;
mod listen;
mod local;
mod reload;
mod section;
mod settings;
mod signals;
mod site_file;
mod store;
mod tls;
mod udp;
mod users;
mod websocket;
mod words;

use args::Wish;
use bytes::Bytes;
use config::Site;
use connections::{Arrival, Connections};
use dns::{Answers, Dns};
use drops::Drops;
use entrance::Entrance;
use feed::{Feed, News};
use journal::Journal;
use reload::Running;
use signals::{Signals, Wish as Signal};
use sip_survivability::time::Instant;
use sip_survivability::transport::{FlowId, Transport};
use sip_survivability::{Action, Actions, Event, Sas};
use std::collections::VecDeque;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;
use store::{Opened, Store};
use tokio::net::TcpListener;
use tokio::sync::mpsc::Receiver;
use udp::Port;

/// The exit status that says: what you asked for cannot work.
const WRONG_CONFIGURATION: u8 = 2;

/// The most that one port may bring before the others, the timers and the signals get their turn.
const BURST: usize = 64;

/// The least time from one tick to the next. No timer of SIP minds being as late as that, and those of many calls go off together rather
/// than wake us one by one.
const TICK: Duration = Duration::from_millis(10);

fn main() -> ExitCode {
    let site = match args::parse(std::env::args_os().skip(1)) {
        Ok(Wish::Say(text)) => return args::say(text),
        Ok(Wish::Serve { config: Some(path) }) => config::read(&path),
        Ok(Wish::Serve { config: None }) => config::built_in(),
        Err(error) => Err(error),
    };
    let mut site = match site {
        Ok(site) => site,
        Err(error) => return fail(&error, WRONG_CONFIGURATION),
    };

    words::start_logging();
    let opened = match site.open_store() {
        Ok(opened) => opened,
        Err(error) => return fail(&error, WRONG_CONFIGURATION),
    };
    // One thread is enough for the core, and sharing nothing is what keeps it simple.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(&format!("cannot start: {error}"), 1),
    };
    let (dns, answers) = match site.asks_dns().then(|| Dns::start(&site.dns)).transpose() {
        Ok(dns) => dns.unzip(),
        Err(error) => return fail(&site.wrong_dns(&error), WRONG_CONFIGURATION),
    };
    runtime.block_on(serve(site, opened, dns, answers))
}

/// One line on standard error, whatever the message has in it.
fn fail(message: &str, status: u8) -> ExitCode {
    let one_line: String = message
        .chars()
        .flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] })
        .collect();
    eprintln!("gateway: {one_line}");
    ExitCode::from(status)
}

/// Opens the sockets, then runs until a signal comes.
async fn serve(
    site: Site,
    opened: Option<Opened>,
    dns: Option<Dns>,
    mut answers: Option<Answers>,
) -> ExitCode {
    let mut ports = Vec::new();
    for (number, &address) in (0..).zip(&site.listen.udp) {
        match Port::bind(FlowId(number), address).await {
            Ok(port) => ports.push(port),
            Err(error) => {
                return fail(&site.wrong_address("listen.udp", address, &error), WRONG_CONFIGURATION);
            }
        }
    }
    let mut listeners = Vec::new();
    for (transport, key, address) in site.listen.streams() {
        match connections::listen(address).and_then(|listener| Ok((listener.local_addr()?, listener))) {
            Ok((bound, listener)) => listeners.push((listener, site.entrance(transport, bound))),
            Err(error) => return fail(&site.wrong_address(key, address, &error), WRONG_CONFIGURATION),
        }
    }
    let mut seed = [0; 32];
    if let Err(error) = getrandom::fill(&mut seed) {
        return fail(&format!("the system gives no random numbers: {error}"), 1);
    }
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(error) => return fail(&format!("cannot wait for signals: {error}"), 1),
    };
    if site.path.is_none() {
        eprint!("{}", config::HOW_TO_CALL);
    }

    let (mut gateway, mut arrivals) = Gateway::new(site, seed, ports, listeners, dns);
    gateway.restore(opened);
    loop {
        tokio::select! {
            answer = next_answer(&mut answers) => gateway.tell(answer),
            () = udp::any_ready(&gateway.ports) => {}
            Some(arrival) = arrivals.recv() => gateway.on_arrival(arrival),
            () = gateway.next_tick() => {}
            signal = signals.next() => match signal {
                Signal::Stop(name) => {
                    tracing::info!("{name}: stopping");
                    break;
                }
                // Who has no file to read is on somebody's terminal, which is gone.
                Signal::Reload if !gateway.running.has_file() => {
                    tracing::info!("SIGHUP: stopping");
                    break;
                }
                Signal::Reload => answers = gateway.reload().or_else(|| answers.take()),
            },
        }
        if gateway.take_turn(&mut arrivals) == Turn::Full {
            // Sockets that always have more would keep this task from ever waiting, and so the signals from being seen.
            tokio::task::yield_now().await;
        }
    }
    if let Some(journal) = gateway.journal {
        journal.finish();
    }
    if let Some(store) = gateway.store {
        store.finish();
    }
    gateway.feed.finish();
    ExitCode::SUCCESS
}

/// The next answer of the DNS; never, where it is not asked.
async fn next_answer(answers: &mut Option<Answers>) -> Event {
    match answers {
        Some(answers) => answers.next().await,
        None => std::future::pending().await,
    }
}

/// How a turn ended.
#[derive(PartialEq, Eq)]
enum Turn {
    /// All that had come has been told.
    Done,
    /// There may be more.
    Full,
}

/// The core, and all that it acts through.
struct Gateway {
    sas: Sas,
    /// Filled by the core and emptied by us, again and again.
    actions: Actions,
    /// The port at index `n` is the flow `n`.
    ports: Vec<Port>,
    connections: Connections,
    /// What is still to be told to the core.
    events: VecDeque<Event>,
    overrun: Drops,
    dns: Option<Dns>,
    feed: Feed,
    /// None where none is kept, or it has ended.
    journal: Option<Journal>,
    running: Running,
    /// None where bindings end with us.
    store: Option<Store>,
    start: std::time::Instant,
    /// When the core was last told that its deadline had passed, and all was done that was due.
    ticked: Instant,
}

impl Gateway {
    fn new(
        site: Site,
        seed: [u8; 32],
        ports: Vec<Port>,
        listeners: Vec<(TcpListener, Entrance)>,
        dns: Option<Dns>,
    ) -> (Self, Receiver<Arrival>) {
        let (connections, arrivals) = Connections::new(site.listen.authorities.clone());
        let locals: Vec<_> =
            ports.iter().map(|port| (port.flow(), site.local_address(port.bound()))).collect();
        let path = site.journal.as_deref();
        let journal = path.and_then(|path| Journal::start(path, &site.about, seed, Instant::ZERO));
        let mut gateway = Self {
            sas: Sas::new(site.config, seed, Instant::ZERO),
            actions: Actions::new(),
            ports,
            connections,
            events: VecDeque::new(),
            overrun: Drops::default(),
            dns,
            feed: Feed::to_stdout(),
            journal,
            running: Running::new(site.path, site.listen, site.fixed, site.kept_secret),
            store: None,
            start: std::time::Instant::now(),
            ticked: Instant::ZERO,
        };
        for (flow, local) in locals {
            gateway.tell(Event::FlowOpened { flow, transport: Transport::Udp, local, remote: None });
        }
        for (listener, entrance) in listeners {
            let Entrance { transport, local, .. } = entrance;
            gateway.tell(Event::Listening { transport, local });
            gateway.connections.take_from(listener, entrance);
        }
        (gateway, arrivals)
    }

    /// Tells the core what the store has, before it hears of anything that has come since, and begins to keep what changes.
    fn restore(&mut self, opened: Option<Opened>) {
        let Some(mut opened) = opened else { return };
        let content = &mut opened.content;
        let (bindings, expired, damaged) = (content.records.len(), content.expired, content.damaged);
        tracing::info!(
            "the store has {bindings} bindings; past their lifetime: {expired}, damaged: {damaged}"
        );
        for (record, age) in content.records.drain(..) {
            self.tell(Event::Restored { record: Box::new(record), age });
            self.journal = self.journal.take().and_then(Journal::end_turn);
        }
        self.feed.publish(self.now(), &News::StoreOpened { bindings, expired, damaged });
        self.store = Some(opened.start(self.feed.reporter(self.start)));
    }

    /// The core's time: microseconds since the start, by a clock that no administrator can set back.
    fn now(&self) -> Instant {
        Instant::ZERO + self.start.elapsed()
    }

    /// Tells the core what happened, and does what it says.
    fn tell(&mut self, event: Event) {
        self.events.push_back(event);
        self.tell_events();
    }

    fn tell_events(&mut self) {
        while let Some(event) = self.events.pop_front() {
            let (now, mut actions) = (self.now(), std::mem::take(&mut self.actions));
            if let Some(journal) = &mut self.journal {
                journal.append(now, &event);
            }
            self.sas.handle_into(now, event, &mut actions);
            for action in actions.drain() {
                self.carry_out(now, action);
            }
            self.actions = actions;
        }
    }

    fn carry_out(&mut self, now: Instant, action: Action) {
        match action {
            Action::Send { flow, to, payload } => self.send(flow, to, payload),
            Action::Connect { flow, transport, to, name } => {
                self.connections.connect(flow, transport, to, name.as_deref());
            }
            Action::Close { flow } => self.connections.close(flow),
            Action::Notify(notice) => {
                words::log(&notice);
                self.feed.publish(now, &News::Core(notice));
            }
            Action::Resolve { query, name, kind } => {
                if let Some(dns) = &self.dns {
                    dns.ask(query, name, kind);
                }
            }
            Action::Store(record) => {
                if let Some(store) = &self.store {
                    store.keep(record);
                }
            }
            _ => tracing::error!("the core wants what this gateway cannot do"),
        }
    }

    fn send(&mut self, flow: FlowId, to: SocketAddr, payload: Bytes) {
        let port = usize::try_from(flow.0).ok().and_then(|index| self.ports.get_mut(index));
        if let Some(port) = port {
            port.gather(to, payload);
        } else if !self.connections.send(flow, payload) {
            self.overrun.count(|count| {
                tracing::warn!(
                    "connections that do not take what is sent, the latest to {to}; closed: {count}"
                );
            });
            self.connections.close(flow);
            self.events.push_back(Event::FlowClosed { flow });
        }
    }

    /// Sends what was gathered. A peer that waits for us is woken by the first datagram and finds the others there: to send each at once
    /// would mean to wake it anew for each, which costs more than all else that we do for it.
    fn send_gathered(&mut self) {
        self.ports.iter_mut().for_each(Port::send_gathered);
    }

    /// Something happened on a connection.
    fn on_arrival(&mut self, arrival: Arrival) {
        let event = match arrival {
            Arrival::Accepted { connection, transport, local, remote } => {
                let flow = self.connections.accept(connection);
                Event::FlowOpened { flow, transport, local, remote: Some(remote) }
            }
            Arrival::Event(event) => event,
        };
        if let Event::FlowClosed { flow } = event {
            self.connections.close(flow);
        }
        self.tell(event);
    }

    /// Hands over what has come, a bounded number from each port and from all connections, and the deadline if it has passed.
    fn take_turn(&mut self, arrivals: &mut Receiver<Arrival>) -> Turn {
        let mut from_connections = 0;
        while from_connections < BURST
            && let Ok(arrival) = arrivals.try_recv()
        {
            self.on_arrival(arrival);
            from_connections += 1;
        }
        let mut is_full = from_connections == BURST;
        for index in 0..self.ports.len() {
            let mut from_port = 0;
            while from_port < BURST
                && let Some(event) = self.ports.get_mut(index).and_then(Port::receive)
            {
                self.tell(event);
                from_port += 1;
            }
            is_full |= from_port == BURST;
            self.send_gathered();
        }
        let now = self.now();
        if self.tick_at().is_some_and(|at| at <= now) {
            self.tell(Event::Tick);
            // A tick does a bounded amount of work.
            if self.sas.next_timeout().is_some_and(|at| at <= now) {
                is_full = true;
            } else {
                self.ticked = now;
            }
        }
        self.send_gathered();
        self.journal = self.journal.take().and_then(Journal::end_turn);
        if let Some(store) = &self.store {
            store.end_turn(|| self.sas.snapshot(self.now()));
        }
        if is_full { Turn::Full } else { Turn::Done }
    }

    /// When the core is to be told next that its deadline has passed.
    fn tick_at(&self) -> Option<Instant> {
        self.sas.next_timeout().map(|at| at.max(self.ticked + TICK))
    }

    /// Waits until then; for ever if there is no deadline.
    async fn next_tick(&self) {
        match self.tick_at() {
            Some(at) => tokio::time::sleep(at - self.now()).await,
            None => std::future::pending().await,
        }
    }
}
