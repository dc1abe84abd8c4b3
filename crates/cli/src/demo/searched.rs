//! A search in the catalogue of a demo, and the same question in every dialect of the server.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use chrono::{Datelike as _, Days, Months, NaiveDate};
use serde::Serialize;
use swath_access::Viewer;

use super::step::Step;
use crate::command::search::{SearchArgs, run_quietly};
use crate::config::Context;

/// Most items that are found; none of the demo's collections has more in a month.
const FOUND_MAX: &str = "10000";
/// Where `swath serve` listens when nothing else is said.
const SERVER: &str = "http://127.0.0.1:8080";

/// What is asked.
#[derive(Debug, Clone, Serialize)]
pub struct Question {
    /// Collection.
    pub collection: String,
    /// First day of the month.
    pub month: NaiveDate,
    /// West, south, east, north in degrees.
    pub bbox: [f64; 4],
    /// Clouds over less than so many per cent; `None`: whatever the clouds.
    pub cloud_max: Option<u32>,
}

/// A search and how many items it found.
#[derive(Debug, Clone, Serialize)]
pub struct Searched {
    /// Data home that was searched.
    pub home: PathBuf,
    /// What was asked.
    pub question: Question,
    /// Items found.
    pub found: usize,
    /// Items of the collection.
    pub items: u64,
}

impl Question {
    /// Returns the question for a collection within its own bounds, widened to hundredths of a degree;
    /// `month` of `None` is the month in which the collection begins.
    ///
    /// # Errors
    /// Where the collection is not there.
    pub async fn about(
        home: &Context,
        collection: &str,
        month: Option<NaiveDate>,
        cloud_max: Option<u32>,
    ) -> Result<(Self, u64)> {
        let catalog = home.catalog().await?;
        let stored = catalog.collection(&Viewer::operator(), collection).await?;
        let extent = stored
            .json
            .get("extent")
            .context("a collection has an extent")?;
        let edge = |index: usize| {
            let degrees = extent.pointer(&format!("/spatial/bbox/0/{index}"))?;
            let hundredths = degrees.as_f64()? * 100.0;
            let rounded = if index < 2 {
                hundredths.floor()
            } else {
                hundredths.ceil()
            };
            Some(rounded / 100.0)
        };
        let bbox = match [edge(0), edge(1), edge(2), edge(3)] {
            [Some(west), Some(south), Some(east), Some(north)] => [west, south, east, north],
            _ => [-180.0, -90.0, 180.0, 90.0],
        };
        let begin = extent
            .pointer("/temporal/interval/0/0")
            .and_then(|text| swath_stac::parse_datetime(text.as_str()?).ok())
            .and_then(|first| first.date_naive().with_day(1));
        let month = month
            .or(begin)
            .context("a collection with items begins at some time")?;
        let question = Self {
            collection: collection.to_owned(),
            month,
            bbox,
            cloud_max,
        };
        Ok((question, stored.items))
    }

    /// Returns the last day of the month.
    fn last_day(&self) -> NaiveDate {
        let next = self.month.checked_add_months(Months::new(1));
        next.and_then(|next| next.checked_sub_days(Days::new(1)))
            .unwrap_or(self.month)
    }

    fn bbox_text(&self) -> String {
        self.bbox.map(|degrees| format!("{degrees:.2}")).join(",")
    }

    fn filter(&self) -> Option<String> {
        self.cloud_max
            .map(|percent| format!("eo:cloud_cover < {percent}"))
    }

    /// Returns the search as a command.
    fn step(&self, home: &Path) -> Step {
        let days = format!("{}/{}", self.month, self.last_day());
        let step = Step::in_home(home, "search")
            .option("--collection", &self.collection)
            .option("--bbox", self.bbox_text())
            .option("--datetime", days);
        let step = match self.filter() {
            Some(filter) => step.option("--filter", filter),
            None => step,
        };
        step.option("--limit", FOUND_MAX)
    }
}

/// Asks the catalogue, and says how that is done by hand.
///
/// # Errors
/// What the catalogue says.
pub async fn search(
    home: &Context,
    collection: &str,
    month: Option<NaiveDate>,
    cloud_max: Option<u32>,
) -> Result<Searched> {
    let (question, items) = Question::about(home, collection, month, cloud_max).await?;
    let step = question.step(&home.home);
    step.announce("searching");
    let found = run_quietly(home, &step.args::<SearchArgs>()?).await?;
    Ok(Searched {
        home: home.home.clone(),
        question,
        found: found.items.len(),
        items,
    })
}

impl Searched {
    /// Returns what was found, in one line.
    pub fn text(&self) -> String {
        let question = &self.question;
        let clouds = match question.cloud_max {
            Some(percent) => format!(", below {percent} % cloud"),
            None => String::new(),
        };
        format!(
            "found    {} of {} items of {}: {}{clouds}, in {}",
            self.found,
            self.items,
            question.collection,
            question.month.format("%B %Y"),
            question.bbox_text()
        )
    }

    /// Returns how to serve the catalogue, and the same search in each of its dialects.
    pub fn serving_text(&self) -> String {
        let question = &self.question;
        let (collection, bbox) = (&question.collection, question.bbox_text());
        let (first, last) = (question.month, question.last_day());
        // Scripts of the agencies' platforms ask for a mission.
        let mission = match collection.as_str() {
            "sentinel-2-l2a" => "Sentinel2",
            own => own,
        };
        let filter = match question.filter() {
            Some(filter) => format!(" \\\n  --data-urlencode 'filter={filter}'"),
            None => String::new(),
        };
        let clouds = match question.cloud_max {
            Some(percent) => format!(" --data-urlencode 'cloudCover=[0,{percent}['"),
            None => String::new(),
        };
        let lines = [
            format!("To serve it: {}", Step::in_home(&self.home, "serve").line()),
            "The same search as STAC API, resto and OData:".to_owned(),
            format!("curl -sG {SERVER}/stac/search -d collections={collection} \\"),
            format!("  -d bbox={bbox} -d datetime={first}T00:00:00Z/{last}T23:59:59Z{filter}"),
            format!("curl -sG {SERVER}/resto/api/collections/{mission}/search.json \\"),
            format!("  -d box={bbox} -d startDate={first}T00:00:00Z \\"),
            format!("  -d completionDate={last}T23:59:59Z{clouds}"),
            self.odata_text(),
        ];
        lines.join("\n") + "\n"
    }

    fn odata_text(&self) -> String {
        let question = &self.question;
        let mission = match question.collection.as_str() {
            "sentinel-2-l2a" => "SENTINEL-2",
            own => own,
        };
        let [west, south, east, north] = question.bbox.map(|degrees| format!("{degrees:.2}"));
        let (first, last) = (question.month, question.last_day());
        let mut conditions = vec![
            format!(
                "Collection/Name eq '{mission}' and ContentDate/Start ge {first}T00:00:00.000Z"
            ),
            format!("and ContentDate/Start le {last}T23:59:59.999Z"),
            "and OData.CSC.Intersects(area=geography'SRID=4326;POLYGON((".to_owned(),
            format!(
                "{west} {south},{east} {south},{east} {north},{west} {north},{west} {south}))')"
            ),
        ];
        if let Some(percent) = question.cloud_max {
            let kind = "OData.CSC.DoubleAttribute";
            conditions.push(format!(
                "and Attributes/{kind}/any(a:a/Name eq 'cloudCover'"
            ));
            conditions.push(format!("and a/{kind}/Value lt {percent})"));
        }
        // In double quotes a shell joins lines that end in a backslash.
        format!(
            "curl -sG {SERVER}/odata/v1/Products --data-urlencode \\\n  \"\\$filter={}\"",
            conditions.join(" \\\n")
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn searched(collection: &str, cloud_max: Option<u32>) -> Searched {
        Searched {
            home: "home".into(),
            question: Question {
                collection: collection.to_owned(),
                month: NaiveDate::from_ymd_opt(2020, 2, 1).expect("a day"),
                bbox: [9.46, 54.7, 9.61, 54.8],
                cloud_max,
            },
            found: 2,
            items: 9,
        }
    }

    #[test]
    fn a_month_ends_with_its_last_day() {
        let step = searched("data", None).question.step(Path::new("home"));
        assert_eq!(
            step.line(),
            "swath --home home search --collection data --bbox 9.46,54.70,9.61,54.80 \
             --datetime 2020-02-01/2020-02-29 --limit 10000"
        );
    }

    #[test]
    fn every_dialect_is_asked_the_same() {
        let text = searched("sentinel-2-l2a", Some(30)).serving_text();
        let longest = text.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(100), "{text}");
        for part in [
            "swath --home home serve\n",
            "/stac/search -d collections=sentinel-2-l2a ",
            "-d bbox=9.46,54.70,9.61,54.80 -d datetime=2020-02-01T00:00:00Z/2020-02-29T23:59:59Z",
            "'filter=eo:cloud_cover < 30'",
            "/resto/api/collections/Sentinel2/search.json",
            "'cloudCover=[0,30['",
            "Collection/Name eq 'SENTINEL-2'",
            "Value lt 30)\"",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        let text = searched("data", None).serving_text();
        assert!(!text.contains("cloud"), "{text}");
    }
}
