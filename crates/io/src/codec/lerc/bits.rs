//! Bytes, packed whole numbers and the mask of a LERC blob.

/// Bytes that are still to be read.
#[derive(Debug, Clone)]
pub(super) struct Reader<'a> {
    bytes: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes }
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes
    }

    pub(super) fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let (taken, rest) = self
            .bytes
            .split_at_checked(len)
            .ok_or("its LERC data are cut off")?;
        self.bytes = rest;
        Ok(taken)
    }

    pub(super) fn u8(&mut self) -> Result<u8, String> {
        Ok(self.take(1)?[0])
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        let raw = self.take(4)?;
        Ok(u32::from_le_bytes([raw[0], raw[1], raw[2], raw[3]]))
    }

    pub(super) fn f64(&mut self) -> Result<f64, String> {
        let low = u64::from(self.u32()?);
        let high = u64::from(self.u32()?);
        Ok(f64::from_bits(high << 32 | low))
    }

    /// Reads a run of at most `count_max` whole numbers of a few bits each, or of indices into a
    /// table of them.
    pub(super) fn packed(&mut self, count_max: usize) -> Result<Vec<u32>, String> {
        let head = self.u8()?;
        let bits = u32::from(head & 31);
        let count = match head >> 6 {
            0 => self.u32()? as usize,
            1 => {
                let raw = self.take(2)?;
                usize::from(u16::from_le_bytes([raw[0], raw[1]]))
            }
            2 => usize::from(self.u8()?),
            _ => return Err("a run of LERC numbers has no length".to_owned()),
        };
        if count > count_max {
            return Err(format!(
                "a run of {count} LERC numbers where {count_max} have room"
            ));
        }
        if head & 32 == 0 {
            return self.plain(count, bits);
        }
        if bits == 0 {
            return Err("a table of LERC numbers without bits".to_owned());
        }
        let entries = usize::from(self.u8()?)
            .checked_sub(1)
            .ok_or("an empty table of LERC numbers")?;
        // The first entry is 0 and not stored.
        let mut table = vec![0];
        table.extend(self.plain(entries, bits)?);
        let index_bits = usize::BITS - entries.leading_zeros();
        let indices = self.plain(count, index_bits)?;
        indices
            .into_iter()
            .map(|index| {
                table
                    .get(index as usize)
                    .copied()
                    .ok_or_else(|| "an index beyond a table of LERC numbers".to_owned())
            })
            .collect()
    }

    /// Reads `count` numbers of `bits` each, the least significant bits first.
    fn plain(&mut self, count: usize, bits: u32) -> Result<Vec<u32>, String> {
        if bits == 0 {
            return Ok(vec![0; count]);
        }
        let bytes = self.take((count * bits as usize).div_ceil(8))?;
        let mut values = Vec::with_capacity(count);
        let mut source = bytes.iter();
        let (mut window, mut held) = (0_u64, 0_u32);
        for _ in 0..count {
            while held < bits {
                window |= u64::from(source.next().copied().unwrap_or(0)) << held;
                held += 8;
            }
            values.push((window & ((1 << bits) - 1)) as u32);
            window >>= bits;
            held -= bits;
        }
        Ok(values)
    }
}

/// Unpacks a mask: runs of bytes, one bit for each pixel from the highest on.
pub(super) fn unpack_mask(packed: &[u8], pixels: usize) -> Result<Vec<bool>, String> {
    /// Ends the runs.
    const END: i16 = i16::MIN;
    let bytes_needed = pixels.div_ceil(8);
    let mut bytes = Vec::with_capacity(bytes_needed);
    let mut reader = Reader::new(packed);
    while bytes.len() < bytes_needed {
        let raw = reader.take(2)?;
        match i16::from_le_bytes([raw[0], raw[1]]) {
            END => break,
            count if count > 0 => bytes.extend_from_slice(reader.take(count as usize)?),
            count => {
                let value = reader.u8()?;
                bytes.resize(bytes.len() + usize::from(count.unsigned_abs()), value);
            }
        }
    }
    if bytes.len() < bytes_needed {
        return Err("the mask of its LERC blob is cut off".to_owned());
    }
    let flag = |pixel: usize| bytes[pixel / 8] & (0x80 >> (pixel % 8)) != 0;
    Ok((0..pixels).map(flag).collect())
}
