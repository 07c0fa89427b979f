//! Finds out how a text file is encoded and decodes it as it is read: UTF-8, else cp932.
//!
//! cp932 is what Excel and Python wrote on a Japanese Windows. A text that is valid UTF-8 is UTF-8: cp932
//! text with any Japanese in it practically never is.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use encoding_rs::{Decoder, DecoderResult, SHIFT_JIS, UTF_8};
use landfall_core::StoreError;

use super::unreadable;

/// Bytes read at a time.
const CHUNK: usize = 64 * 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Utf8,
    Cp932,
}

impl Encoding {
    fn decoder(self) -> Decoder {
        match self {
            Self::Utf8 => UTF_8.new_decoder_with_bom_removal(),
            Self::Cp932 => SHIFT_JIS.new_decoder_without_bom_handling(),
        }
    }
}

/// Tries both encodings on a whole file, in one pass.
pub(super) fn detect(path: &Path, shown: &Path) -> Result<Encoding, StoreError> {
    let mut file = File::open(path).map_err(|e| unreadable(shown, "it cannot be opened").with_source(e))?;
    let mut utf8 = Trial::of(Encoding::Utf8);
    let mut cp932 = Trial::of(Encoding::Cp932);
    let mut buffer = vec![0_u8; CHUNK];
    let mut begun = false;
    loop {
        let read =
            file.read(&mut buffer).map_err(|e| unreadable(shown, "it cannot be read").with_source(e))?;
        let bytes = buffer.get(..read).unwrap_or_default();
        if !begun && (bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff])) {
            return Err(unreadable(shown, "it is UTF-16: save it as CSV in UTF-8"));
        }
        begun = true;
        utf8.feed(bytes);
        cp932.feed(bytes);
        if bytes.is_empty() {
            break;
        }
    }
    match (utf8.failed, cp932.failed) {
        (None, _) => Ok(Encoding::Utf8),
        (_, None) => Ok(Encoding::Cp932),
        (Some(utf8), Some(cp932)) => {
            let detail = format!("it is neither UTF-8 (line {utf8}) nor cp932 (line {cp932})");
            Err(unreadable(shown, &detail))
        }
    }
}

/// One encoding being tried.
struct Trial {
    decoder: Decoder,
    out: Vec<u8>,
    line: u64,
    failed: Option<u64>,
}

impl Trial {
    fn of(encoding: Encoding) -> Self {
        Self { decoder: encoding.decoder(), out: vec![0; CHUNK], line: 1, failed: None }
    }

    /// Takes the next bytes; none means the end.
    fn feed(&mut self, mut bytes: &[u8]) {
        let last = bytes.is_empty();
        while self.failed.is_none() {
            let (result, read, written) =
                self.decoder.decode_to_utf8_without_replacement(bytes, &mut self.out, last);
            let text = self.out.get(..written).unwrap_or_default();
            self.line += text.iter().filter(|b| **b == b'\n').count() as u64;
            bytes = bytes.get(read..).unwrap_or_default();
            match result {
                DecoderResult::InputEmpty => return,
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(..) => self.failed = Some(self.line),
            }
        }
    }
}

/// A reader that gives UTF-8 without byte order mark, and counts quotation marks on the way.
pub(super) struct Decoded<R> {
    inner: R,
    decoder: Decoder,
    raw: Vec<u8>,
    text: Vec<u8>,
    given: usize,
    ready: usize,
    quotes: u64,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    pub(super) fn new(inner: R, encoding: Encoding) -> Self {
        Self {
            inner,
            decoder: encoding.decoder(),
            raw: vec![0; CHUNK / 4],
            // Three bytes of UTF-8 for one of cp932 at worst, and some for what a chunk left behind.
            text: vec![0; CHUNK],
            given: 0,
            ready: 0,
            quotes: 0,
            ended: false,
        }
    }

    /// Quotation marks read so far; odd at the end where one is never closed.
    pub(super) fn quotes(&self) -> u64 {
        self.quotes
    }

    fn fill(&mut self) -> io::Result<()> {
        let read = self.inner.read(&mut self.raw)?;
        self.ended = read == 0;
        let bytes = self.raw.get(..read).unwrap_or_default();
        let (_, taken, written, _) = self.decoder.decode_to_utf8(bytes, &mut self.text, self.ended);
        debug_assert_eq!(taken, read, "the text buffer holds whatever one chunk becomes");
        self.given = 0;
        self.ready = written;
        let text = self.text.get(..written).unwrap_or_default();
        self.quotes += text.iter().filter(|b| **b == b'"').count() as u64;
        Ok(())
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        while self.given == self.ready && !self.ended {
            self.fill()?;
        }
        let rest = self.text.get(self.given..self.ready).unwrap_or_default();
        let count = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        self.given += count;
        Ok(count)
    }
}
