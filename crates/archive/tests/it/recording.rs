//! Bodies of recorded HTTP interactions (the YAML of vcr.py): as texts in single quotes, or as base64
//! of gzip.

use std::io::Read;

/// Returns the bodies of the answers of a recording, in order.
pub fn bodies(yaml: &str) -> Vec<Vec<u8>> {
    let mut lines = yaml.lines().peekable();
    let mut found = Vec::new();
    while let Some(line) = lines.next() {
        let Some(rest) = line.trim_start().strip_prefix("string: ") else {
            continue;
        };
        let indent = line.len() - line.trim_start().len();
        if rest.starts_with("!!binary") {
            let mut text = String::new();
            let is_inside = |line: &&str| line.len() - line.trim_start().len() > indent;
            while let Some(line) = lines.next_if(is_inside) {
                text.push_str(line.trim());
            }
            found.push(unpacked(&base64(&text)));
        } else if let Some(first) = rest.strip_prefix('\'') {
            let mut text = first.to_owned();
            let mut is_open = !ends(first);
            while is_open {
                let line = lines.next().expect("a text ends with its quote").trim();
                // A line break stands for one space.
                text.push(' ');
                text.push_str(line);
                is_open = !ends(line);
            }
            let text = text.trim_end().trim_end_matches('\'').replace("''", "'");
            found.push(text.into_bytes());
        }
    }
    found
}

/// True where a quote stands alone: two of them are one of the text.
fn ends(line: &str) -> bool {
    line.replace("''", "").contains('\'')
}

fn unpacked(bytes: &[u8]) -> Vec<u8> {
    if !bytes.starts_with(&[0x1f, 0x8b]) {
        return bytes.to_vec();
    }
    let mut plain = Vec::new();
    flate2::read::GzDecoder::new(bytes)
        .read_to_end(&mut plain)
        .expect("gzip");
    plain
}

fn base64(text: &str) -> Vec<u8> {
    const DIGITS: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bytes = Vec::new();
    let (mut held, mut bits) = (0_u32, 0);
    for digit in text.chars().filter_map(|digit| DIGITS.find(digit)) {
        held = (held << 6) | digit as u32;
        bits += 6;
        if bits >= 8 {
            bits -= 8;
            bytes.push((held >> bits) as u8);
            held &= (1 << bits) - 1;
        }
    }
    bytes
}

#[test]
fn bodies_are_taken_out() {
    let yaml = "interactions:\n- request:\n    body: null\n  response:\n    body:\n      string: '{\"a\": \"it''s\n        so\"}'\n    headers: {}\n- response:\n    body:\n      string: !!binary |\n        eyJi\n        Ijoy\n        fQ==\n    headers: {}\n";
    let bodies = bodies(yaml);
    assert_eq!(
        bodies,
        [b"{\"a\": \"it's so\"}".to_vec(), b"{\"b\":2}".to_vec()]
    );
}
