//! TLS: certificates, handshakes, and calls by it in both directions.

use crate::line::{Line, connect, secure};
use crate::phone::{Phone, call};
use crate::process::{Gateway, PATIENCE, file, refusal};
use rcgen::{CertifiedKey, generate_simple_self_signed};
use socket2::{Domain, Socket, Type};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::{
    ClientConfig, RootCertStore, ServerConfig, ServerConnection, StreamOwned, SupportedProtocolVersion,
    version,
};

/// A host with a certificate that it has made itself.
pub(crate) struct Host {
    certificate: String,
    key: String,
    /// The names of the files.
    pub(crate) certificate_file: String,
    key_file: String,
}

impl Host {
    pub(crate) fn new(name: &str, ip: &str) -> Self {
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed([ip.to_owned()]).unwrap();
        let (certificate, key) = (cert.pem(), signing_key.serialize_pem());
        let certificate_file = file(&format!("{name}-certificate"), &certificate);
        let key_file = file(&format!("{name}-key"), &key);
        Self { certificate, key, certificate_file, key_file }
    }

    /// What the gateway's file says of it. The files are named as those that lie beside it.
    pub(crate) fn lines(&self) -> String {
        let name = |path: &str| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned();
        format!("certificate = {:?}\nkey = {:?}\n", name(&self.certificate_file), name(&self.key_file))
    }

    /// Who believes this host and nobody else.
    pub(crate) fn believer(&self) -> Arc<ClientConfig> {
        self.believer_by(&[&version::TLS12, &version::TLS13])
    }

    fn believer_by(&self, versions: &[&'static SupportedProtocolVersion]) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()).unwrap();
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
        let config = config.with_protocol_versions(versions).unwrap();
        Arc::new(config.with_root_certificates(roots).with_no_client_auth())
    }

    /// TLS on a connection that this host has taken.
    fn serve(&self, stream: TcpStream) -> StreamOwned<ServerConnection, TcpStream> {
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let chain = vec![CertificateDer::from_pem_slice(self.certificate.as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(self.key.as_bytes()).unwrap();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap();
        let config = config.with_no_client_auth().with_single_cert(chain, key).unwrap();
        StreamOwned::new(ServerConnection::new(Arc::new(config)).unwrap(), stream)
    }
}

/// A gateway that takes TLS, and where.
fn with_tls(name: &str) -> (Gateway, SocketAddr, Host) {
    let host = Host::new(name, "127.0.0.1");
    let gateway = Gateway::always_emergency_with(name, &format!("tls = [\"127.0.0.1:0\"]\n{}", host.lines()));
    let address = gateway.listening("tls");
    (gateway, address, host)
}

#[test]
fn a_certificate_or_key_that_cannot_be_used_is_named() {
    let (host, other) = (Host::new("right", "127.0.0.1"), Host::new("other", "127.0.0.1"));
    let empty = file("empty", "nothing\n");
    let garbled = file("garbled", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
    let (certificate, key) = (&host.certificate_file, &host.key_file);
    let missing = "/no/such.pem".to_owned();
    for (certificate, key, name, value, reason) in [
        (&missing, key, "certificate", &missing, "No such file"),
        (&empty, key, "certificate", &empty, "has no certificate in it"),
        (key, key, "certificate", key, "has no certificate in it"),
        (&garbled, key, "certificate", &garbled, "invalid peer certificate"),
        (certificate, &missing, "key", &missing, "No such file"),
        (certificate, &empty, "key", &empty, "has no key in it"),
        (certificate, certificate, "key", certificate, "has no key in it"),
        (certificate, &other.key_file, "key", &other.key_file, "does not fit listen.certificate"),
    ] {
        let text = format!(
            "[listen]\nudp = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\ncertificate = {certificate:?}\n\
             key = {key:?}\n[sas]\nsurvivability_mode = \"always-emergency\"\n"
        );
        let line = refusal(&["--config", &file("identity", &text)]);
        assert!(
            line.contains(&format!("listen.{name} = {value:?}: {reason}")),
            "{line}\n  instead of {reason}"
        );
    }
}

#[test]
fn phones_on_tls_and_udp_call_each_other() {
    let (gateway, address, host) = with_tls("tls");
    let old = host.believer_by(&[&version::TLS12]);
    let mut alice = Phone::on("1001", &gateway, Line::tls(&host.believer(), connect(address)));
    let mut bob = Phone::new("1002", &gateway);
    let mut carol = Phone::on("1003", &gateway, Line::tls(&old, connect(address)));
    for phone in [&mut alice, &mut bob, &mut carol] {
        phone.register();
    }
    call(&mut alice, &mut bob);
    call(&mut bob, &mut carol);
    call(&mut carol, &mut alice);
}

#[test]
fn what_is_no_tls_is_closed_and_the_others_go_on() {
    let (gateway, address, host) = with_tls("no-tls");
    let mut plain = connect(address);
    plain.write_all(b"OPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n").unwrap();
    // An alert, then the end.
    let mut rest = Vec::new();
    let end = plain.read_to_end(&mut rest);
    assert!(end.is_ok() || end.is_err_and(|error| error.kind() == ErrorKind::ConnectionReset));
    assert!(!rest.starts_with(b"SIP"));
    Phone::on("1001", &gateway, Line::tls(&host.believer(), connect(address))).register();
}

/// A connection from another address of this machine.
#[cfg(target_os = "linux")]
fn connect_from(from: &str, to: SocketAddr) -> TcpStream {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::new(from.parse().unwrap(), 0).into()).unwrap();
    socket.connect(&to.into()).unwrap();
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Loopback has more than one address without being told only there.
#[cfg(target_os = "linux")]
#[test]
fn handshakes_that_never_end_harm_nobody_else() {
    let (gateway, address, host) = with_tls("silent");
    let silent: Vec<_> = (0..70).map(|_| connect(address)).collect();
    let started = Instant::now();
    Phone::on("1001", &gateway, Line::tls(&host.believer(), connect_from("127.0.0.2", address))).register();
    assert!(started.elapsed() < PATIENCE);
    // Those beyond what one host may have were closed at once, the others wait.
    let is_closed = |mut stream: &TcpStream| {
        stream.set_nonblocking(true).unwrap();
        !matches!(stream.read(&mut [0]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    let closed = silent.iter().filter(|stream| is_closed(stream)).count();
    assert_eq!(closed, 6, "of 70, where 64 may be at it");
}

#[test]
fn a_phone_whose_connection_has_died_is_gone_and_the_caller_hears_it() {
    let (gateway, address, host) = with_tls("died");
    let mut alice = Phone::new("1001", &gateway);
    let mut bob = Phone::on("1002", &gateway, Line::tls(&host.believer(), connect(address)));
    alice.register();
    bob.register();
    let target = format!("sip:1002@{}", gateway.address);
    alice.send(gateway.address, &alice.request("INVITE", &target, &format!("<{target}>"), ""));
    bob.expect("INVITE ");
    drop(bob);
    let status = alice.expect("SIP/2.0 ").text[8..11].to_owned();
    assert!(matches!(status.as_bytes()[0], b'4'..=b'6'), "{status}");
}

/// A gateway with a PSTN gateway that it reaches by TLS and believes by the file of `authority`.
fn with_pstn(name: &str, pstn: SocketAddr, authority: &Host) -> Gateway {
    let ours = Host::new(name, "127.0.0.1");
    let text = format!(
        "[listen]\nudp = [\"127.0.0.1:0\"]\ntls = [\"127.0.0.1:0\"]\n{}authorities = {:?}\n\
         [sas]\nsurvivability_mode = \"always-emergency\"\ndefault_gateway = \"sip:{pstn};transport=tls\"\n",
        ours.lines(),
        authority.certificate_file,
    );
    Gateway::start(name, &text)
}

fn dial(phone: &mut Phone) {
    let target = format!("sip:5551234@{}", phone.gateway);
    phone.send(phone.gateway, &phone.request("INVITE", &target, &format!("<{target}>"), ""));
}

#[test]
fn a_server_that_the_authorities_vouch_for_is_called_by_tls() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let pstn = Host::new("pstn", "127.0.0.1");
    let gateway = with_pstn("dials", listener.local_addr().unwrap(), &pstn);
    let mut alice = Phone::new("1001", &gateway);
    alice.register();
    dial(&mut alice);
    let (stream, _) = listener.accept().unwrap();
    let line = Line::accepted(&stream, pstn.serve(stream.try_clone().unwrap()));
    let mut trunk = Phone::on("5551234", &gateway, line);
    let invite = trunk.expect("INVITE ");
    assert!(invite.value("Via").starts_with("SIP/2.0/TLS "), "{}", invite.text);
    trunk.answer(&invite, "486 Busy Here");
    alice.expect("SIP/2.0 486");
}

#[test]
fn a_server_that_nobody_vouches_for_is_told_nothing() {
    for (name, ip, is_known) in [("stranger", "127.0.0.1", false), ("elsewhere", "127.0.0.9", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (pstn, other) = (Host::new(&format!("{name}-pstn"), ip), Host::new(&format!("{name}-other"), ip));
        let believed = if is_known { &pstn } else { &other };
        let gateway = with_pstn(name, listener.local_addr().unwrap(), believed);
        let mut alice = Phone::new("1001", &gateway);
        alice.register();
        dial(&mut alice);
        let (stream, _) = listener.accept().unwrap();
        let mut stream = pstn.serve(stream);
        let error = stream.read(&mut [0; 100]).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData, "{error}");
        alice.expect("SIP/2.0 480");
    }
}

#[test]
fn a_phone_that_does_not_know_us_goes_away() {
    let (gateway, address, _) = with_tls("unknown");
    let mut stream = secure(&Host::new("impostor", "127.0.0.1").believer(), connect(address));
    assert!(stream.write_all(b"\r\n\r\n").is_err());
    Phone::new("1001", &gateway).register();
}
