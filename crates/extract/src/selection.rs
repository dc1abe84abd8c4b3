//! A set of parcels by their positions in the file.

/// Some of the parcels of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Selection {
    words: Vec<u64>,
    len: usize,
}

impl Selection {
    /// Returns the parcels whose flag is true.
    pub(crate) fn from_flags(flags: &[bool]) -> Self {
        let words = flags.chunks(64).map(|chunk| {
            let bits = chunk.iter().enumerate();
            bits.fold(0, |word, (bit, flag)| word | u64::from(*flag) << bit)
        });
        Self {
            words: words.collect(),
            len: flags.iter().filter(|flag| **flag).count(),
        }
    }

    /// True where `parcel` is one of them.
    pub(crate) fn contains(&self, parcel: u32) -> bool {
        self.words
            .get(parcel as usize / 64)
            .is_some_and(|word| word >> (parcel % 64) & 1 == 1)
    }

    /// Returns their number.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Returns a digest of which they are.
    pub(crate) fn digest(&self) -> u64 {
        let bytes: Vec<u8> = self
            .words
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        xxhash_rust::xxh3::xxh3_64(&bytes)
    }

    /// Returns their positions, rising.
    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let all = 0..self.words.len() as u32 * 64;
        all.filter(|parcel| self.contains(*parcel))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_come_back() {
        let flags: Vec<bool> = (0..200)
            .map(|index| index % 7 == 3 || index == 199)
            .collect();
        let selection = Selection::from_flags(&flags);
        let found: Vec<u32> = selection.iter().collect();
        let expected: Vec<u32> = (0..200).filter(|index| flags[*index as usize]).collect();
        assert_eq!(found, expected);
        assert_eq!(selection.len(), expected.len());
        assert!(!selection.contains(1_000));
    }
}
