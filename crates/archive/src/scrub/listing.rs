//! The objects of the archive, and which of them belong to an item.

use swath_io::ObjectInfo;

use super::report::Orphan;

/// A listing in which objects are ticked off; memory: the listing and a bit per object.
#[derive(Debug)]
pub(super) struct Listing {
    /// By key.
    objects: Vec<ObjectInfo>,
    is_referred_to: Vec<bool>,
}

impl Listing {
    /// Returns a listing of objects sorted by key.
    pub(super) fn new(objects: Vec<ObjectInfo>) -> Self {
        Self {
            is_referred_to: vec![false; objects.len()],
            objects,
        }
    }

    /// Returns how many objects there are.
    pub(super) fn len(&self) -> u64 {
        self.objects.len() as u64
    }

    /// Returns the size of an object and ticks it off; `None` where it was not listed.
    pub(super) fn refer_to(&mut self, key: &str) -> Option<u64> {
        let found = self
            .objects
            .binary_search_by(|object| object.key.as_str().cmp(key));
        let index = found.ok()?;
        self.is_referred_to[index] = true;
        Some(self.objects[index].size)
    }

    /// Ticks off everything below a folder.
    pub(super) fn refer_to_folder(&mut self, folder: &str) {
        let begin = format!("{}/", folder.trim_end_matches('/'));
        let first = self.objects.partition_point(|object| object.key < begin);
        let of_folder = self.objects[first..]
            .iter()
            .take_while(|object| object.key.starts_with(&begin))
            .count();
        self.is_referred_to[first..first + of_folder].fill(true);
    }

    /// Returns the objects that were not ticked off.
    pub(super) fn orphans(&self) -> impl Iterator<Item = Orphan> {
        let objects = self.objects.iter().zip(&self.is_referred_to);
        objects
            .filter(|(_, is_referred_to)| !**is_referred_to)
            .map(|(object, _)| Orphan {
                key: object.key.clone(),
                size: object.size,
            })
    }
}

/// Returns the folder of an item that an asset lies in: up to the part that is the item's id.
pub(super) fn folder_of<'key>(key: &'key str, id: &str) -> Option<&'key str> {
    let mut at = 0;
    for part in key.split('/') {
        let end = at + part.len();
        if part == id && end < key.len() {
            return Some(&key[..end]);
        }
        at = end + 1;
    }
    None
}

/// Returns collection and id of the item in whose folder an object lies:
/// `<collection>/<yyyy>/<mm>/<dd>/<id>/…`.
pub(super) fn item_of(key: &str) -> Option<(&str, &str)> {
    let parts: Vec<&str> = key.splitn(6, '/').collect();
    let [collection, year, month, day, id, _] = parts.as_slice() else {
        return None;
    };
    let is_number = |text: &str, digits: usize| {
        text.len() == digits && text.bytes().all(|c| c.is_ascii_digit())
    };
    let is_day = is_number(year, 4) && is_number(month, 2) && is_number(day, 2);
    is_day.then_some((*collection, *id))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_item_refers_to_is_left() {
        let keys = [
            "c/2020/01/01/a/B04.tif",
            "c/2020/01/01/a/a.SAFE/x",
            "c/2020/01/01/a-b/x",
            "z",
        ];
        let mut objects: Vec<ObjectInfo> = keys
            .iter()
            .map(|key| ObjectInfo {
                key: (*key).to_owned(),
                size: 1,
            })
            .collect();
        objects.sort_by(|one, two| one.key.cmp(&two.key));
        let mut listing = Listing::new(objects);
        assert_eq!(listing.refer_to("c/2020/01/01/a/B04.tif"), Some(1));
        assert_eq!(listing.refer_to("absent"), None);
        listing.refer_to_folder("c/2020/01/01/a");
        let left: Vec<String> = listing.orphans().map(|orphan| orphan.key).collect();
        assert_eq!(left, ["c/2020/01/01/a-b/x", "z"]);
    }

    #[test]
    fn folders_tell_their_item() {
        let key = "c/2020/01/01/a/a.SAFE/x";
        assert_eq!(folder_of(key, "a"), Some("c/2020/01/01/a"));
        assert_eq!(folder_of("c/a", "a"), None);
        assert_eq!(item_of(key), Some(("c", "a")));
        assert_eq!(item_of("c/2020/01/01/a"), None);
        assert_eq!(item_of("c/notes/x/y/z/w"), None);
    }
}
