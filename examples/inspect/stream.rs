//! Messages out of files: one that is the whole file, or many one after another.

use crate::Failure;
use crate::inputs::Input;
use crate::output::{Finding, Output, Place, Refusal};
use bytes::Bytes;
use sip_survivability::message::{ConnectionEnd, Frame, FrameLimits, Framer, ParseLimits};
use std::io::{ErrorKind, Read};

/// How much is read at once.
const CHUNK: usize = 64 * 1024;

/// The file as one message, as a datagram carries it.
pub(crate) fn message(input: &Input, output: &mut Output) -> Result<(), Failure> {
    // One byte too many is enough to be refused.
    let limit = ParseLimits::default().max_message as u64 + 1;
    let mut text = Vec::new();
    input.open()?.take(limit).read_to_end(&mut text).map_err(|error| input.failed(error))?;
    Ok(output.tell(&Finding::parse(&input.name, Place::File {}, text.into()))?)
}

/// The file as a byte stream. What cannot be framed ends it, since nobody knows where the next message starts.
pub(crate) fn messages(input: &Input, output: &mut Output) -> Result<(), Failure> {
    let mut source = input.open()?;
    let mut framer = Framer::new(ConnectionEnd::Accepted, FrameLimits::default());
    let mut buffer = vec![0; CHUNK];
    let mut pushed = 0;
    loop {
        let chunk = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(len) => Bytes::copy_from_slice(buffer.get(..len).unwrap_or_default()),
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => return Err(input.failed(error)),
        };
        framer.push(chunk.clone());
        pushed += chunk.len() as u64;
        loop {
            let untaken = framer.buffered();
            match framer.next_frame() {
                Ok(Some(Frame::Message(text))) => {
                    let offset = pushed - framer.buffered() as u64 - text.len() as u64;
                    output.tell(&Finding::parse(&input.name, Place::Stream { offset }, text))?;
                }
                Ok(Some(_keep_alive)) => {}
                Ok(None) => break,
                Err(error) => {
                    let offset = pushed - untaken as u64 + line_ends(&chunk, untaken);
                    let refusal = Refusal { error: error.kind.to_string(), at: None };
                    let text = error.head.unwrap_or_default();
                    let place = Place::Stream { offset };
                    output.tell(&Finding { file: &input.name, place, text, message: Err(refusal) })?;
                    return Ok(());
                }
            }
        }
    }
    if framer.buffered() > 0 {
        let place = Place::Stream { offset: pushed - framer.buffered() as u64 };
        let refusal = Refusal { error: "the stream ends within a message".into(), at: None };
        output.tell(&Finding { file: &input.name, place, text: Bytes::new(), message: Err(refusal) })?;
    }
    Ok(())
}

/// How many bytes of the last `untaken` ones are line ends before a message. They are never kept: if there are any, they
/// came with the latest chunk.
fn line_ends(chunk: &[u8], untaken: usize) -> u64 {
    let start = chunk.len().checked_sub(untaken);
    let text = start.and_then(|start| chunk.get(start..)).unwrap_or_default();
    text.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count() as u64
}
