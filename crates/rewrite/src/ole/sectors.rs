//! Sectors of a compound file and the chains that they form.

use crate::error::{Reason, RewriteError};
use crate::input::{Input, le};
use crate::limits::Limits;

/// Sector numbers from here on are marks: end of chain, free, a table's own.
const MARKS: u64 = 0xFFFF_FFFA;
/// A sector that nobody uses.
const FREE: u64 = 0xFFFF_FFFF;
/// The end of a chain.
const END: u64 = 0xFFFF_FFFE;
/// A small sector's size as a power of two.
const SMALL: u32 = 6;
/// Streams below this many bytes stand in small sectors.
const CUTOFF: u64 = 4096;

/// Sectors that are read at once, at most.
const RUN: u64 = 64;

/// How to find any sector's successor.
pub(super) struct Sectors {
    /// A sector's size as a power of two.
    shift: u32,
    /// The file's sectors, which no chain can be longer than.
    count: u64,
    first_directory: u64,
    first_small: u64,
    /// The sectors that hold the table of successors, in order.
    table: Vec<u64>,
    /// The same for small sectors, and the sectors that those stand in.
    small_table: Vec<u64>,
    small: Vec<u64>,
    small_size: u64,
    /// The piece of a table that was read last.
    cached: (u64, Vec<u8>),
}

impl Sectors {
    pub(super) fn open(input: &mut Input<'_>, limits: &Limits) -> Result<Self, RewriteError> {
        if input.len() < 512 || input.array::<8>(0)? != super::MAGIC {
            return Err(input.refuse(Reason::NotThisFormat, "", "no compound file"));
        }
        let header: [u8; 512] = input.array(0)?;
        let shift = match (le(&header, 26, 2), le(&header, 30, 2)) {
            (3, 9) => 9,
            (4, 12) => 12,
            _ => return Err(input.refuse(Reason::Unsupported, "", "version or size of sectors")),
        };
        if (le(&header, 28, 2), le(&header, 32, 2), le(&header, 56, 4)) != (0xFFFE, u64::from(SMALL), CUTOFF)
        {
            return Err(input.refuse(Reason::Malformed, "", "the header"));
        }
        let mut sectors = Self {
            shift,
            count: input.len() >> shift,
            first_directory: le(&header, 48, 4),
            first_small: le(&header, 60, 4),
            table: Vec::new(),
            small_table: Vec::new(),
            small: Vec::new(),
            small_size: 0,
            cached: (u64::MAX, Vec::new()),
        };
        sectors.read_table(input, limits, &header)?;
        sectors.nothing_beyond(input)?;
        Ok(sectors)
    }

    /// Whether sizes have 64 bits.
    pub(super) fn is_large(&self) -> bool {
        self.shift == 12
    }

    /// Gathers the sectors of the table of successors: 109 in the header, the rest in a chain of its own.
    fn read_table(
        &mut self,
        input: &mut Input<'_>,
        limits: &Limits,
        header: &[u8],
    ) -> Result<(), RewriteError> {
        let wanted = le(header, 44, 4);
        if wanted > self.count || wanted * 8 > limits.held {
            return Err(input.refuse(Reason::OverLimit, "", "the table of sectors"));
        }
        let mut list: Vec<u64> = (0..109).map(|index| le(header, 76 + index * 4, 4)).collect();
        let mut next = le(header, 68, 4);
        let width = 1_usize << self.shift;
        let mut further = 0;
        while next < MARKS && (list.len() as u64) < wanted {
            further += 1;
            let sector = input.bytes(self.place(next), width as u64)?;
            list.extend((0..width / 4 - 1).map(|index| le(&sector, index * 4, 4)));
            next = le(&sector, width - 4, 4);
        }
        let spare = list.iter().skip(usize::try_from(wanted).unwrap_or(0)).any(|sector| *sector != FREE);
        if spare || ![END, FREE].contains(&next) || further != le(header, 72, 4) {
            return Err(input.refuse(Reason::Malformed, "", "the list of the table of sectors"));
        }
        list.truncate(usize::try_from(wanted).unwrap_or(0));
        if (list.len() as u64) < wanted || list.iter().any(|sector| *sector >= MARKS) {
            return Err(input.refuse(Reason::Malformed, "", "the table of sectors"));
        }
        self.table = list;
        Ok(())
    }

    /// The table says of no sector behind the file's end that it is used; other programs refuse such a file.
    fn nothing_beyond(&mut self, input: &mut Input<'_>) -> Result<(), RewriteError> {
        let width = 1_u64 << self.shift;
        let there = input.len().div_ceil(width) - 1;
        let told = self.table.len() as u64 * (width / 4);
        for sector in there..told {
            if self.next(input, sector, false)? != FREE {
                let detail = format!("sector {sector} is used and not there");
                return Err(input.refuse(Reason::Truncated, "", detail));
            }
        }
        Ok(())
    }

    /// The directory's bytes.
    pub(super) fn directory(
        &mut self,
        input: &mut Input<'_>,
        limits: &Limits,
    ) -> Result<Vec<u8>, RewriteError> {
        let chain = self.chain(input, limits, self.first_directory)?;
        let mut bytes = Vec::new();
        for sector in chain {
            bytes.extend(input.bytes(self.place(sector), 1 << self.shift)?);
            if bytes.len() as u64 > limits.held {
                return Err(input.refuse(Reason::OverLimit, "", "the directory"));
            }
        }
        Ok(bytes)
    }

    /// Finds the small sectors, which are a stream of the root's.
    pub(super) fn open_small(
        &mut self,
        input: &mut Input<'_>,
        limits: &Limits,
        start: u64,
        size: u64,
    ) -> Result<(), RewriteError> {
        self.small_table = self.chain(input, limits, self.first_small)?;
        self.small = self.chain(input, limits, start)?;
        self.small_size = size;
        Ok(())
    }

    fn place(&self, sector: u64) -> u64 {
        (sector + 1) << self.shift
    }

    fn chain(
        &mut self,
        input: &mut Input<'_>,
        limits: &Limits,
        start: u64,
    ) -> Result<Vec<u64>, RewriteError> {
        let (mut list, mut next) = (Vec::new(), start);
        while next < MARKS {
            if list.len() as u64 > self.count || list.len() as u64 * 8 > limits.held {
                return Err(input.refuse(Reason::Malformed, "", "a chain of sectors without an end"));
            }
            list.push(next);
            next = self.next(input, next, false)?;
        }
        Ok(list)
    }

    /// A sector's successor by the table for its kind.
    fn next(&mut self, input: &mut Input<'_>, sector: u64, small: bool) -> Result<u64, RewriteError> {
        let width = 1_u64 << self.shift;
        let index = usize::try_from(sector * 4 / width).unwrap_or(usize::MAX);
        let table = if small { &self.small_table } else { &self.table };
        let Some(holder) = table.get(index).copied() else {
            return Err(input.refuse(Reason::Malformed, "", format!("sector {sector} is in no table")));
        };
        if self.cached.0 != holder {
            self.cached = (holder, input.bytes(self.place(holder), width)?);
        }
        Ok(le(&self.cached.1, usize::try_from(sector * 4 % width).unwrap_or(0), 4))
    }

    /// Passes a stream's bytes on.
    pub(super) fn each(
        &mut self,
        input: &mut Input<'_>,
        name: &str,
        start: u64,
        size: u64,
        mut piece: impl FnMut(&[u8]),
    ) -> Result<(), RewriteError> {
        let small = size < CUTOFF;
        let width = if small { 1_u64 << SMALL } else { 1 << self.shift };
        let (mut left, mut sector) = (size, start);
        // A circle gives out once the stream's size is read, and no stream is larger than its file.
        if size > input.len() {
            return Err(input.refuse(Reason::Truncated, name, "a stream larger than the file"));
        }
        while left > 0 {
            if sector >= MARKS {
                return Err(input.refuse(Reason::Truncated, name, "its chain of sectors ends too early"));
            }
            let at = if small { self.small_place(input, name, sector)? } else { self.place(sector) };
            // Neighbours are read together.
            let mut run = 1;
            let mut next = self.next(input, sector, small)?;
            while !small && next == sector + run && run < RUN && run * width < left {
                run += 1;
                next = self.next(input, next, small)?;
            }
            let bytes = input.bytes(at, left.min(run * width))?;
            piece(&bytes);
            left -= bytes.len() as u64;
            sector = next;
        }
        if size > 0 && sector != END {
            return Err(input.refuse(Reason::Hidden, name, "its chain of sectors goes on behind its end"));
        }
        Ok(())
    }

    /// Where a small sector stands in the file.
    fn small_place(&self, input: &Input<'_>, name: &str, sector: u64) -> Result<u64, RewriteError> {
        let within = sector << SMALL;
        let holder = usize::try_from(within >> self.shift).ok().and_then(|index| self.small.get(index));
        match holder {
            Some(holder) if within < self.small_size => Ok(self.place(*holder) + within % (1 << self.shift)),
            _ => Err(input.refuse(Reason::Malformed, name, "a small sector that is not there")),
        }
    }
}
