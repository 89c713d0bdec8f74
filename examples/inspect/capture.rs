//! Packet captures, pcap and pcapng: their packets, with the time of each, and the messages in them.

use crate::Failure;
use crate::inputs::Input;
use crate::network::{Carried, Carrier, Link, Network};
use crate::output::{Finding, Hop, Output, Place, Refusal};
use crate::sniff;
use crate::tcp::{Connections, Segment};
use bytes::Bytes;
use pcap_parser::traits::PcapNGPacketBlock;
use pcap_parser::{Block, Linktype, PcapBlockOwned, PcapError, create_reader};
use std::io::{Cursor, Read};
use std::time::{Duration, SystemTime};

/// The buffer that packets are read into, and how large one block may make it.
const BUFFER: usize = 64 * 1024;
const MAX_BUFFER: usize = 16 * 1024 * 1024;

/// More interfaces than this are not told apart; their packets are passed over.
const MAX_INTERFACES: usize = 65_536;

/// The year 10000, which RFC 3339 cannot write.
const END_OF_TIME: u64 = 253_402_300_800;

/// All SIP messages of a capture.
pub(crate) fn messages(input: &Input, output: &mut Output) -> Result<(), Failure> {
    let mut network = Network::default();
    let mut connections = Connections::default();
    let mut tell = |hop: Hop, found: Result<Bytes, Refusal>| {
        let (file, place) = (input.name.as_str(), Place::Capture(hop));
        match found {
            Ok(text) => output.tell(&Finding::parse(file, place, text)),
            Err(refusal) => output.tell(&Finding { file, place, text: Bytes::new(), message: Err(refusal) }),
        }
    };
    let read = packets(input, |packet| {
        let Some(carried) = network.open(packet.link, packet.data) else { return Ok(()) };
        let Carried { source, destination, carrier, data } = carried;
        match carrier {
            Carrier::Udp if sniff::is_message(&data) => {
                let hop = Hop { time: packet.time, source, destination, transport: "udp" };
                tell(hop, Ok(data.into_owned().into()))?;
            }
            Carrier::Udp => {}
            Carrier::Tcp { sequence, opens } => {
                let hop = Hop { time: packet.time, source, destination, transport: "tcp" };
                connections.take(&Segment { hop, sequence, opens, data: &data }, &mut tell)?;
            }
        }
        Ok(())
    });
    // Also of a capture that ends early.
    connections.finish(&mut tell)?;
    read
}

/// A packet as it was captured.
struct Packet<'a> {
    time: Option<SystemTime>,
    link: Link,
    data: &'a [u8],
}

/// Hands over one packet after the other.
fn packets(input: &Input, mut take: impl FnMut(Packet<'_>) -> Result<(), Failure>) -> Result<(), Failure> {
    let mut source = input.open()?;
    // The form of the capture is read off what comes first, which a pipe may give in pieces.
    let mut start = Vec::new();
    source.by_ref().take(BUFFER as u64).read_to_end(&mut start).map_err(|error| input.failed(error))?;
    let source = Cursor::new(start).chain(source);
    let mut reader =
        create_reader(BUFFER, source).map_err(|_| input.failed("neither a pcap nor a pcapng file"))?;
    let mut section = Section::default();
    loop {
        let before = reader.data().len();
        match reader.next() {
            Ok((len, block)) => {
                if let Some(packet) = section.packet(&block) {
                    take(packet)?;
                }
                drop(block);
                reader.consume(len);
            }
            Err(PcapError::Eof) => {
                let strange = section
                    .strange
                    .map(|link| format!("packets of link layer {} are not understood", link.0));
                return strange.map_or(Ok(()), |why| Err(input.failed(why)));
            }
            Err(PcapError::UnexpectedEof) => return Err(input.failed("ends within a packet")),
            Err(PcapError::Incomplete(_) | PcapError::BufferTooSmall) => {
                reader.refill().map_err(|error| input.failed(error))?;
                if reader.data().len() == before && !reader.reader_exhausted() {
                    let len = before.saturating_mul(2).max(2 * BUFFER);
                    if len > MAX_BUFFER || !reader.grow(len) {
                        return Err(input.failed("a packet too large to be one"));
                    }
                }
            }
            Err(_) => {
                let at = reader.consumed();
                return Err(input.failed(format_args!("no capture any more from byte {at} on")));
            }
        }
    }
}

/// What the packets of a file, or of a section of one, have in common.
#[derive(Default)]
struct Section {
    interfaces: Vec<Interface>,
    /// The first link layer of a packet that is not understood.
    strange: Option<Linktype>,
}

#[derive(Clone, Copy)]
struct Interface {
    link: Linktype,
    /// Units of time in a second.
    resolution: u64,
    /// Seconds to add.
    offset: i64,
}

impl Section {
    /// The packet in a block, if it is one. What others say of the packets to come is remembered.
    fn packet<'a>(&mut self, block: &'a PcapBlockOwned<'_>) -> Option<Packet<'a>> {
        match block {
            PcapBlockOwned::LegacyHeader(header) => {
                let resolution = if header.is_nanosecond_precision() { 1_000_000_000 } else { 1_000_000 };
                self.interfaces = vec![Interface { link: header.network, resolution, offset: 0 }];
                None
            }
            PcapBlockOwned::Legacy(packet) => {
                let interface = *self.interfaces.first()?;
                let ticks = u128::from(packet.ts_sec) * u128::from(interface.resolution);
                let time = interface.time(ticks + u128::from(packet.ts_usec));
                self.opened(interface.link, time, packet.data)
            }
            PcapBlockOwned::NG(Block::SectionHeader(_)) => {
                self.interfaces.clear();
                None
            }
            PcapBlockOwned::NG(Block::InterfaceDescription(interface)) => {
                if self.interfaces.len() < MAX_INTERFACES {
                    let resolution = resolution(interface.if_tsresol);
                    let (link, offset) = (interface.linktype, interface.if_tsoffset);
                    self.interfaces.push(Interface { link, resolution, offset });
                }
                None
            }
            PcapBlockOwned::NG(Block::EnhancedPacket(packet)) => {
                let interface = *self.interfaces.get(usize::try_from(packet.if_id).ok()?)?;
                let time = interface.time(u128::from(packet.ts_high) << 32 | u128::from(packet.ts_low));
                self.opened(interface.link, time, packet.packet_data())
            }
            PcapBlockOwned::NG(Block::SimplePacket(packet)) => {
                let link = self.interfaces.first()?.link;
                self.opened(link, None, packet.packet_data())
            }
            PcapBlockOwned::NG(_) => None,
        }
    }

    fn opened<'a>(&mut self, link: Linktype, time: Option<SystemTime>, data: &'a [u8]) -> Option<Packet<'a>> {
        let known = Link::of(link);
        if known.is_none() {
            self.strange.get_or_insert(link);
        }
        known.map(|link| Packet { time, link, data })
    }
}

impl Interface {
    fn time(&self, ticks: u128) -> Option<SystemTime> {
        let resolution = u128::from(self.resolution);
        let seconds = u64::try_from(ticks / resolution).ok()?.checked_add_signed(self.offset)?;
        let micros = u64::try_from(ticks % resolution * 1_000_000 / resolution).ok()?;
        let since = Duration::from_secs(seconds).checked_add(Duration::from_micros(micros))?;
        SystemTime::UNIX_EPOCH.checked_add(since).filter(|_| since.as_secs() < END_OF_TIME)
    }
}

/// `if_tsresol`: a power of ten, or of two where the highest bit is set. Microseconds for what is too fine to count.
fn resolution(code: u8) -> u64 {
    let base: u64 = if code & 0x80 == 0 { 10 } else { 2 };
    base.checked_pow(u32::from(code & 0x7f)).unwrap_or(1_000_000)
}
