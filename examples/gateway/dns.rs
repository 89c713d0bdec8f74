//! The DNS, asked beside the thread that carries the calls: a slow name server delays no packet.
//!
//! The core keeps the answers and their times, so nothing is kept here.

use hickory_resolver::TokioResolver;
use hickory_resolver::config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::net::{DnsError, NetError};
use hickory_resolver::proto::op::ResponseCode;
use hickory_resolver::proto::rr::{RData, RecordType};
use sip_survivability::Event;
use sip_survivability::resolve::{Answer, Name, Naptr, QueryId, Record, RecordKind, Srv};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::sync::mpsc::{Receiver, Sender, channel};

/// Questions that may wait, and answers. The core has no more of them under way.
const WAITING: usize = 512;

/// One name server gets so long, twice. The core gives a question up after 10 s.
const TIMEOUT: Duration = Duration::from_secs(2);

struct Question {
    query: QueryId,
    name: Name,
    kind: RecordKind,
}

/// Where questions are taken.
pub(crate) struct Dns(Sender<Question>);

/// Where their answers come from.
pub(crate) struct Answers(Receiver<Event>);

impl Dns {
    /// Asks `servers`, or those of the system if there are none.
    pub(crate) fn start(servers: &[SocketAddr]) -> Result<(Self, Answers), String> {
        let (questions, mut asked) = channel::<Question>(WAITING);
        let (answered, answers) = channel(WAITING);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|error| error.to_string())?;
        let resolver = runtime.block_on(async { resolver(servers) }).map_err(|error| error.to_string())?;
        let serve = async move {
            while let Some(question) = asked.recv().await {
                let (resolver, answered) = (resolver.clone(), answered.clone());
                tokio::spawn(async move {
                    let answer = ask(&resolver, &question).await;
                    // The gateway may be ending.
                    let _ = answered.send(Event::Resolved { query: question.query, answer }).await;
                });
            }
        };
        let thread = std::thread::Builder::new().name("dns".to_owned());
        thread.spawn(move || runtime.block_on(serve)).map_err(|error| error.to_string())?;
        Ok((Self(questions), Answers(answers)))
    }

    /// Takes a question. One for which there is no room has no answer, which the core sees by its own time.
    pub(crate) fn ask(&self, query: QueryId, name: Name, kind: RecordKind) {
        if self.0.try_send(Question { query, name, kind }).is_err() {
            tracing::warn!("too many questions to the DNS; dropped one");
        }
    }
}

impl Answers {
    /// Waits for the next answer.
    pub(crate) async fn next(&mut self) -> Event {
        match self.0.recv().await {
            Some(event) => event,
            None => std::future::pending().await,
        }
    }
}

fn resolver(servers: &[SocketAddr]) -> Result<TokioResolver, NetError> {
    let mut builder = if servers.is_empty() {
        TokioResolver::builder_tokio()?
    } else {
        let servers = servers.iter().map(|server| {
            let at_port = |mut connection: ConnectionConfig| {
                connection.port = server.port();
                connection
            };
            let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(at_port);
            NameServerConfig::new(server.ip(), true, connections.into())
        });
        let config = ResolverConfig::from_parts(None, Vec::new(), servers.collect());
        TokioResolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options: &mut ResolverOpts = builder.options_mut();
    options.cache_size = 0;
    options.timeout = TIMEOUT;
    options.attempts = 2;
    builder.build()
}

async fn ask(resolver: &TokioResolver, question: &Question) -> Answer {
    let kind = match question.kind {
        RecordKind::Naptr => RecordType::NAPTR,
        RecordKind::Srv => RecordType::SRV,
        RecordKind::A => RecordType::A,
        RecordKind::Aaaa => RecordType::AAAA,
        _ => return Answer::Failed,
    };
    // With its final dot a name is not tried in the domains of the system's search list.
    match resolver.lookup(format!("{}.", question.name), kind).await {
        Ok(lookup) => {
            let ttl = lookup.answers().iter().map(|record| record.ttl).min().unwrap_or_default();
            let records = lookup.answers().iter().filter_map(|found| record(&found.data)).collect();
            Answer::Found { records, ttl: Duration::from_secs(ttl.into()) }
        }
        Err(NetError::Dns(DnsError::NoRecordsFound(none)))
            if matches!(none.response_code, ResponseCode::NoError | ResponseCode::NXDomain) =>
        {
            Answer::NotFound { ttl: Duration::from_secs(none.negative_ttl.unwrap_or_default().into()) }
        }
        Err(error) => {
            tracing::debug!("{} {}: {error}", question.name, question.kind);
            Answer::Failed
        }
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the DNS has many more kinds of records")]
fn record(data: &RData) -> Option<Record> {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match data {
        RData::A(a) => Some(Record::A(a.0)),
        RData::AAAA(aaaa) => Some(Record::Aaaa(aaaa.0)),
        RData::SRV(srv) => Some(Record::Srv(Srv {
            priority: srv.priority,
            weight: srv.weight,
            port: srv.port,
            target: srv.target.to_ascii(),
        })),
        RData::NAPTR(naptr) => Some(Record::Naptr(Naptr {
            order: naptr.order,
            preference: naptr.preference,
            flags: text(&naptr.flags),
            services: text(&naptr.services),
            regexp: text(&naptr.regexp),
            replacement: naptr.replacement.to_ascii(),
        })),
        _ => None,
    }
}
