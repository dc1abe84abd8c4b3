//! OpenSearch in Atom: Mundi and its relatives, the Data Hub System, our own feed.

use roxmltree::Node;
use serde_json::{Map, Value, json};
use swath_stac::dialect::checksum::multihash;

use super::entry::{Entry, byte_count, eodata_object, instant, interval, is_href};
use super::outline::{self, Outline};
use super::{Answer, Dialect, Refusal, dhus, refusal};
use crate::ArchiveError;
use crate::xml::{self, NodeExt};

/// Largest feed, in bytes.
const FEED_BYTES_MAX: usize = 64 << 20;
/// Elements with a place of their own in the item, by local names, and those that repeat others.
const PLACED: &[&str] = &[
    "title",
    "id",
    "identifier",
    "published",
    "summary",
    "link",
    "group",
    "polygon",
    "box",
    "where",
    "validTime",
    "date",
    "sensingStartDate",
    "sensingStopDate",
    "category",
    "content",
];

/// Returns what a feed says of products.
///
/// # Errors
/// Where it is no Atom feed, has a DTD, or is beyond the limits.
pub fn read_feed(bytes: Vec<u8>, place: &str) -> Result<Answer, ArchiveError> {
    if bytes.len() > FEED_BYTES_MAX {
        return Err(ArchiveError::Limit {
            place: place.to_owned(),
            what: "the feed".to_owned(),
            limit: format!("FEED_BYTES_MAX of {FEED_BYTES_MAX}"),
        });
    }
    let content = xml::decode(bytes, place)?;
    let document = xml::parse(&content, place)?;
    let root = document.root_element();
    if root.tag_name().name() != "feed" {
        let reason = format!(
            "its root element is \"{}\"; of XML only feeds (Atom) hold items",
            root.tag_name().name()
        );
        return Err(ArchiveError::product(place, reason));
    }
    let mut answer = Answer::default();
    let entries = children(root).filter(|node| node.tag_name().name() == "entry");
    for (index, entry) in entries.enumerate() {
        answer.push(index, read(entry).and_then(Entry::into_item));
    }
    Ok(answer)
}

fn children<'a, 'input>(node: Node<'a, 'input>) -> impl Iterator<Item = Node<'a, 'input>> {
    node.children().filter(Node::is_element)
}

/// Returns the text of the first child with a local name.
fn child_text<'a>(node: Node<'a, '_>, name: &str) -> Option<&'a str> {
    children(node)
        .find(|child| child.tag_name().name() == name)
        .and_then(xml::text)
}

fn read(entry: Node) -> Result<Entry, Refusal> {
    let is_group = |node: &Node| {
        dhus::GROUPS.contains(&node.tag_name().name()) && node.attribute("name").is_some()
    };
    if children(entry).any(|node| is_group(&node)) {
        return dhus::read_entry(&hub_entry(entry));
    }
    let value = |name: &str| child_text(entry, name).map_or(Value::Null, Value::from);
    let id = child_text(entry, "id").unwrap_or_default();
    let name = child_text(entry, "title")
        .or(child_text(entry, "identifier"))
        .ok_or_else(|| refusal(id, "it has neither \"title\" nor \"identifier\""))?;
    let mut read = Entry::new(Dialect::Atom, name)?;
    let (start, end) = interval(&value("date"));
    read.start = instant(&value("sensingStartDate")).or(start);
    read.end = instant(&value("sensingStopDate")).or(end);
    read.published = instant(&value("published"));
    read.updated = instant(&value("updated"));
    read.set_outline(outline_of(entry))?;
    set_places(&mut read, entry);
    set_properties(&mut read, entry);
    if read.name() != id {
        read.properties.keep("id", &value("id"));
    }
    Ok(read)
}

fn outline_of(entry: Node) -> Result<Option<Outline>, String> {
    let texts =
        |name: &'static str| -> Vec<&str> { entry.find_all(name).filter_map(xml::text).collect() };
    let polygons = texts("polygon");
    if !polygons.is_empty() {
        return outline::of_georss(&polygons);
    }
    match texts("box").first() {
        Some(text) => outline::of_georss_box(text),
        None => Ok(None),
    }
}

/// Sets where it is fetched and shown.
fn set_places(read: &mut Entry, entry: Node) {
    for link in entry.find_all("link") {
        let href = link.attribute("href").filter(|href| is_href(href));
        let owned = href.map(str::to_owned);
        match link.attribute("rel") {
            Some("enclosure") => {
                read.download.href = owned;
                read.download.media_type = link.attribute("type").map(str::to_owned);
                read.download.size = link
                    .attribute("length")
                    .and_then(|length| byte_count(&json!(length)));
            }
            Some("icon") => read.add_picture("thumbnail", "thumbnail", href),
            // Mundi has the record of a product as a search for its name.
            Some("alternate" | "via" | "self" | "search") if read.via.is_none() => read.via = owned,
            _ => {}
        }
    }
    for content in entry.find_all("content") {
        let category = content.find("category").and_then(xml::text);
        let url = content.attribute("url");
        match category {
            Some("THUMBNAIL") => read.add_picture("thumbnail", "thumbnail", url),
            Some("QUICKLOOK") => read.add_picture("quicklook", "overview", url),
            _ => {}
        }
    }
    let size = child_text(entry, "productDatapackSize");
    let size = size.and_then(|size| byte_count(&json!(size)));
    read.download.size = read.download.size.or(size);
    // 32 hexadecimal digits without a name are MD5.
    let checksum = child_text(entry, "checksum");
    read.download.checksum = checksum.and_then(|digest| multihash("MD5", digest));
    let path = child_text(entry, "productIdentifier");
    read.download.object = path.and_then(eodata_object);
}

fn set_properties(read: &mut Entry, entry: Node) {
    // Where Mundi has both, its `orbitNumber` is the relative one.
    let has_start_orbit = child_text(entry, "startOrbitNumber").is_some();
    for node in children(entry) {
        let name = node.tag_name().name();
        let Some(content) = xml::text(node) else {
            continue;
        };
        // `PROVIDER:02.09`
        let bare = content.rsplit(':').next().unwrap_or(content);
        match name {
            "orbitNumber" if has_start_orbit => {
                read.properties.take("relativeOrbitNumber", &json!(content));
            }
            "startOrbitNumber" => read.properties.take("orbitNumber", &json!(content)),
            "processingBaseline" => read.properties.take(name, &json!(bare)),
            // These two are fields of the asset.
            "productDatapackSize" if read.download.size.is_some() => {}
            "checksum" if read.download.checksum.is_some() => {}
            "updated" => {}
            _ if PLACED.contains(&name) => {}
            _ => read.properties.take(name, &json!(content)),
        }
    }
}

/// Returns an entry of the Data Hub System in the form that its JSON has.
fn hub_entry(entry: Node) -> Value {
    let mut found = Map::new();
    let mut groups: Vec<(&str, Value)> = Vec::new();
    let mut links = Vec::new();
    for node in children(entry) {
        let name = node.tag_name().name();
        match (name, node.attribute("name")) {
            ("link", _) => {
                links.push(json!({"rel": node.attribute("rel"), "href": node.attribute("href")}));
            }
            (group, Some(name)) => {
                groups.push((group, json!({"name": name, "content": xml::text(node)})));
            }
            (name, None) => {
                found.insert(name.to_owned(), json!(xml::text(node)));
            }
        }
    }
    for group in dhus::GROUPS {
        let own = groups.iter().filter(|(known, _)| *known == group);
        let own: Vec<Value> = own.map(|(_, value)| value.clone()).collect();
        found.insert(group.to_owned(), Value::Array(own));
    }
    found.insert("link".to_owned(), Value::Array(links));
    Value::Object(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn items(feed: &str) -> Answer {
        read_feed(feed.as_bytes().to_vec(), "feed.xml").expect("a feed")
    }

    #[test]
    fn a_hub_s_atom_reads_as_its_json() {
        let answer = items(
            "<feed xmlns=\"http://www.w3.org/2005/Atom\"><entry><title>S1A_IW_SLC__1SDV_20151219T093202_20151219T093237_009109_00D17D_9829</title>\
            <link href=\"https://h/Products('1')/$value\"/><link rel=\"alternative\" href=\"https://h/Products('1')/\"/><id>1</id>\
            <date name=\"beginposition\">2015-12-19T09:32:02.329Z</date><date name=\"endposition\">2015-12-19T09:32:37.662Z</date>\
            <int name=\"orbitnumber\">9109</int><str name=\"footprint\">POLYGON ((3 51, 4 51, 4 52, 3 51))</str></entry></feed>",
        );
        assert_eq!(answer.refused, []);
        let item = &answer.items[0];
        assert_eq!(item["properties"]["sat:absolute_orbit"], 9109);
        assert_eq!(item["properties"]["sar:polarizations"], json!(["VV", "VH"]));
        assert_eq!(item["bbox"], json!([3.0, 51.0, 4.0, 52.0]));
        assert_eq!(
            item["assets"]["product"]["href"],
            "https://h/Products('1')/$value"
        );
        assert_eq!(item["links"][0]["href"], "https://h/Products('1')/");
    }

    #[test]
    fn other_xml_and_entities_are_refused() {
        let error = read_feed(b"<rss/>".to_vec(), "rss.xml").expect_err("no feed");
        assert!(error.to_string().contains("\"rss\""), "{error}");
        let bomb = b"<!DOCTYPE x [<!ENTITY a \"b\">]><feed>&a;</feed>".to_vec();
        assert!(read_feed(bomb, "bomb.xml").is_err());
        let answer = items("<feed><entry><id>7</id></entry><entry/></feed>");
        let names: Vec<&str> = answer.refused.iter().map(|one| one.name.as_str()).collect();
        assert_eq!(names, ["7", "entry 2"]);
    }
}
