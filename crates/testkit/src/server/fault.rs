//! Faults, and the rules that say which requests they hit.

use std::time::Duration;

use serde::Deserialize;

/// What goes wrong with a request.
///
/// Byte positions count the bytes of the response body. Where an answer has no body (`HEAD`, `PUT`)
/// a fault that cuts the body cuts the answer itself: nothing comes back.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Waits this long before the request is carried out (`latency_ms` in JSON).
    #[serde(rename = "latency_ms", deserialize_with = "milliseconds")]
    Latency(Duration),
    /// Answers with this status; the request is not carried out. S3 servers add an XML error body.
    Status(u16),
    /// Announces the whole body, sends the first `bytes` of it and closes the connection (FIN).
    ShortBody {
        /// Bytes sent before the end.
        bytes: u64,
    },
    /// Announces the whole body and resets the connection (RST) after `byte` bytes of it.
    ///
    /// The client's kernel may throw away bytes that were sent before the reset.
    ResetAt {
        /// Bytes sent before the reset.
        byte: u64,
    },
    /// Carries the request out, then resets the connection without an answer.
    LoseResponse,
    /// Gives an ETag that belongs to no object.
    WrongEtag,
    /// Sends the head of the answer, then nothing, until the client gives up.
    Stall,
    /// Moves both ends of a `Content-Range` up by one; the body stays as asked.
    WrongContentRange,
    /// Serves the whole body with status 200 although a range was asked.
    IgnoreRange,
    /// Sends the body at this pace.
    SlowBody {
        /// Pace, at least 1.
        bytes_per_second: u64,
    },
}

fn milliseconds<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    u64::deserialize(deserializer).map(Duration::from_millis)
}

/// A fault with the requests that it hits; without conditions it hits all of them.
///
/// Conditions add up: a request must match the path, the method and the range condition; among
/// those that do, counted from 1 in order of arrival, the remaining conditions choose.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    fault: Fault,
    path: Option<String>,
    method: Option<String>,
    #[serde(default)]
    ranged: bool,
    nth: Option<u64>,
    #[serde(default)]
    after: u64,
    every: Option<u64>,
    times: Option<u64>,
    probability: Option<f64>,
    #[serde(default)]
    seed: u64,
    #[serde(skip)]
    seen: u64,
    #[serde(skip)]
    fired: u64,
}

impl Rule {
    /// Returns a rule that hits every request with `fault`.
    pub fn new(fault: Fault) -> Self {
        Self {
            fault,
            path: None,
            method: None,
            ranged: false,
            nth: None,
            after: 0,
            every: None,
            times: None,
            probability: None,
            seed: 0,
            seen: 0,
            fired: 0,
        }
    }

    /// Hits only paths that end in `suffix` (percent-decoded, without query).
    pub fn path(mut self, suffix: &str) -> Self {
        self.path = Some(suffix.to_owned());
        self
    }

    /// Hits only this method (`GET`, `PUT`, …).
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_ascii_uppercase());
        self
    }

    /// Hits only requests with a `Range` header.
    pub fn ranged(mut self) -> Self {
        self.ranged = true;
        self
    }

    /// Hits only the `nth` matching request, counted from 1.
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Spares the first `count` matching requests.
    pub fn after(mut self, count: u64) -> Self {
        self.after = count;
        self
    }

    /// Hits each `step`-th matching request: `step`, 2 `step`, …
    pub fn every(mut self, step: u64) -> Self {
        self.every = Some(step.max(1));
        self
    }

    /// Hits at most `count` requests.
    pub fn times(mut self, count: u64) -> Self {
        self.times = Some(count);
        self
    }

    /// Hits a share of the matching requests; the same `seed` chooses the same numbers.
    pub fn probability(mut self, share: f64, seed: u64) -> Self {
        self.probability = Some(share);
        self.seed = seed;
        self
    }

    fn hits(&mut self, method: &str, path: &str, is_ranged: bool) -> bool {
        let matches = self
            .path
            .as_deref()
            .is_none_or(|suffix| path.ends_with(suffix))
            && self.method.as_deref().is_none_or(|wanted| wanted == method)
            && (!self.ranged || is_ranged);
        if !matches {
            return false;
        }
        self.seen += 1;
        let chosen = self.seen > self.after
            && self.nth.is_none_or(|nth| nth == self.seen)
            && self
                .every
                .is_none_or(|step| self.seen.is_multiple_of(step.max(1)))
            && self.times.is_none_or(|times| self.fired < times)
            && self
                .probability
                .is_none_or(|share| unit_hash(self.seed, self.seen) < share);
        self.fired += u64::from(chosen);
        chosen
    }
}

/// The faults of one request, in the order of their rules.
#[derive(Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    pub(crate) fn push(&mut self, rule: Rule) {
        self.0.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }

    pub(crate) fn faults(&mut self, method: &str, path: &str, is_ranged: bool) -> Vec<Fault> {
        let hit = self.0.iter_mut().filter_map(|rule| {
            rule.hits(method, path, is_ranged)
                .then(|| rule.fault.clone())
        });
        hit.collect()
    }
}

/// Returns a number in 0..1 that depends on its arguments only (SplitMix64).
fn unit_hash(seed: u64, index: u64) -> f64 {
    let mut state = seed.wrapping_add(index.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    state = (state ^ (state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    state = (state ^ (state >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    ((state ^ (state >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(mut rule: Rule, requests: u64) -> Vec<u64> {
        (1..=requests)
            .filter(|_| rule.hits("GET", "/a/x.tif", false))
            .collect()
    }

    #[test]
    fn conditions_choose_requests_by_number() {
        let fault = Fault::Status(503);
        assert_eq!(hits(Rule::new(fault.clone()), 3), [1, 2, 3]);
        assert_eq!(hits(Rule::new(fault.clone()).times(2), 5), [1, 2]);
        assert_eq!(hits(Rule::new(fault.clone()).nth(3), 5), [3]);
        assert_eq!(hits(Rule::new(fault.clone()).every(2), 5), [2, 4]);
        assert_eq!(hits(Rule::new(fault.clone()).after(3).times(1), 5), [4]);
        assert!(hits(Rule::new(fault.clone()).path("y.tif"), 5).is_empty());
        assert!(hits(Rule::new(fault.clone()).ranged(), 5).is_empty());
        assert!(hits(Rule::new(fault).method("put"), 5).is_empty());
    }

    #[test]
    fn probability_follows_its_seed() {
        let rule = Rule::new(Fault::Stall).probability(0.25, 7);
        let chosen = hits(rule.clone(), 4000);
        assert_eq!(chosen, hits(rule, 4000));
        assert!((800..1200).contains(&chosen.len()), "{}", chosen.len());
    }

    #[test]
    fn rules_are_read_from_json() {
        let text = r#"{"fault": {"short_body": {"bytes": 5}}, "path": "x.tif", "times": 1}"#;
        let rule: Rule = serde_json::from_str(text).expect("a rule");
        assert_eq!(
            rule,
            Rule::new(Fault::ShortBody { bytes: 5 })
                .path("x.tif")
                .times(1)
        );
        let rule: Rule = serde_json::from_str(r#"{"fault": {"latency_ms": 20}}"#).expect("a rule");
        assert_eq!(rule, Rule::new(Fault::Latency(Duration::from_millis(20))));
        let rule: Rule = serde_json::from_str(r#"{"fault": "wrong_etag"}"#).expect("a rule");
        assert_eq!(rule, Rule::new(Fault::WrongEtag));
    }
}
